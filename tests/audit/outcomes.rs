//! What is judged, whose it is, and what is said of it.

use serde_json::json;

use crate::{Cluster, env, namespace, pod, shop, spec, workload};

#[test]
fn every_owner_has_its_findings_once() {
    insta::assert_snapshot!(shop().audit(&[]));
}

/// The same pod, denied or warned of.
#[test]
fn what_is_unsafe_is_counted_where_it_is_denied_or_warned_of() {
    let last = |policies: &str| {
        let output = shop().policies(policies).audit(&["-n", "batch"]);
        output.lines().rev().nth(1).unwrap().to_owned()
    };
    let denied = "1 namespace, 3 owners, 3 pods: 2 denied (1 unsafe to swap), 0 warned, 0 swapped; 2 pods missed";
    assert_eq!(last(crate::POLICIES), denied);
    let warned = crate::POLICIES.replace("action: mount}", "action: mount, mount: {unsafe: warn}}");
    let expected = "1 namespace, 3 owners, 3 pods: 1 denied, 1 warned (1 unsafe to swap), 0 swapped; 1 pod missed";
    assert_eq!(last(&warned), expected);
    let html = shop().policies(&warned).audit(&["-n", "batch", "--format", "html"]);
    assert!(html.contains("<b>1</b> denied <span>0 unsafe to swap</span>"), "{html}");
    assert!(html.contains("<b>1</b> warned <span>said, and let through, 1 unsafe to swap</span>"), "{html}");
}

#[test]
fn who_uses_an_exception_is_named() {
    let audit = shop().json(&[]);
    let users = json!([{"namespace": "batch", "kind": "Pod", "name": "ledger"}]);
    assert_eq!(json!([audit["exceptions"][0]["usedBy"], audit["exceptions"][1]["usedBy"]]), json!([users, []]));
    let vendor = spec("vendor", "registry.example.com/vendor:1", &[env("LEDGER", "db")]);
    let many: Vec<_> = (0..23).map(|number| pod("batch", &format!("ledger-{number:02}"), None, &vendor)).collect();
    let cluster = shop();
    cluster.api.change(|state| state.lists.get_mut("pods").unwrap().extend(many));
    let output = cluster.audit(&[]);
    assert!(output.contains("\n  used by Pod batch/ledger, Pod batch/ledger-00, Pod batch/ledger-01, "), "{output}");
    assert!(output.contains(", Pod batch/ledger-18, and 4 more\n"), "{output}");
    let html = cluster.audit(&["--format", "html"]);
    assert!(
        html.contains("<td>Pod batch/ledger, Pod batch/ledger-00, ") && html.contains(", and 4 more</td>"),
        "{html}"
    );
}

#[test]
fn a_chain_ends_at_what_makes_it_all() {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let mut cron = workload("shop", "nightly", None, &json!({}));
    cron["spec"] = json!({"jobTemplate": {"spec": {"template": {"spec": spec}}}});
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("cronjobs", json!([cron])),
        ("jobs", json!([workload("shop", "nightly-1", Some(["batch/v1", "CronJob", "nightly"]), &spec)])),
        ("pods", json!([pod("shop", "nightly-1-a", Some(["batch/v1", "Job", "nightly-1"]), &spec)])),
    ]);
    let audit = cluster.json(&[]);
    let owners = audit["owners"].as_array().unwrap();
    assert_eq!(owners.len(), 1, "{audit:#}");
    assert_eq!(json!([owners[0]["kind"], owners[0]["name"], owners[0]["pods"]]), json!(["CronJob", "nightly", 1]));
    let pointer = "/spec/jobTemplate/spec/template/spec/containers/0/env/0";
    assert_eq!(owners[0]["findings"][0]["pointer"], pointer);
}

#[test]
fn a_selector_leaves_out_pods_and_breaks_no_chain() {
    let cluster = shop();
    let audit = cluster.json(&["-l", "app=web"]);
    // This API server takes no notice of a selector. What is asked of the real one:
    assert_eq!(audit["owners"].as_array().unwrap().len(), 4, "{audit:#}");
    let pods = cluster.api.asked("/api/v1/pods?");
    assert!(pods > 0 && cluster.api.asked("labelSelector=app%3Dweb") == pods);
}

