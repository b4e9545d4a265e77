//! What README.md and docs/ say, held against the program: transcripts, policies, flags, keys, links.
#![cfg(feature = "webhook")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use secretfence::cli::serve::ServeArguments;
use secretfence::cluster::{Needs, Resource};
use secretfence::fence::policy::PolicyTest;
use secretfence::fence::{Kind, KindSet};
use secretfence::policy_dir;
use serde_json::Value;

/// A fenced block of a page.
struct Block {
    page: PathBuf,
    language: String,
    text: String,
}

#[test]
fn transcripts_are_what_the_program_prints() {
    let mut commands = 0;
    for Block { page, text, .. } in blocks("console") {
        let mut shown = text.split("$ secretfence ");
        assert_eq!(shown.next(), Some(""), "{}: a transcript begins with its command", page.display());
        for transcript in shown {
            let (command, expected) = transcript.split_once('\n').unwrap();
            let output = secretfence(&command.split_whitespace().collect::<Vec<_>>());
            assert_eq!(output, expected, "{}: secretfence {command}", page.display());
            commands += 1;
        }
    }
    assert!(commands > 0);
}

/// The demo and the audit of a cluster have tests of their own, and those snapshots: a page shows a part of them.
#[test]
fn the_demo_and_an_audit_say_what_the_pages_show() {
    let folders = ["tests/snapshots", "tests/audit/snapshots"];
    let snapshots: Vec<PathBuf> = folders.iter().flat_map(|folder| files(&root().join(folder), "snap")).collect();
    let told: Vec<String> = snapshots.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let blocks = blocks("text");
    assert!(!blocks.is_empty());
    for Block { page, text, .. } in blocks {
        assert!(told.iter().any(|told| told.contains(&text)), "{}: no snapshot has\n{text}", page.display());
    }
}

#[test]
fn every_policy_compiles() {
    let mut policies = 0;
    for Block { page, text, .. } in blocks("yaml") {
        if text.contains("apiVersion: secretfence.dev/") {
            let loaded = policy_dir::compile(&[(page, text.into_bytes())]).unwrap_or_else(|error| panic!("{error}"));
            policies += loaded.policies;
        }
    }
    assert!(policies >= 3, "{policies}");
}

#[test]
fn every_policy_test_can_be_read() {
    let mut tests = 0;
    for Block { page, text, .. } in blocks("yaml").into_iter().filter(|block| block.text.contains("kind: PolicyTest")) {
        for document in secretfence::manifest::parse(text.as_bytes()).documents {
            let value: Value = serde_json::from_slice(&document.with_words().json().unwrap()).unwrap();
            PolicyTest::read(&value, 0).unwrap_or_else(|errors| panic!("{}: {errors:?}", page.display()));
            tests += 1;
        }
    }
    assert!(tests > 0);
}

#[test]
fn every_flag_of_serve_is_in_the_table_with_its_variable_and_default() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let command = ServeArguments::augment_args(clap::Command::new("serve"));
    let flags: Vec<_> = command.get_arguments().collect();
    for flag in &flags {
        let (long, variable) = (flag.get_long().unwrap(), flag.get_env().unwrap().to_str().unwrap());
        let row = readme.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{variable}`")));
        let row = row.unwrap_or_else(|| panic!("README.md has no row for --{long}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let named = cells[1].trim_matches('`').split_whitespace().any(|word| word == format!("--{long}"));
        assert!(named, "--{long}: {row}");
        let default = flag.get_default_values().iter().map(|value| format!("`{}`", value.to_str().unwrap())).next();
        // What stands there without one is words.
        assert!(default.as_deref() == Some(cells[3]) || (default.is_none() && !cells[3].contains('`')), "{row}");
    }
    let rows = readme.lines().filter(|line| line.starts_with('|') && line.contains("`SECRETFENCE_")).count();
    assert_eq!(flags.len(), rows, "flags of serve, and rows of the table");
}

