//! `audit --selector` of a real API server: what is a selector here is one there, and chooses the same.

use std::collections::BTreeSet;

use secretfence::cluster::audit::Selector;
use serde_json::{Value, json};

use crate::audit::audit;
use crate::cluster::{Cluster, shown};
use crate::objects::{api, workload};

/// Some are none.
const SELECTORS: [&str; 56] = [
    "app=web",
    "app==web",
    "app = web",
    "\tapp\n!= web ",
    "app!=web",
    "app",
    "!app",
    "! app",
    "app,tier",
    "app,!tier",
    "app=,tier",
    "app=",
    "app!=",
    "app==,tier=x",
    "app in (web,api)",
    "app in(web)",
    "app in ( web , api )",
    "app notin (web)",
    "app notin ()",
    "app in ()",
    "app in (,)",
    "app in (web,)",
    "app in (,,web)",
    "in",
    "in in (in)",
    "in=notin",
    "notin notin (in, notin)",
    "size>9",
    "size > 9,size < 20",
    "size<9",
    "size>+9",
    "size>-9",
    "size>nine",
    "size>",
    "size>=9",
    "example.com/app=web",
    "Example.com/app=web",
    "a/b/c",
    "/app",
    "app/",
    "app=a/b",
    "app=a:b",
    "app=-a",
    "app=a.b_c-d",
    "app=web,",
    ",app=web",
    "app=web,,tier",
    "app web",
    "app=web tier=x",
    "!app=web",
    "!!app",
    "app===web",
    "app=(web)",
    "app in web",
    "app in (web",
    "app in (web api)",
];

/// At the limits of names and values.
fn lengths() -> Vec<String> {
    let long = |count: usize| "a".repeat(count);
    vec![format!("{}=x", long(63)), format!("{}=x", long(64)), format!("app={}", long(63)), format!("app={}", long(64))]
}

#[test]
fn a_selector_is_what_the_api_server_takes_for_one_and_chooses_the_same() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("audit-labels", None);
    let labels = [
        json!({"app": "web", "tier": "", "size": "12", "in": "notin"}),
        json!({"app": "api", "size": "9", "in": "in", "notin": "x"}),
        json!({"app": "", "size": "x1", "example.com/app": "web"}),
        json!({"tier": "x", "app": "a.b_c-d"}),
        json!({}),
    ];
    for (index, labels) in labels.iter().enumerate() {
        let metadata = json!({"name": format!("c-{index}"), "namespace": namespace, "labels": labels});
        cluster.api.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}), "").done();
    }
    let (mut taken, mut chosen) = (0, BTreeSet::new());
    for text in SELECTORS.iter().map(|text| (*text).to_owned()).chain(lengths()) {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let there = cluster.api.get(&format!("/api/v1/namespaces/{namespace}/configmaps?labelSelector={encoded}"));
        let here: Result<Selector, _> = text.parse();
        assert_eq!(here.is_ok(), there.status == 200, "{text}: {here:?}, and there {}", there.message());
        let Ok(selector) = here else {
            assert_eq!(there.status, 400, "{text}");
            continue;
        };
        taken += 1;
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        let there: BTreeSet<String> = there.body["items"].as_array().unwrap().iter().map(name).collect();
        let own = labels.iter().enumerate().filter(|(_, its)| selector.matches(|key| its[key].as_str()));
        let mut here: BTreeSet<String> = own.map(|(index, _)| format!("c-{index}")).collect();
        // The controllers make one in each namespace, without labels.
        if there.contains("kube-root-ca.crt") {
            here.insert("kube-root-ca.crt".to_owned());
        }
        assert_eq!(here, there, "{text}");
        chosen.insert(here);
    }
    assert!(taken > 30 && chosen.len() > 8, "{taken} are taken, and choose {chosen:?}");
}

#[test]
fn what_makes_pods_is_chosen_by_theirs() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("audit-owner", None);
    // Their pods have labels, and they have none.
    for name in ["one", "other"] {
        cluster.api.create(&workload("Deployment", &namespace, name, json!([api()])), "").done();
    }
    cluster.pods(&namespace, |pods| pods.len() == 2);
    let kubeconfig = cluster.control_plane.path("admin.kubeconfig");
    let run = |selector: &str| audit(cluster, &kubeconfig, &["-n", &namespace, "--format", "json", "-l", selector]);
    let output = run("app=one");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
    let [owner] = &found["owners"].as_array().unwrap()[..] else { panic!("{found:#}") };
    let said = ["kind", "name", "template", "pods"].map(|key| owner[key].clone());
    assert_eq!(json!(said), json!(["Deployment", "one", "judged", 1]));
    assert_eq!(owner["findings"][0]["inTemplate"], true);

    let output = run("app=nobody");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
    assert_eq!((output.status.code(), &found["owners"]), (Some(0), &json!([])));
    assert!(found["notJudged"].to_string().contains("no pod and no workload has the labels"), "{found:#}");

    let output = run("app=a:b");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{}", shown(&output));
}

#[test]
fn a_namespace_that_is_not_there_is_what_explain_says() {
    let Some(cluster) = Cluster::shared() else { return };
    let kubeconfig = cluster.control_plane.path("admin.kubeconfig");
    let output = audit(cluster, &kubeconfig, &["--explain", "deploy/web"]);
    assert!(shown(&output).contains("error: there is no namespace \"deploy\": --explain takes"), "{}", shown(&output));
}
