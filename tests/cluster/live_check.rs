//! `check --cluster`: what is read of a real API server, with no more rights than the printed role gives.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, from_yaml, shown};
use crate::control_plane::eventually;
use crate::objects::{API, pod, secret_env};

/// A rule of every sort that asks something of the cluster. Neither SecretProviderClasses nor SharedSecrets are installed.
const POLICIES: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: tier}
spec:
  match: {namespaceSelector: {matchLabels: {live-check: prod}}}
  rules: [{name: deny, on: [env], action: deny}]
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: across}
spec:
  rules:
    - {name: reach, on: [reach], action: deny}
    - {name: copied, on: [copied], missing: warn, action: deny}
    - {name: own-paths, on: [storePath], where: {paths: ["!secret/data/{namespace}/*"]}, action: deny}
    - {name: shared, on: [sharedSecret], where: {from: ["billing"]}, action: deny}
"#;

/// What is asked of the cluster, and where it is found in it.
const RESOURCES: [(&str, &str, &str); 7] = [
    ("v1", "Namespace", "/api/v1/namespaces"),
    ("v1", "Secret", "/api/v1/secrets"),
    ("v1", "ServiceAccount", "/api/v1/serviceaccounts"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    ("rbac.authorization.k8s.io/v1", "Role", "/apis/rbac.authorization.k8s.io/v1/roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
];

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_secretfence")).current_dir(folder).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(output)))
}

/// The findings of a report: outcome, rule and pod.
fn findings(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|row| [&row["outcome"], &row["rule"], &row["object"]["name"]].map(text).join(" ")).collect()
}

fn named(name: &str, mut pod: Value) -> Value {
    pod["metadata"]["name"] = json!(name);
    pod
}

fn with_secret(namespace: &str, secret: &str) -> Value {
    let mut pod = pod(namespace, secret, json!([{"name": "api", "image": API}]));
    pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": secret}}]);
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod
}

/// Pods of both namespaces, and what the cluster has to know of them.
fn pods(cluster: &Cluster, namespace: &str, other: &str) -> Vec<Value> {
    let api = &cluster.api;
    api.merge(&format!("/api/v1/namespaces/{namespace}"), &json!({"metadata": {"labels": {"live-check": "prod"}}}))
        .done();
    let metadata = |namespace: &str, name: &str| json!({"namespace": namespace, "name": name});
    let account =
        |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(namespace, name)});
    let mut silent = account("silent");
    silent["automountServiceAccountToken"] = json!(false);
    [account("web"), silent].iter().for_each(|account| drop(api.create(account, "").done()));
    let subject = |name: &str| json!({"kind": "ServiceAccount", "namespace": namespace, "name": name});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata(other, "web"),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [subject("web"), subject("silent")],
    });
    api.create(&binding, "").done();
    let mut copy = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(namespace, "copy")});
    copy["metadata"]["annotations"] = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/db"});
    let own = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata(namespace, "own"), "stringData": {"password": "hunter2"},
    });
    [copy, own].iter().for_each(|secret| drop(api.create(secret, "").done()));

    let of_account = |name: &str| {
        let mut pod = pod(namespace, name, json!([{"name": "api", "image": API}]));
        pod["spec"]["serviceAccountName"] = json!(name);
        pod
    };
    let with_env = |namespace: &str, name: &str| {
        let containers = json!([{"name": "api", "image": API, "env": [secret_env("DB_PASSWORD")]}]);
        let mut pod = named(name, pod(namespace, name, containers));
        pod["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"] = json!("own");
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        pod
    };
    vec![
        of_account("web"),
        of_account("silent"),
        with_secret(namespace, "copy"),
        with_secret(namespace, "own"),
        with_secret(namespace, "absent"),
        with_env(namespace, "env"),
        with_env(other, "env-elsewhere"),
    ]
}

