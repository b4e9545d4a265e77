//! The roles that every cluster has. The fixtures are those of an API server (`tests/cluster/reach.rs` holds them to it).

use serde_json::{Value, json};

use super::*;

const CLUSTER_ROLES: &str = include_str!("../../../../tests/fixtures/rbac/clusterroles.json");
const CLUSTER_ROLE_BINDINGS: &str = include_str!("../../../../tests/fixtures/rbac/clusterrolebindings.json");
const ROLES: &str = include_str!("../../../../tests/fixtures/rbac/roles.json");
const ROLE_BINDINGS: &str = include_str!("../../../../tests/fixtures/rbac/rolebindings.json");

fn fixture(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

/// The rows that a built-in ClusterRole reaches, bound everywhere.
fn rows_of(roles: &[Value], name: &str) -> Vec<String> {
    assert!(roles.iter().any(|role| role["metadata"]["name"] == name), "no {name}");
    let objects: Vec<Value> = roles.iter().cloned().chain([cluster_binding("give", name, web())]).collect();
    rows(access(&objects).reach("shop", "web"))
}

/// Each resource with its verbs, one line each.
fn short(rows: &[String]) -> String {
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        let (verb, resource) = row.split_once(' ').unwrap();
        match lines.iter_mut().find(|(name, _)| *name == resource) {
            Some((_, verbs)) => verbs.push(verb),
            None => lines.push((resource, vec![verb])),
        }
    }
    let lines: Vec<String> = lines.iter().map(|(name, verbs)| format!("{name}: {}", verbs.join(" "))).collect();
    lines.join("\n")
}

#[test]
fn view_reaches_nothing() {
    assert!(rows_of(&fixture(CLUSTER_ROLES), "view").is_empty());
}

