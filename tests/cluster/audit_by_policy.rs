//! A cluster filled with the corpus, audited by each shipped policy: the second table of docs/swap-coverage.md.

use std::collections::BTreeMap;
use std::process::Command;

use secretfence::policy_dir;
use serde_json::{Value, json};

use crate::api::Api;
use crate::audit::{create, renamed};
use crate::binaries::skipped;
use crate::by_policy::{
    Counts, day, is_the_table_of_the_page, namespace_for, policies, there_is_something_of_every_sort,
};
use crate::cluster::shown;
use crate::control_plane::{ADMIN, ControlPlane};
use crate::corpus::Corpus;
use crate::served_corpus::{make_what_they_name, pod_of};

const BEGIN: &str = "<!-- in a cluster: UPDATE_DOCS=1 cargo test --test cluster audit_by_policy -->\n";

#[test]
fn each_shipped_policy_does_in_a_cluster_what_it_does_to_the_manifests() {
    let Some(corpus) = Corpus::find("an audit of the corpus by each shipped policy") else { return };
    if skipped() {
        return;
    }
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    // Nobody makes pods of the templates: each workload is one owner, and nobody waits for it.
    control_plane.stop_controllers();
    let api = control_plane.api(ADMIN);
    let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut workloads = 0;
    for (policy, _) in policies() {
        let namespace = namespace_for(&policy);
        all.entry(namespace).or_insert_with(|| {
            let (count, taken) = fill(&api, &corpus, namespace);
            workloads = count;
            taken
        });
    }
    let taken = all["team-shop"].len();
    assert!(all.values().all(|its| its.len() == taken), "one namespace takes what another one does not");
    assert!(taken > 400, "only {taken} of {workloads}");

    let kubeconfig = control_plane.path("admin.kubeconfig");
    let mut rows = BTreeMap::new();
    for (name, path) in policies() {
        let namespace = namespace_for(&name);
        let output = Command::new(env!("CARGO_BIN_EXE_secretfence"))
            .args(["audit", "--kubeconfig", &kubeconfig, "--format", "json", "-n", namespace])
            .args(["--as-of", &day(), "-p", path.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {}", shown(&output));
        let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
        let set = policy_dir::load(&[path]).unwrap().set;
        let found = of_audit(&audit);
        let mut expected = Counts::default();
        for object in &all[namespace] {
            expected.take(object, namespace, &set).expect("it is judged");
        }
        assert_eq!(found, expected, "{name}: left, the audit; right, `check`");
        assert_eq!(audit["summary"]["owners"], taken, "{name}");
        rows.insert(name, found);
    }
    there_is_something_of_every_sort(&rows);
    is_the_table_of_the_page(BEGIN, &format!("{taken} of {workloads} workloads."), &rows);
}

/// Puts the corpus into a namespace. How many workloads it has, and those that the API server takes.
fn fill(api: &Api, corpus: &Corpus, namespace: &str) -> (usize, Vec<Value>) {
    // What the example that chooses by labels chooses.
    let labels = json!({"tier": "prod", "team": "web"});
    api.create(
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}),
        "",
    )
    .done();
    let metadata = json!({"namespace": namespace, "name": "default"});
    api.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}), "").done();
    let objects = renamed(corpus, namespace, namespace);
    let pods: Vec<(String, Value)> = objects
        .iter()
        .map(|(about, object, path)| (about.clone(), pod_of(object, path.iter().fold(object, |at, step| &at[*step]))))
        .collect();
    make_what_they_name(api, &pods, &[namespace.to_owned()]);
    let (made, refused) = create(api, &objects);
    println!("{namespace}: {} of {} workloads are there; the others: {refused:#?}", made.len(), objects.len());
    (objects.len(), made.iter().map(|index| objects[*index].1.clone()).collect())
}

fn of_audit(audit: &Value) -> Counts {
    let mut counts = Counts::default();
    let owners = audit["owners"].as_array().unwrap().iter();
    for finding in owners.flat_map(|owner| owner["findings"].as_array().unwrap()) {
        let [mode, outcome, reads] =
            ["mode", "outcome", "reads"].map(|field| finding[field].as_str().unwrap_or_default());
        counts.count(mode, outcome, reads);
    }
    counts
}
