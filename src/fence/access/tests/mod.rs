//! RBAC in memory, held against what is written down; the API server itself is asked by `tests/cluster/reach.rs`.

mod bootstrap;
mod hostile;
mod rules;
mod store;

use serde_json::{Value, json};

use super::{Access, Object, ROWS, Reach, Row};

const VERSION: &str = "rbac.authorization.k8s.io/v1";

fn object(value: &Value) -> Object {
    Object::parse(value.to_string().as_bytes()).unwrap().unwrap()
}

fn access(values: &[Value]) -> Access {
    Access::of(values.iter().map(object))
}

fn rule(verb: &str, group: &str, resource: &str) -> Value {
    json!({"verbs": [verb], "apiGroups": [group], "resources": [resource]})
}

/// The rule that gives a row, and nothing else.
fn rule_of(row: &Row) -> Value {
    rule(row.verb, row.group, &resource(row))
}

fn resource(row: &Row) -> String {
    if row.subresource.is_empty() { row.resource.to_owned() } else { format!("{}/{}", row.resource, row.subresource) }
}

fn role(namespace: &str, name: &str, rules: Value) -> Value {
    json!({"apiVersion": VERSION, "kind": "Role", "metadata": {"namespace": namespace, "name": name}, "rules": rules})
}

fn cluster_role(name: &str, rules: Value) -> Value {
    json!({"apiVersion": VERSION, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

fn binding(namespace: &str, name: &str, (kind, role): (&str, &str), subjects: Value) -> Value {
    json!({
        "apiVersion": VERSION, "kind": "RoleBinding", "metadata": {"namespace": namespace, "name": name},
        "roleRef": {"kind": kind, "name": role}, "subjects": subjects,
    })
}

fn cluster_binding(name: &str, role: &str, subjects: Value) -> Value {
    json!({
        "apiVersion": VERSION, "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": subjects,
    })
}

/// The subject that nearly all tests speak of: `web` of `shop`.
fn web() -> Value {
    json!([{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}])
}

fn group(name: &str) -> Value {
    json!([{"kind": "Group", "name": name}])
}

/// What `web` of `shop` reaches, one line each: the right, where, which names, by which chain.
fn lines(reach: Reach<'_>) -> Vec<String> {
    let line = |reached: super::Reached<'_>| {
        format!("{} {:?} {:?} by {}", reached.row, reached.namespaces, reached.names, reached.chain)
    };
    reach.iter().map(line).collect()
}

fn rows(reach: Reach<'_>) -> Vec<String> {
    reach.iter().map(|reached| reached.row.to_string()).collect()
}

/// `web` of `shop` with these rules in all namespaces, then with a Role of them in `billing`.
fn given(rules: &Value) -> [Access; 2] {
    let everywhere = [cluster_role("some", rules.clone()), cluster_binding("give", "some", web())];
    let there = [role("billing", "some", rules.clone()), binding("billing", "give", ("Role", "some"), web())];
    [access(&everywhere), access(&there)]
}

fn row(shown: &str) -> &'static Row {
    ROWS.iter().find(|row| row.to_string() == shown).unwrap_or_else(|| panic!("no row {shown}"))
}