#[test]
fn edit_reaches() {
    insta::assert_snapshot!(short(&rows_of(&fixture(CLUSTER_ROLES), "edit")), @r#"
    secrets: get list watch patch delete deletecollection update
    pods: create update patch
    replicationcontrollers: create update patch
    deployments.apps: create update patch
    replicasets.apps: create update patch
    statefulsets.apps: create update patch
    daemonsets.apps: create update patch
    jobs.batch: create update patch
    cronjobs.batch: create update patch
    pods/exec: create get
    pods/attach: create get
    pods/portforward: create get
    pods/proxy: get create update patch delete
    services/proxy: get create update patch delete
    serviceaccounts/token: create
    serviceaccounts: impersonate
    "#);
}

#[test]
fn admin_reaches_what_edit_does_and_hands_it_out() {
    let roles = fixture(CLUSTER_ROLES);
    let edit = rows_of(&roles, "edit");
    let more: Vec<String> = rows_of(&roles, "admin").into_iter().filter(|row| !edit.contains(row)).collect();
    insta::assert_snapshot!(short(&more), @"rolebindings.rbac.authorization.k8s.io: create update patch");
}

#[test]
fn cluster_admin_reaches_everything() {
    let all: Vec<String> = ROWS.iter().map(Row::to_string).collect();
    assert_eq!(rows_of(&fixture(CLUSTER_ROLES), "cluster-admin"), all);
}

#[test]
fn the_aggregated_ones_are_what_the_controller_made_of_them() {
    let filled = fixture(CLUSTER_ROLES);
    let mut unfilled = filled.clone();
    for role in unfilled.iter_mut().filter(|role| role["aggregationRule"].is_object()) {
        role["rules"] = json!(null);
    }
    for name in ["view", "edit", "admin"] {
        let role = unfilled.iter().find(|role| role["metadata"]["name"] == name).unwrap();
        assert!(role["rules"].is_null(), "{name}");
        assert_eq!(rows_of(&unfilled, name), rows_of(&filled, name), "{name}");
    }
}

#[test]
fn the_system_roles_reach() {
    let roles = fixture(CLUSTER_ROLES);
    let names = roles.iter().map(|role| role["metadata"]["name"].as_str().unwrap());
    let system: Vec<&str> = names.filter(|name| name.starts_with("system:")).collect();
    let lines = system.iter().map(|name| (name, short(&rows_of(&roles, name)).replace('\n', "; ")));
    // All others nothing.
    let lines: Vec<String> =
        lines.filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| format!("{name}: {rows}")).collect();
    assert_eq!((system.len(), lines.len()), (65, 19));
    insta::assert_snapshot!(lines.join("\n"), @r#"
    system:aggregate-to-admin: rolebindings.rbac.authorization.k8s.io: create update patch
    system:aggregate-to-edit: secrets: get list watch patch delete deletecollection update; pods: create update patch; replicationcontrollers: create update patch; deployments.apps: create update patch; replicasets.apps: create update patch; statefulsets.apps: create update patch; daemonsets.apps: create update patch; jobs.batch: create update patch; cronjobs.batch: create update patch; pods/exec: create get; pods/attach: create get; pods/portforward: create get; pods/proxy: get create update patch delete; services/proxy: get create update patch delete; serviceaccounts/token: create; serviceaccounts: impersonate
    system:controller:clusterrole-aggregation-controller: clusterroles.rbac.authorization.k8s.io: escalate
    system:controller:cronjob-controller: jobs.batch: create update patch; cronjobs.batch: update
    system:controller:daemon-set-controller: pods: create patch
    system:controller:deployment-controller: pods: update; deployments.apps: update; replicasets.apps: create update patch
    system:controller:generic-garbage-collector: secrets: get list watch patch delete update; validatingwebhookconfigurations.admissionregistration.k8s.io: update patch; mutatingwebhookconfigurations.admissionregistration.k8s.io: update patch; pods: update patch; replicationcontrollers: update patch; deployments.apps: update patch; replicasets.apps: update patch; statefulsets.apps: update patch; daemonsets.apps: update patch; jobs.batch: update patch; cronjobs.batch: update patch; mutatingadmissionpolicies.admissionregistration.k8s.io: update patch; pods/ephemeralcontainers: update patch; pods/exec: get; pods/attach: get; pods/portforward: get; pods/proxy: get update patch delete; services/proxy: get update patch delete; nodes/proxy: get update patch delete; rolebindings.rbac.authorization.k8s.io: update patch; clusterrolebindings.rbac.authorization.k8s.io: update patch
    system:controller:job-controller: pods: create patch; jobs.batch: update patch
    system:controller:legacy-service-account-token-cleaner: secrets: patch delete
    system:controller:namespace-controller: secrets: get list watch delete deletecollection; pods/exec: get; pods/attach: get; pods/portforward: get; pods/proxy: get delete; services/proxy: get delete; nodes/proxy: get delete
    system:controller:persistent-volume-binder: pods: create; persistentvolumes: create
    system:controller:replicaset-controller: pods: create patch; replicasets.apps: update
    system:controller:replication-controller: pods: create patch; replicationcontrollers: update
    system:controller:resourcequota-controller: secrets: list watch
    system:controller:statefulset-controller: pods: create update patch
    system:kube-controller-manager: secrets: get list watch delete update; serviceaccounts/token: create
    system:kubelet-api-admin: nodes/proxy: get create update patch delete
    system:node: secrets: get list watch; pods: create; serviceaccounts/token: create
    system:persistent-volume-provisioner: persistentvolumes: create
    "#);
}

#[test]
fn a_new_cluster_lets_no_account_of_a_tenant_reach_anything() {
    let objects = [CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS].map(fixture).concat();
    let access = access(&objects);
    assert!(access.reach("shop", "web").is_empty(), "{:#?}", lines(access.reach("shop", "web")));
    assert!(access.reach("kube-system", "default").is_empty());
    let controller = access.reach("kube-system", "deployment-controller");
    insta::assert_snapshot!(lines(controller).join("\n"), @r#"
    update pods Cluster All by ClusterRoleBinding "system:controller:deployment-controller", ClusterRole "system:controller:deployment-controller", rule 4
    update deployments.apps Cluster All by ClusterRoleBinding "system:controller:deployment-controller", ClusterRole "system:controller:deployment-controller", rule 0
    create replicasets.apps Cluster All by ClusterRoleBinding "system:controller:deployment-controller", ClusterRole "system:controller:deployment-controller", rule 3
    update replicasets.apps Cluster All by ClusterRoleBinding "system:controller:deployment-controller", ClusterRole "system:controller:deployment-controller", rule 3
    patch replicasets.apps Cluster All by ClusterRoleBinding "system:controller:deployment-controller", ClusterRole "system:controller:deployment-controller", rule 3
    "#);
}
