//! The table: each way to another namespace's Secrets, or to a store outside, by the one change that makes a pod take it.

use secretfence::fence::Kind;
use serde_json::{Value, json};

use crate::objects::{self, API, secret_env};

/// One way. `{namespace}` in its objects is the namespace that they are made in; in a rule it is the rule's own.
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    /// `on` and `where` of the rules about it.
    pub selects: &'static str,
    /// Whether what it does is by `missing`, with `action: deny`.
    pub by_missing: bool,
    /// What a minimal pod has at a pointer to take this way, and what looks like it and is none.
    pub change: (&'static str, Value),
    pub look_alike: (&'static str, Value),
    /// What has to be there before the pod.
    pub around: Vec<Value>,
}

impl Row {
    /// The pod that takes this way.
    pub fn pod(&self, namespace: &str) -> Value {
        pod(namespace, &self.change)
    }

    pub fn look_alike(&self, namespace: &str) -> Value {
        pod(namespace, &self.look_alike)
    }

    /// A Deployment of one of them.
    pub fn deployment(&self, namespace: &str) -> Value {
        deployment(&self.pod(namespace))
    }

    pub fn around(&self, namespace: &str) -> Vec<Value> {
        self.around.iter().map(|object| in_namespace(object, namespace)).collect()
    }
}

pub fn rows() -> Vec<Row> {
    vec![
        Row {
            change: env("vault:secret/data/db#password"),
            look_alike: env("vault or no vault"),
            ..row("external-env", Kind::ExternalEnv, "on: [externalEnv]")
        },
        Row {
            change: annotation("vault.hashicorp.com/agent-inject-secret-db", "secret/data/db"),
            look_alike: annotation("example.com/agent-inject-secret-db", "secret/data/db"),
            ..row("injected", Kind::Injected, "on: [injected]")
        },
        Row {
            change: volume(json!({"hostPath": {"path": "/var/lib/kubelet/pods"}})),
            look_alike: volume(json!({"hostPath": {"path": "/srv/data"}})),
            ..row("node-path", Kind::NodeAccess, "on: [nodeAccess], where: {paths: [\"@node-secrets\"]}")
        },
        Row {
            change: ("/spec/hostPID", json!(true)),
            look_alike: ("/spec/hostNetwork", json!(true)),
            ..row("node-processes", Kind::NodeAccess, "on: [nodeAccess]")
        },
        Row {
            change: ("/spec/containers/0/securityContext", json!({"privileged": true})),
            look_alike: ("/spec/containers/0/securityContext", json!({"allowPrivilegeEscalation": true})),
            ..row("privileged", Kind::NodeAccess, "on: [nodeAccess]")
        },
        Row {
            change: ("/spec", host_process(true)),
            look_alike: ("/spec", host_process(false)),
            ..row("host-process", Kind::NodeAccess, "on: [nodeAccess]")
        },
        Row {
            change: env("vault:secret/data/billing/db#password"),
            look_alike: env("vault:secret/data/{namespace}/db#password"),
            ..row("store-path-of-env", Kind::StorePath, OWN_PATHS)
        },
        Row {
            change: annotation("vault.hashicorp.com/agent-inject-secret-db", "secret/data/billing/db"),
            look_alike: annotation("vault.hashicorp.com/agent-inject-secret-db", "secret/data/{namespace}/db"),
            ..row("store-path-of-annotation", Kind::StorePath, OWN_PATHS)
        },
        Row {
            change: csi("secrets-store.csi.k8s.io", "secretProviderClass", "theirs"),
            look_alike: csi("secrets-store.csi.k8s.io", "secretProviderClass", "ours"),
            around: vec![class("theirs", "secret/data/billing/db"), class("ours", "secret/data/{namespace}/db")],
            ..row("store-path-of-class", Kind::StorePath, OWN_PATHS)
        },
        Row {
            change: csi("csi.sharedresource.openshift.io", "sharedSecret", "theirs"),
            look_alike: csi("csi.sharedresource.openshift.io", "sharedSecret", "for-all"),
            ..row("shared-secret", Kind::SharedSecret, "on: [sharedSecret], where: {from: [billing]}")
        },
        Row {
            change: ("/spec/serviceAccountName", json!("robot")),
            look_alike: ("/spec/serviceAccountName", json!("nobody")),
            around: vec![account("robot"), account("nobody"), binding("robot")],
            ..row("reach", Kind::Reach, "on: [reach], where: {reach: [billing]}")
        },
        Row {
            change: env_of("copy"),
            look_alike: env_of("own"),
            around: vec![secret("copy", json!({"reflector.v1.k8s.emberstack.com/reflects": "billing/db"})), own()],
            ..row("copied", Kind::Copied, "on: [copied], where: {from: [billing]}")
        },
        Row {
            by_missing: true,
            change: env_of("nobody-knows"),
            look_alike: env_of("own"),
            around: vec![own()],
            ..row("missing", Kind::Copied, "on: [copied]")
        },
        Row {
            change: volume(json!({"secret": {"secretName": "payments-db"}})),
            look_alike: volume(json!({"secret": {"secretName": "db"}})),
            ..row(OWNERSHIP, Kind::Volume, "on: [any], where: {secrets: [\"payments-*\"], namespaces: [\"!*-owner\"]}")
        },
    ]
}

/// The row that is about no kind, but about which namespace takes a Secret.
pub const OWNERSHIP: &str = "ownership";

const OWN_PATHS: &str = "on: [storePath], where: {paths: [\"!secret/data/{namespace}/*\"]}";

/// What is there once: where Secrets come from, who may read them, and what a driver shares of them.
pub fn once() -> Vec<Value> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let shared = |name: &str, from: &str| {
        json!({
            "apiVersion": "sharedresource.openshift.io/v1alpha1", "kind": "SharedSecret", "metadata": {"name": name},
            "spec": {"secretRef": {"name": "db", "namespace": from}},
        })
    };
    let reads = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
    let role = json!({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": reads});
    vec![namespace("billing"), namespace("shared"), role, shared("theirs", "billing"), shared("for-all", "shared")]
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn row(name: &'static str, kind: Kind, selects: &'static str) -> Row {
    let nothing = || ("/spec", Value::Null);
    let (change, look_alike) = (nothing(), nothing());
    Row { name, kind, selects, by_missing: false, change, look_alike, around: Vec::new() }
}

fn env(value: &str) -> (&'static str, Value) {
    ("/spec/containers/0/env", json!([{"name": "DB_PASSWORD", "value": value}]))
}

fn env_of(secret: &str) -> (&'static str, Value) {
    let mut env = secret_env("DB_PASSWORD");
    env["valueFrom"]["secretKeyRef"]["name"] = json!(secret);
    ("/spec/containers/0/env", json!([env]))
}

fn annotation(key: &str, value: &str) -> (&'static str, Value) {
    ("/metadata/annotations", json!({key: value}))
}

fn volume(source: Value) -> (&'static str, Value) {
    let mut volume = source;
    volume["name"] = json!("v");
    ("/spec/volumes", json!([volume]))
}

/// The API server wants the node's network for it.
fn host_process(is: bool) -> Value {
    let containers = json!([{"name": "api", "image": API}]);
    json!({
        "containers": containers, "hostNetwork": true, "os": {"name": "windows"},
        "securityContext": {"windowsOptions": {"hostProcess": is, "runAsUserName": "NT AUTHORITY\\SYSTEM"}},
    })
}

fn csi(driver: &str, attribute: &str, name: &str) -> (&'static str, Value) {
    volume(json!({"csi": {"driver": driver, "readOnly": true, "volumeAttributes": {attribute: name}}}))
}

fn class(name: &str, path: &str) -> Value {
    let objects = format!("- objectName: db\n  secretPath: {path}\n  secretKey: password\n");
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": "{namespace}"},
        "spec": {"provider": "vault", "parameters": {"objects": objects}},
    })
}

fn account(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "{namespace}"}})
}