#[test]
fn a_custom_resource_is_judged_by_the_first_version_that_is_served() {
    let rows = "---\napiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: rows}\nspec:\n  rows:\n  \
        - {group: apps.example.io, versions: [v2, v1], resource: clonesets, kind: CloneSet, paths: [spec.template]}\n";
    let denied = spec("api", "api:1", &[env("KEY", "other")]);
    let cluster = shop().policies(&format!("{}{rows}", crate::POLICIES));
    cluster.api.change(|state| {
        state.lists.insert("clonesets", vec![workload("batch", "denied", None, &denied)]);
    });
    let audit = cluster.json(&[]);
    let owner = &audit["owners"][0];
    assert_eq!(json!([owner["kind"], owner["apiVersion"]]), json!(["CloneSet", "apps.example.io/v2"]), "{audit:#}");
    assert_eq!(json!([owner["template"], owner["pods"]]), json!(["judged", 1]));
    assert_eq!(owner["findings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_custom_resource_that_is_not_installed_has_no_objects() {
    let rows = "---\napiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: rows}\nspec:\n  rows:\n  \
        - {group: apps.example.io, versions: [v1], resource: clonesets, kind: CloneSet, paths: [spec.template]}\n";
    let cluster = shop().policies(&format!("{}{rows}", crate::POLICIES));
    cluster.api.change(|state| {
        state.refuses.insert("clonesets", (404, None, usize::MAX));
    });
    assert_eq!(cluster.json(&[])["errors"], json!([]));
}

#[test]
fn labels_of_namespaces_choose_the_policies() {
    let text =
        crate::POLICIES.replace("\nspec:\n", "\nspec:\n  match: {namespaceSelector: {matchLabels: {tier: prod}}}\n");
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let mut prod = namespace("prod", None);
    prod["metadata"]["labels"]["tier"] = json!("prod");
    let cluster = Cluster::new([
        ("namespaces", json!([prod, namespace("test", None)])),
        ("pods", json!([pod("prod", "a", None, &spec), pod("test", "b", None, &spec)])),
    ])
    .policies(&text);
    let audit = cluster.json(&[]);
    let names: Vec<_> = audit["owners"].as_array().unwrap().iter().map(|owner| &owner["namespace"]).collect();
    assert_eq!(names, ["prod"], "{audit:#}");
}

#[test]
fn what_is_left_out_can_be_judged() {
    let audit = shop().json(&["--include-left-out"]);
    assert_eq!(audit["leftOut"], json!([]));
    assert!(audit["owners"].as_array().unwrap().iter().any(|owner| owner["namespace"] == "kube-system"));
    // Who names it asks for it.
    let audit = shop().json(&["-n", "kube-system"]);
    assert_eq!((&audit["owners"][0]["name"], &audit["leftOut"]), (&json!("dns"), &json!([])), "{audit:#}");
    assert_eq!(audit["namespaces"][0]["fence"], "open");
}

#[test]
fn without_a_registration_nothing_is_left_out() {
    let cluster = shop();
    cluster.api.change(|state| {
        state.lists.insert("mutatingwebhookconfigurations", Vec::new());
        state.lists.insert("validatingwebhookconfigurations", Vec::new());
    });
    let audit = cluster.json(&[]);
    assert_eq!(json!([audit["registration"], audit["leftOut"]]), json!(["missing", []]));
    assert!(audit["namespaces"].as_array().unwrap().iter().all(|line| line["fence"] == "open"));
    // They are no failure of anybody's.
    let words = "; pods missed: they exist; the policies would deny or swap them when they are made anew\n";
    assert!(cluster.audit(&[]).contains(words) && !shop().audit(&[]).contains("they exist"));
}

#[test]
fn a_clean_cluster_is_exit_code_0() {
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("pods", json!([pod("shop", "a", None, &spec("api", "api:1", &[]))])),
    ]);
    insta::assert_snapshot!(cluster.audit(&[]), @"
    exit: 0
    --- stdout
    1 namespace without findings, 1 of them without a fence

    exception files/vendor ends on 2026-12-01: nothing uses it: let it end
    exception files/nobody until 2027-12-01: nothing uses it: end it
    nothing is registered: nothing is denied or swapped yet, and no namespace is left out
    cluster: context prod, https://prod.example.com:6443
    1 namespace, 1 owner, 1 pod: 0 denied, 0 warned, 0 swapped
    by 1 policy (revision 8702b18782b2)
    ");
}

#[test]
fn the_reach_of_a_service_account_is_found_with_its_chain() {
    let binding = |name: &str, role: &str| {
        json!({
            "metadata": {"name": name, "namespace": "billing"}, "roleRef": {"kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}],
        })
    };
    let role = json!({
        "metadata": {"name": "reader", "namespace": "billing"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    });
    let mut spec = spec("api", "api:1", &[]);
    spec["serviceAccountName"] = json!("web");
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None), namespace("billing", None)])),
        ("serviceaccounts", json!([{"metadata": {"name": "web", "namespace": "shop"}}])),
        ("roles", json!([role])),
        ("rolebindings", json!([binding("reads", "reader"), binding("dangles", "absent")])),
        ("deployments", json!([workload("shop", "web", None, &spec)])),
    ])
    .policies(
        "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: a}\nspec: {rules: [{name: a, on: \
         [reach], action: deny}]}\n",
    );
    let audit = cluster.json(&[]);
    let finding = &audit["owners"][0]["findings"][0];
    let chain = finding["chain"].as_str().unwrap();
    assert_eq!(chain, "ServiceAccount \"web\", RoleBinding \"billing/reads\", Role \"reader\", rule 0", "{audit:#}");
    let sentences = audit["notJudged"].to_string();
    assert!(sentences.contains("dangles") && sentences.contains("the role is not in the cluster"), "{sentences}");
}

