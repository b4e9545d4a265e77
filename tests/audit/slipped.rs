//! Pods that slipped in since an earlier audit, and what that one cannot know.

use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, program, shop, spec};

/// The set that the web's pods are of.
const SET: Option<[&str; 3]> = Some(["apps/v1", "ReplicaSet", "web-1"]);

fn saved() -> Cluster {
    let cluster = shop();
    cluster.audit(&["--save", "before.json"]);
    cluster
}

fn web() -> Value {
    spec("api", "registry.example.com/api:1", &[env("DB_PASSWORD", "db")])
}

/// Makes of what was saved what it is to be.
type Edit<'a> = &'a dyn Fn(&mut Value);

fn add(cluster: &Cluster, pod: Value) {
    cluster.api.change(|state| state.lists.get_mut("pods").unwrap().push(pod));
}

fn compared(cluster: &Cluster) -> Value {
    cluster.json(&["--compare", "before.json"])
}

fn owner<'a>(audit: &'a Value, name: &str) -> &'a Value {
    audit["owners"].as_array().unwrap().iter().find(|owner| owner["name"] == name).unwrap()
}

/// Changes what was saved, as an older version would have written it, or one that saw less.
fn edit_saved(cluster: &Cluster, edit: impl FnOnce(&mut Value)) {
    let path = cluster.folder.path().join("before.json");
    let mut saved = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut saved);
    std::fs::write(path, saved.to_string()).unwrap();
}

/// A variable that no policy of the shop swaps, in a pod of nobody.
fn add_a_new_finding(cluster: &Cluster) {
    add(cluster, pod("batch", "new", None, &spec("api", "api:1", &[env("KEY", "other")])));
}

#[test]
fn a_pod_that_slips_in_beside_those_that_are_known_is_told_and_fails() {
    let cluster = saved();
    add(&cluster, pod("shop", "web-1-d", SET, &web()));
    let output = cluster.audit(&["--compare", "before.json"]);
    insta::assert_snapshot!(output);
}

#[test]
fn every_form_tells_what_slipped_in() {
    let cluster = saved();
    add(&cluster, pod("shop", "web-1-d", SET, &web()));
    add(&cluster, pod("shop", "web-1-e", SET, &web()));
    let audit = compared(&cluster);
    assert_eq!(json!([audit["compared"]["slipped"], audit["compared"]["new"]]), json!([2, 0]), "{audit:#}");
    let web = owner(&audit, "web");
    assert_eq!(
        json!([web["slipped"], web["findings"][0]["slipped"], web["findings"][0]["known"]]),
        json!([2, 2, true])
    );
    assert_eq!(owner(&audit, "postgres")["slipped"], 0);

    let csv = cluster.audit(&["--compare", "before.json", "--format", "csv"]);
    assert!(csv.contains(",fingerprint,slipped\r\n"), "{csv}");
    assert!(csv.lines().any(|line| line.contains(",Deployment,web,") && line.ends_with(",2")), "{csv}");

    let sarif =
        program::command(cluster.folder.path(), &cluster.arguments(&["--compare", "before.json", "--format", "sarif"]));
    let sarif: Value = serde_json::from_slice(&{ sarif }.output().unwrap().stdout).unwrap();
    crate::sarif_schema::assert_valid(&sarif);
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let states: Vec<_> =
        results.iter().map(|its| (its["baselineState"].as_str().unwrap(), its["suppressions"] != json!([]))).collect();
    assert_eq!(states, [("unchanged", true), ("unchanged", true), ("updated", false), ("unchanged", true)]);
    let message = results[2]["message"]["text"].as_str().unwrap();
    assert!(message.ends_with("; 2 pods slipped in since the earlier audit"), "{message}");
    assert_eq!(results[2]["properties"]["slipped"], 2);

    let html = cluster.audit(&["--compare", "before.json", "--format", "html"]);
    assert!(html.contains("<li class=\"slipped\"><b>2</b> pods slipped in "), "{html}");
    assert!(html.contains("<b>Slipped in:</b> 2 pods more than the earlier audit had"), "{html}");
}