/// A kubeconfig of a new ServiceAccount, without rights.
pub fn write_kubeconfig(cluster: &Cluster, account: &str, file: &Path) {
    let object =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "default", "name": account}});
    cluster.api.create(&object, "").done();
    fs::write(file, cluster.control_plane.kubeconfig_of_account("default", account)).unwrap();
}

/// Everything that is asked of the cluster, as manifests.
fn write_objects(cluster: &Cluster, file: &Path) {
    let mut all = Vec::new();
    for (api_version, kind, path) in RESOURCES {
        for mut object in cluster.api.get(path).done()["items"].as_array().unwrap().iter().cloned() {
            object["apiVersion"] = json!(api_version);
            object["kind"] = json!(kind);
            all.push(object);
        }
    }
    fs::write(file, json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string()).unwrap();
}

#[test]
fn check_judges_by_a_live_cluster_as_by_its_objects() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (namespace, other) = (cluster.namespace("live-check", None), cluster.namespace("live-check-other", None));
    let pods = pods(cluster, &namespace, &other);
    fs::write(file("pods.json"), json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string()).unwrap();
    fs::write(file("policies.yaml"), POLICIES).unwrap();
    write_kubeconfig(cluster, "live-check", &file("kubeconfig"));
    let live =
        ["check", "-p", "policies.yaml", "--format", "json", "--cluster", "--kubeconfig", "kubeconfig", "pods.json"];

    // Without rights.
    let output = run(folder.path(), &live);
    let text = shown(&output);
    assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{text}");
    assert!(text.contains("may not list secrets, which rules on copied need: bind the ClusterRole that"), "{text}");
    assert_eq!(text.matches("\nmay not list ").count(), 9, "{text}");

    // With those that are printed.
    let printed = run(folder.path(), &["manifests", "-p", "policies.yaml"]);
    for mut object in from_yaml(&String::from_utf8(printed.stdout).unwrap()) {
        object["metadata"]["name"] = json!("live-check");
        if object["kind"] == "ClusterRoleBinding" {
            object["roleRef"]["name"] = json!("live-check");
            object["subjects"] = json!([{"kind": "ServiceAccount", "namespace": "default", "name": "live-check"}]);
        }
        cluster.api.create(&object, "").done();
    }
    // The API server's authorizer hears of them a moment later.
    let output = eventually(|| Some(run(folder.path(), &live)).filter(|output| output.status.code() == Some(1)));
    let report = json(&output.unwrap_or_else(|| panic!("{}", shown(&run(folder.path(), &live)))));
    let expected = ["denied reach web", "denied copied copy", "warned copied absent", "denied deny env"];
    // What nobody knows beside the namespace of its own.
    let expected = expected.into_iter().chain(["warned copied env-elsewhere"]).collect::<Vec<_>>();
    assert_eq!(findings(&report), expected, "{report:#}");
    assert_eq!(report["summary"]["notJudged"], json!([]), "{report:#}");
    assert_eq!(report["summary"]["cluster"].as_array().map(Vec::len), Some(9));
    let reached = &report["findings"][0]["chain"];
    let chain = format!("ServiceAccount \"web\", RoleBinding \"{other}/web\", ClusterRole \"edit\"");
    assert!(reached.as_str().is_some_and(|its| its.starts_with(&chain)), "{reached}");

    // And the objects themselves tell the same.
    write_objects(cluster, &file("objects.json"));
    let output = run(folder.path(), &["check", "-p", "policies.yaml", "--format", "json", "objects.json", "pods.json"]);
    assert_eq!(json(&output)["findings"], report["findings"]);
    assert_ne!(json(&output)["findings"], json!([]));

    // Without them, less is known.
    let output = run(folder.path(), &["check", "-p", "policies.yaml", "--format", "json", "pods.json"]);
    let report = json(&output);
    assert!(!findings(&report).contains(&"denied reach web".to_owned()), "{report:#}");
    assert!(report["summary"]["notJudged"].to_string().contains("--cluster"), "{report:#}");
}
