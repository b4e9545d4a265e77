//! What holds containers and is judged by nobody is said.

use insta::assert_snapshot;

use crate::{CLEAN, Folder};

fn of(api_version: &str, kind: &str) -> String {
    let spec = "{containers: [{name: api, image: api}]}";
    let spec =
        if kind.eq_ignore_ascii_case("Pod") { spec.to_owned() } else { format!("{{template: {{spec: {spec}}}}}") };
    format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: r}}, spec: {spec}}}\n")
}

fn summary(yaml: &str) -> String {
    let text = Folder::with(yaml).run(&["check", "pod.yaml"]);
    text.lines()
        .filter(|line| line.starts_with("not judged") || line.starts_with("exit"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn objects_of_unknown_kinds_that_hold_containers_are_named() {
    assert_snapshot!(summary(&of("argoproj.io/v1alpha1", "Rollout")), @"
    exit: 0
    not judged: 1 object of a kind that is not known holds containers (argoproj.io/v1alpha1 Rollout r): name its kind in a PodTemplates document
    ");
    let four = ["A", "B", "C", "D"].map(|kind| of("example.com/v1", kind)).join("---\n");
    assert_snapshot!(summary(&four), @"
    exit: 0
    not judged: 4 objects of kinds that are not known hold containers (example.com/v1 A r, example.com/v1 B r, example.com/v1 C r, …): name their kinds in a PodTemplates document
    ");
}

#[test]
fn a_built_in_kind_that_is_misspelt_is_told_from_a_custom_resource() {
    assert_snapshot!(summary(&of("v1", "Deployment")), @"
    exit: 0
    not judged: 1 object whose apiVersion or kind is not one of Kubernetes holds containers (v1 Deployment r: write apps/v1 Deployment)
    ");
    assert_snapshot!(summary(&of("v1", "pod")), @"
    exit: 0
    not judged: 1 object whose apiVersion or kind is not one of Kubernetes holds containers (v1 pod r: write v1 Pod)
    ");
    // Others have a Job of their own.
    assert!(summary(&of("batch.volcano.sh/v1alpha1", "Job")).contains("PodTemplates"));
}

#[test]
fn a_kind_that_a_pod_templates_document_names_is_judged() {
    let rows = "{apiVersion: secretfence.dev/v1alpha1, kind: PodTemplates, metadata: {name: more}, spec: {rows: [{group: argoproj.io, versions: [v1alpha1], resource: rollouts, kind: Rollout, paths: [spec.template]}]}}";
    let folder = Folder::with(&of("argoproj.io/v1alpha1", "Rollout"))
        .rules("[{name: none, on: [env], action: deny}]")
        .file("rows.yaml", rows);
    let text = folder.run(&["check", "-p", "policy.yaml", "-p", "rows.yaml", "pod.yaml"]);
    assert!(!text.contains("not known") && text.contains("1 workload"), "{text}");
}

#[test]
fn the_word_alone_is_no_container() {
    for object in [
        "{apiVersion: example.com/v1, kind: X, metadata: {name: r}, spec: {containers: []}}",
        "{apiVersion: example.com/v1, kind: X, metadata: {name: r}, spec: {resourcePolicy: {containers: [{name: a}]}}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: r}, data: {a: '{\"spec\":{\"containers\":[{}]}}'}}",
    ] {
        assert_eq!(summary(object), "exit: 0", "{object}");
    }
}

#[test]
fn an_input_without_any_kubernetes_object_is_said() {
    assert_snapshot!(summary("replicas: 3\n"), @"
    exit: 0
    not judged: nothing is here to judge: no Kubernetes object, with apiVersion and kind, is in the input
    ");
    assert_eq!(summary(CLEAN), "exit: 0");
}
