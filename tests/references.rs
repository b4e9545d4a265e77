//! Every place in which a pod names a Secret is found, whatever holds the pod, and what looks alike is not.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use secretfence::fence::{Evaluation, Kind, KindSet, PolicySet, Question, evaluate};
use serde_json::{Value, json};
use support::*;

/// What a fixture is a part of.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Container,
    Pod,
}

/// Fields of a container or of a pod's spec, and the references in them.
struct Fixture {
    kind: Kind,
    of: Of,
    fields: Value,
    /// Below the container or the spec; none for a look-alike.
    pointers: &'static [&'static str],
}

fn fixtures() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    let mut add = |kind, of, fields, pointers| fixtures.push(Fixture { kind, of, fields, pointers });
    container_fixtures(&mut |kind, fields, pointers| add(kind, Of::Container, fields, pointers));
    pod_fixtures(&mut |kind, fields, pointers| add(kind, Of::Pod, fields, pointers));
    fixtures
}

const NONE: &[&str] = &[];

fn container_fixtures(add: &mut dyn FnMut(Kind, Value, &'static [&'static str])) {
    let env =
        |value_from: Value| json!({"env": [{"name": "FIRST", "value": "1"}, {"name": "A", "valueFrom": value_from}]});

    add(Kind::SecretKeyRef, env(json!({"secretKeyRef": {"name": "db", "key": "password"}})), &["/env/1"]);
    add(Kind::SecretKeyRef, env(json!({"secretKeyRef": {"name": "db", "key": "k", "optional": true}})), &["/env/1"]);
    add(Kind::SecretKeyRef, env(json!({"configMapKeyRef": {"name": "db-secret", "key": "password"}})), NONE);
    add(Kind::SecretKeyRef, env(json!({"fieldRef": {"fieldPath": "metadata.name"}})), NONE);
    add(Kind::SecretKeyRef, env(json!({"resourceFieldRef": {"resource": "limits.cpu"}})), NONE);
    add(Kind::SecretKeyRef, env(json!({"secretKeyRef": null, "fieldRef": {"fieldPath": "metadata.name"}})), NONE);
    add(Kind::SecretKeyRef, env(Value::Null), NONE);
    add(Kind::SecretKeyRef, json!({"env": [{"name": "secretKeyRef", "value": "{\"secretKeyRef\": {}}"}]}), NONE);

    let env_from = |source: Value| json!({"envFrom": [{"configMapRef": {"name": "first"}}, source]});
    add(Kind::EnvFrom, env_from(json!({"secretRef": {"name": "db"}})), &["/envFrom/1"]);
    add(Kind::EnvFrom, env_from(json!({"prefix": "DB_", "secretRef": {"name": "db"}})), &["/envFrom/1"]);
    add(Kind::EnvFrom, env_from(json!({"prefix": "", "secretRef": {"name": "db", "optional": true}})), &["/envFrom/1"]);
    add(Kind::EnvFrom, env_from(json!({"prefix": "DB_", "configMapRef": {"name": "db-secret"}})), NONE);
    add(Kind::EnvFrom, env_from(json!({"secretRef": null, "configMapRef": {"name": "db"}})), NONE);

    let file = json!({"fileKeyRef": {"volumeName": "env", "path": "app.env", "key": "PASSWORD"}});
    add(Kind::FileKeyRef, env(file), &["/env/1"]);
    add(Kind::FileKeyRef, env(json!({"configMapKeyRef": {"name": "app.env", "key": "PASSWORD"}})), NONE);
    add(Kind::FileKeyRef, json!({"volumeMounts": [{"name": "env", "mountPath": "/env", "readOnly": true}]}), NONE);

    add(Kind::UnknownSource, env(json!({"vaultKeyRef": {"path": "secret/db"}})), &["/env/1"]);
    add(Kind::UnknownSource, env_from(json!({"vaultRef": {"path": "secret/db"}})), &["/envFrom/1"]);
    add(Kind::UnknownSource, env_from(json!({"prefix": "P_", "vaultRef": {"path": "secret/db"}})), &["/envFrom/1"]);
    add(Kind::UnknownSource, env(json!({"vaultKeyRef": null, "fieldRef": {"fieldPath": "metadata.uid"}})), NONE);
    add(Kind::UnknownSource, json!({"resizePolicy": [{"resourceName": "cpu", "vaultRef": {}}]}), NONE);
}

