//! An API server that is busy, forgetful, or goes away in between.

use serde_json::{Value, json};

use crate::{Cluster, POLICIES, env, namespace, pod, shop, spec, workload};

fn findings(audit: &Value) -> usize {
    audit["owners"].as_array().unwrap().iter().map(|owner| owner["findings"].as_array().unwrap().len()).sum()
}

#[test]
fn pages_that_break_off_are_asked_for_again() {
    let expected = shop().json(&[]);
    let broken = shop().change(|state| state.breaks = 3).json(&[]);
    assert_eq!(broken, expected);
    assert_eq!(findings(&expected), 4);
}

#[test]
fn a_list_that_breaks_off_again_and_again_is_an_error_that_says_how_far_it_came() {
    let cluster = shop().change(|state| state.breaks = 6);
    let output = cluster.audit(&[]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    assert!(
        output.contains(
            "error: namespaces could not be read to the end, but for the first 2: the API server cannot be reached"
        ),
        "{output}"
    );
}

#[test]
fn what_passes_is_waited_for() {
    for (status, again) in [(429, Some(1)), (503, None)] {
        let cluster = shop().change(|state| {
            state.refuses.insert("pods", (status, again, 2));
        });
        assert_eq!(cluster.json(&[]), shop().json(&[]), "{status}");
    }
}

#[test]
fn what_does_not_pass_is_an_error() {
    let cluster = shop().change(|state| {
        state.refuses.insert("pods", (500, None, usize::MAX));
    });
    let output = cluster.audit(&[]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    assert!(
        output.contains("error: pods could not be read: the API server answered 500 InternalServerError\n"),
        "{output}"
    );
    assert!(output.contains("Deployment shop/web"), "{output}");
}

#[test]
fn pods_of_a_list_that_is_begun_anew_count_once() {
    // Eight pods in pages of two: the third page is of a version that is gone.
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let owner = Some(["apps/v1", "StatefulSet", "a"]);
    let pods: Vec<Value> = (0..8).map(|index| pod("shop", &format!("a-{index}"), owner, &spec)).collect();
    let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)])), ("pods", json!(pods))]);
    cluster.api.change(|state| state.outlives = 1);
    let audit = cluster.json(&[]);
    assert_eq!(audit["errors"], json!([]));
    assert_eq!(audit["summary"]["pods"], 8, "{audit:#}");
    assert_eq!(cluster.api.asked("/api/v1/pods"), 6);
    cluster.api.change(|state| state.outlives = 3);
    let output = cluster.audit(&[]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    assert!(output.contains("error: pods could not be listed to the end"), "{output}");
}

/// As an API server's objects have one.
fn with_uid(mut object: Value, number: usize) -> Value {
    object["metadata"]["uid"] = json!(format!("00000000-0000-0000-0000-{number:012}"));
    object
}

/// What four of these are, in pages of two, of which the second is of a version that is gone when it is first asked for.
fn begun_anew(resource: &'static str, change: impl Fn(usize, &mut Value)) -> Value {
    let objects = (0..4).map(|number| {
        let spec = spec("api", "api:1", &[env("KEY", "other")]);
        let mut object = with_uid(workload("shop", &format!("a-{number}"), None, &spec), number);
        change(number, &mut object);
        object
    });
    let objects: Vec<Value> = objects.collect();
    let about_nothing =
        POLICIES.replace("{name: files}\nspec:", "{name: files}\nspec:\n  match: {namespaces: [nowhere]}");
    let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)])), (resource, json!(objects))]);
    let cluster = cluster.policies(&about_nothing);
    cluster.api.change(|state| state.outlives = 1);
    let audit = cluster.json(&[]);
    assert_eq!(cluster.api.asked(&format!("v1/{resource}")), 4);
    audit
}

#[test]
fn jobs_of_a_list_that_is_begun_anew_count_once() {
    let audit = begun_anew("jobs", |number, job| {
        if number == 0 {
            job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        }
    });
    assert_eq!(audit["errors"], json!([]));
    let said = [
        "policy \"files\" is not about any of the 3 workloads: look at match, exclude and templates, and at --namespace",
        "1 Job that has ended: it makes no pods any more",
    ];
    assert_eq!(audit["notJudged"], json!(said));
}

#[test]
fn what_is_broken_in_a_list_that_is_begun_anew_is_one_error() {
    let audit = begun_anew("deployments", |number, deployment| match number {
        0 => deployment["spec"]["template"]["spec"]["containers"] = json!("hunter2"),
        1 => deployment["metadata"] = json!("hunter2"),
        _ => {}
    });
    let errors = [
        "Deployment shop/a-0: this is no Deployment: /spec/template/spec/containers: expected a list",
        "deployments: an object has no metadata that can be read",
    ];
    assert_eq!(audit["errors"], json!(errors));
    let said = audit["notJudged"][0].as_str().unwrap();
    assert!(said.contains("any of the 2 workloads"), "{said}");
}

#[test]
fn an_object_that_is_no_pod_is_named_and_not_shown() {
    let broken = pod("shop", "broken", None, &json!({"containers": "hunter2"}));
    let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)])), ("pods", json!([broken]))]);
    insta::assert_snapshot!(cluster.audit(&[]), @"
    exit: 2
    --- stdout
    1 namespace without findings, as far as it could be read, 1 of them without a fence

    exception files/vendor ends on 2026-12-01: nothing that was judged uses it: end the need, or renew it
    exception files/nobody until 2027-12-01: nothing that was judged uses it
    nothing is registered: nothing is denied or swapped yet, and no namespace is left out
    cluster: context prod, https://prod.example.com:6443
    1 namespace, 0 owners, 0 pods: 0 denied, 0 warned, 0 swapped; 1 error
    by 1 policy (revision 8702b18782b2)
    --- stderr
    error: Pod shop/broken: this is no Pod: /spec/containers: expected a list
    ");
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let cluster = shop();
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: t\nusers: [{name: t, user: {}}]\n\
        clusters: [{name: t, cluster: {server: \"http://127.0.0.1:1\"}}]\ncontexts: [{name: t, context: {cluster: t, user: t}}]\n";
    std::fs::write(cluster.folder.path().join("kubeconfig"), text).unwrap();
    let output = cluster.audit(&[]);
    let expected = "exit: 2\n--- stderr\nerror: the cluster cannot be audited, by the kubeconfig kubeconfig, context \"t\": \
        namespaces could not be read: the API server cannot be reached: ";
    assert!(output.starts_with(expected), "{output}");
}
