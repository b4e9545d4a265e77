//! The webhook's own pods, as the shipped Deployment makes them, in front of the admission of a real API server.

use serde_json::{Value, json};

use crate::chart::{kustomized, rendered};
use crate::cluster::Cluster;

/// Every way to install it, by components of kustomize and by values of the chart.
const WAYS: &[(&[&str], &[&str])] = &[
    (&[], &[]),
    (&["own-certificate"], &["certificates.mode=existing"]),
    (&["cert-manager", "cluster-access"], &["certificates.mode=certManager", "clusterAccess.enabled=true"]),
    (&["critical"], &["priorityClassName=system-cluster-critical"]),
];

#[test]
fn are_admitted_where_pod_security_is_restricted() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = labelled(cluster, "restricted");
    for (components, values) in WAYS {
        for objects in [kustomized("opt-in", components), rendered(values)] {
            let made = cluster.api.create(&pod(&objects, &namespace), "?dryRun=All");
            assert_eq!(made.status, 201, "{components:?} {}", made.message());
            assert!(made.warnings.is_empty(), "{components:?} {:?}", made.warnings);
        }
    }
}

/// The test above can fail: each thing that the Deployment says of itself is asked for.
#[test]
fn would_not_be_without_what_the_deployment_says_of_them() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = labelled(cluster, "restricted");
    let shipped = pod(&kustomized("opt-in", &[]), &namespace);
    for field in [
        "/spec/securityContext/runAsNonRoot",
        "/spec/securityContext/seccompProfile",
        "/spec/containers/0/securityContext/allowPrivilegeEscalation",
        "/spec/containers/0/securityContext/capabilities",
    ] {
        let mut pod = shipped.clone();
        let (parent, name) = field.rsplit_once('/').unwrap();
        assert!(pod.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).is_some(), "{field}");
        let refused = cluster.api.create(&pod, "?dryRun=All");
        assert_eq!(refused.status, 403, "{field}");
        assert!(refused.message().contains("violates PodSecurity \"restricted:latest\""), "{}", refused.message());
    }
}

/// No level below "privileged" lets a pod on the node's network: the component relabels the namespace, and nothing else
/// about the pod is wrong.
#[test]
fn on_the_nodes_network_are_admitted_by_the_label_that_comes_with_it() {
    let Some(cluster) = Cluster::shared() else { return };
    for objects in [kustomized("opt-in", &["host-network"]), rendered(&["hostNetwork=true"])] {
        let [restricted, baseline] = ["restricted", "baseline"].map(|level| pod(&objects, &labelled(cluster, level)));
        let refused = cluster.api.create(&restricted, "?dryRun=All");
        assert_eq!(refused.status, 403);
        let (_, why) = refused.message().split_once("violates PodSecurity").unwrap();
        // The host's ports are the consequence of its network.
        assert!(why.contains("host namespaces (hostNetwork=true)"), "{why}");
        for other in ["runAsNonRoot", "seccompProfile", "capabilities", "allowPrivilegeEscalation", "volume"] {
            assert!(!why.contains(other), "{why}");
        }
        assert_eq!(cluster.api.create(&baseline, "?dryRun=All").status, 403);
    }
    let objects = kustomized("opt-in", &["host-network"]);
    let namespace = objects.iter().find(|object| object["kind"] == "Namespace").unwrap();
    let level = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].as_str().unwrap();
    assert_eq!(cluster.api.create(&pod(&objects, &labelled(cluster, level)), "?dryRun=All").status, 201);
}

/// A namespace whose Pod Security is enforced at this level, and warned of.
fn labelled(cluster: &Cluster, level: &str) -> String {
    let namespace = cluster.namespace("own-pods", None);
    let labels = json!({"pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/warn": level});
    cluster.api.merge(&format!("/api/v1/namespaces/{namespace}"), &json!({"metadata": {"labels": labels}})).done();
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "secretfence", "namespace": namespace}, "automountServiceAccountToken": false,
    });
    cluster.api.create(&account, "").done();
    namespace
}

/// The pod that the Deployment's template makes.
fn pod(objects: &[Value], namespace: &str) -> Value {
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let template = &deployment["spec"]["template"];
    let metadata =
        json!({"generateName": "secretfence-", "namespace": namespace, "labels": template["metadata"]["labels"]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}