fn pod_fixtures(add: &mut dyn FnMut(Kind, Value, &'static [&'static str])) {
    let volume = |source: Value| {
        let mut volume = source;
        volume["name"] = json!("v");
        json!({"volumes": [{"name": "first", "emptyDir": {}}, volume]})
    };
    let projected = |source: Value| volume(json!({"projected": {"sources": [{"downwardAPI": {}}, source]}}));

    add(Kind::Volume, volume(json!({"secret": {"secretName": "tls"}})), &["/volumes/1/secret"]);
    add(Kind::Volume, volume(json!({"secret": {"secretName": "tls", "optional": true}})), &["/volumes/1/secret"]);
    add(Kind::Volume, projected(json!({"secret": {"name": "tls"}})), &["/volumes/1/projected/sources/1"]);
    add(Kind::Volume, volume(json!({"configMap": {"name": "secret"}})), NONE);
    add(Kind::Volume, volume(json!({"secret": null, "configMap": {"name": "tls"}})), NONE);
    for source in [
        json!({"configMap": {"name": "tls"}}),
        json!({"serviceAccountToken": {"path": "token"}}),
        json!({"clusterTrustBundle": {"name": "ca", "path": "ca.pem"}}),
        json!({"podCertificate": {"signerName": "example.com/pods", "keyType": "ED25519"}}),
        json!({"downwardAPI": {"items": []}}),
    ] {
        add(Kind::Volume, projected(source.clone()), NONE);
        add(Kind::UnknownSource, projected(source), NONE);
    }

    for driver in
        ["secrets-store.csi.k8s.io", "csi.sharedresource.openshift.io", "csi.cert-manager.io", "csi.spiffe.io"]
    {
        add(Kind::Csi, volume(json!({"csi": {"driver": driver, "readOnly": true}})), &["/volumes/1/csi"]);
    }
    let csi = |fields: Value| {
        let mut csi = json!({"driver": "csi.storage.example.com"});
        csi.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        volume(json!({"csi": csi}))
    };
    add(Kind::Csi, csi(json!({"nodePublishSecretRef": {"name": "nfs"}})), &["/volumes/1/csi/nodePublishSecretRef"]);
    add(Kind::Csi, csi(json!({"volumeAttributes": {"secretName": "blob"}})), &["/volumes/1/csi/volumeAttributes"]);
    add(Kind::Csi, csi(json!({"volumeAttributes": {"sharedSecret": "blob"}})), &["/volumes/1/csi/volumeAttributes"]);
    add(
        Kind::Csi,
        csi(json!({"volumeAttributes": {"secretNamespace": "vault"}})),
        &["/volumes/1/csi/volumeAttributes"],
    );
    add(Kind::Csi, csi(json!({})), NONE);
    add(Kind::Csi, csi(json!({"nodePublishSecretRef": null, "volumeAttributes": null})), NONE);
    add(Kind::Csi, csi(json!({"volumeAttributes": {"share": "//nas/secret", "secretary": "x"}})), NONE);

    for (plugin, field) in [
        ("azureFile", "secretName"),
        ("cephfs", "secretRef"),
        ("cinder", "secretRef"),
        ("flexVolume", "secretRef"),
        ("iscsi", "secretRef"),
        ("rbd", "secretRef"),
        ("scaleIO", "secretRef"),
        ("storageos", "secretRef"),
    ] {
        let secret = if field == "secretName" { json!("store") } else { json!({"name": "store"}) };
        let pointer: &'static str = Box::leak(format!("/volumes/1/{plugin}/{field}").into_boxed_str());
        add(Kind::LegacyVolume, volume(json!({plugin: {"readOnly": true, field: secret}})), Vec::leak(vec![pointer]));
        add(Kind::LegacyVolume, volume(json!({plugin: {"readOnly": true}})), NONE);
        add(Kind::LegacyVolume, volume(json!({plugin: {"readOnly": true, field: null}})), NONE);
    }

    add(Kind::ImagePull, json!({"imagePullSecrets": [{"name": "registry"}]}), &["/imagePullSecrets/0"]);
    add(
        Kind::ImagePull,
        json!({"imagePullSecrets": [{"name": "one"}, {"name": "two"}]}),
        &["/imagePullSecrets/0", "/imagePullSecrets/1"],
    );
    add(Kind::ImagePull, json!({"imagePullSecrets": []}), NONE);
    add(Kind::ImagePull, json!({"imagePullSecrets": null}), NONE);

    add(Kind::UnknownSource, volume(json!({"vault": {"path": "secret/db"}})), &["/volumes/1"]);
    add(Kind::UnknownSource, projected(json!({"vault": {"path": "db"}})), &["/volumes/1/projected/sources/1"]);
    for source in [
        "awsElasticBlockStore",
        "azureDisk",
        "azureFile",
        "cephfs",
        "cinder",
        "configMap",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "fc",
        "flexVolume",
        "flocker",
        "gcePersistentDisk",
        "gitRepo",
        "glusterfs",
        "hostPath",
        "image",
        "iscsi",
        "nfs",
        "persistentVolumeClaim",
        "photonPersistentDisk",
        "portworxVolume",
        "quobyte",
        "rbd",
        "scaleIO",
        "storageos",
        "vsphereVolume",
    ] {
        add(Kind::UnknownSource, volume(json!({source: {}})), NONE);
    }
}

