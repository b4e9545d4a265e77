//! Pods that are older than the policy.

use serde_json::{Value, json};

use crate::api::path;
use crate::cluster::Cluster;
use crate::objects::{self, API, pod, secret_env};

/// A namespace with a pod that would be denied, made before its label.
fn with_offender(cluster: &Cluster, offender: impl Fn(&str) -> Value) -> Value {
    let namespace = cluster.namespace("updates", Some("off"));
    let made = cluster.api.create(&offender(&namespace), "").done();
    enforce(cluster, &namespace);
    made
}

fn enforce(cluster: &Cluster, namespace: &str) {
    let label = json!({"metadata": {"labels": {"secretfence.dev/mode": "enforce"}}});
    cluster.api.merge(&format!("/api/v1/namespaces/{namespace}"), &label).done();
    let probe = pod(namespace, "probe", json!([objects::api()]));
    cluster.eventually(|| cluster.api.create(&probe, "?dryRun=All"), |reply| reply.status == 403);
}

fn of(object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    object
}

#[test]
fn labels_finalizers_and_deletion_of_an_old_offender_go_through() {
    let Some(cluster) = Cluster::shared() else { return };
    let offender = of(&with_offender(cluster, objects::denied));
    let path = path(&offender);
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list, "labels": {"team": "shop"}}});
    cluster.api.merge(&path, &finalizers(json!(["example.com/hold"]))).done();
    assert_eq!(cluster.api.delete(&path).status, 200);
    cluster.api.merge(&path, &finalizers(json!([]))).done();
    cluster.eventually(|| cluster.api.delete(&format!("{path}?gracePeriodSeconds=0")), |reply| reply.status == 404);
}

#[test]
fn an_image_of_an_old_offender_may_change_where_no_exception_named_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let offender = of(&with_offender(cluster, objects::denied));
    let image =
        json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.example.com/shop/api:2"}]);
    cluster.api.request("PATCH", &path(&offender), "application/json-patch+json", &image).done();
}

#[test]
fn the_image_of_an_exception_is_not_replaced_by_another() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("own-policy-exception", Some("enforce"));
    let vendor =
        json!([{"name": "api", "image": "registry.example.com/vendor/ledger:1", "env": [secret_env("DB_PASSWORD")]}]);
    let made = of(&cluster.api.create(&pod(&namespace, "ledger", vendor), "").done());
    let image = |image: &str| json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
    let change = |to: &str| cluster.api.request("PATCH", &path(&made), "application/json-patch+json", &image(to));
    change("registry.example.com/vendor/ledger:2").done();
    insta::assert_snapshot!(change(API).denied(), @r#"
    1 reference denied:
    - container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount it as a file [exception/deny]
    "#);
}

/// Of a pod only images can change, so an old offender's new reference comes with an ephemeral container.
#[test]
fn a_new_reference_on_an_old_offender_is_denied() {
    let Some(cluster) = Cluster::shared() else { return };
    let offender = of(&with_offender(cluster, objects::denied));
    let add = |containers: Value| {
        let path = format!("{}/ephemeralcontainers", path(&offender));
        let patch = json!({"spec": {"ephemeralContainers": containers}});
        cluster.api.request("PATCH", &path, "application/strategic-merge-patch+json", &patch)
    };
    let debug = |env: Value| json!([{"name": "debug", "image": API, "env": env}]);
    insta::assert_snapshot!(add(debug(json!([secret_env("DB_PASSWORD")]))).denied(), @r#"
    1 reference denied:
    - ephemeral container "debug" takes Secret "db" key "password" as env DB_PASSWORD (/spec/ephemeralContainers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
    add(debug(json!([]))).done();
}

#[test]
fn a_template_ratchets_where_templates_are_enforced() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("own-policy-templates-ratchet", Some("off"));
    let made =
        cluster.api.create(&objects::workload("Deployment", &namespace, "web", json!([objects::api()])), "").done();
    let path = path(&made);
    enforce(cluster, &namespace);
    // More of what is there, in another place: forgiven. By another name, or another Secret: new.
    let containers = |env: Value| {
        let containers = json!([{"name": "api", "image": "registry.example.com/shop/api:2", "env": env}]);
        let patch = json!({"spec": {"replicas": 2, "template": {"spec": {"containers": containers}}}});
        cluster.api.merge(&path, &patch)
    };
    containers(json!([{"name": "LEVEL", "value": "debug"}, secret_env("DB_PASSWORD")])).done();
    insta::assert_snapshot!(containers(json!([secret_env("PASSWORD")])).denied(), @r#"
    1 reference denied:
    - container "api" takes Secret "db" key "password" as env PASSWORD (/spec/template/spec/containers/0/env/0): mount it as a file [templates/deny]
    "#);
    insta::assert_snapshot!(containers(json!([secret_env("DB_PASSWORD"), secret_env("TOKEN")])).denied(), @r#"
    1 reference denied:
    - container "api" takes Secret "db" key "password" as env TOKEN (/spec/template/spec/containers/0/env/1): mount it as a file [templates/deny]
    "#);
}
