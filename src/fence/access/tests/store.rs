//! Objects as they come and go.

use serde_json::{Value, json};

use super::*;
use crate::fence::access::{ObjectKind, Store};

fn read() -> Value {
    cluster_role("read", json!([rule("get", "", "secrets")]))
}

fn aggregated(name: &str, selectors: Value, labels: Value) -> Value {
    let mut role = cluster_role(name, json!(null));
    role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
    role["metadata"]["labels"] = labels;
    role
}

fn labelled(name: &str, verb: &str, labels: Value) -> Value {
    let mut role = cluster_role(name, json!([rule(verb, "", "secrets")]));
    role["metadata"]["labels"] = labels;
    role
}

/// What the ClusterRole `whole` gives among these.
fn whole(roles: &[Value]) -> Vec<String> {
    let roles = roles.iter().cloned().chain([cluster_binding("give", "whole", web())]);
    lines(access(&roles.collect::<Vec<_>>()).reach("shop", "web"))
}

#[test]
fn an_object_is_replaced_by_its_kind_namespace_and_name() {
    let mut store = Store::new();
    store.put(object(&read()));
    store.put(object(&binding("billing", "give", ("ClusterRole", "read"), web())));
    store.put(object(&binding("ledger", "give", ("ClusterRole", "read"), web())));
    let reached = |store: &Store| store.access().reach("shop", "web").iter().count();
    assert_eq!(reached(&store), 2);
    store.put(object(&binding("billing", "give", ("ClusterRole", "read"), json!([]))));
    assert_eq!(reached(&store), 1);
    assert!(store.remove(ObjectKind::RoleBinding, "ledger", "give"));
    assert!(!store.remove(ObjectKind::RoleBinding, "ledger", "give"));
    assert_eq!(reached(&store), 0);
    store.put(object(&binding("billing", "give", ("ClusterRole", "read"), web())));
    store.clear(ObjectKind::ClusterRole);
    assert_eq!(reached(&store), 0, "a role that is not there gives nothing");
    store.put(object(&read()));
    assert_eq!(reached(&store), 1, "until it is");
}

#[test]
fn each_kind_comes_and_goes() {
    let objects = [
        (ObjectKind::ClusterRole, "", read()),
        (ObjectKind::ClusterRoleBinding, "", cluster_binding("read", "read", web())),
        (ObjectKind::Role, "shop", role("shop", "read", json!([]))),
        (ObjectKind::RoleBinding, "shop", binding("shop", "read", ("Role", "read"), web())),
    ];
    for (kind, namespace, value) in objects {
        let mut store = Store::new();
        assert!(!store.access().has_rbac());
        store.put(object(&value));
        assert!(store.access().has_rbac(), "{kind:?}");
        assert!(!store.remove(kind, namespace, "other"));
        assert!(store.remove(kind, namespace, "read"), "{kind:?}");
        assert!(!store.access().has_rbac());
    }
}

#[test]
fn an_access_is_not_changed_by_what_comes_later() {
    let mut store = Store::new();
    store.extend([read(), cluster_binding("give", "read", web())].iter().map(object));
    let access = store.access();
    store.clear(ObjectKind::ClusterRoleBinding);
    assert!(!access.reach("shop", "web").is_empty());
    assert!(store.access().reach("shop", "web").is_empty());
}

#[test]
fn automount_of_an_account_is_kept() {
    let account = |automount: Value| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "shop", "name": "web"},
            "automountServiceAccountToken": automount})
    };
    for (written, kept) in [(json!(false), Some(false)), (json!(true), Some(true)), (json!(null), None)] {
        let access = access(&[account(written)]);
        assert_eq!(access.automount("shop", "web"), kept);
        assert_eq!(access.automount("shop", "job"), None);
        assert!(!access.has_rbac());
    }
}

#[test]
fn an_object_without_a_namespace_is_put_into_the_given_one() {
    let mut binding = binding("", "give", ("Role", "read"), json!([{"kind": "ServiceAccount", "name": "web"}]));
    let mut role = role("", "read", json!([rule("get", "", "secrets")]));
    for value in [&mut binding, &mut role] {
        value["metadata"].as_object_mut().unwrap().remove("namespace");
    }
    let objects = [binding, role, read(), cluster_binding("all", "other", web())];
    let access = Access::of(objects.iter().map(|value| object(value).in_namespace("shop")));
    assert!(access.reach("shop", "web").allows(row("get secrets"), Some("shop"), "db"));
}

#[test]
fn objects_of_other_kinds_are_none_and_broken_ones_are_told() {
    let parse = |value: Value| Object::parse(value.to_string().as_bytes());
    let metadata = json!({"name": "x"});
    for (version, kind) in [("v1", "ConfigMap"), ("v1", "Role"), ("example.com/v1", "ServiceAccount"), ("v1", "List")] {
        assert!(parse(json!({"apiVersion": version, "kind": kind, "metadata": metadata})).unwrap().is_none());
    }
    assert!(parse(json!([1])).unwrap().is_none());
    let broken = parse(json!({"apiVersion": VERSION, "kind": "Role", "metadata": metadata, "rules": {}}));
    insta::assert_snapshot!(broken.unwrap_err(), @"Role: invalid type: map, expected a sequence at line 1 column 91: correct it as the API reference of Role says");
    let unknown = json!([{"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}]);
    assert!(parse(aggregated("whole", unknown, json!({}))).is_err());
    let without_values = json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}]);
    assert!(parse(aggregated("whole", without_values, json!({}))).is_err());
    let nulls = json!({"apiVersion": VERSION, "kind": "ClusterRole", "metadata": metadata, "rules": null, "aggregationRule": null});
    assert!(parse(nulls).unwrap().is_some());
}