#[test]
fn a_pod_of_nobodys_that_is_only_swapped_slips_in_too() {
    let cluster = saved();
    add(&cluster, pod("shop", "by-hand", None, &web()));
    let output = cluster.audit(&["--compare", "before.json"]);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    assert!(output.contains("\nPod shop/by-hand: missed, slipped in\n  new, swapped: "), "{output}");
}

#[test]
fn where_nobody_is_asked_more_pods_are_no_news() {
    let cluster = saved();
    let denied = spec("api", "registry.example.com/api:1", &[env("KEY", "other")]);
    add(&cluster, pod("batch", "denied-b", Some(["apps.example.io/v1", "CloneSet", "denied"]), &denied));
    let output = cluster.audit(&["--compare", "before.json"]);
    assert!(output.starts_with("exit: 0\n") && !output.contains("slipped"), "{output}");
    assert_eq!(owner(&compared(&cluster), "denied")["missed"], 2);
}

#[test]
fn what_came_while_the_fence_was_off_is_told_whether_it_is_on_again_or_not() {
    // It was on.
    let cluster = saved();
    add(&cluster, pod("shop", "web-1-d", SET, &web()));
    let set_mode = |mode: Option<&str>| {
        cluster.api.change(|state| {
            *state
                .lists
                .get_mut("namespaces")
                .unwrap()
                .iter_mut()
                .find(|its| its["metadata"]["name"] == "shop")
                .unwrap() = namespace("shop", mode);
        });
    };
    set_mode(None);
    let audit = compared(&cluster);
    assert_eq!(audit["namespaces"][2]["fence"], "open", "{audit:#}");
    assert_eq!(audit["compared"]["slipped"], 1, "{audit:#}");
    // It was off, and is on.
    let lines = |saved: &mut Value| saved["namespaces"][2]["fence"] = json!("open");
    edit_saved(&cluster, lines);
    assert_eq!(compared(&cluster)["compared"]["slipped"], 0);
    set_mode(Some("enforce"));
    assert_eq!(compared(&cluster)["compared"]["slipped"], 1);
}

#[test]
fn as_many_as_were_are_none_that_slipped_in_and_fewer_are_none_either() {
    let cluster = saved();
    cluster.api.change(|state| {
        state.lists.get_mut("pods").unwrap().retain(|pod| pod["metadata"]["name"] != "web-1-a");
    });
    assert_eq!(compared(&cluster)["compared"]["slipped"], 0);
    add(&cluster, pod("shop", "web-1-d", SET, &web()));
    let audit = compared(&cluster);
    assert_eq!(json!([audit["compared"]["slipped"], owner(&audit, "web")["missed"]]), json!([0, 2]));
}

/// The same reference in another row: its image is read by another line of the catalogue, or by none.
#[test]
fn a_pod_that_goes_from_one_row_to_another_has_not_slipped_in() {
    let cluster = shop();
    let postgres = spec("postgres", "postgres:17", &[env("POSTGRES_PASSWORD", "db")]);
    add(&cluster, pod("shop", "postgres-1", Some(["apps/v1", "StatefulSet", "postgres"]), &postgres));
    cluster.audit(&["--save", "before.json"]);
    let other = spec("postgres", "registry.example.com/own:1", &[env("POSTGRES_PASSWORD", "db")]);
    let set = Some(["apps/v1", "StatefulSet", "postgres"]);
    cluster.api.change(|state| {
        let pods = state.lists.get_mut("pods").unwrap();
        pods.retain(|pod| pod["metadata"]["name"] != "postgres-0");
        pods.push(pod("shop", "postgres-0", set, &other));
    });
    let audit = compared(&cluster);
    let postgres = owner(&audit, "postgres");
    let rows: Vec<_> = postgres["findings"].as_array().unwrap().iter().map(|row| &row["reads"]).collect();
    assert_eq!(rows, ["mustBeTold", "files"], "{postgres:#}");
    assert_eq!(json!([audit["compared"]["slipped"], audit["compared"]["new"]]), json!([0, 1]), "{postgres:#}");
}

