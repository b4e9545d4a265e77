//! Parts that are gone, in a cluster of its own.

use serde_json::{Value, json};

use crate::api::path;
use crate::cluster::Cluster;
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
    // An old offender's labels, finalizers and deletion never ask.
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
