//! Rules and names.

use serde_json::{Value, json};

use super::*;
use crate::fence::access::{Names, Naming, Place, Scope};

/// What `web` of `shop` reaches by these rules: everywhere, and in `billing`.
fn reached(rules: &Value) -> [Vec<String>; 2] {
    given(rules).map(|access| rows(access.reach("shop", "web")))
}

#[test]
fn each_row_is_reached_by_its_rule_and_by_no_other_of_the_table() {
    for row in &ROWS {
        let shown = vec![row.to_string()];
        let there = if row.place == Place::Namespace { shown.clone() } else { Vec::new() };
        assert_eq!(reached(&json!([rule_of(row)])), [shown, there], "{row}");
    }
}

#[test]
fn no_row_is_reached_by_a_rule_beside_it() {
    for row in &ROWS {
        let (verb, group, resource) = (row.verb, row.group, resource(row));
        let other_subresource = if row.subresource.is_empty() {
            format!("{resource}/status")
        } else {
            // The resource without its subresource is a row of its own at most.
            format!("{}/status", row.resource)
        };
        let beside = [
            rule(&verb.to_uppercase(), group, &resource),
            rule(&verb[1..], group, &resource),
            rule(verb, "example.com", &resource),
            rule(verb, group, &resource[1..]),
            rule(verb, group, &other_subresource),
            rule(verb, group, &format!("{}/*", row.resource)),
            rule(verb, group, "*/"),
            rule(verb, group, "*/*"),
            rule(verb, group, &format!("{resource}/")),
            json!({"verbs": [verb], "apiGroups": [], "resources": [resource]}),
            json!({"verbs": [verb], "nonResourceURLs": ["*"]}),
        ];
        for rule in beside {
            assert_eq!(reached(&json!([rule])), [Vec::<String>::new(), Vec::new()], "{row}: {rule}");
        }
    }
}

#[test]
fn a_star_holds_everything_with_its_subresources() {
    let [everywhere, there] = reached(&json!([rule("*", "*", "*")]));
    let all = |place: Option<Place>| -> Vec<String> {
        ROWS.iter().filter(|row| place.is_none_or(|place| row.place == place)).map(Row::to_string).collect()
    };
    assert_eq!(everywhere, all(None));
    assert_eq!(there, all(Some(Place::Namespace)));
}

#[test]
fn a_star_before_a_subresource_holds_it_of_every_resource() {
    let [everywhere, there] = reached(&json!([rule("get", "", "*/proxy")]));
    assert_eq!(everywhere, ["get pods/proxy", "get services/proxy", "get nodes/proxy"]);
    assert_eq!(there, ["get pods/proxy", "get services/proxy"]);
}

#[test]
fn what_is_in_no_namespace_is_not_given_by_a_role_binding() {
    assert_eq!(reached(&json!([rule("get", "", "nodes/proxy")])), [vec!["get nodes/proxy"], Vec::new()]);
}

#[test]
fn resource_names_restrict_what_has_a_name() {
    let named = |row: &Row, names: &[&str]| {
        let mut rule = rule_of(row);
        rule["resourceNames"] = json!(names);
        let [access, _] = given(&json!([rule]));
        let names = access.reach("shop", "web").iter().map(|reached| match reached.names {
            Names::All => vec!["<all>".to_owned()],
            Names::Only(names) => names.iter().map(ToString::to_string).collect(),
        });
        names.collect::<Vec<_>>()
    };
    for row in &ROWS {
        let is_never = row.naming() == Naming::Never;
        let two = if is_never { vec![] } else { vec![vec!["a".to_owned(), "b".to_owned()]] };
        assert_eq!(named(row, &["b", "a", "b"]), two, "{row}");
        // The empty name is that of a request to the collection: a rule that has it allows that, for all.
        let (all, only) = (vec![vec!["<all>".to_owned()]], vec![vec!["a".to_owned()]]);
        assert_eq!(named(row, &["", "a"]), if row.naming() == Naming::Always { only } else { all.clone() }, "{row}");
        assert_eq!(named(row, &[""]), if row.naming() == Naming::Always { vec![] } else { all.clone() }, "{row}");
        assert_eq!(named(row, &[]), all, "{row}");
    }
}

#[test]
fn a_rule_for_all_names_makes_one_with_names_superfluous() {
    let mut named = rule("get", "", "secrets");
    named["resourceNames"] = json!(["db"]);
    let [access, _] = given(&json!([named, rule("get", "", "secrets"), named]));
    let reached: Vec<_> =
        access.reach("shop", "web").iter().map(|reached| (reached.names, reached.chain.rule)).collect();
    assert_eq!(reached, [(Names::All, 1)]);
}

#[test]
fn rules_with_names_are_kept_apart_until_they_are_very_many() {
    let rules = |count: usize| -> Value {
        let rule = |index| json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": [format!("s{index}")]});
        // Twice: those that are alike count once.
        (0..2).flat_map(|_| (0..count).map(rule)).collect()
    };
    let [few, _] = given(&rules(256));
    assert_eq!(few.reach("shop", "web").iter().count(), 256);
    assert!(!few.reach("shop", "web").allows(row("get secrets"), None, "other"));
    let [many, _] = given(&rules(257));
    let names: Vec<_> = many.reach("shop", "web").iter().map(|reached| reached.names).collect();
    assert_eq!(names, [Names::All]);
}

