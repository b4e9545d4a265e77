//! Each way to another namespace's Secrets, or to a store outside: allowed, warned of, denied, in dry run and excepted; by a
//! pod of its own and by the pods of a Deployment. `check` says the same.

#[path = "across/cases.rs"]
mod cases;
#[path = "across/fenced.rs"]
mod fenced;
#[path = "across/rows.rs"]
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use secretfence::fence::{Kind, KindSet};
use serde_json::{Value, json};

use self::cases::{Case, Told};
use self::fenced::Fenced;
use self::rows::{OWNERSHIP, Row, rows};
use crate::api::{Reply, path};
use crate::cluster::shown;

#[test]
fn every_way_has_a_row() {
    let rows = rows();
    // A credential in clear leads nowhere else.
    let ways = KindSet::ON_DEMAND.without(Kind::Literal);
    let without: Vec<Kind> = ways.iter().filter(|kind| rows.iter().all(|row| row.kind != *kind)).collect();
    assert!(without.is_empty(), "no row in the table for {without:?}");
    assert!(rows.iter().any(|row| row.name == OWNERSHIP));
    assert!(rows.iter().any(|row| row.by_missing));
    // Its namespace is its policy's alone.
    let names: Vec<String> = rows.iter().flat_map(|row| Case::ALL.map(|case| fenced::namespace(row, case))).collect();
    for name in &names {
        let fits = names.iter().filter(|other| *other == name || other.starts_with(&format!("{name}-")));
        assert_eq!(fits.count(), 1, "{name}");
    }
}

/// Every word that people are told of a way is in its snapshot.
#[test]
fn each_way_is_what_its_policy_says() {
    let Some(fenced) = Fenced::shared() else { return };
    let told = fenced.for_each_row(|row| Case::ALL.map(|case| told_of(fenced, row, case)).concat());
    for (row, told) in rows().iter().zip(told) {
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(row.name, told) });
    }
}

