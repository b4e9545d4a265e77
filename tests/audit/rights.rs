//! With fewer rights: reported, never silently missing.

use serde_json::json;

use crate::shop;

#[test]
fn a_namespace_that_may_not_be_read_is_an_error_and_the_others_are_judged() {
    let cluster = shop().change(|state| {
        state.forbidden = vec!["/api/v1/namespaces/batch/pods", "/apis/apps/v1/namespaces/batch/deployments"];
    });
    let output = cluster.audit(&["-n", "shop", "-n", "batch"]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    let right = |what: &str| format!("error: may not list {what}\n");
    assert!(output.contains(&right("pods in namespace \"batch\": give the right to list pods")), "{output}");
    let deployments = "deployments of apps in namespace \"batch\": give the right to list deployments (group apps)";
    assert!(output.contains(&right(deployments)), "{output}");
    assert!(output.contains("Deployment shop/web"), "{output}");
    // Nothing was asked of all namespaces but what is in none.
    assert_eq!(cluster.api.asked("/api/v1/pods"), 0);
    assert_eq!(cluster.api.asked("/api/v1/namespaces?"), 0);
}

#[test]
fn who_may_see_one_namespace_alone_is_told_what_is_not_known() {
    let cluster = shop().change(|state| {
        state.forbidden = vec![
            "/api/v1/namespaces/shop",
            "/api/v1/namespaces",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        ];
    });
    let audit = cluster.json(&["-n", "shop"]);
    assert_eq!(audit["errors"], json!([]), "{audit:#}");
    let sentences = audit["notJudged"].to_string();
    assert!(sentences.contains("how namespaces are fenced: may not get namespace \\\"shop\\\""), "{sentences}");
    assert!(sentences.contains("so none is left out: may not list mutatingwebhookconfigurations"), "{sentences}");
    let shop = &audit["namespaces"][0];
    assert_eq!(json!([shop["name"], shop["label"], shop["fence"]]), json!(["shop", "?", "unknown"]));
    assert_eq!(audit["registration"], "unknown");
    assert_eq!(shop["pods"], 4);
}

/// As the shipped jobs are let.
#[test]
fn who_may_list_namespaces_and_not_get_one_finds_it_in_the_list() {
    let asks =
        crate::POLICIES.replace("\nspec:\n", "\nspec:\n  match: {namespaceSelector: {matchLabels: {tier: prod}}}\n");
    for policies in [crate::POLICIES, &asks] {
        let cluster = shop().policies(policies).change(|state| state.forbidden = vec!["/api/v1/namespaces/shop"]);
        let audit = cluster.json(&["-n", "shop"]);
        assert_eq!(audit["errors"], json!([]), "{audit:#}");
        assert!(!audit["notJudged"].to_string().contains("may not"), "{audit:#}");
        let shop = &audit["namespaces"][0];
        assert_eq!(json!([shop["name"], shop["label"], shop["fence"]]), json!(["shop", "enforce", "enforced"]));
        // Of that one alone.
        let of_one = cluster.api.asked("fieldSelector=metadata.name%3Dshop&");
        assert_eq!((of_one, cluster.api.asked("/api/v1/namespaces?")), (1, 1));
    }
}

#[test]
fn who_may_list_namespaces_hears_of_one_that_is_not_there() {
    let cluster = shop().change(|state| state.forbidden = vec!["/api/v1/namespaces/shpo"]);
    let output = cluster.audit(&["-n", "shpo"]);
    assert!(output.starts_with("exit: 2\n--- stdout\n"), "{output}");
    assert!(output.contains("error: there is no namespace \"shpo\"\n"), "{output}");
}

#[test]
fn labels_that_a_policy_asks_for_and_that_may_not_be_read_are_an_error() {
    let text =
        crate::POLICIES.replace("\nspec:\n", "\nspec:\n  match: {namespaceSelector: {matchLabels: {tier: prod}}}\n");
    let cluster =
        shop().policies(&text).change(|state| state.forbidden = vec!["/api/v1/namespaces/shop", "/api/v1/namespaces"]);
    let output = cluster.audit(&["-n", "shop"]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    assert!(output.contains("error: may not get namespace \"shop\""), "{output}");
}

#[test]
fn a_namespace_that_is_misspelt_is_an_error() {
    let cluster = shop().change(|state| {
        state.refuses.insert("shpo", (404, None, usize::MAX));
    });
    let output = cluster.audit(&["-n", "shpo"]);
    assert!(output.starts_with("exit: 2\n--- stdout\n"), "{output}");
    assert!(output.contains("error: there is no namespace \"shpo\"\n"), "{output}");
    assert_eq!(cluster.api.asked("pods"), 0);
}

#[test]
fn without_any_right_everything_is_an_error() {
    let cluster = shop().change(|state| state.forbids = true);
    let output = cluster.audit(&[]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    assert_eq!(output.matches("error: may not list ").count(), 10, "{output}");
    assert_eq!(output.matches(", or name namespaces with -n\n").count(), 1, "{output}");
}

#[test]
fn credentials_that_are_not_taken_are_said_once() {
    let cluster = shop().change(|state| state.unauthorized = true);
    insta::assert_snapshot!(cluster.audit(&[]), @r#"
    exit: 2
    --- stderr
    error: the cluster cannot be audited, by the kubeconfig kubeconfig, context "t": the API server does not take these credentials (401): renew them
    "#);
}
