//! Parts that are gone, in a cluster of its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::{Api, path};
use crate::cluster::Cluster;
use crate::control_plane::eventually;
use crate::objects::{self, clean, is_swapped, pod};

#[test]
fn a_webhook_that_is_gone_or_restarts() {
    let Some(cluster) = Cluster::own("opt-in") else { return };
    let api = &cluster.api;
    let [labelled, old, dry_run, unlabelled] = [
        cluster.namespace("gone", Some("enforce")),
        cluster.namespace("gone-old", Some("off")),
        cluster.namespace("gone-dry-run", Some("dry-run")),
        cluster.namespace("gone-unlabelled", None),
    ];
    let offender = api.create(&objects::denied(&old), "").done();
    let moved = api.create(&movable(&old), "").done();
    let relabel = json!({"metadata": {"labels": {"secretfence.dev/mode": "enforce"}}});
    api.merge(&format!("/api/v1/namespaces/{old}"), &relabel).done();
    cluster.eventually(
        || api.create(&pod(&old, "x", json!([objects::api()])), "?dryRun=All"),
        |reply| reply.status == 403,
    );

    cluster.webhook.stop();
    // Mutation is left out; validation refuses, and says whose it is.
    let reply = api.create(&clean(&labelled), "");
    assert_eq!(reply.status, 500, "{reply:#?}");
    assert!(reply.message().contains("failed calling webhook \"validate.secretfence.dev\""), "{}", reply.message());
    // Who is not judged does not wait, the dry run neither, nor the system's own namespaces.
    for namespace in [&unlabelled, &dry_run] {
        let made = api.create(&objects::swapped(namespace), "").done();
        assert!(!is_swapped(&made));
    }
    for namespace in ["kube-system", "secretfence"] {
        // Pods of the webhook's own Deployment, even with the label on its namespace.
        api.merge(&format!("/api/v1/namespaces/{namespace}"), &relabel).done();
    }
    let restricted = restricted(clean("secretfence"));
    for pod in [clean("kube-system"), restricted] {
        cluster.eventually(|| api.create(&pod, ""), |reply| matches!(reply.status, 201 | 409));
    }
    // Its own pods come again after they are gone.
    let own = "/api/v1/namespaces/secretfence/pods?labelSelector=app.kubernetes.io/name=secretfence";
    let uids = || -> BTreeSet<String> {
        let pods = api.get(own).body["items"].as_array().cloned().unwrap_or_default();
        pods.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    };
    let before = eventually(|| Some(uids()).filter(|uids| uids.len() == 2)).expect("two replicas");
    api.delete(&format!("{own}&gracePeriodSeconds=0")).done();
    assert!(eventually(|| (uids().difference(&before).count() == 2).then_some(())).is_some(), "{:?}", uids());
    // Resizes, bindings and evictions never ask, of an old offender either.
    resize_bind_and_evict(api, &of(&moved));
    // Nor do an old offender's labels, finalizers and deletion.
    let offender = path(&of(&offender));
    api.merge(&offender, &json!({"metadata": {"finalizers": ["example.com/hold"], "labels": {"a": "b"}}})).done();
    api.merge(&offender, &json!({"metadata": {"finalizers": []}})).done();
    api.delete(&offender).done();

    cluster.webhook.restart();
    cluster.eventually(|| api.create(&objects::swapped(&labelled), "?dryRun=All"), |reply| reply.status == 201);
    assert!(is_swapped(&api.create(&objects::swapped(&labelled), "").done()));

    cluster.control_plane.restart_api_server();
    let reply = cluster.eventually(|| api.create(&objects::denied(&labelled), ""), |reply| reply.status == 403);
    reply.denied();
    let made = api.create(&pod(&labelled, "after", json!([objects::postgres()])), "").done();
    assert!(is_swapped(&made), "{made:#}");

    // As most API servers are started: without an AdmissionConfiguration, so without a certificate for webhooks.
    cluster.control_plane.forget_client_certificate();
    cluster.control_plane.restart_api_server();
    // Its client may be still writing when the connection is closed, and then does not read why: so it is asked again.
    let why = "remote error: tls: certificate required";
    let refused = || api.create(&clean(&labelled), "?dryRun=All");
    assert_eq!(cluster.eventually(refused, |reply| reply.message().contains(why)).status, 500);
}

/// A pod that would be denied, and that the API server lets resize.
fn movable(namespace: &str) -> Value {
    let mut pod = objects::denied(namespace);
    pod["metadata"]["name"] = json!("moved");
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1m"}});
    pod
}

/// Uses the subresources of a pod that are nobody's business here.
fn resize_bind_and_evict(api: &Api, pod: &Value) {
    let (path, metadata) = (path(pod), json!({"name": "moved", "namespace": pod["metadata"]["namespace"]}));
    let room = json!({"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "9"}});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}, "status": room});
    api.create(&node, "").done();
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": "node"});
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target});
    api.request("POST", &format!("{path}/binding"), "application/json", &binding).done();
    let resize = json!({"spec": {"containers": [{"name": "api", "resources": {"requests": {"cpu": "2m"}}}]}});
    let resized =
        api.request("PATCH", &format!("{path}/resize"), "application/strategic-merge-patch+json", &resize).done();
    assert_eq!(resized["spec"]["containers"][0]["resources"]["requests"]["cpu"], "2m");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
    api.request("POST", &format!("{path}/eviction"), "application/json", &eviction).done();
}

#[test]
fn off_wins_in_the_cluster_wide_registration() {
    let Some(cluster) = Cluster::own("cluster-wide") else { return };
    let [unlabelled, off, dry_run] = [
        cluster.namespace("everyone", None),
        cluster.namespace("off", Some("off")),
        cluster.namespace("dry-run", Some("dry-run")),
    ];
    cluster.api.create(&objects::denied(&unlabelled), "").denied();
    assert!(is_swapped(&cluster.api.create(&objects::swapped(&unlabelled), "").done()));
    for namespace in [&off, &dry_run] {
        for pod in [objects::denied(namespace), objects::swapped(namespace)] {
            let made = cluster.api.create(&pod, "").done();
            assert_eq!(made["spec"]["containers"][0]["env"], pod["spec"]["containers"][0]["env"]);
        }
    }
    cluster.api.create(&clean("kube-system"), "").done();
}

/// The pod as the Pod Security Standard `restricted` wants it.
fn restricted(mut pod: Value) -> Value {
    pod["spec"]["securityContext"] = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    let container = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    pod["spec"]["containers"][0]["securityContext"] = container;
    pod
}

fn of(object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    object
}