fn told_of(fenced: &Fenced, row: &Row, case: Case) -> String {
    let (api, namespace) = (&fenced.cluster().api, fenced::namespace(row, case));
    let mut text = format!("{}\n", case.name());
    let mut tell = |subject: &str, said: &[&str]| {
        let said = if said.is_empty() { &["nothing is said"] } else { said };
        let lines = said.iter().flat_map(|text| text.lines());
        write!(text, "  {subject}:\n{}", lines.map(|line| format!("    {line}\n")).collect::<String>()).unwrap();
    };
    let of_pod = api.create(&row.pod(&namespace), "");
    assert_eq!(Told::by(&of_pod), case.pod(), "{} {case:?} {of_pod:#?}", row.name);
    tell("a pod", &said(&of_pod));
    let of_deployment = api.create(&row.deployment(&namespace), "");
    assert_eq!(Told::by(&of_deployment), case.deployment(), "{} {case:?} {of_deployment:#?}", row.name);
    tell("a Deployment", &said(&of_deployment));
    if of_deployment.status != 201 {
        return text;
    }
    if case.pod() == Told::Denied {
        tell("its ReplicaSet", &[&fenced.refused(&namespace)]);
    } else {
        let audited = fenced.audited(&namespace);
        let expected = if case.pod() == Told::Nothing { 0 } else { 1 };
        assert_eq!(audited.iter().count(), expected, "{} {case:?} {audited:?}", row.name);
        tell("the audit event of its pod", &audited.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

/// What is read in a terminal.
fn said(reply: &Reply) -> Vec<&str> {
    if reply.status == 201 { reply.warnings.iter().map(String::as_str).collect() } else { vec![reply.message()] }
}

#[test]
fn what_looks_like_a_way_and_is_none_is_let_through_without_a_word() {
    let Some(fenced) = Fenced::shared() else { return };
    fenced.for_each_row(|row| {
        let mut pod = row.look_alike(&fenced::namespace(row, Case::Denied));
        pod["metadata"]["name"] = json!("look-alike");
        let reply = fenced.cluster().api.create(&pod, "");
        assert_eq!(Told::by(&reply), Told::Nothing, "{}: {reply:#?}", row.name);
    });
}

#[test]
fn a_secret_is_its_owners_to_take() {
    let Some(fenced) = Fenced::shared() else { return };
    let rows = rows();
    let row = rows.iter().find(|row| row.name == OWNERSHIP).unwrap();
    let owner = fenced.namespace_beside(row, Case::Denied, "owner", "enforce");
    let told = |namespace: &str| Told::by(&fenced.cluster().api.create(&row.pod(namespace), "?dryRun=All"));
    assert_eq!(told(&owner), Told::Nothing);
    assert_eq!(told(&fenced::namespace(row, Case::Denied)), Told::Denied);
}

/// Made before anybody fenced its namespace.
#[test]
fn a_workload_older_than_its_policy_may_keep_its_way_and_take_no_other() {
    let Some(fenced) = Fenced::shared() else { return };
    let api = &fenced.cluster().api;
    let rows = rows();
    let row = rows.iter().find(|row| row.kind == Kind::Reach).unwrap();
    let old = fenced.namespace_beside(row, Case::TemplatesEnforced, "old", "off");
    let of = |made: Value, kind: &str| {
        let version = if kind == "Pod" { "v1" } else { "apps/v1" };
        path(&json!({"apiVersion": version, "kind": kind, "metadata": made["metadata"]}))
    };
    let deployment = of(api.create(&row.deployment(&old), "").done(), "Deployment");
    let pod = of(api.create(&row.pod(&old), "").done(), "Pod");
    let mut other = row.deployment(&old);
    other["metadata"]["name"] = json!("other");
    other["spec"]["template"]["spec"]["serviceAccountName"] = json!("nobody");
    let other = of(api.create(&other, "").done(), "Deployment");
    fenced.label(&old, "enforce");
    fenced.cluster().eventually(|| api.create(&row.deployment(&old), "?dryRun=All"), |reply| reply.status == 403);

    let image =
        json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.example.com/shop/api:2"}]);
    api.request("PATCH", &pod, "application/json-patch+json", &image).done();
    let template =
        |spec: Value| json!({"spec": {"replicas": 2, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}});
    let kept = api.merge(&deployment, &template(json!({}))).done();
    assert_eq!(kept["spec"]["replicas"], 2);
    let taken = api.merge(&other, &template(json!({"serviceAccountName": "robot"})));
    insta::assert_snapshot!(taken.denied(), @r#"
    1 reference denied:
    - the pod's ServiceAccount can read Secrets in namespace "billing" (get secrets), by ServiceAccount "robot", RoleBinding "billing/own-policy-reach-templates-enforced-old", ClusterRole "reader", rule 0 (/spec/template/spec/serviceAccountName): give it a ServiceAccount with fewer rights, or automountServiceAccountToken: false [reach-templates-enforced/rule]
    "#);
}

/// Offline, of the same manifests beside what `kubectl get` prints of the cluster.
#[test]
fn check_says_the_same_of_a_dump_of_the_cluster() {
    let Some(fenced) = Fenced::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let kinds = "namespaces,secrets,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,\
                 secretproviderclasses,sharedsecrets";
    let dump = fenced.cluster().kubectl(&["get", kinds, "--all-namespaces", "-o", "yaml"], "");
    assert!(dump.status.success(), "{}", shown(&dump));
    write("dump.yaml", &dump.stdout);
    let mut objects: Vec<(Value, Case)> = Vec::new();
    for row in rows() {
        for case in Case::ALL {
            let namespace = fenced::namespace(&row, case);
            let mut look_alike = row.look_alike(&namespace);
            look_alike["metadata"]["name"] = json!("look-alike");
            objects.extend([row.pod(&namespace), row.deployment(&namespace), look_alike].map(|object| (object, case)));
        }
    }
    let list: Vec<&Value> = objects.iter().map(|(object, _)| object).collect();
    write("manifests.json", &serde_json::to_vec(&json!({"apiVersion": "v1", "kind": "List", "items": list})).unwrap());
    let mut check = Command::new(env!("CARGO_BIN_EXE_secretfence"));
    check.arg("check").arg("-p").arg(fenced.policies()).args(["--format", "json"]).arg(folder.path());
    let output = check.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("S3CR3T"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
    assert_eq!(report["errors"], json!([]));
    assert_eq!(report["summary"]["notJudged"], json!([]));
    let key = |object: &Value| ["kind", "namespace", "name"].map(|field| object[field].as_str().unwrap().to_owned());
    let mut findings: BTreeMap<[String; 3], Vec<&Value>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        findings.entry(key(&finding["object"])).or_default().push(finding);
    }
    for (object, case) in &objects {
        let reply = fenced.cluster().api.create(&renamed(object), "?dryRun=All");
        let metadata = &object["metadata"];
        let key = key(&json!({"kind": object["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}));
        let found = findings.remove(&key).unwrap_or_default();
        agree(&key, *case, &reply, &found);
    }
    assert!(findings.is_empty(), "{findings:#?}");
}

/// What the API server said, in the words of `check`.
fn agree(key: &[String; 3], case: Case, reply: &Reply, found: &[&Value]) {
    let told = Told::by(reply);
    let [finding] = found else {
        assert!(found.is_empty() && told == Told::Nothing, "{key:?} {told:?} {found:#?}");
        return;
    };
    let said = (finding["outcome"].as_str().unwrap(), finding["mode"].as_str().unwrap());
    let expected = match told {
        Told::Nothing => panic!("{key:?} {finding:#}"),
        Told::Warned => ("warned", "enforce"),
        // A label that leads to another webhook is nothing that a manifest knows.
        Told::WouldBeDenied if case == Case::DryRunPath => ("denied", "enforce"),
        Told::WouldBeDenied => ("denied", "dryRun"),
        Told::Denied | Told::PodsDenied => ("denied", "enforce"),
    };
    assert_eq!(said, expected, "{key:?}");
    // The sentence, too: a denial has it whole, a warning perhaps the beginning of it.
    let message = finding["message"].as_str().unwrap();
    let text = if told == Told::Denied { reply.denied() } else { reply.warnings[0].as_str() };
    let text = text.trim_start_matches("1 reference denied:\n- ");
    let text = text.trim_start_matches("dry run: would be denied: ").trim_start_matches("its pods will be denied: ");
    match text.split_once('…').filter(|_| told != Told::Denied) {
        None => assert_eq!(text, message, "{key:?}"),
        Some((beginning, end)) => {
            assert!(message.starts_with(beginning) && message.ends_with(end), "{key:?}\n{text}\n{message}")
        }
    }
}

/// As no other test names it.
fn renamed(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["name"] = json!("again");
    object
}
