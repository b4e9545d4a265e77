//! What `audit` asks a real API server for: what is a selector here is one there, and chooses the same; and what is in no
//! namespace is not asked for by one.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use secretfence::cluster::audit::Selector;
use serde_json::{Value, json};

use crate::audit::audit;
use crate::cluster::{Cluster, shown};
use crate::objects::{api, pod, workload};

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

/// A row whose resource is cluster-scoped.
const OF_FLEETS: &str = r"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: files}
spec:
  rules: [{name: deny, on: [env], action: deny}]
---
apiVersion: secretfence.dev/v1alpha1
kind: PodTemplates
metadata: {name: rows}
spec:
  rows: [{group: example.com, versions: [v1], resource: fleets, kind: Fleet, paths: [spec.template]}]
";

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

/// Of a resource that is cluster-scoped a list by `metadata.namespace` is a bad request, and one in a namespace is not found.
#[test]
fn what_is_in_no_namespace_fails_no_audit_and_its_pods_are_judged() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("audit-scope", None);
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    cluster
        .api
        .create(
            &json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "fleets.example.com"},
                "spec": {
                    "group": "example.com", "scope": "Cluster", "versions": [version],
                    "names": {"plural": "fleets", "kind": "Fleet", "singular": "fleet"},
                },
            }),
            "",
        )
        .done();
    let fleets = "/apis/example.com/v1/fleets";
    cluster.eventually(|| cluster.api.get(fleets), |reply| reply.status == 200);
    let refused = cluster.api.get(&format!("{fleets}?fieldSelector=metadata.namespace!%3Dkube-system"));
    let absent = cluster.api.get(&format!("/apis/example.com/v1/namespaces/{namespace}/fleets"));
    assert_eq!((refused.status, absent.status), (400, 404), "{refused:#?}");
    let fleet = json!({
        "apiVersion": "example.com/v1", "kind": "Fleet", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [api()]}}},
    });
    let made = cluster.api.request("POST", fleets, "application/json", &fleet).done();
    let mut its = pod(&namespace, "web-a", json!([api()]));
    let uid = &made["metadata"]["uid"];
    its["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "example.com/v1", "kind": "Fleet", "name": "web", "uid": uid, "controller": true}]);
    cluster.api.create(&its, "").done();

    let policies = tempfile::tempdir().unwrap();
    fs::write(policies.path().join("mine.yaml"), OF_FLEETS).unwrap();
    let kubeconfig = cluster.control_plane.path("admin.kubeconfig");
    for part in [&["-n", &*namespace][..], &[]] {
        let output = Command::new(env!("CARGO_BIN_EXE_secretfence"))
            .args(["audit", "--kubeconfig", &kubeconfig, "--format", "json", "-p"])
            .arg(policies.path())
            .args(part)
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
        let of_fleets = |list: &str| -> Vec<String> {
            let all = found[list].as_array().unwrap().iter().map(|said| said.as_str().unwrap().to_owned());
            all.filter(|said| said.contains("fleets")).collect()
        };
        assert_eq!(of_fleets("errors"), Vec::<String>::new());
        let [sentence] = &of_fleets("notJudged")[..] else { panic!("{found:#}") };
        assert!(
            sentence.starts_with("templates of fleets of example.com (v1): they are in no namespace"),
            "{sentence}"
        );
        let owners = found["owners"].as_array().unwrap().iter().filter(|its| its["kind"] == "Fleet");
        let owners: Vec<Value> =
            owners.map(|its| json!([its["namespace"], its["name"], its["template"], its["pods"]])).collect();
        assert_eq!(owners, [json!([namespace, "web", "unknown", 1])]);
    }
}
