//! What rules ask of the cluster: watched with no more rights than the printed role gives, and right through what happens to
//! an API server.

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::api::{Reply, path};
use crate::cluster::{Cluster, from_yaml, shown};
use crate::control_plane::{eventually, tail};
use crate::objects::{API, pod, secret_env};

/// A rule of every sort that asks something of the cluster.
pub const POLICIES: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: tier}
spec:
  match: {namespaces: ["own-policy-watch*"], namespaceSelector: {matchLabels: {tier: prod}}}
  rules: [{name: deny, on: [env], action: deny}]
---
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: across}
spec:
  match: {namespaces: ["own-policy-watch*"]}
  rules:
    - {name: open, on: [reach], where: {reach: ["open"]}, action: allow}
    - {name: half-open, on: [reach], where: {reach: ["half-open"]}, action: warn}
    - {name: reach, on: [reach], action: deny}
    - {name: from-shared, on: [copied], where: {from: ["shared"]}, action: allow}
    - {name: copied, on: [copied], action: deny}
    - {name: own-paths, on: [storePath], where: {paths: ["!secret/data/{namespace}/*"]}, action: deny}
    - {name: shared, on: [sharedSecret], where: {from: ["billing"]}, action: deny}
"#;

const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/secretfence";

/// A cluster whose webhook has a ServiceAccount of its own, without rights.
pub struct Watched(pub Cluster);

impl Watched {
    pub fn start() -> Option<Watched> {
        Watched::start_with("opt-in")
    }

    /// The same with a folder of `manifests/`.
    pub fn start_with(registration: &str) -> Option<Watched> {
        let cluster = Cluster::own(registration)?;
        cluster.write_own_kubeconfig();
        for (group, plural, kind, version) in [
            ("secrets-store.csi.x-k8s.io", "secretproviderclasses", "SecretProviderClass", "v1"),
            ("sharedresource.openshift.io", "sharedsecrets", "SharedSecret", "v1alpha1"),
        ] {
            let scope = if kind == "SharedSecret" { "Cluster" } else { "Namespaced" };
            let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
            let version = json!({"name": version, "served": true, "storage": true, "schema": schema});
            let names = json!({"plural": plural, "kind": kind, "singular": kind.to_lowercase()});
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {
                    "name": format!("{plural}.{group}"),
                    "annotations": {"api-approved.kubernetes.io": "unapproved, a test's"},
                },
                "spec": {"group": group, "scope": scope, "names": names, "versions": [version]},
            });
            cluster.api.create(&definition, "").done();
        }
        Some(Watched(cluster))
    }

    /// What `secretfence manifests` prints for the policies: the role and its binding.
    pub fn printed(&self) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
        let output = command.arg("manifests").arg("-p").arg(self.0.webhook.policies()).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        from_yaml(&String::from_utf8(output.stdout).unwrap())
    }

    pub fn write_policies(&self, text: &str) {
        fs::write(self.0.webhook.policies().join("watch.yaml"), text).unwrap();
    }

    /// What `/readyz` says, once this holds of it.
    #[track_caller]
    pub fn ready(&self, is_it: impl Fn(u16, &str) -> bool) -> String {
        let mut last = String::new();
        let found = eventually(|| {
            let (status, text) = self.0.webhook.admin("/readyz")?;
            last = format!("{status}\n{text}");
            is_it(status, &text).then_some(text)
        });
        found.unwrap_or_else(|| panic!("{last}\n{}", tail(&self.0.webhook.log())))
    }

    pub fn metrics(&self) -> String {
        self.0.webhook.admin("/metrics").unwrap().1
    }

    /// Makes the pod in a dry run until the answer is this one.
    #[track_caller]
    pub fn until(&self, pod: &Value, is_it: impl Fn(&Reply) -> bool) -> Reply {
        self.0.eventually(|| self.0.api.create(pod, "?dryRun=All"), is_it)
    }

    pub fn label(&self, namespace: &str, labels: Value) {
        let labels = json!({"metadata": {"labels": labels}});
        self.0.api.merge(&format!("/api/v1/namespaces/{namespace}"), &labels).done();
    }

    pub fn plain_namespace(&self, name: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.0.api.create(&object, "").done();
    }

    /// Lets ServiceAccount `web` of a namespace read the Secrets of another.
    pub fn bind(&self, namespace: &str, other: &str) -> String {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "web", "namespace": other},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "web"}],
        });
        self.0.api.create(&binding, "").done();
        path(&binding)
    }
}