#[test]
fn each_kind_of_subject_that_a_service_account_can_be() {
    let user = |name: &str| json!([{"kind": "User", "name": name}]);
    let account =
        |namespace: &str, name: &str| json!([{"kind": "ServiceAccount", "namespace": namespace, "name": name}]);
    let reaches = |subjects: &Value| {
        let role = cluster_role("read", json!([rule("get", "", "secrets")]));
        let there = [role.clone(), binding("billing", "give", ("ClusterRole", "read"), subjects.clone())];
        let everywhere = [role, cluster_binding("give", "read", subjects.clone())];
        [there, everywhere].map(|objects| !access(&objects).reach("shop", "web").is_empty())
    };
    let are = [
        web(),
        user("system:serviceaccount:shop:web"),
        group("system:serviceaccounts"),
        group("system:serviceaccounts:shop"),
        group("system:authenticated"),
    ];
    for subjects in are {
        assert_eq!(reaches(&subjects), [true, true], "{subjects}");
    }
    let are_not = [
        json!(null),
        json!([]),
        account("shop", "job"),
        account("billing", "web"),
        // In a RoleBinding its namespace's.
        json!([{"kind": "ServiceAccount", "name": "web"}]),
        user("system:serviceaccount:shop:job"),
        user("system:serviceaccount:shop:web:more"),
        user("system:serviceaccount:shop"),
        user("system:serviceaccounts"),
        user("web"),
        user("*"),
        group("system:serviceaccount:shop:web"),
        group("system:serviceaccounts:"),
        group("system:serviceaccounts:shop:web"),
        group("system:serviceaccounts:billing"),
        group("system:serviceaccountsshop"),
        group("system:unauthenticated"),
        group("system:masters"),
        group("*"),
        json!([{"kind": "serviceaccount", "namespace": "shop", "name": "web"}]),
    ];
    for subjects in are_not {
        assert_eq!(reaches(&subjects), [false, false], "{subjects}");
    }
}

#[test]
fn a_subject_without_a_namespace_is_of_that_of_its_role_binding() {
    let subjects = json!([{"kind": "ServiceAccount", "name": "web"}]);
    let role = cluster_role("read", json!([rule("get", "", "secrets")]));
    let access = access(&[role, binding("billing", "give", ("ClusterRole", "read"), subjects)]);
    assert!(access.reach("billing", "web").allows(row("get secrets"), Some("billing"), ""));
    assert!(access.reach("billing", "web").is_empty(), "its own namespace is no reach");
}

#[test]
fn the_own_namespace_does_not_count_however_the_right_comes() {
    let role = cluster_role("read", json!([rule("get", "", "secrets")]));
    for subjects in [web(), group("system:authenticated"), group("system:serviceaccounts:shop")] {
        let access = access(&[role.clone(), binding("shop", "give", ("ClusterRole", "read"), subjects.clone())]);
        assert!(access.reach("shop", "web").is_empty(), "{subjects}");
    }
}

#[test]
fn a_role_is_looked_for_in_the_namespace_of_its_binding_only() {
    let role = role("shop", "read", json!([rule("get", "", "secrets")]));
    let there = binding("billing", "give", ("Role", "read"), web());
    let mut everywhere = cluster_binding("give", "read", web());
    everywhere["roleRef"]["kind"] = json!("Role");
    assert!(access(&[role.clone(), there]).reach("shop", "web").is_empty());
    assert!(access(&[role, everywhere]).reach("shop", "web").is_empty());
}

#[test]
fn reads_of_secrets_come_first_and_of_one_right_the_shortest_chain() {
    let role = cluster_role("some", json!([rule("create", "", "pods"), rule("get", "", "secrets")]));
    let access = access(&[
        role,
        binding("billing", "z-own", ("ClusterRole", "some"), web()),
        binding("billing", "a-namespace", ("ClusterRole", "some"), group("system:serviceaccounts:shop")),
        binding("ledger", "namespace", ("ClusterRole", "some"), group("system:serviceaccounts:shop")),
        binding("billing", "a-all", ("ClusterRole", "some"), group("system:authenticated")),
        binding("audit", "all", ("ClusterRole", "some"), group("system:serviceaccounts")),
    ]);
    insta::assert_snapshot!(lines(access.reach("shop", "web")).join("\n"), @r#"
    get secrets Namespace("billing") All by RoleBinding "billing/z-own", ClusterRole "some", rule 1
    get secrets Namespace("ledger") All by group system:serviceaccounts:shop, RoleBinding "ledger/namespace", ClusterRole "some", rule 1
    get secrets Namespace("audit") All by group system:serviceaccounts, RoleBinding "audit/all", ClusterRole "some", rule 1
    create pods Namespace("billing") All by RoleBinding "billing/z-own", ClusterRole "some", rule 0
    create pods Namespace("ledger") All by group system:serviceaccounts:shop, RoleBinding "ledger/namespace", ClusterRole "some", rule 0
    create pods Namespace("audit") All by group system:serviceaccounts, RoleBinding "audit/all", ClusterRole "some", rule 0
    "#);
    // An account that is bound by groups alone, and one of a namespace that nobody speaks of.
    assert_eq!(access.reach("shop", "other").iter().count(), 6);
    assert_eq!(access.reach("elsewhere", "web").iter().count(), 4);
}

#[test]
fn what_is_reached_everywhere_is_not_named_for_each_namespace() {
    let mut named = rule("get", "", "secrets");
    named["resourceNames"] = json!(["db"]);
    let access = access(&[
        cluster_role("read", json!([rule("get", "", "secrets")])),
        cluster_role("read-one", json!([named])),
        binding("billing", "one", ("ClusterRole", "read"), web()),
        binding("billing", "two", ("ClusterRole", "read-one"), web()),
        cluster_binding("all", "read", group("system:authenticated")),
    ]);
    let reach = access.reach("shop", "web");
    assert_eq!(reach.iter().map(|reached| reached.namespaces).collect::<Vec<_>>(), [Scope::Cluster]);
}
