//! What the label of a namespace decides.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::control_plane::TENANT;
use crate::objects::{self, is_swapped};

fn namespace_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}")
}

fn mode(mode: Value) -> Value {
    json!({"metadata": {"labels": {"secretfence.dev/mode": mode}}})
}

#[test]
fn swaps_the_stored_pod_of_a_labelled_namespace() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("labelled", Some("enforce"));
    let reply = cluster.api.create(&objects::swapped(&namespace), "");
    assert_eq!(reply.warnings, [""; 0]);
    let made = reply.done();
    assert!(is_swapped(&made), "{made:#}");
    let stored = cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods/swapped")).done();
    assert_eq!(stored["spec"], made["spec"]);
    // The API server's own admission worked on it before us: the token is there, beside our volume.
    let volumes: Vec<&str> =
        stored["spec"]["volumes"].as_array().unwrap().iter().map(|volume| volume["name"].as_str().unwrap()).collect();
    assert!(volumes.len() == 2 && volumes[0].starts_with("kube-api-access-"), "{volumes:?}");
    assert!(volumes[1].starts_with("secretfence-"), "{volumes:?}");
}

#[test]
fn leaves_an_unlabelled_namespace_alone() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("unlabelled", None);
    for pod in [objects::swapped(&namespace), objects::denied(&namespace)] {
        let reply = cluster.api.create(&pod, "");
        assert_eq!(reply.warnings, [""; 0]);
        let made = reply.done();
        assert_eq!(made["spec"]["containers"][0]["env"], pod["spec"]["containers"][0]["env"]);
        assert_eq!(made["metadata"].get("annotations"), None);
    }
}

#[test]
fn off_leaves_alone_where_only_labelled_namespaces_are_judged() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("off", Some("off"));
    let made = cluster.api.create(&objects::denied(&namespace), "").done();
    assert_eq!(made["spec"]["containers"][0]["env"], objects::denied(&namespace)["spec"]["containers"][0]["env"]);
}

#[test]
fn dry_run_denies_and_changes_nothing_and_the_audit_log_has_the_verdict() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("dry-run", Some("dry-run"));
    let pod = objects::denied(&namespace);
    let reply = cluster.api.create(&pod, "");
    let [warning] = &reply.warnings[..] else { panic!("{reply:#?}") };
    assert!(warning.contains("container \"api\" takes Secret \"db\" key \"password\" as env DB_PASSWORD"), "{warning}");
    assert_eq!(reply.done()["spec"]["containers"][0]["env"], pod["spec"]["containers"][0]["env"]);
    let event = cluster.audit_event("create", &namespace, "denied");
    let said = |key: &str| event["annotations"][key].as_str().unwrap_or_else(|| panic!("no {key}: {event:#}"));
    insta::assert_snapshot!(said("validate-dry-run.secretfence.dev/verdict"), @"would_deny");
    insta::assert_snapshot!(said("validate-dry-run.secretfence.dev/policies"), @"secrets-as-files");
    insta::assert_snapshot!(said("validate-dry-run.secretfence.dev/findings"), @r#"dry run: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]"#);
}

#[test]
fn dry_run_puts_the_patch_that_it_would_make_in_the_audit_log() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("dry-run", Some("dry-run"));
    let pod = objects::swapped(&namespace);
    let made = cluster.api.create(&pod, "").done();
    assert_eq!(made["spec"]["containers"][0]["env"], pod["spec"]["containers"][0]["env"]);
    let event = cluster.audit_event("create", &namespace, "swapped");
    let annotations = event["annotations"].as_object().unwrap();
    let is_patch = |(key, _): &(&String, &Value)| key.starts_with("mutate-dry-run.secretfence.dev/patch-");
    let patches: Vec<&str> = annotations.iter().filter(is_patch).map(|(_, patch)| patch.as_str().unwrap()).collect();
    let [patch] = patches[..] else { panic!("{annotations:#?}") };
    let patch: json_patch::Patch = serde_json::from_str(patch).unwrap();
    // The would-be patch is of the pod as the webhook saw it: it does to the stored one what enforce would have done.
    let mut patched = made;
    json_patch::patch(&mut patched, &patch).unwrap();
    assert!(is_swapped(&patched), "{patched:#}");
    insta::assert_snapshot!(annotations["validate-dry-run.secretfence.dev/verdict"].as_str().unwrap(), @"would_swap");
}

