//! Over all forms: no value of the input, nothing that acts on a terminal, and whatever is said of JSON and XML holds.

use std::path::PathBuf;

use proptest::prelude::*;
use secretfence::cli::check::baseline::Baseline;
use secretfence::cli::check::{Format, Settings, check, write_for_machines};
use secretfence::policy_dir;
use serde_json::{Value, json};

use crate::{junit, sarif_schema};

/// In every value, and in no name.
const VALUE: &str = "hunter2";

const POLICIES: &str = "
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: enforced}
spec:
  rules:
    - {name: swap, on: [secretKeyRef], where: {variables: ['*A*']}, action: mount, mount: {unsafe: warn}}
    - {name: deny, on: [env, injected, externalEnv], action: deny, message: \"use 100% files: [see](https://wiki.test), {0}\"}
    - {name: warn, on: [any], action: warn}
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: dry}
spec: {mode: dryRun, rules: [{name: all, on: [any], action: deny}]}
";

const FORMATS: [Format; 5] = [Format::Text, Format::Json, Format::Sarif, Format::Junit, Format::Github];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_form_holds_a_value_or_acts_on_a_terminal(
        pod in pod(),
        broken in any::<bool>(),
        all in any::<bool>(),
        baseline in any::<bool>(),
        file in file_name(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = pod.to_string();
        if broken {
            text.push_str("\n---\na: [");
            text.push_str(VALUE);
        }
        let path = folder.path().join(&file);
        std::fs::write(&path, text).unwrap();
        let policies = policy_dir::compile(&[(PathBuf::from("policies.yaml"), POLICIES.into())]).unwrap().set;
        let settings = Settings {
            policies,
            paths: vec![path],
            namespace: "default".to_owned(),
            today: "2027-01-01".parse().unwrap(),
            all,
            excerpts: true,
            cluster: None,
        };
        let mut report = check(&settings);
        prop_assert!(!report.findings.is_empty() || broken);
        if baseline {
            let known = folder.path().join("known");
            std::fs::write(&known, written(&report, Format::Json)).unwrap();
            Baseline::read(&known).unwrap().apply(&mut report, &settings.paths);
            prop_assert!(!report.denies());
        }
        for format in FORMATS {
            let text = written(&report, format);
            prop_assert!(!text.contains(VALUE), "{format:?}\n{text}");
            let text_of_ours = COLOURS.iter().fold(text.clone(), |text, code| text.replace(code, ""));
            let acts = |character: char| (character.is_control() && character != '\n')
                || "\u{202e}\u{200b}\u{2028}\u{feff}".contains(character);
            prop_assert!(!text_of_ours.contains(acts), "{format:?}\n{text_of_ours:?}");
            match format {
                Format::Text => {}
                Format::Json => drop(serde_json::from_str::<Value>(&text).unwrap()),
                Format::Sarif => sarif_schema::assert_valid(&serde_json::from_str(&text).unwrap()),
                Format::Junit => junit::assert_valid(&text),
                Format::Github => assert_commands(&text),
            }
        }
    }
}

/// The codes that text has for colour: the stream takes them out.
const COLOURS: [&str; 7] =
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[1;34m", "\u{1b}[1;36m"];

fn written(report: &secretfence::report::Report, format: Format) -> String {
    let mut out = Vec::new();
    write_for_machines(report, format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// As the runner reads them: every line in front of the group is a command of ours, whose properties are those that we
/// mean; none in it is one.
fn assert_commands(text: &str) {
    let (annotations, group) = text.split_once("::group::").unwrap();
    for line in annotations.lines() {
        let (head, _) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).unwrap();
        let (command, properties) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&command), "{line}");
        for property in properties.split(',') {
            let (name, value) = property.split_once('=').unwrap();
            assert!(["file", "line", "col", "endLine", "endColumn", "title"].contains(&name), "{line}");
            assert!(!value.contains(':'), "{line}");
        }
    }
    let group = group.strip_suffix("::endgroup::\n").unwrap();
    assert!(group.lines().all(|line| !line.starts_with("::") && !line.contains("##[")), "{group}");
}

/// Words that would like to be something else.
fn name() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "\n::error::x",
        "##[error]x",
        "]]>",
        "<a b=\"c\">",
        "&amp;",
        "%0A",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{200b}",
        "\u{0}",
        "\u{ffff}",
        "\u{2028}",
        "](https://evil.test)",
        "{0}",
        "A",
        "\\",
        "'",
        "\"",
        "|",
        "`",
        "\u{feff}",
        "\r\n",
        "\u{9b}",
    ]);
    prop::collection::vec(prop_oneof![hostile.prop_map(str::to_owned), "[a-z-]{1,6}", ".{0,3}"], 1..4)
        .prop_map(|parts| parts.concat().replace(VALUE, ""))
}

/// What a file can be called.
fn file_name() -> impl Strategy<Value = String> {
    name().prop_map(|name| {
        let name: String = name.chars().filter(|character| !"/\0".contains(*character)).take(40).collect();
        format!("f{name}.yaml")
    })
}

fn value() -> impl Strategy<Value = String> {
    name().prop_map(|name| format!("{name}{VALUE}{name}"))
}

fn variable() -> impl Strategy<Value = Value> {
    let from_secret = (name(), name(), name(), value()).prop_map(|(name, secret, key, value)| {
        json!({"name": name, "value": value, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
    });
    let in_clear = (name(), value()).prop_map(|(name, value)| json!({"name": name, "value": value}));
    let external = (name(), value()).prop_map(|(name, value)| json!({"name": name, "value": format!("vault:{value}")}));
    let unknown = name().prop_map(|name| json!({"name": name, "valueFrom": {"newRef": {"a": VALUE}}}));
    prop_oneof![3 => from_secret, 2 => in_clear, 1 => external, 1 => unknown]
}

fn pod() -> impl Strategy<Value = Value> {
    let container =
        (name(), prop::collection::vec(variable(), 0..4), name(), value()).prop_map(|(name, env, secret, value)| {
            json!({
                "name": name, "image": "postgres:17", "env": env, "args": [value],
                "envFrom": [{"prefix": name, "secretRef": {"name": secret}}],
            })
        });
    (name(), name(), value(), prop::collection::vec(container, 1..3), name()).prop_map(
        |(name, namespace, value, containers, secret)| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "annotations": {"note": value}},
                "spec": {"containers": containers, "volumes": [{"name": name, "secret": {"secretName": secret}}]},
            })
        },
    )
}
