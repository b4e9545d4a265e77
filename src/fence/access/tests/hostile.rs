//! Whoever may write roles in one namespace binds a few thousand rules to somebody else's account: neither pods nor memory pay.

use serde_json::{Value, json};

use super::*;
use crate::fence::access::Scope;
use crate::fence::access::reach::STEPS;
use crate::fence::access::table::RowSet;

/// A rule for everything of one name.
fn everything_named(name: &str) -> Value {
    json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": [name]})
}

/// Roles of so many rules each, all bound to `web` of `shop`, in one namespace.
fn bound(roles: usize, rules: usize) -> Vec<Value> {
    let each = |number: usize| {
        let rules: Vec<_> = (0..rules).map(|rule| everything_named(&format!("n{number}-{rule}"))).collect();
        let name = format!("r{number:05}");
        [role("evil", &name, json!(rules)), binding("evil", &name, ("Role", &name), web())]
    };
    (0..roles).flat_map(each).collect()
}

/// What is looked at for one pod.
fn steps(access: &Access) -> usize {
    STEPS.set(0);
    assert!(!access.reach("shop", "web").is_empty());
    STEPS.get()
}

#[test]
fn a_pod_costs_the_same_however_many_rules_with_names_are_bound_in_a_place() {
    let few = steps(&access(&bound(1, 1)));
    for (roles, rules) in [(1, 250), (16, 250), (64, 250)] {
        // The next binding is looked at, too.
        assert!(steps(&access(&bound(roles, rules))) <= few + 2, "{roles} roles of {rules} rules");
    }
    assert!(few <= 8, "{few}");
}

#[test]
fn a_pod_costs_at_most_what_the_table_is_long_for_each_place() {
    // Each binding adds one right, the most direct last; each has many that no request can use.
    let mut objects = Vec::new();
    for (number, row) in ROWS.iter().rev().enumerate() {
        let mut rules: Vec<Value> = (0..200)
            .map(|rule| {
                let mut rule = everything_named(&format!("n{rule}"));
                rule["verbs"] = json!(["deletecollection"]);
                rule
            })
            .collect();
        rules.push(rule_of(row));
        let name = format!("r{number:05}");
        objects.push(role("evil", &name, json!(rules)));
        objects.push(binding("evil", &name, ("Role", &name), web()));
    }
    let steps = steps(&access(&objects));
    assert!(steps <= 4 * ROWS.len(), "{steps}");
}

#[test]
fn the_strongest_of_each_place_is_the_first_of_all_that_is_reached_there() {
    let mut objects = bound(3, 20);
    objects.extend([
        cluster_role("run", json!([rule("create", "", "pods"), rule("create", "", "pods/exec")])),
        cluster_role("read", json!([rule("get", "", "secrets")])),
        cluster_role(
            "never",
            json!([{"verbs": ["create"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}]),
        ),
        cluster_binding("all", "run", group("system:serviceaccounts:shop")),
        binding("billing", "a", ("ClusterRole", "run"), web()),
        binding("billing", "b", ("ClusterRole", "read"), group("system:authenticated")),
        binding("ledger", "a", ("ClusterRole", "run"), group("system:serviceaccounts")),
        binding("never", "a", ("ClusterRole", "never"), web()),
        binding("shop", "own", ("ClusterRole", "read"), web()),
    ]);
    for objects in [&objects[..], &objects[..objects.len() - 6]] {
        let access = access(objects);
        let reach = access.reach("shop", "web");
        let mut first = std::collections::BTreeSet::new();
        let firsts: Vec<_> = reach.iter().filter(|reached| first.insert(reached.namespaces)).collect();
        assert_eq!(reach.strongest_of_each_place(), firsts);
    }
    let access = access(&objects);
    let places = access.reach("shop", "web").strongest_of_each_place();
    let places: Vec<_> = places.iter().map(|reached| (reached.row.to_string(), reached.namespaces)).collect();
    let place = |row: &str, scope| (row.to_owned(), scope);
    assert_eq!(
        places,
        [
            place("get secrets", Scope::Namespace("evil")),
            place("get secrets", Scope::Namespace("billing")),
            place("create pods", Scope::Cluster)
        ]
    );
}

#[test]
fn a_role_keeps_one_right_for_a_rule_and_not_one_for_each_row() {
    let rules: Vec<_> = (0..250).map(|rule| everything_named(&format!("n{rule}"))).collect();
    let Object::Role(role) = object(&role("evil", "many", json!(rules))) else { panic!("a Role") };
    assert_eq!(role.grants.iter().count(), rules.len());
    assert!(std::mem::size_of_val(role.grants.iter().next().unwrap()) <= 48);
    // What many rules of one role give by name they give by any.
    let rules: Vec<_> = (0..10_000).map(|rule| everything_named(&format!("n{rule}"))).collect();
    let Object::Role(role) = object(&super::role("evil", "many", json!(rules))) else { panic!("a Role") };
    assert_eq!((role.grants.iter().count(), role.grants.all), (1, RowSet::ALL));
}