/// A pod's metadata and spec, with the fixture in it, and the pointers of its references below the pod.
fn place(fixture: &Fixture, list: &str) -> (Value, Vec<String>) {
    let mut spec = json!({"containers": [{"name": "plain", "image": "plain"}, {"name": "api", "image": "api"}]});
    let at = match fixture.of {
        Of::Pod => String::new(),
        Of::Container => {
            spec[list] = json!([{"name": "plain-too", "image": "plain"}, {"name": "its", "image": "its"}]);
            format!("/{list}/1")
        }
    };
    let target = spec.pointer_mut(&at).unwrap();
    target.as_object_mut().unwrap().extend(fixture.fields.as_object().unwrap().clone());
    let pointers = fixture.pointers.iter().map(|pointer| format!("/spec{at}{pointer}")).collect();
    (json!({"metadata": {"labels": {"app": "web"}}, "spec": spec}), pointers)
}

/// Every built-in kind that holds a pod, with the pointer of the pod in it. The old groups are still in charts.
const WORKLOADS: &[(&str, &str, &str)] = &[
    ("v1", "Pod", ""),
    ("v1", "PodTemplate", "/template"),
    ("v1", "ReplicationController", "/spec/template"),
    ("apps/v1", "ReplicaSet", "/spec/template"),
    ("apps/v1", "Deployment", "/spec/template"),
    ("apps/v1", "StatefulSet", "/spec/template"),
    ("apps/v1", "DaemonSet", "/spec/template"),
    ("batch/v1", "Job", "/spec/template"),
    ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
    ("apps/v1beta1", "Deployment", "/spec/template"),
    ("apps/v1beta1", "StatefulSet", "/spec/template"),
    ("apps/v1beta2", "DaemonSet", "/spec/template"),
    ("extensions/v1beta1", "Deployment", "/spec/template"),
    ("extensions/v1beta1", "DaemonSet", "/spec/template"),
    ("extensions/v1beta1", "ReplicaSet", "/spec/template"),
    ("batch/v1beta1", "CronJob", "/spec/jobTemplate/spec/template"),
];

fn embed(api_version: &str, kind: &str, at: &str, pod: Value) -> Value {
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}});
    if at.is_empty() { with(object, "/spec", pod["spec"].clone()) } else { with(object, at, pod) }
}

fn found(object: &Value, fixture: &Fixture, policies: &PolicySet) -> Vec<String> {
    let found = references_with(object, policies);
    found.into_iter().filter(|(kind, _)| kind == fixture.kind.name()).map(|(_, pointer)| pointer).collect()
}

#[test]
fn every_kind_has_a_reference_that_is_found_and_a_look_alike_that_is_not() {
    let fixtures = fixtures();
    // The others have theirs in `across.rs` and `clear.rs`.
    let others = KindSet::ON_DEMAND.union(KindSet::OF_MANIFESTS);
    for kind in Kind::ALL.into_iter().filter(|kind| !others.contains(*kind)) {
        let of_kind = || fixtures.iter().filter(|fixture| fixture.kind == kind);
        assert!(of_kind().any(|fixture| !fixture.pointers.is_empty()), "no fixture is found for {kind}");
        assert!(of_kind().any(|fixture| fixture.pointers.is_empty()), "no look-alike for {kind}");
    }
}

