//! Every format in every place of a pod, in every list of containers.

use std::collections::BTreeSet;

use secretfence::fence::rules::credential;
use secretfence::fence::{Evaluation, Finding, Kind, Outcome, PolicySet, Question, evaluate};
use serde_json::{Value, json};

use crate::formats::{Dice, ROWS, Row};
use crate::support::{VALIDATE, facts, pod, policies as compile, policy, rules, send, update, validate, with};

/// A pod that holds a value in one place, and where that is.
pub fn places(variable: Option<&str>, value: &str) -> Vec<(Value, String)> {
    let name = variable.unwrap_or("SETTING");
    // A name that a format goes by stands beside the value in a command.
    let word = variable.map_or_else(|| value.to_owned(), |variable| format!("{variable}={value}"));
    let mut places = Vec::new();
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let at = format!("/spec/{list}/0");
        let container = json!([{"name": "it", "image": "registry.example.com/it:1"}]);
        let base = with(pod(), &format!("/spec/{list}"), container);
        let mut place = |below: &str, value: Value, pointer: &str| {
            places.push((with(base.clone(), &format!("{at}{below}"), value), format!("{at}{pointer}")));
        };
        place("/env", json!([{"name": "A", "value": "b"}, {"name": name, "value": value}]), "/env/1");
        place("/command", json!(["run", word]), "/command/1");
        place("/args", json!(["sh", "-c", format!("exec run {word}")]), "/args/2");
        for probe in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"] {
            let command = json!({"exec": {"command": ["run", word]}});
            place(&format!("/{probe}"), command, &format!("/{probe}/exec/command/1"));
            let headers = json!({"httpGet": {"port": 80, "httpHeaders": [{"name": "A", "value": "b"}, {"name": name, "value": value}]}});
            place(&format!("/{probe}"), headers, &format!("/{probe}/httpGet/httpHeaders/1"));
        }
        let from_annotation =
            json!([{"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['example.com/x']"}}}]);
        let annotated = with(base.clone(), "/metadata/annotations", json!({"example.com/x": value, "other": "b"}));
        places.push((with(annotated, &format!("{at}/env"), from_annotation), format!("{at}/env/0")));
    }
    let csi = json!([{"name": "v", "csi": {"driver": "csi.example.com", "volumeAttributes": {"a": "b", name: value}}}]);
    places.push((with(pod(), "/spec/volumes", csi), format!("/spec/volumes/0/csi/volumeAttributes/{name}")));
    let flex = json!([{"name": "v", "flexVolume": {"driver": "example.com/flex", "options": {"a": "b", name: value}}}]);
    places.push((with(pod(), "/spec/volumes", flex), format!("/spec/volumes/0/flexVolume/options/{name}")));
    places
}

#[test]
fn no_place_is_left_out() {
    // In each list of containers: a variable, command, arguments, command and header of three probes and two hooks, a
    // variable from an annotation. Of the pod: the attributes and the options of a volume.
    assert_eq!(places(None, "x").len(), 3 * (3 + 5 * 2 + 1) + 2);
    let pointers: BTreeSet<String> = places(None, "x").into_iter().map(|(_, pointer)| pointer).collect();
    // A variable from an annotation stands where one with a value could.
    assert_eq!(pointers.len(), 3 * (3 + 5 * 2 + 1) + 2);
}

pub fn denies() -> PolicySet {
    rules(&["{name: clear, on: [clear], action: deny}"])
}

pub fn findings(object: &Value, policies: &PolicySet) -> Vec<Finding> {
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let question = Question { api_version, kind, namespace: "shop", all: false, patch: true };
    match evaluate(object.to_string().as_bytes(), &question, policies, &facts()).unwrap() {
        Evaluation::Judged(judgement) | Evaluation::Data(judgement) => judgement.findings,
        Evaluation::NotAWorkload | Evaluation::Owned => Vec::new(),
    }
}

/// The pointers of what has the format, and of everything precise.
fn precise(object: &Value, row: &Row, policies: &PolicySet) -> (Vec<String>, Vec<String>) {
    let found = findings(object, policies);
    let pointers = |keep: &dyn Fn(&&Finding) -> bool| {
        found.iter().filter(|finding| !finding.guess).filter(keep).map(|finding| finding.pointer.clone()).collect()
    };
    (pointers(&|finding| finding.format.as_deref() == Some(row.format)), pointers(&|_| true))
}

#[test]
fn every_format_has_its_source_a_credential_and_a_look_alike() {
    let table: BTreeSet<&str> = credential::formats().map(|(name, _)| name).collect();
    let tried: BTreeSet<&str> = ROWS.iter().map(|row| row.format).collect();
    assert_eq!(table, tried);
    assert_eq!(ROWS.len(), credential::formats().count(), "a name twice");
    for (name, source) in credential::formats() {
        assert!(source.starts_with("https://"), "{name}");
    }
    for row in ROWS {
        let (credential, look_alike) = (row.make)(&mut Dice::new(1));
        assert!(!credential.is_empty() && !look_alike.is_empty() && credential != look_alike, "{}", row.format);
    }
}

#[test]
fn every_format_is_found_in_every_place_and_its_look_alike_in_none() {
    let policies = denies();
    for (index, row) in ROWS.iter().enumerate() {
        let (credential, look_alike) = (row.make)(&mut Dice::new(index as u64 + 7));
        for (object, pointer) in places(row.variable, &credential) {
            let (of_format, _) = precise(&object, row, &policies);
            assert_eq!(of_format, [pointer], "{}: {credential}", row.format);
        }
        for (object, pointer) in places(row.variable, &look_alike) {
            let (_, any) = precise(&object, row, &policies);
            assert!(any.is_empty(), "{} at {pointer}: {look_alike}", row.format);
        }
    }
}

