//! `secretfence audit` as a person meets it: the binary, its exit code, and both its streams, on an API server that is none.
#![cfg(feature = "cluster")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../support/api_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the webhook")]
mod api_server;
mod as_enforced;
mod compare;
mod conflicts;
mod crowded;
mod edges;
mod explain;
mod faults;
mod fence;
mod finished;
mod forms;
mod lists;
mod numbers;
mod outcomes;
mod owners;
#[path = "../support/program.rs"]
mod program;
mod reach;
mod rights;
#[path = "../support/sarif_schema.rs"]
#[allow(dead_code, reason = "shared with the tests of check")]
mod sarif_schema;
mod secrecy;
mod slipped;

use std::collections::BTreeMap;
use std::fs;

use api_server::{ApiServer, State};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What reads a file is swapped, one that must be told too, and a vendor is let alone until the end of a day.
const POLICIES: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: files}
spec:
  rules:
    - name: vendor
      on: [secretKeyRef]
      where: {containers: [vendor]}
      action: allow
      reason: "the vendor reads the environment only"
      expires: 2026-12-01
    - name: nobody
      on: [secretKeyRef]
      where: {containers: [nobody]}
      action: allow
      reason: "there was one"
      expires: 2027-12-01
    - {name: swap, on: [secretKeyRef], where: {secrets: [db]}, action: mount}
    - {name: deny, on: [env], action: deny}
"#;

/// A cluster that is none, and a folder to work in.
struct Cluster {
    api: ApiServer,
    folder: TempDir,
}

impl Cluster {
    fn new<const N: usize>(lists: [(&'static str, Value); N]) -> Cluster {
        let lists: BTreeMap<&'static str, Vec<Value>> =
            lists.map(|(resource, items)| (resource, items.as_array().unwrap().clone())).into();
        let namespaces = lists.get("namespaces").into_iter().flatten();
        let path =
            |namespace: &Value| format!("/api/v1/namespaces/{}", namespace["metadata"]["name"].as_str().unwrap());
        let objects = namespaces.map(|namespace| (path(namespace), namespace.clone())).collect();
        let api = ApiServer::start(State { lists, objects, ..State::default() });
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kubeconfig"), api.kubeconfig()).unwrap();
        fs::write(folder.path().join("policies.yaml"), POLICIES).unwrap();
        Cluster { api, folder }
    }

    fn change(self, change: impl FnOnce(&mut State)) -> Cluster {
        self.api.change(change);
        self
    }

    fn policies(self, text: &str) -> Cluster {
        fs::write(self.folder.path().join("policies.yaml"), text).unwrap();
        self
    }

    fn arguments<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        let always = ["audit", "--kubeconfig", "kubeconfig", "-p", "policies.yaml", "--as-of", "2026-11-21"];
        always.into_iter().chain(more.iter().copied()).collect()
    }

    fn audit(&self, more: &[&str]) -> String {
        // Each has a port of its own.
        let shown = program::run(self.folder.path(), &self.arguments(more));
        shown.replace(&format!("context t, {}", self.api.address()), "context prod, https://prod.example.com:6443")
    }

    fn json(&self, more: &[&str]) -> Value {
        let arguments = self.arguments(&[&["--format", "json"], more].concat());
        let output = program::command(self.folder.path(), &arguments).output().unwrap();
        let mut audit: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", program::shown(&output)));
        if audit["cluster"]["server"] == self.api.address() {
            audit["cluster"]["server"] = json!("https://prod.example.com:6443");
        }
        audit
    }
}

fn namespace(name: &str, mode: Option<&str>) -> Value {
    let mut labels = json!({"kubernetes.io/metadata.name": name});
    if let Some(mode) = mode {
        labels["secretfence.dev/mode"] = json!(mode);
    }
    json!({"metadata": {"name": name, "labels": labels}})
}

/// A variable from a key of a Secret.
fn env(variable: &str, secret: &str) -> Value {
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}})
}