#[test]
fn finds_every_reference_in_every_list_of_containers() {
    for fixture in fixtures() {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let (pod, pointers) = place(&fixture, list);
            let pod = embed("v1", "Pod", "", pod);
            assert_eq!(found(&pod, &fixture, &PolicySet::default()), pointers, "{}: {pod:#}", fixture.kind);
        }
    }
}

#[test]
fn finds_every_reference_in_every_built_in_workload() {
    for fixture in fixtures() {
        for (api_version, kind, at) in WORKLOADS {
            let (pod, pointers) = place(&fixture, "containers");
            let pointers: Vec<String> = pointers.iter().map(|pointer| format!("{at}{pointer}")).collect();
            let object = embed(api_version, kind, at, pod);
            let found = found(&object, &fixture, &PolicySet::default());
            assert_eq!(found, pointers, "{api_version} {kind}, {}: {object:#}", fixture.kind);
        }
    }
}

const RAY: &str = "
apiVersion: secretfence.dev/v1alpha1
kind: PodTemplates
metadata: {name: custom}
spec:
  rows:
  - group: ray.io
    versions: [v1]
    resource: rayclusters
    kind: RayCluster
    paths: [\"spec.headGroupSpec.template\", \"spec.workerGroupSpecs[*].template\"]
";

#[test]
fn finds_every_reference_in_a_custom_resource_of_a_pod_templates_document() {
    let policies = policies(RAY);
    for fixture in fixtures() {
        let (pod, pointers) = place(&fixture, "containers");
        let object = json!({
            "apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "ray"},
            "spec": {
                "headGroupSpec": {"template": pod},
                "workerGroupSpecs": [{"groupName": "a", "template": pod}, {"groupName": "b"}, {"template": pod}],
            },
        });
        let templates =
            ["/spec/headGroupSpec/template", "/spec/workerGroupSpecs/0/template", "/spec/workerGroupSpecs/2/template"];
        let expected: Vec<String> =
            templates.iter().flat_map(|at| pointers.iter().map(move |pointer| format!("{at}{pointer}"))).collect();
        let mut found = found(&object, &fixture, &policies);
        found.sort();
        let mut expected = expected;
        expected.sort();
        assert_eq!(found, expected, "{}", fixture.kind);
    }
}

fn is_workload(object: &Value, policies: &PolicySet) -> bool {
    let question = Question {
        api_version: object["apiVersion"].as_str().unwrap(),
        kind: object["kind"].as_str().unwrap(),
        namespace: "shop",
        all: true,
        patch: false,
    };
    let body = serde_json::to_vec(object).unwrap();
    evaluate(&body, &question, policies, &facts()).unwrap() != Evaluation::NotAWorkload
}

#[test]
fn a_custom_resource_is_known_by_group_version_and_kind() {
    let policies = policies(RAY);
    let ray = json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": {}});
    assert!(is_workload(&ray, &policies));
    assert!(!is_workload(&ray, &PolicySet::default()), "no document names it");
    assert!(!is_workload(&with(ray.clone(), "/apiVersion", json!("ray.io/v2")), &policies));
    assert!(!is_workload(&with(ray.clone(), "/apiVersion", json!("ray.dev/v1")), &policies));
    assert!(!is_workload(&with(ray, "/kind", json!("RayJob")), &policies));
}

#[test]
fn a_kind_of_another_group_is_no_workload() {
    let deployment = embed("apps/v1", "Deployment", "/spec/template", json!({"spec": pod_with_secret()["spec"]}));
    assert!(is_workload(&deployment, &PolicySet::default()));
    let foreign = with(deployment.clone(), "/apiVersion", json!("apps.example.com/v1"));
    assert!(!is_workload(&foreign, &PolicySet::default()));
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"spec": "secretKeyRef"}});
    assert!(!is_workload(&config_map, &PolicySet::default()));
}

