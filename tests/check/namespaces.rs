//! The namespace of an object, and what is known of it.

use crate::{Folder, POD};

const ONLY_SHOP: &str = "match: {namespaces: [shop]}\nrules: [{name: no, on: [env], action: deny}]";
const ONLY_PROD: &str =
    "match: {namespaceSelector: {matchLabels: {tier: prod}}}\nrules: [{name: no, on: [env], action: deny}]";
const NOT_PROD: &str =
    "exclude: {namespaceSelector: {matchLabels: {tier: prod}}}\nrules: [{name: no, on: [env], action: deny}]";

fn namespace(name: &str, labels: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n")
}

#[track_caller]
fn assert_exit(folder: &Folder, arguments: &[&str], exit: u8) {
    let shown = folder.check(arguments);
    assert!(shown.starts_with(&format!("exit: {exit}\n")), "{arguments:?}: {shown}");
}

#[test]
fn the_objects_own_comes_before_the_flag_and_the_flag_before_default() {
    let folder =
        Folder::with(POD).file("own.yaml", POD.replace("name: web", "name: web\n  namespace: shop")).policy(ONLY_SHOP);
    assert_exit(&folder, &["pod.yaml"], 0);
    assert_exit(&folder, &["--namespace", "shop", "pod.yaml"], 1);
    assert_exit(&folder, &["own.yaml"], 1);
    assert_exit(&folder, &["--namespace", "other", "own.yaml"], 1);
    let report = folder.json(&["pod.yaml"]);
    assert_eq!(report["findings"][0]["object"]["namespace"], "default");
}

#[test]
fn labels_come_from_namespaces_anywhere_in_the_input() {
    for (labels, only, not) in [("{tier: prod}", 1, 0), ("{tier: test}", 0, 1), ("{}", 0, 1)] {
        let input = ["pod.yaml", "z/namespace.yaml"];
        let folder = Folder::with(POD).file("z/namespace.yaml", namespace("default", labels));
        let folder = folder.policy(ONLY_PROD);
        assert_exit(&folder, &input, only);
        let folder = folder.policy(NOT_PROD);
        assert_exit(&folder, &input, not);
    }
}

#[test]
fn of_a_namespace_that_is_not_there_match_counts_as_true_and_exclude_as_false() {
    let folder = Folder::with(POD).policy(ONLY_PROD);
    assert_exit(&folder, &["pod.yaml"], 1);
    let folder = folder.policy(NOT_PROD);
    assert_exit(&folder, &["pod.yaml"], 1);
}

#[test]
fn a_namespace_that_is_there_twice_and_differs_is_not_known() {
    let twice = format!("{}---\n{}", namespace("default", "{tier: test}"), namespace("default", "{tier: prod}"));
    let folder = Folder::with(POD).file("namespaces.yaml", twice).policy(ONLY_PROD);
    assert_exit(&folder, &["pod.yaml", "namespaces.yaml"], 1);
    let folder = folder.policy(NOT_PROD);
    assert_exit(&folder, &["pod.yaml", "namespaces.yaml"], 1);
}

#[test]
fn a_namespace_has_the_label_that_the_api_server_gives_it() {
    let by_name = "match: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}\n\
                   rules: [{name: no, on: [env], action: deny}]";
    let folder = Folder::with(POD).file("namespace.yaml", namespace("default", "{}")).policy(by_name);
    assert_exit(&folder, &["pod.yaml", "namespace.yaml"], 1);
}

#[test]
fn labels_come_from_standard_input_too() {
    let folder = Folder::new().policy(ONLY_PROD);
    let input = format!("{POD}---\n{}", namespace("default", "{tier: test}"));
    let shown = folder.piped(&["check", "-p", "policy.yaml", "-"], &input);
    assert!(shown.starts_with("exit: 0\n"), "{shown}");
}

/// A misspelt glob would look like a clean bill for ever.
#[test]
fn a_policy_that_is_about_nothing_is_said() {
    let policy = |name: &str, spec: &str| {
        format!(
            "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n  rules: [{{name: no, on: [env], action: deny}}]\n"
        )
    };
    let folder = Folder::with(POD)
        .file("idle.yaml", policy("idle", "match: {namespaces: [prdo]}"))
        .file("off.yaml", policy("off", "mode: off"));
    let said = folder.run(&["check", "-p", "idle.yaml", "pod.yaml"]);
    assert!(said.contains("policy \"idle\" is not about the workload"), "{said}");
    let said = folder.run(&["check", "-p", "off.yaml", "pod.yaml"]);
    assert!(said.contains("no policy is in force"), "{said}");
    let said = folder.run(&["check", "pod.yaml"]);
    assert!(!said.contains("is not about"), "{said}");
}