fn spec(container: &str, image: &str, env: &[Value]) -> Value {
    json!({"containers": [{"name": container, "image": image, "env": env}]})
}

/// A pod; of an owner, by its `apiVersion`, kind and name.
fn pod(namespace: &str, name: &str, owner: Option<[&str; 3]>, spec: &Value) -> Value {
    let digits: String = format!("{namespace}/{name}").bytes().map(|byte| format!("{byte:02x}")).collect();
    let uid: String = format!("{digits:0>32}").chars().rev().take(32).collect();
    let mut metadata = json!({"namespace": namespace, "name": name, "uid": uid});
    if let Some(owner) = owner {
        metadata["ownerReferences"] = json!([reference(owner)]);
    }
    json!({"metadata": metadata, "spec": spec})
}

fn reference([api_version, kind, name]: [&str; 3]) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true})
}

/// A Deployment, a ReplicaSet, a Job and others alike.
fn workload(namespace: &str, name: &str, owner: Option<[&str; 3]>, spec: &Value) -> Value {
    let mut workload =
        json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"template": {"spec": spec}}});
    if let Some(owner) = owner {
        workload["metadata"]["ownerReferences"] = json!([reference(owner)]);
    }
    workload
}

/// The shipped registrations.
fn registrations(folder: &str) -> [(&'static str, Value); 2] {
    let path = format!("{}/manifests/{folder}/registrations.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read(path).unwrap();
    let objects = secretfence::manifest::parse(&text).documents;
    let objects = objects.iter().map(|document| serde_json::from_slice::<Value>(&document.json().unwrap()).unwrap());
    let (mutating, validating): (Vec<Value>, Vec<Value>) =
        objects.partition(|object| object["kind"] == "MutatingWebhookConfiguration");
    [("mutatingwebhookconfigurations", json!(mutating)), ("validatingwebhookconfigurations", json!(validating))]
}

/// A shop: a web of three pods that must be told, a database that reads its file, one unsafe, one denied, one excused.
fn shop() -> Cluster {
    let web = spec("api", "registry.example.com/api:1", &[env("DB_PASSWORD", "db")]);
    let told = spec("api", "registry.example.com/api:1", &[]);
    let postgres = spec("postgres", "postgres:17", &[env("POSTGRES_PASSWORD", "db")]);
    let mut unsafe_ = spec("api", "registry.example.com/api:1", &[env("TOKEN", "db")]);
    unsafe_["containers"][0]["args"] = json!(["--token=$(TOKEN)"]);
    let denied = spec("api", "registry.example.com/api:1", &[env("KEY", "other")]);
    let vendor = spec("vendor", "registry.example.com/vendor:1", &[env("LEDGER", "db")]);
    let set = Some(["apps/v1", "ReplicaSet", "web-1"]);
    let [mutating, validating] = registrations("opt-in");
    Cluster::new([
        mutating,
        validating,
        (
            "namespaces",
            json!([
                namespace("kube-system", None),
                namespace("shop", Some("enforce")),
                namespace("batch", None),
                namespace("quiet", Some("dry-run"))
            ]),
        ),
        ("deployments", json!([workload("shop", "web", None, &web)])),
        (
            "replicasets",
            json!([
                workload("shop", "web-1", Some(["apps/v1", "Deployment", "web"]), &web),
                workload("shop", "alone", None, &told)
            ]),
        ),
        ("statefulsets", json!([workload("shop", "postgres", None, &postgres)])),
        (
            "pods",
            json!([
                pod("shop", "web-1-a", set, &web),
                pod("shop", "web-1-b", set, &web),
                pod("shop", "web-1-c", set, &told),
                pod("shop", "postgres-0", Some(["apps/v1", "StatefulSet", "postgres"]), &postgres),
                pod("batch", "unsafe", None, &unsafe_),
                pod("batch", "denied-a", Some(["apps.example.io/v1", "CloneSet", "denied"]), &denied),
                pod("batch", "ledger", None, &vendor),
                pod("kube-system", "dns", None, &denied),
            ]),
        ),
    ])
}