#[test]
fn chance_does_not_matter() {
    let policies = denies();
    for seed in 0..300 {
        for row in ROWS {
            let (credential, look_alike) = (row.make)(&mut Dice::new(seed));
            let in_env = |value: &str| {
                let name = row.variable.unwrap_or("SETTING");
                with(pod(), "/spec/containers/0/env", json!([{"name": name, "value": value}]))
            };
            assert_eq!(precise(&in_env(&credential), row, &policies).0.len(), 1, "{}: {credential}", row.format);
            assert!(precise(&in_env(&look_alike), row, &policies).1.is_empty(), "{}: {look_alike}", row.format);
        }
    }
}

#[test]
fn a_credential_is_found_within_a_text_and_not_within_a_word() {
    let policies = denies();
    for (index, row) in ROWS.iter().enumerate().filter(|(_, row)| row.variable.is_none()) {
        let (credential, _) = (row.make)(&mut Dice::new(index as u64 + 1000));
        for text in [
            format!("curl -H 'X: {credential}' https://x"),
            format!("a={credential}\nb=c"),
            format!("é{{\"{credential}\"}}"),
        ] {
            let (object, _) = places(None, &text).swap_remove(0);
            assert_eq!(precise(&object, row, &policies).0.len(), 1, "{}: {text}", row.format);
        }
    }
    let (token, _) = (ROWS[0].make)(&mut Dice::new(5));
    for text in [format!("x{token}"), format!("{token}x")] {
        let (object, _) = places(None, &text).swap_remove(0);
        assert!(precise(&object, &ROWS[0], &policies).1.is_empty());
    }
}

#[test]
fn workloads_hold_them_where_their_pods_do() {
    let policies = denies();
    let (credential, _) = (ROWS[0].make)(&mut Dice::new(3));
    for (pod, pointer) in places(None, &credential) {
        let template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}});
        let (found, _) = precise(&object, &ROWS[0], &policies);
        assert_eq!(found, [format!("/spec/template{pointer}")]);
    }
}

#[test]
fn the_webhook_denies_a_format_and_warns_of_a_guess() {
    let policies = denies();
    let (credential, _) = (ROWS[0].make)(&mut Dice::new(3));
    for (pod, _) in places(None, &credential) {
        assert!(!validate(&pod, &policies).allowed());
    }
    for (pod, _) in places(Some("DB_PASSWORD"), "correct-horse-battery") {
        let answer = validate(&pod, &policies);
        assert!(answer.allowed(), "{}", answer.message());
        let warnings = answer.warnings();
        assert!(warnings[0].contains("has what may be a credential in clear (by its name)"), "{warnings:?}");
    }
}

#[test]
fn what_is_stricter_than_a_warning_is_one_for_a_guess_and_says_so() {
    let (object, _) = places(Some("DB_PASSWORD"), "correct-horse-battery").swap_remove(0);
    for (action, outcome, notes) in [
        ("allow", None, 0),
        ("warn", Some(Outcome::Warned), 0),
        ("deny", Some(Outcome::Warned), 1),
        ("mount", Some(Outcome::Warned), 1),
    ] {
        let found = findings(&object, &rules(&[&format!("{{name: clear, on: [any], action: {action}}}")]));
        assert_eq!(found.first().map(|finding| finding.outcome), outcome, "{action}");
        for finding in found {
            assert_eq!(finding.notes.len(), notes, "{finding:#?}");
            assert!(finding.guess && finding.kind == Kind::Literal.name());
            let says = finding.message.contains(&format!("it is a guess, so a warning where the rule says {action}"));
            assert_eq!(says, notes == 1, "{}", finding.message);
        }
    }
    // A policy that would deny does not take the word from one that warns, nor the other way round.
    let warns = policy("a", "rules:\n- {name: w, on: [literal], action: warn}");
    let both = compile(&[warns, policy("b", "rules:\n- {name: d, on: [literal], action: deny}")].concat());
    assert_eq!(findings(&object, &both)[0].policy.as_deref(), Some("a"));
}

#[test]
fn rules_select_by_variable_container_and_image() {
    let (credential, _) = (ROWS[0].make)(&mut Dice::new(3));
    let denied = |object: &Value, selects: &str| {
        !findings(object, &rules(&[&format!("{{name: clear, on: [literal], where: {selects}, action: deny}}")]))
            .is_empty()
    };
    let all = places(None, &credential);
    let (env, _) = &all[0];
    assert!(denied(env, "{variables: [SETTING], containers: [it], images: [\"registry.example.com/*\"]}"));
    assert!(
        !denied(env, "{variables: [OTHER]}")
            && !denied(env, "{containers: [other]}")
            && !denied(env, "{secrets: [\"*\"]}")
    );
    for (object, pointer) in &all {
        let has_name = !pointer.contains("/command/") && !pointer.contains("/args/");
        assert_eq!(denied(object, "{variables: [SETTING]}"), has_name, "{pointer}");
    }
    let flag = with(pod(), "/spec/containers/0/args", json!(["--db-password=correct-horse"]));
    assert!(denied(&flag, "{variables: [db-password]}"));
}

#[test]
fn an_update_that_keeps_it_is_let_through() {
    let policies = denies();
    let (credential, _) = (ROWS[0].make)(&mut Dice::new(3));
    for (old, _) in places(None, &credential) {
        let new = with(old.clone(), "/metadata/labels", json!({"a": "b"}));
        let allowed = |old: &Value, new: &Value| send(&update(old, new), VALIDATE, &policies).allowed();
        assert!(allowed(&old, &new));
        assert!(!allowed(&pod(), &new));
    }
}