/// What needs the cluster's own word, and what does not.
const ACROSS: &str = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: a}\nspec: {rules: [{name: ways, \
                      on: [reach, copied, storePath], action: deny, missing: deny}, {name: env, on: [env], action: deny}]}\n";

#[test]
fn what_policies_ask_about_and_may_not_be_read_is_an_error_and_all_else_is_judged() {
    let mut spec = spec("api", "api:1", &[env("KEY", "other")]);
    spec["volumes"] = json!([{
        "name": "store",
        "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "vault"}},
    }]);
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("deployments", json!([workload("shop", "web", None, &spec)])),
    ])
    .policies(ACROSS);
    let kinds = |audit: &serde_json::Value| {
        let findings = audit["owners"][0]["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&cluster.json(&[])), ["storePath", "copied", "secretKeyRef"]);
    cluster.api.change(|state| {
        state.forbidden = vec!["/apis/rbac.authorization.k8s.io/v1/roles", "/api/v1/secrets"];
        state.refuses.insert("secretproviderclasses", (401, None, usize::MAX));
    });
    let audit = cluster.json(&[]);
    // Not as if every Secret were unknown, and every path another's.
    assert_eq!(kinds(&audit), ["secretKeyRef"], "{audit:#}");
    let errors: Vec<&str> = audit["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    let beginnings = [
        "no reach is judged: may not list roles (group rbac.authorization.k8s.io), which rules on reach need: bind",
        "no copied is judged: may not list secrets, which rules on copied need: bind",
        "no storePath is judged: the API server does not take these credentials (401)",
    ];
    assert_eq!(errors.len(), 3, "{errors:#?}");
    for (error, beginning) in errors.iter().zip(beginnings) {
        assert!(error.starts_with(beginning), "{error}");
    }
    let output = cluster.audit(&["--exit-zero", "--metrics-file", "audit.prom"]);
    assert!(output.starts_with("exit: 2\n"), "{output}");
    let numbers = std::fs::read_to_string(cluster.folder.path().join("audit.prom")).unwrap();
    assert!(numbers.contains("\nsecretfence_audit_errors 3\n"), "{numbers}");
}
