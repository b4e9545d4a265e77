//! What is denied, and what is said.

use serde_json::{Value, json};

use crate::cluster::{Cluster, shown};
use crate::objects::{self, API, api, clean, pod, secret_env};

#[test]
fn a_denial_as_kubectl_prints_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("denied", Some("enforce"));
    let manifest = objects::denied(&namespace).to_string();
    let output = cluster.kubectl(&["apply", "-f", "-"], &manifest);
    insta::assert_snapshot!(shown(&output), @r#"
    exit: 1
    --- stderr
    Error from server (Forbidden): error when creating "STDIN": admission webhook "validate.secretfence.dev" denied the request: 1 reference denied:
    - container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
}

#[test]
fn each_container_list_is_judged() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("lists", Some("enforce"));
    let mut init = clean(&namespace);
    init["spec"]["initContainers"] = json!([api()]);
    init["spec"]["initContainers"][0]["name"] = json!("first");
    insta::assert_snapshot!(cluster.api.create(&init, "").denied(), @r#"
    1 reference denied:
    - init container "first" takes Secret "db" key "password" as env DB_PASSWORD (/spec/initContainers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
    let mut sidecar = init;
    sidecar["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    insta::assert_snapshot!(cluster.api.create(&sidecar, "").denied(), @r#"
    1 reference denied:
    - init container "first" takes Secret "db" key "password" as env DB_PASSWORD (/spec/initContainers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
    insta::assert_snapshot!(cluster.api.create(&objects::denied(&namespace), "").denied(), @r#"
    1 reference denied:
    - container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
}

#[test]
fn an_ephemeral_container_is_judged_at_its_subresource() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("ephemeral", Some("enforce"));
    cluster.api.create(&clean(&namespace), "").done();
    let path = format!("/api/v1/namespaces/{namespace}/pods/clean/ephemeralcontainers");
    let add = |env: Value| {
        let containers = json!([{"name": "debug", "image": API, "env": env}]);
        let patch = json!({"spec": {"ephemeralContainers": containers}});
        cluster.api.request("PATCH", &path, "application/strategic-merge-patch+json", &patch)
    };
    insta::assert_snapshot!(add(json!([secret_env("DB_PASSWORD")])).denied(), @r#"
    1 reference denied:
    - ephemeral container "debug" takes Secret "db" key "password" as env DB_PASSWORD (/spec/ephemeralContainers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
    let made = add(json!([{"name": "LEVEL", "value": "debug"}])).done();
    assert_eq!(made["spec"]["ephemeralContainers"][0]["name"], "debug");
}

#[test]
fn an_ephemeral_container_is_not_swapped() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("ephemeral", Some("enforce"));
    cluster.api.create(&clean(&namespace), "").done();
    let path = format!("/api/v1/namespaces/{namespace}/pods/clean/ephemeralcontainers");
    let mut container = objects::postgres();
    container["name"] = json!("debug");
    let patch = json!({"spec": {"ephemeralContainers": [container]}});
    let reply = cluster.api.request("PATCH", &path, "application/strategic-merge-patch+json", &patch);
    insta::assert_snapshot!(reply.denied(), @r#"
    1 reference denied:
    - ephemeral container "debug" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/ephemeralContainers/0/env/0): cannot be swapped safely: an ephemeral container cannot take a new volume; mount it as a file [secrets-as-files/images-that-read-files]
    "#);
}

#[test]
fn whole_secrets_are_denied() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("env-from", Some("enforce"));
    let env_from = json!([{"secretRef": {"name": "db"}}, {"prefix": "DB_", "secretRef": {"name": "db"}}]);
    let reply =
        cluster.api.create(&pod(&namespace, "web", json!([{"name": "api", "image": API, "envFrom": env_from}])), "");
    insta::assert_snapshot!(reply.denied(), @r#"
    2 references denied:
    - container "api" takes all keys of Secret "db" as env (/spec/containers/0/envFrom/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    - container "api" takes all keys of Secret "db" as env with prefix DB_ (/spec/containers/0/envFrom/1): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
}

#[test]
fn env_files_are_denied() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("env-files", Some("enforce"));
    let file = json!({"fileKeyRef": {"volumeName": "made", "path": "env", "key": "PASSWORD"}});
    let container = json!({"name": "api", "image": API, "env": [{"name": "DB_PASSWORD", "valueFrom": file}]});
    let mut pod = pod(&namespace, "web", json!([container]));
    pod["spec"]["volumes"] = json!([{"name": "made", "emptyDir": {}}]);
    insta::assert_snapshot!(cluster.api.create(&pod, "").denied(), @r#"
    1 reference denied:
    - container "api" takes file "env" of volume "made" key "PASSWORD" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
}

#[test]
fn a_pod_with_5000_references_is_denied_in_few_words_and_its_audit_event_is_there() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("many", Some("enforce"));
    let env: Vec<Value> = (0..5000).map(|index| secret_env(&format!("V{index}"))).collect();
    let reply = cluster.api.create(&pod(&namespace, "many", json!([{"name": "api", "image": API, "env": env}])), "");
    let message = reply.denied();
    assert!(message.starts_with("5000 references denied"), "{message}");
    assert!(message.len() <= 4096, "{} bytes", message.len());
    let event = cluster.audit_event("create", &namespace, "many");
    assert_eq!(event["responseStatus"]["code"], 403);
    let ours = event["annotations"].as_object().unwrap().iter();
    let ours: Vec<_> = ours.filter(|(key, _)| key.starts_with("validate.secretfence.dev/")).collect();
    assert!(!ours.is_empty(), "{:#}", event["annotations"]);
    let length: usize = ours.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum();
    assert!(length <= 8 << 10, "{length} bytes of annotations");
}