#[test]
fn finds_references_of_native_sidecars() {
    let sidecar = json!([{"name": "proxy", "image": "proxy", "restartPolicy": "Always", "env": [db_password()]}]);
    let pod = with(pod(), "/spec/initContainers", sidecar);
    assert_eq!(references(&pod), [("secretKeyRef".to_owned(), "/spec/initContainers/0/env/0".to_owned())]);
}

#[test]
fn finds_secret_drivers_that_a_policy_names() {
    let volume = json!([{"name": "v", "csi": {"driver": "csi.example.com"}}]);
    let pod = with(pod(), "/spec/volumes", volume);
    assert!(references(&pod).is_empty());
    let policies = policies(&policy("drivers", "secretDrivers: [csi.example.com]"));
    assert_eq!(references_with(&pod, &policies), [("csi".to_owned(), "/spec/volumes/0/csi".to_owned())]);
}

#[test]
fn finds_every_reference_of_a_volume_with_several() {
    let sources = json!([{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}, {"secret": {"name": "c"}}]);
    let pod = with(pod(), "/spec/volumes", json!([{"name": "v", "projected": {"sources": sources}}]));
    let pointers: Vec<String> = references(&pod).into_iter().map(|(_, pointer)| pointer).collect();
    assert_eq!(pointers, ["/spec/volumes/0/projected/sources/0", "/spec/volumes/0/projected/sources/2"]);
}

#[test]
fn reads_names_that_the_api_server_escaped() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a\u0026b", "env": [
        {"name": "A\u003cB", "value\u0046rom": {"secretKeyRef": {"name": "d\u0062", "key": "\u0070"}}}]}]}}"#;
    let finding = finding(&serde_json::from_str(pod).unwrap(), &deny_env());
    assert_eq!(finding.container.as_deref(), Some("a&b"));
    assert_eq!(finding.variable.as_deref(), Some("A<B"));
    assert_eq!((finding.secret.as_deref(), finding.key.as_deref()), (Some("db"), Some("p")));
    // The helper above read the escapes already: the same bytes, as they are.
    let question = Question { api_version: "v1", kind: "Pod", namespace: "shop", all: true, patch: false };
    let Evaluation::Judged(judged) = evaluate(pod.as_bytes(), &question, &deny_env(), &facts()).unwrap() else {
        panic!("a pod is a workload")
    };
    assert_eq!(judged.findings, [finding]);
}

#[test]
fn an_unknown_source_is_a_warning_unless_a_rule_says_otherwise() {
    let env = json!([{"name": "A", "valueFrom": {"vaultKeyRef": {"path": "db"}}}]);
    let pod = with(pod(), "/spec/containers/0/env", env);
    let silent = rules(&["{name: no-env, on: [env], action: deny}"]);
    let response = validate(&pod, &silent);
    assert!(response.allowed());
    assert_eq!(response.warnings().len(), 1, "{:?}", response.warnings());
    assert!(response.warnings()[0].contains("vaultKeyRef"));
    assert!(response.warnings()[0].ends_with("[files-only/unknown-source]"), "{:?}", response.warnings());
    assert!(validate(&pod, &PolicySet::default()).warnings().is_empty(), "no policy is about the pod");

    let denied = rules(&["{name: unknown, on: [unknownSource], action: deny}"]);
    assert!(!admits(&denied, &pod));
    let allowed = rules(&["{name: unknown, on: [unknownSource], action: allow}"]);
    assert!(validate(&pod, &allowed).warnings().is_empty());
}

#[test]
fn a_source_that_is_only_misspelt_is_told_with_what_was_meant() {
    let said = |env: Value| {
        finding(&with(pod(), "/spec/containers/0", json!({"name": "api", "image": "api", "env": env})), &deny_env())
            .message
    };
    for (found, meant) in
        [("secretKeyref", "secretKeyRef"), ("configMapRefKey", "configMapKeyRef"), ("fieldref", "fieldRef")]
    {
        let message = said(json!([{"name": "A", "valueFrom": {found: {"name": "db", "key": "a"}}}]));
        assert!(message.contains(&format!("(did you mean {meant}?)")), "{message}");
    }
    let message = said(json!([{"name": "A", "valueFrom": {"vaultRef": {"name": "db"}}}]));
    assert!(!message.contains("did you mean"), "{message}");
}