pub fn clean(namespace: &str) -> Value {
    let mut pod = pod(namespace, "clean", json!([{"name": "api", "image": API}]));
    pod["spec"]["serviceAccountName"] = json!("web");
    pod
}

pub fn with_env(namespace: &str) -> Value {
    pod(namespace, "env", json!([{"name": "api", "image": API, "env": [secret_env("DB_PASSWORD")]}]))
}

fn with_volume(namespace: &str, volume: Value) -> Value {
    let mut pod = pod(namespace, "volume", json!([{"name": "api", "image": API}]));
    let mut volume = volume;
    volume["name"] = json!("v");
    pod["spec"]["volumes"] = json!([volume]);
    pod
}

pub fn with_secret(namespace: &str, secret: &str) -> Value {
    with_volume(namespace, json!({"secret": {"secretName": secret}}))
}

pub fn is_denied(reply: &Reply) -> bool {
    reply.status == 403
}

pub fn is_made(reply: &Reply) -> bool {
    reply.status == 201
}

fn is_warned(reply: &Reply) -> bool {
    is_made(reply) && !reply.warnings.is_empty()
}

#[test]
fn what_rules_ask_of_the_cluster_is_watched() {
    let Some(watched) = Watched::start() else { return };
    let (cluster, api) = (&watched.0, &watched.0.api);
    // Nothing is watched before a rule asks for it.
    assert!(!watched.ready(|status, _| status == 200).contains("watch"));
    assert!(!watched.metrics().contains("secretfence_watch_last_event_timestamp_seconds{"));

    a_reload_that_needs_more_rights_is_refused_until_they_are_there(&watched);

    let namespace = cluster.namespace("own-policy-watch", Some("enforce"));
    for other in ["billing", "open", "half-open", "shared"] {
        watched.plain_namespace(other);
    }
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": namespace}});
    api.create(&account, "").done();

    // A label of the namespace.
    cluster.eventually(|| api.create(&with_env(&namespace), "?dryRun=All"), is_made);
    let start = Instant::now();
    watched.label(&namespace, json!({"tier": "prod"}));
    watched.until(&with_env(&namespace), |reply| is_denied(reply) && reply.denied().contains("[tier/deny]"));
    println!("a label of a Namespace counts after {} ms", start.elapsed().as_millis());
    watched.label(&namespace, json!({"tier": null}));
    watched.until(&with_env(&namespace), is_made);

    // The rights of a ServiceAccount.
    watched.until(&clean(&namespace), is_made);
    let start = Instant::now();
    let binding = watched.bind(&namespace, "billing");
    watched.until(&clean(&namespace), |reply| is_denied(reply) && reply.denied().contains("\"billing\""));
    println!("a binding counts after {} ms", start.elapsed().as_millis());
    assert_eq!(api.delete(&binding).status, 200);
    watched.until(&clean(&namespace), |reply| is_made(reply) && reply.warnings.is_empty());
    watched.bind(&namespace, "half-open");
    watched.until(&clean(&namespace), is_warned);
    let mut without_token = clean(&namespace);
    without_token["spec"]["automountServiceAccountToken"] = json!(false);
    watched.until(&without_token, |reply| is_made(reply) && reply.warnings.is_empty());
    assert_eq!(api.delete("/apis/rbac.authorization.k8s.io/v1/namespaces/half-open/rolebindings/web").status, 200);
    watched.bind(&namespace, "open");
    watched.until(&clean(&namespace), |reply| is_made(reply) && reply.warnings.is_empty());

    // Copies.
    let secret = |name: &str, annotations: Value| {
        let metadata = json!({"name": name, "namespace": namespace, "annotations": annotations});
        api.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}), "").done();
    };
    let reflects = |from: &str| json!({"reflector.v1.k8s.emberstack.com/reflects": from});
    watched.until(&with_secret(&namespace, "own"), is_warned);
    secret("own", json!({}));
    secret("copy", reflects("billing/db"));
    secret("shared", reflects("shared/db"));
    watched.until(&with_secret(&namespace, "own"), |reply| is_made(reply) && reply.warnings.is_empty());
    watched.until(&with_secret(&namespace, "copy"), |reply| {
        is_denied(reply) && reply.denied().contains("[across/copied]")
    });
    watched.until(&with_secret(&namespace, "shared"), |reply| is_made(reply) && reply.warnings.is_empty());

    // What the objects of CSI drivers stand for.
    let class = |name: &str, path: &str| {
        let objects = format!("- objectName: db\n  secretPath: {path}\n  secretKey: password\n");
        let spec = json!({"provider": "vault", "parameters": {"objects": objects}});
        let metadata = json!({"name": name, "namespace": namespace});
        let version = "secrets-store.csi.x-k8s.io/v1";
        let class = json!({"apiVersion": version, "kind": "SecretProviderClass", "metadata": metadata, "spec": spec});
        let collection = format!("/apis/{version}/namespaces/{namespace}/secretproviderclasses");
        cluster.eventually(|| api.request("POST", &collection, "application/json", &class), is_made);
        let attributes = json!({"secretProviderClass": name});
        let driver = "secrets-store.csi.k8s.io";
        with_volume(&namespace, json!({"csi": {"driver": driver, "readOnly": true, "volumeAttributes": attributes}}))
    };
    watched.until(&class("own", &format!("secret/data/{namespace}/db")), is_made);
    watched.until(&class("other", "secret/data/billing/db"), is_denied);
    let shared = |name: &str, from: &str| {
        let spec = json!({"secretRef": {"name": "db", "namespace": from}});
        let version = "sharedresource.openshift.io/v1alpha1";
        let object = json!({"apiVersion": version, "kind": "SharedSecret", "metadata": {"name": name}, "spec": spec});
        let collection = format!("/apis/{version}/sharedsecrets");
        cluster.eventually(|| api.request("POST", &collection, "application/json", &object), is_made);
        let attributes = json!({"sharedSecret": name});
        let driver = "csi.sharedresource.openshift.io";
        with_volume(&namespace, json!({"csi": {"driver": driver, "readOnly": true, "volumeAttributes": attributes}}))
    };
    watched.until(&shared("ours", "shared"), is_made);
    watched.until(&shared("theirs", "billing"), is_denied);

    // A namespace that is new: the first pod in it is judged by its labels.
    let new = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "own-policy-watch-new", "labels": {"secretfence.dev/mode": "enforce"}},
    });
    api.create(&new, "").done();
    let unlabelled = with_env("own-policy-watch-new");
    cluster.eventually(|| api.create(&unlabelled, "?dryRun=All"), |reply| is_made(reply) || is_denied(reply));
    assert!(is_made(&api.create(&unlabelled, "?dryRun=All")));

    // The API server restarts.
    cluster.control_plane.restart_api_server();
    cluster.eventually(|| api.create(&clean(&namespace), "?dryRun=All"), is_made);
    let start = Instant::now();
    watched.bind(&namespace, "billing");
    watched.until(&clean(&namespace), is_denied);
    println!("after a restart of the API server a binding counts after {} ms", start.elapsed().as_millis());
    watched.label(&namespace, json!({"tier": "prod"}));
    watched.until(&with_env(&namespace), |reply| is_denied(reply) && reply.denied().contains("[tier/deny]"));
    watched.ready(|status, text| status == 200 && text.matches("[+]watch").count() == 9);
    assert_eq!(watched.metrics().matches("secretfence_watch_last_event_timestamp_seconds{").count(), 9);

    // The rules go, and with them the watches.
    fs::remove_file(cluster.webhook.policies().join("watch.yaml")).unwrap();
    watched.ready(|status, text| status == 200 && !text.contains("watch"));
    let gone = || (!watched.metrics().contains("secretfence_watch_last_event_timestamp_seconds{")).then_some(());
    assert!(eventually(gone).is_some(), "{}", watched.metrics());
    watched.until(&clean(&namespace), is_made);
    let log = fs::read_to_string(cluster.webhook.log()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

fn a_reload_that_needs_more_rights_is_refused_until_they_are_there(watched: &Watched) {
    let cluster = &watched.0;
    let probe = cluster.namespace("watch-probe", Some("enforce"));
    watched.until(&with_env(&probe), is_denied);
    watched.write_policies(POLICIES);
    let text = watched.ready(|_, text| text.contains("may not list secrets,"));
    assert!(text.contains("[-]policies reload failed, still serving revision"), "{text}");
    assert!(text.contains("bind the ClusterRole that `secretfence manifests -p POLICIES` prints"), "{text}");
    watched.ready(|status, _| status == 200);
    assert!(watched.metrics().contains("secretfence_policy_reloads_total{result=\"failure\"} 1\n"));
    // The last good set goes on serving.
    cluster.api.create(&with_env(&probe), "?dryRun=All").denied();
    for object in watched.printed() {
        cluster.api.create(&object, "").done();
    }
    let start = Instant::now();
    // The set may begin to serve while the page is being written.
    watched.ready(|status, text| {
        status == 200 && text.contains("[+]policies ok") && text.matches("[+]watch").count() == 9
    });
    println!("with its rights the set serves after {} ms", start.elapsed().as_millis());
    assert!(watched.metrics().contains("secretfence_policy_reloads_total{result=\"failure\"} 1\n"));
}

#[test]
fn the_printed_role_is_minimal() {
    let Some(watched) = Watched::start() else { return };
    let (cluster, api) = (&watched.0, &watched.0.api);
    watched.write_policies(POLICIES);
    let printed = watched.printed();
    printed.iter().for_each(|object| drop(api.create(object, "").done()));
    cluster.webhook.restart();
    let rules = printed[0]["rules"].as_array().unwrap().clone();
    let rights: Vec<(usize, &str, &str)> = rules
        .iter()
        .enumerate()
        .flat_map(|(index, rule)| ["resources", "verbs"].map(|field| (index, field, &rule[field])))
        .flat_map(|(index, field, list)| {
            list.as_array().unwrap().iter().map(move |value| (index, field, value.as_str().unwrap()))
        })
        .collect();
    // Nine resources, and two verbs in each of six rules.
    assert_eq!(rights.len(), 9 + 2 * 6, "{rights:?}");
    for (index, field, gone) in rights {
        let mut fewer = rules.clone();
        fewer[index][field].as_array_mut().unwrap().retain(|value| value != gone);
        if fewer[index][field] == json!([]) {
            fewer.remove(index);
        }
        api.merge(ROLE, &json!({"rules": fewer})).done();
        cluster.webhook.start_again();
        let verb = if field == "verbs" { gone } else { "list" };
        let resource = if field == "verbs" { rules[index]["resources"][0].as_str().unwrap() } else { gone };
        let sentence = format!("[-]watch {resource} may not {verb} {resource}");
        let text = watched.ready(|status, text| status == 503 && text.contains(&sentence));
        assert!(text.ends_with("not ready\n"), "{text}");
        // And it is ready as soon as they are there.
        api.merge(ROLE, &json!({"rules": rules})).done();
        watched.ready(|status, _| status == 200);
    }
}