#[test]
fn debug_shows_no_annotation() {
    let mut values = vec![read(), role("shop", "r", json!([])), cluster_binding("b", "read", web())];
    values.push(binding("shop", "b", ("Role", "r"), web()));
    values
        .push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "shop", "name": "web"}}));
    let mut store = Store::new();
    for value in &mut values {
        value["metadata"]["annotations"] = json!({"example.com/password": "hunter2"});
        assert!(!format!("{:?}", object(value)).contains("hunter2"));
        store.put(object(value));
    }
    assert!(!format!("{store:?} {:?}", store.access()).contains("hunter2"));
}

#[test]
fn an_aggregated_role_has_the_rules_of_those_that_it_selects() {
    let by_label = json!([{"matchLabels": {"to": "whole"}}]);
    let part = labelled("part", "get", json!({"to": "whole"}));
    let other = labelled("other", "list", json!({"to": "others"}));
    insta::assert_snapshot!(whole(&[aggregated("whole", by_label, json!({})), part, other]).join("\n"), @r#"get secrets Cluster All by ClusterRoleBinding "give", ClusterRole "whole", aggregated from "part", rule 0"#);
}

#[test]
fn what_an_aggregated_role_holds_already_is_its_own() {
    let by_label = json!([{"matchLabels": {"to": "whole"}}]);
    let mut filled = aggregated("whole", by_label, json!({}));
    filled["rules"] = json!([rule("list", "", "secrets"), rule("get", "", "secrets")]);
    let part = labelled("part", "get", json!({"to": "whole"}));
    insta::assert_snapshot!(whole(&[filled, part]).join("\n"), @r#"
    get secrets Cluster All by ClusterRoleBinding "give", ClusterRole "whole", rule 1
    list secrets Cluster All by ClusterRoleBinding "give", ClusterRole "whole", rule 0
    "#);
}

#[test]
fn each_operator_of_a_selector() {
    let selects = |expression: Value, labels: Value| {
        let selectors = json!([{"matchExpressions": [expression]}]);
        !whole(&[aggregated("whole", selectors, json!({})), labelled("part", "get", labels)]).is_empty()
    };
    let expression = |operator: &str, values: Value| json!({"key": "a", "operator": operator, "values": values});
    let (is, is_not, none) = (json!({"a": "b"}), json!({"a": "c"}), json!({}));
    let cases = [
        (expression("In", json!(["b"])), [true, false, false]),
        (expression("NotIn", json!(["b"])), [false, true, true]),
        (expression("Exists", json!(null)), [true, true, false]),
        (expression("DoesNotExist", json!([])), [false, false, true]),
    ];
    for (expression, expected) in cases {
        let found = [&is, &is_not, &none].map(|labels| selects(expression.clone(), labels.clone()));
        assert_eq!(found, expected, "{expression}");
    }
    // An empty selector selects all; none selects nothing; of several one is enough; of requirements all are needed.
    let part = || labelled("part", "get", json!({"a": "b"}));
    let count = |selectors: Value| whole(&[aggregated("whole", selectors, json!({})), part()]).len();
    assert_eq!(count(json!([{}])), 1);
    assert_eq!(count(json!([])), 0);
    assert_eq!(count(json!([{"matchLabels": {"x": "y"}}, {"matchLabels": {"a": "b"}}])), 1);
    assert_eq!(count(json!([{"matchLabels": {"x": "y", "a": "b"}}])), 0);
}

#[test]
fn roles_that_are_made_of_one_another_have_the_rights_of_all() {
    let all = json!([{}]);
    let circle = [
        aggregated("whole", json!([{"matchLabels": {"to": "whole"}}]), json!({"to": "other"})),
        aggregated(
            "other",
            json!([{"matchLabels": {"to": "other"}}, {"matchLabels": {"to": "own"}}]),
            json!({"to": "whole"}),
        ),
        labelled("deep", "get", json!({"to": "own"})),
    ];
    insta::assert_snapshot!(whole(&circle).join("\n"), @r#"get secrets Cluster All by ClusterRoleBinding "give", ClusterRole "whole", aggregated from "deep", rule 0"#);
    // As many as could be stored, all of all: done in no time.
    let mut many: Vec<Value> = (0..400).map(|index| aggregated(&format!("r{index}"), all.clone(), json!({}))).collect();
    many.push(aggregated("whole", all, json!({})));
    many.push(labelled("deep", "get", json!({})));
    assert_eq!(whole(&many).len(), 1);
}

#[test]
fn beyond_very_many_aggregated_roles_those_that_are_filled_still_count() {
    let selectors = json!([{"matchLabels": {"a": "b"}}]);
    let mut roles: Vec<Value> =
        (0..1024).map(|index| aggregated(&format!("r{index}"), selectors.clone(), json!({}))).collect();
    let mut filled = aggregated("whole", selectors, json!({}));
    filled["rules"] = json!([rule("get", "", "secrets")]);
    roles.push(filled);
    roles.push(labelled("part", "list", json!({"a": "b"})));
    assert_eq!(whole(&roles).len(), 1);
}

#[test]
fn very_many_bindings_in_one_namespace_are_looked_through_once() {
    let mut values: Vec<Value> = vec![read()];
    let give = |index| binding("billing", &format!("b{index}"), ("ClusterRole", "read"), group("system:authenticated"));
    values.extend((0..5000).map(give));
    let access = access(&values);
    assert_eq!(access.reach("shop", "web").iter().count(), 1);
    let named = |index: usize| {
        let name = format!("s{index}");
        let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": [name]});
        [role("billing", &name, json!([rule])), binding("billing", &name, ("Role", &name), web())]
    };
    let values: Vec<Value> = (0..2000).flat_map(named).collect();
    assert_eq!(Access::of(values.iter().map(object)).reach("shop", "web").iter().count(), 2000);
}