/// Lets the ServiceAccount of each namespace read the Secrets of `billing`.
fn binding(account: &str) -> Value {
    json!({
        "apiVersion": RBAC, "kind": "RoleBinding", "metadata": {"name": "{namespace}", "namespace": "billing"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "{namespace}", "name": account}],
    })
}

fn own() -> Value {
    secret("own", json!({}))
}

fn secret(name: &str, annotations: Value) -> Value {
    let metadata = json!({"name": name, "namespace": "{namespace}", "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": "S3CR3T-VALUE"}})
}

fn pod(namespace: &str, (pointer, value): &(&'static str, Value)) -> Value {
    let mut pod = objects::pod(namespace, "web", json!([{"name": "api", "image": API}]));
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[field] = in_namespace(value, namespace);
    pod
}

fn deployment(pod: &Value) -> Value {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap();
    let mut deployment = objects::workload("Deployment", namespace, "web", json!([]));
    let template = &mut deployment["spec"]["template"];
    template["spec"] = pod["spec"].clone();
    if let Some(annotations) = pod["metadata"].get("annotations") {
        template["metadata"]["annotations"] = annotations.clone();
    }
    deployment
}

fn in_namespace(object: &Value, namespace: &str) -> Value {
    serde_json::from_str(&object.to_string().replace("{namespace}", namespace)).unwrap()
}