#[test]
fn a_broken_pod_is_refused_by_the_api_server_alone_in_a_dry_run() {
    let Some(cluster) = Cluster::shared() else { return };
    let broken = |namespace: &str| {
        let mut twice = objects::denied(namespace);
        let container = twice["spec"]["containers"][0].clone();
        twice["spec"]["containers"].as_array_mut().unwrap().push(container);
        cluster.api.create(&twice, "")
    };
    let said = ["dry-run", "off"].map(|mode| broken(&cluster.namespace(mode, Some(mode))));
    assert_eq!(said[0].status, 422, "{said:#?}");
    assert_eq!(said[0].message(), said[1].message());
}

#[test]
fn a_label_counts_from_the_next_pod_on() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("relabelled", Some("off"));
    let create = || cluster.api.create(&objects::denied(&namespace), "?dryRun=All");
    assert_eq!(create().status, 201);
    for (label, status) in
        [(json!("enforce"), 403), (json!("dry-run"), 201), (json!("enforce"), 403), (Value::Null, 201)]
    {
        cluster.api.merge(&namespace_path(&namespace), &mode(label)).done();
        cluster.eventually(create, |reply| reply.status == status);
    }
}

#[test]
fn only_who_may_set_modes_changes_the_label() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("guarded", Some("enforce"));
    let tenant = cluster.control_plane.api(TENANT);
    let resources = ["namespaces", "namespaces/finalize", "namespaces/status"];
    let rules = json!([{"apiGroups": [""], "resources": resources, "verbs": ["*"], "resourceNames": [namespace]}]);
    allow(cluster, &format!("owner-of-{namespace}"), &rules);
    let change = |label: Value| tenant.merge(&namespace_path(&namespace), &mode(label));
    let relabel = || tenant.merge(&namespace_path(&namespace), &json!({"metadata": {"labels": {"team": "shop"}}}));
    cluster.eventually(relabel, |reply| reply.status == 200);
    for label in [json!("off"), json!("dry-run"), Value::Null] {
        let reply = change(label);
        assert_eq!(reply.status, 403, "{reply:#?}");
        assert!(reply.message().contains("\"modes.secretfence.dev\""), "{}", reply.message());
    }
    // By way of a subresource either, or with a namespace that is new.
    for subresource in ["status", "finalize"] {
        let path = format!("{}/{subresource}", namespace_path(&namespace));
        let mut changed = cluster.api.get(&namespace_path(&namespace)).done();
        changed["metadata"]["labels"]["secretfence.dev/mode"] = json!("off");
        let reply = tenant.request("PUT", &path, "application/json", &changed);
        assert_eq!(reply.status, 403, "{subresource}: {reply:#?}");
        assert!(reply.message().contains("\"modes.secretfence.dev\""), "{}", reply.message());
    }
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]}]);
    allow(cluster, &format!("creator-beside-{namespace}"), &rules);
    let new = |labels: Value| {
        let metadata = json!({"name": format!("{namespace}-new"), "labels": labels});
        let new = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        tenant.create(&new, "?dryRun=All")
    };
    cluster.eventually(|| new(json!({})), |reply| reply.status == 201);
    let reply = new(json!({"secretfence.dev/mode": "off"}));
    assert!(reply.status == 403 && reply.message().contains("\"modes.secretfence.dev\""), "{reply:#?}");
    let rules = json!([{"apiGroups": ["secretfence.dev"], "resources": ["modes"], "verbs": ["set"], "resourceNames": [namespace]}]);
    allow(cluster, &format!("modes-of-{namespace}"), &rules);
    cluster.eventually(|| change(json!("dry-run")), |reply| reply.status == 200);
}

#[test]
fn no_other_word_is_a_mode() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("misspelt", Some("enforce"));
    for word in ["dryrun", "Enforce", "disabled", ""] {
        let reply = cluster.api.merge(&namespace_path(&namespace), &mode(json!(word)));
        assert_eq!(reply.status, 422, "{word}: {reply:#?}");
    }
}

/// Gives the tenant a right in the whole cluster.
fn allow(cluster: &Cluster, name: &str, rules: &Value) {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let role = json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    cluster.api.create(&role, "").done();
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "tenant"}],
    });
    cluster.api.create(&binding, "").done();
}