#[test]
fn of_other_policies_nothing_is_called_gone_and_nothing_new_to_have_slipped_in() {
    let stricter =
        crate::POLICIES.replace("on: [secretKeyRef], where: {secrets: [db]}, action: mount", "on: [env], action: deny");
    let cluster = saved().policies(&stricter.replace("name: swap", "name: strict"));
    let output = cluster.audit(&["--compare", "before.json"]);
    let sentence = "\nnot judged: the earlier audit is of other policies (revision ";
    assert!(output.contains(sentence) && output.contains("make it anew\n"), "{output}");
    assert!(output.contains("\nnot found by these policies: Deployment shop/web: "), "{output}");
    assert!(!output.contains("gone") && !output.contains("slipped"), "{output}");
    let html = cluster.audit(&["--compare", "before.json", "--format", "html"]);
    assert!(html.contains("Of the earlier audit, not found by these policies"), "{html}");
    // The same policies say nothing of it.
    let output = saved().audit(&["--compare", "before.json"]);
    assert!(!output.contains("other policies"), "{output}");
}

#[test]
fn what_the_earlier_audit_was_not_asked_for_may_be_old() {
    let cluster = shop();
    cluster.audit(&["--save", "before.json", "-n", "shop"]);
    let audit = compared(&cluster);
    let sentence = "whether it is new in batch: the earlier audit did not look there";
    assert!(audit["notJudged"].as_array().unwrap().contains(&json!(sentence)), "{audit:#}");
    assert_eq!(audit["scope"], json!({"namespaces": [], "selector": null}));
    let saved: Value =
        serde_json::from_slice(&std::fs::read(cluster.folder.path().join("before.json")).unwrap()).unwrap();
    assert_eq!(saved["scope"], json!({"namespaces": ["shop"], "selector": null}));
    // The part itself is the same, and a namespace that was left out was not looked at.
    assert!(!cluster.audit(&["--compare", "before.json", "-n", "shop"]).contains("whether it is new"));
    cluster.audit(&["--save", "before.json"]);
    let output = cluster.audit(&["--compare", "before.json", "--include-left-out"]);
    assert!(
        output.contains("not judged: whether it is new in kube-system: the earlier audit did not look there\n"),
        "{output}"
    );
}

#[test]
fn an_earlier_audit_by_labels_or_with_errors_or_of_an_older_version_says_so_where_something_is_new() {
    let hostile = "app=web\u{1b}[2J";
    let edits: [(&str, Edit<'_>); 3] = [
        ("looked at what has the labels \"app=web\\u{1b}[2J\" alone", &|saved| {
            saved["scope"]["selector"] = json!(hostile)
        }),
        ("could not read or judge everything", &|saved| saved["errors"] = json!(["may not list pods"])),
        ("does not say what it was asked for", &|saved| drop(saved.as_object_mut().unwrap().remove("scope"))),
    ];
    for (why, edit) in edits {
        let cluster = saved();
        edit_saved(&cluster, edit);
        let sentence = format!("not judged: whether what is new was there before: the earlier audit {why}\n");
        let output = cluster.audit(&["--compare", "before.json"]);
        assert!(output.starts_with("exit: 0\n") && !output.contains("whether what is new"), "{output}");
        add_a_new_finding(&cluster);
        let output = cluster.audit(&["--compare", "before.json"]);
        assert!(output.starts_with("exit: 1\n") && output.contains(&sentence), "{sentence}: {output}");
    }
}

#[test]
fn an_audit_of_an_older_version_is_read() {
    fn forget(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for key in ["scope", "policies", "namespaces", "missed", "slipped", "usedBy", "leftOut", "errors"] {
                    fields.remove(key);
                }
                fields.values_mut().for_each(forget);
            }
            Value::Array(items) => items.iter_mut().for_each(forget),
            _ => {}
        }
    }
    let cluster = saved();
    edit_saved(&cluster, forget);
    add(&cluster, pod("shop", "web-1-d", SET, &web()));
    let output = cluster.audit(&["--compare", "before.json"]);
    // Of what it does not count nobody can say that it has become more.
    assert!(output.starts_with("exit: 0\n"), "{output}");
    assert!(output.contains("; 0 new, 4 known, 0 gone\n"), "{output}");
}