#[test]
fn every_kind_is_in_the_table_with_its_swap_and_what_it_needs() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, table) =
        readme.split_once("| kind | what is caught | from where | swap | needs of the cluster |\n").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(named, Kind::ALL.map(Kind::name));
    for (kind, row) in Kind::ALL.into_iter().zip(&rows) {
        let [_, what, from, swap, needs] = row[..] else { panic!("{row:?}") };
        assert!(!what.is_empty(), "{kind}");
        let (container, pod) = places(kind);
        assert_eq!((from.contains("every container"), from.contains("the pod")), (container, pod), "{kind}: {from}");
        assert_eq!(swap != "no", kind.has_swap(), "{kind}");
        let alone = resources(kind, "");
        assert_eq!(needs.starts_with("nothing"), alone.is_empty(), "{kind}: {alone:?}");
        let at_most = if kind == Kind::SharedSecret { resources(kind, ", where: {from: ['*']}") } else { alone };
        let all = Resource::ALL.map(Resource::name);
        let told: BTreeSet<&str> = needs.split('`').filter(|word| all.contains(word)).collect();
        assert_eq!(told, at_most, "{kind}");
    }
}

#[test]
fn every_way_across_namespaces_is_in_the_table_of_its_page() {
    let page = std::fs::read_to_string(root().join("docs/across-namespaces.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    for kind in KindSet::CROSS_NAMESPACE.iter() {
        let of_kind = rows.iter().filter(|row| row.split('|').nth(2).unwrap().contains(&format!("`{kind}`")));
        assert!(of_kind.count() > 0, "docs/across-namespaces.md does not say what {kind} closes");
    }
}

/// Whether it is found in containers, and in what is the pod's own. A new kind does not compile until that is said.
fn places(kind: Kind) -> (bool, bool) {
    match kind {
        Kind::SecretKeyRef | Kind::EnvFrom | Kind::FileKeyRef | Kind::ExternalEnv => (true, false),
        Kind::Volume | Kind::Csi | Kind::LegacyVolume | Kind::ImagePull => (false, true),
        Kind::Injected | Kind::SharedSecret | Kind::Reach => (false, true),
        Kind::UnknownSource | Kind::NodeAccess | Kind::StorePath | Kind::Copied | Kind::Literal => (true, true),
        Kind::RawSecret => (false, false),
    }
}

/// What `serve` watches for a rule on this kind.
fn resources(kind: Kind, selects: &str) -> BTreeSet<&'static str> {
    let policy = format!(
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: test}}\n\
         spec: {{rules: [{{name: test, on: [{kind}], action: deny{selects}}}]}}\n"
    );
    let loaded = policy_dir::compile(&[(PathBuf::from("test.yaml"), policy.into_bytes())]);
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    Needs::of(&loaded.set).resources().into_iter().map(Resource::name).collect()
}

#[test]
fn every_key_of_the_json_is_described() {
    let page = std::fs::read_to_string(root().join("docs/check.md")).unwrap();
    let policy = "policies/examples/exception.yaml";
    let report =
        secretfence(&["check", "--format", "json", "-p", policy, "examples/workloads", "examples/absent.yaml"]);
    let report: Value = serde_json::from_str(&report[..report.rfind('}').unwrap() + 1]).unwrap();
    for list in ["findings", "exceptions", "errors"] {
        assert!(!report[list].as_array().unwrap().is_empty(), "{list}");
    }
    let mut keys = BTreeSet::new();
    collect_keys(&report, &mut keys);
    let missing: Vec<_> = keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/check.md does not describe {missing:?}");
}

#[test]
fn every_link_leads_to_a_file() {
    for page in pages().into_iter().chain([root().join("examples/README.md")]) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            let local = !target.is_empty() && !target.contains("://");
            assert!(!local || page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files(root(), "md");
    pages.extend(files(&root().join("docs"), "md"));
    pages
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|its| its == extension)).collect()
}

fn blocks(language: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        // Outside, inside, outside: every second part is a block.
        for block in text.split("```").skip(1).step_by(2) {
            let (first, text) = block.split_once('\n').unwrap();
            blocks.push(Block { page: page.clone(), language: first.to_owned(), text: text.to_owned() });
        }
    }
    blocks.retain(|block| block.language == language);
    blocks
}

/// Both streams, as a terminal would show them one after the other.
fn secretfence(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SECRETFENCE_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).current_dir(root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            keys.extend(fields.keys().cloned());
            fields.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}
