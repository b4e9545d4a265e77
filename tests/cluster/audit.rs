//! `audit` of a real API server: what it says of a cluster without a fence is what `check` said of its manifests, and what
//! comes of every pod once there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use secretfence::fence::{Finding, Outcome, PolicySet};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;
use crate::cluster::{Cluster, from_yaml, shown};
use crate::control_plane::eventually;
use crate::corpus::Corpus;
use crate::live_check::write_kubeconfig;
use crate::objects::{api, denied, pod, postgres, swapped, workload};
use crate::served_corpus::{check, class, make_what_they_name, pod_of, policies, workloads};

/// Who make the workloads.
const WORKERS: usize = 4;

/// Runs `audit` by a kubeconfig and the policies that the webhook has.
pub fn audit(cluster: &Cluster, kubeconfig: &str, more: &[&str]) -> Output {
    let policies = cluster.webhook.policies();
    Command::new(env!("CARGO_BIN_EXE_secretfence"))
        .args(["audit", "--kubeconfig", kubeconfig, "-p", policies.to_str().unwrap()])
        .args(more)
        .output()
        .unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(output)))
}

/// As the administrator.
fn audited(cluster: &Cluster, more: &[&str]) -> Value {
    let output =
        audit(cluster, &cluster.control_plane.path("admin.kubeconfig"), &[&["--format", "json"], more].concat());
    json_of(&output)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Kind, container, variable, Secret and key.
type Reference = [String; 5];

/// What is said of a reference, without how many pods have it.
type Said = [String; 8];

fn said(finding: &Value) -> Said {
    ["pointer", "message", "outcome", "reads", "reason", "policy", "rule", "fingerprint"]
        .map(|field| text(&finding[field]).to_owned())
}

/// By kind and name, what is said.
fn by_owner(audit: &Value) -> BTreeMap<(String, String), BTreeSet<Said>> {
    let owners = audit["owners"].as_array().unwrap().iter();
    let name = |owner: &Value| (text(&owner["kind"]).to_owned(), text(&owner["name"]).to_owned());
    owners.map(|owner| (name(owner), owner["findings"].as_array().unwrap().iter().map(said).collect())).collect()
}

/// The workloads of the corpus, each with a name of its own and in one of two namespaces: no workload shall take a pod for
/// its own that merely has its labels.
pub fn renamed(corpus: &Corpus, of_pods: &str, of_others: &str) -> Vec<(String, Value, &'static [&'static str])> {
    let mut all = workloads(corpus);
    for (index, (_, object, _)) in all.iter_mut().enumerate() {
        let kind = text(&object["kind"]).to_owned();
        let namespace = if kind == "Pod" { of_pods } else { of_others };
        let mut metadata = json!({"name": format!("w-{index}"), "namespace": namespace});
        for field in ["labels", "annotations"] {
            if let Some(value) = object["metadata"].get(field) {
                metadata[field] = value.clone();
            }
        }
        object["metadata"] = metadata;
        if kind == "CronJob" {
            object["spec"]["suspend"] = json!(true);
        }
        if object["spec"].get("replicas").is_some_and(|replicas| replicas.as_u64() > Some(3)) {
            object["spec"]["replicas"] = json!(3);
        }
    }
    all
}

/// Creates them with many hands. Those that the API server takes, and why not the others.
pub fn create(
    api: &Api,
    objects: &[(String, Value, &'static [&'static str])],
) -> (Vec<usize>, BTreeMap<String, usize>) {
    let (next, made, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, object, _)) = objects.get(index) else { return };
                    let reply = api.create(object, "");
                    if reply.status == 201 {
                        made.lock().unwrap().push(index);
                    } else {
                        *refused.lock().unwrap().entry(class(reply.message())).or_default() += 1;
                    }
                }
            });
        }
    });
    (made.into_inner().unwrap(), refused.into_inner().unwrap())
}

/// The pods of a namespace, once no more come.
fn settled(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let pods = || cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods")).done()["items"].clone();
    let mut before = usize::MAX;
    let found = eventually(|| {
        let pods = pods().as_array().cloned().unwrap();
        let ending = pods.iter().any(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
        if pods.len() == before && !ending {
            return Some(pods);
        }
        before = pods.len();
        std::thread::sleep(std::time::Duration::from_secs(2));
        None
    });
    found.expect("pods that stay as they are")
}

#[test]
fn what_audit_foretells_of_the_corpus_is_what_check_says_and_what_happens() {
    let Some(corpus) = Corpus::find("an audit of the corpus on a real API server") else { return };
    let Some(cluster) = Cluster::shared() else { return };
    // Without the label, nobody is asked.
    let (of_pods, of_others) = (cluster.namespace("audit-pods", None), cluster.namespace("audit-corpus", None));
    let both = ["-n", &of_pods, "-n", &of_others];
    let objects = renamed(&corpus, &of_pods, &of_others);
    let pods: Vec<(String, Value)> = objects
        .iter()
        .map(|(about, object, path)| (about.clone(), pod_of(object, path.iter().fold(object, |at, step| &at[*step]))))
        .collect();
    make_what_they_name(&cluster.api, &pods, &[of_pods.clone(), of_others.clone()]);
    let (made, refused) = create(&cluster.api, &objects);
    println!("{} of {} workloads are there; the others: {refused:#?}", made.len(), objects.len());
    assert!(made.len() > 200, "{refused:#?}");
    let before = [settled(cluster, &of_pods), settled(cluster, &of_others)].concat();

    // What is said of them is what `check` says of the manifests.
    let audit = audited(cluster, &both);
    assert_eq!(audit["errors"], json!([]), "{audit:#}");
    let applied: Vec<&Value> = made.iter().map(|index| &objects[*index].1).collect();
    let policies = policies();
    let mut expected = BTreeMap::new();
    for object in &applied {
        let findings = check(object, &policies).findings;
        let name = (text(&object["kind"]).to_owned(), text(&object["metadata"]["name"]).to_owned());
        let said: BTreeSet<Said> = findings
            .iter()
            .map(|its| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let (outcome, reads) = (its.outcome.name().to_owned(), its.reads.unwrap_or_default().to_owned());
                let (pointer, message) = (its.pointer.clone(), its.message.clone());
                let fingerprint = its.fingerprint.clone();
                [pointer, message, outcome, reads, text(&its.reason), text(&its.policy), text(&its.rule), fingerprint]
            })
            .collect();
        if !said.is_empty() {
            expected.insert(name, said);
        }
    }
    let found = by_owner(&audit);
    for (name, said) in &expected {
        assert_eq!(found.get(name), Some(said), "{name:?}");
    }
    assert_eq!(found.len(), expected.len());
    // Folded: no ReplicaSet beside its Deployment, each pod in one of them, and none with a finding of its own.
    let summary = &audit["summary"];
    assert_eq!(json!([summary["pods"], summary["owners"]]), json!([before.len(), applied.len()]));
    for owner in audit["owners"].as_array().unwrap() {
        for finding in owner["findings"].as_array().unwrap() {
            assert_eq!(finding["inTemplate"], true, "{owner:#}");
            let is_stopped = finding["outcome"] == "denied" || finding["outcome"] == "swapped";
            let expected = if is_stopped { &owner["pods"] } else { &json!(0) };
            assert_eq!((&finding["missed"], &finding["pods"]), (expected, &owner["pods"]), "{owner:#}");
        }
    }
    let count = |field: &str| summary[field].as_u64().unwrap();
    println!("{summary}");
    assert!(count("denied") > 50 && count("swapped") > 5 && count("unsafe") > 0 && count("missed") > 50, "{summary}");
    there_is_something_of_every_sort(&applied, &audit);

    // The fence goes up, and every pod is made anew.
    let label = json!({"metadata": {"labels": {"secretfence.dev/mode": "enforce"}}});
    for namespace in [&of_pods, &of_others] {
        cluster.api.merge(&format!("/api/v1/namespaces/{namespace}"), &label).done();
        cluster.eventually(|| cluster.api.create(&denied(namespace), "?dryRun=All"), |reply| reply.status == 403);
    }
    assert_eq!(made_anew(cluster, &applied, &audit), 0, "pods that came otherwise than was foretold");
    let namespaces = [&*of_pods, &*of_others];
    let ended_before = ended_jobs(cluster, namespaces);
    let after = audited(cluster, &both);
    assert_eq!(after["summary"]["missed"], 0, "{:#}", after["summary"]);
    // Without their pods some Jobs have ended, and make no others.
    let owners = by_owner(&after);
    assert!(
        !ended_before.iter().any(|name| owners.contains_key(&("Job".to_owned(), name.clone()))),
        "{ended_before:?}"
    );
    let ended = ended_jobs(cluster, namespaces);
    let going_on = |audit: &Value| {
        let mut templates = by_template(audit);
        templates.retain(|(kind, name), _| kind != "Job" || !ended.contains(name));
        templates
    };
    assert_eq!(going_on(&after), going_on(&audit), "templates are as they were");
    every_pod_is_what_was_foretold(cluster, &of_others, &audit);
}

/// Of all Jobs, the names of those that have ended.
fn ended_jobs(cluster: &Cluster, namespaces: [&str; 2]) -> BTreeSet<String> {
    let jobs =
        namespaces.map(|namespace| cluster.api.get(&format!("/apis/batch/v1/namespaces/{namespace}/jobs")).done());
    let jobs = jobs.iter().flat_map(|list| list["items"].as_array().unwrap());
    let has_ended = |job: &&Value| {
        let conditions = job["status"]["conditions"].as_array();
        conditions
            .into_iter()
            .flatten()
            .any(|its| (its["type"] == "Complete" || its["type"] == "Failed") && its["status"] == "True")
    };
    jobs.filter(has_ended).map(|job| text(&job["metadata"]["name"]).to_owned()).collect()
}

/// What is said of templates: of those that are still there, since bare pods were made anew.
fn by_template(audit: &Value) -> BTreeMap<(String, String), BTreeSet<Said>> {
    by_owner(audit).into_iter().filter(|((kind, _), _)| kind != "Pod").collect()
}

/// What an audit says of an owner: whether it is denied, and whether it is swapped.
fn outcome(audit: &Value, kind: &str, name: &str) -> Outcome {
    let owners = audit["owners"].as_array().unwrap();
    let Some(owner) = owners.iter().find(|owner| owner["kind"] == kind && owner["name"] == name) else {
        return Outcome::Allowed;
    };
    let has = |outcome: &str| owner["findings"].as_array().unwrap().iter().any(|finding| finding["outcome"] == outcome);
    match (has("denied"), has("swapped")) {
        (true, _) => Outcome::Denied,
        (_, true) => Outcome::Swapped,
        _ => Outcome::Allowed,
    }
}

fn there_is_something_of_every_sort(applied: &[&Value], audit: &Value) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in applied {
        let outcome = outcome(audit, text(&object["kind"]), text(&object["metadata"]["name"]));
        *counts.entry(outcome.name()).or_default() += 1;
    }
    println!("workloads by what becomes of their pods: {counts:?}");
    assert!(["denied", "swapped", "allowed"].iter().all(|outcome| counts.get(outcome).is_some_and(|count| *count > 5)));
}

/// What an audit says of an owner's references that come to one of these.
fn references(audit: &Value, kind: &str, name: &str, outcomes: &[&str]) -> Vec<Reference> {
    let owners = audit["owners"].as_array().unwrap().iter();
    let of_it = owners.filter(|owner| owner["kind"] == kind && owner["name"] == name);
    let findings = of_it.flat_map(|owner| owner["findings"].as_array().unwrap());
    let mut all: Vec<Reference> = findings
        .filter(|finding| outcomes.contains(&text(&finding["outcome"])))
        .map(|finding| ["kind", "container", "variable", "secret", "key"].map(|field| text(&finding[field]).to_owned()))
        .collect();
    all.sort();
    all
}

/// What `check` says of a pod as it is stored.
fn references_left(pod: &Value, policies: &PolicySet) -> Vec<Reference> {
    let mut left: Vec<Reference> = check(pod, policies)
        .findings
        .into_iter()
        .map(|finding| {
            let Finding { kind, container, variable, secret, key, .. } = finding;
            [Some(kind.to_owned()), container, variable, secret, key].map(Option::unwrap_or_default)
        })
        .collect();
    left.sort();
    left
}

/// Ends every pod, makes those anew that nobody else makes anew, and one of each template besides. How many came otherwise
/// than was foretold, reference by reference.
fn made_anew(cluster: &Cluster, applied: &[&Value], audit: &Value) -> usize {
    let (mut wrong, policies) = (0, policies());
    let mut judge = |kind: &str, name: &str, pod: &Value, query: &str| {
        let (about, expected) = (format!("{kind} {name}"), outcome(audit, kind, name));
        let reply = cluster.api.create(pod, query);
        let is_swapped = !reply.body["metadata"]["annotations"]["secretfence.dev/swapped"].is_null();
        let came = match (reply.status, is_swapped) {
            (403, _) => Outcome::Denied,
            (201, true) => Outcome::Swapped,
            (201, false) => Outcome::Allowed,
            _ => panic!("{about}: {reply:#?}"),
        };
        if came != expected {
            println!("{about}: {} was foretold, and it was {}: {}", expected.name(), came.name(), reply.message());
            wrong += 1;
            return;
        }
        let foretold = |outcomes: &[&str]| references(audit, kind, name, outcomes);
        let (left, expected) = match came {
            Outcome::Denied => {
                let (_, said) = reply.message().split_once("denied the request: ").expect("a denial");
                let count: usize = said.split(' ').next().unwrap().parse().unwrap();
                (vec![Reference::default(); count], vec![Reference::default(); foretold(&["denied"]).len()])
            }
            _ => (references_left(&reply.body, &policies), foretold(&["warned"])),
        };
        if left != expected {
            println!("{about}: {expected:?} was foretold, and it was {left:?}: {}", reply.message());
            wrong += 1;
        }
    };
    let namespaces: BTreeSet<&str> = applied.iter().map(|object| text(&object["metadata"]["namespace"])).collect();
    for namespace in &namespaces {
        let now = json!({"gracePeriodSeconds": 0});
        cluster.api.request("DELETE", &format!("/api/v1/namespaces/{namespace}/pods"), "application/json", &now).done();
    }
    for object in applied {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let namespace = text(&object["metadata"]["namespace"]);
        if kind == "Pod" {
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
            assert!(eventually(|| (cluster.api.get(&path).status == 404).then_some(())).is_some(), "{path}");
            judge(kind, name, object, "");
            continue;
        }
        let path =
            secretfence::fence::workload::BUILT_IN.iter().find(|(_, its, path)| *its == kind && !path.is_empty());
        let template = path.unwrap().2.iter().fold(*object, |at, step| &at[*step]);
        let mut pod = pod_of(object, template);
        pod["metadata"]["namespace"] = json!(namespace);
        pod["metadata"]["name"] = json!(format!("{name}-anew"));
        // Nobody's labels: no workload shall take it for its own.
        pod["metadata"]["labels"]["anew"] = json!("true");
        judge(kind, name, &pod, "?dryRun=All");
    }
    wrong
}

/// What controllers have made anew: swapped where that was foretold, and nothing where a denial was.
fn every_pod_is_what_was_foretold(cluster: &Cluster, namespace: &str, before: &Value) {
    let owners = before["owners"].as_array().unwrap().iter();
    let keeps = ["Deployment", "StatefulSet", "ReplicationController", "ReplicaSet"];
    let had_pods = owners.filter(|its| keeps.contains(&text(&its["kind"])) && its["pods"].as_u64() > Some(0));
    let (mut back, mut away) = (0, 0);
    for owner in had_pods {
        let (kind, name) = (text(&owner["kind"]), text(&owner["name"]));
        let expected = outcome(before, kind, name);
        let of_it = |pods: &[Value]| -> Vec<Value> {
            let is_its = |pod: &&Value| text(&pod["metadata"]["name"]).starts_with(&format!("{name}-"));
            pods.iter().filter(is_its).cloned().collect()
        };
        if expected == Outcome::Denied {
            let pods = cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods")).done();
            assert_eq!(of_it(pods["items"].as_array().unwrap()), Vec::<Value>::new(), "{kind} {name}");
            away += 1;
            continue;
        }
        let pods = of_it(&cluster.pods(namespace, |pods| !of_it(pods).is_empty()));
        for pod in &pods {
            let is_swapped = !pod["metadata"]["annotations"]["secretfence.dev/swapped"].is_null();
            assert_eq!(is_swapped, expected == Outcome::Swapped, "{kind} {name}: {pod:#}");
        }
        back += 1;
    }
    println!("{back} controllers have made their pods anew, {away} are kept from it");
    assert!(back > 0 && away > 10, "{back} {away}");
}

#[test]
fn pods_of_every_controller_are_folded_into_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("audit-fold", None);
    let kinds = ["Deployment", "ReplicaSet", "StatefulSet", "Job"];
    for kind in kinds {
        let mut object = workload(kind, &namespace, &kind.to_lowercase(), json!([api()]));
        if kind != "Job" {
            object["spec"]["replicas"] = json!(2);
            object["spec"]["podManagementPolicy"] = if kind == "StatefulSet" { json!("Parallel") } else { Value::Null };
        }
        cluster.api.create(&object, "").done();
    }
    let mut cron = workload("CronJob", &namespace, "cronjob", json!([api()]));
    cron["spec"]["suspend"] = json!(true);
    let cron = cluster.api.create(&cron, "").done();
    let mut by_hand = workload("Job", &namespace, "by-hand", json!([api()]));
    by_hand["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "CronJob", "name": "cronjob", "uid": cron["metadata"]["uid"], "controller": true,
    }]);
    cluster.api.create(&by_hand, "").done();
    cluster.api.create(&pod(&namespace, "bare", json!([postgres()])), "").done();
    cluster.pods(&namespace, |pods| pods.len() == 9);
    let audit = audited(cluster, &["-n", &namespace]);
    let row = |owner: &Value| format!("{} {} {}", text(&owner["kind"]), text(&owner["name"]), owner["pods"]);
    let rows: Vec<String> = audit["owners"].as_array().unwrap().iter().map(row).collect();
    let expected = [
        "CronJob cronjob 1",
        "Deployment deployment 2",
        "Job job 1",
        "Pod bare 1",
        "ReplicaSet replicaset 2",
        "StatefulSet statefulset 2",
    ];
    assert_eq!(rows, expected, "{audit:#}");
    assert!(audit["owners"].as_array().unwrap().iter().all(|owner| owner["findings"].as_array().unwrap().len() == 1));
    assert_eq!(audit["summary"]["missed"], 9);
    // What the fence leaves out is left out, and said.
    let all = audited(cluster, &[]);
    let left_out: Vec<&str> = all["leftOut"].as_array().unwrap().iter().map(|its| text(&its["namespace"])).collect();
    assert!(left_out.contains(&"kube-system") && left_out.contains(&"secretfence"), "{left_out:?}");
    assert_eq!(all["registration"], "installed");
}

#[test]
fn a_selector_chooses_pods_and_what_makes_them() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("audit-selector", None);
    for name in ["one", "other"] {
        let mut object = workload("Deployment", &namespace, name, json!([api()]));
        object["metadata"]["labels"] = json!({"app": name});
        cluster.api.create(&object, "").done();
    }
    cluster.pods(&namespace, |pods| pods.len() == 2);
    let audit = audited(cluster, &["-n", &namespace, "-l", "app=one"]);
    let [owner] = &audit["owners"].as_array().unwrap()[..] else { panic!("{audit:#}") };
    assert_eq!(json!([owner["kind"], owner["name"], owner["pods"]]), json!(["Deployment", "one", 1]));
}

#[test]
fn a_namespace_that_may_not_be_read_is_named_with_the_right() {
    let Some(cluster) = Cluster::shared() else { return };
    let (mine, other) = (cluster.namespace("audit-mine", None), cluster.namespace("audit-other", None));
    for namespace in [&mine, &other] {
        cluster.api.create(&swapped(namespace), "").done();
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("kubeconfig");
    write_kubeconfig(cluster, "audit-one", Path::new(&file));
    let metadata = json!({"name": "audit-one", "namespace": mine});
    let version = "rbac.authorization.k8s.io/v1";
    let binding = json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "audit-one"}],
    });
    cluster.api.create(&binding, "").done();
    let kubeconfig = file.to_str().unwrap();
    let run = |namespaces: &[&str]| audit(cluster, kubeconfig, namespaces);
    // `view` has no right to PodTemplates, and that is said, too.
    let templates =
        format!("error: may not list podtemplates in namespace {mine:?}: give the right to list podtemplates\n");
    let is_there = |output: &Output| shown(output).contains("Pod audit-mine").then_some(());
    assert!(eventually(|| is_there(&run(&["-n", &mine]))).is_some(), "{}", shown(&run(&["-n", &mine])));
    let output = run(&["-n", &mine]);
    let said = shown(&output);
    assert!(said.starts_with("exit: 2\n") && said.contains(&templates), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(said.contains("so none is left out: may not list mutatingwebhookconfigurations"), "{said}");
    let output = run(&["-n", &mine, "-n", &other]);
    let said = shown(&output);
    assert!(said.contains("Pod audit-mine"), "{said}");
    let pods = format!("error: may not list pods in namespace {other:?}: give the right to list pods\n");
    assert!(said.contains(&pods), "{said}");
    // All namespaces at once are one right.
    let said = shown(&run(&[]));
    assert!(
        said.starts_with("exit: 2\n")
            && said.contains("error: may not list pods: give the right to list pods, or name namespaces with -n\n"),
        "{said}"
    );
}

#[test]
fn the_role_of_the_page_is_enough_and_nothing_in_it_is_too_much() {
    let Some(cluster) = Cluster::shared() else { return };
    let page = include_str!("../../docs/audit.md");
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let role = from_yaml(block).remove(0);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("kubeconfig");
    write_kubeconfig(cluster, "audit-all", &file);
    cluster.api.create(&role, "").done();
    let name = role["metadata"]["name"].clone();
    let binding = json!({
        "apiVersion": role["apiVersion"], "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "audit-all"}],
    });
    cluster.api.create(&binding, "").done();
    let namespace = cluster.namespace("audit-role", None);
    cluster.api.create(&denied(&namespace), "").done();
    let run = |more: &[&str]| audit(cluster, file.to_str().unwrap(), more);
    let is_enough = || Some(run(&[])).filter(|output| output.status.code() == Some(1) && output.stderr.is_empty());
    let output = eventually(is_enough).unwrap_or_else(|| panic!("{}", shown(&run(&[]))));
    assert!(shown(&output).contains(&format!("Pod {namespace}/denied: missed")), "{}", shown(&output));
    // Of one namespace, too.
    let output = run(&["-n", &namespace]);
    assert!(output.status.code() == Some(1) && output.stderr.is_empty(), "{}", shown(&output));
    assert!(!shown(&output).contains("may not"), "{}", shown(&output));
    // Every right in it is asked for: without a resource, its name is in an error or in what is not known.
    for (index, rule) in role["rules"].as_array().unwrap().iter().enumerate() {
        for resource in rule["resources"].as_array().unwrap() {
            let mut less = role.clone();
            less["rules"][index]["resources"].as_array_mut().unwrap().retain(|its| its != resource);
            cluster.api.merge("/apis/rbac.authorization.k8s.io/v1/clusterroles/secretfence-audit", &less).done();
            let misses = || shown(&run(&[])).contains(&format!("may not list {}", text(resource))).then_some(());
            assert!(eventually(misses).is_some(), "{resource}");
        }
    }
}

#[test]
fn a_fence_that_a_pod_gets_past_by_a_label_is_narrowed() {
    let Some(cluster) = Cluster::shared() else { return };
    let [narrowed, whole] = ["audit-narrowed", "audit-whole"].map(|prefix| cluster.namespace(prefix, None));
    // One more registration, of this test's namespaces alone: the shared one is others', too.
    let configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let shipped = cluster.api.get(&format!("{configurations}/secretfence")).done();
    let of = |namespace: &str, objects: Value| {
        let mut webhook = shipped["webhooks"][0].clone();
        let names = webhook["namespaceSelector"]["matchExpressions"].as_array().unwrap().iter();
        let names: Vec<&Value> = names.filter(|its| its["key"] != "secretfence.dev/mode").collect();
        let label = json!({"kubernetes.io/metadata.name": namespace});
        webhook["namespaceSelector"] = json!({"matchExpressions": names, "matchLabels": label});
        webhook["objectSelector"] = objects;
        let (version, kind) = (&shipped["apiVersion"], &shipped["kind"]);
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": namespace}, "webhooks": [webhook]})
    };
    let skip = json!({"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]});
    cluster.api.create(&of(&narrowed, skip), "").done();
    cluster.api.create(&of(&whole, json!({})), "").done();
    for namespace in [&narrowed, &whole] {
        cluster.eventually(|| cluster.api.create(&denied(namespace), "?dryRun=All"), |reply| reply.status == 403);
        let mut skips = denied(namespace);
        skips["metadata"]["labels"]["skip"] = json!("");
        let status = cluster.api.create(&skips, "?dryRun=All").status;
        assert_eq!(status, if namespace == &narrowed { 201 } else { 403 }, "{namespace}");
    }
    let audit = audited(cluster, &["-n", &narrowed, "-n", &whole]);
    for namespace in [&narrowed, &whole] {
        cluster.api.delete(&format!("{configurations}/{namespace}")).done();
    }
    let fences: Vec<&str> = audit["namespaces"].as_array().unwrap().iter().map(|its| text(&its["fence"])).collect();
    assert_eq!(fences, ["narrowed", "enforced"], "{audit:#}");
    let said = format!(
        "which pods webhook validate.secretfence.dev of ValidatingWebhookConfiguration {narrowed:?} misses: some, since its \
         objectSelector asks for !skip: "
    );
    let sentences: Vec<&str> = audit["notJudged"].as_array().unwrap().iter().map(text).collect();
    assert!(sentences.iter().any(|sentence| sentence.starts_with(&said)), "{sentences:#?}");
    // Nobody swaps there: the mutating one is asked about neither.
    let both = format!("what could be swapped in {narrowed}, {whole}: all of it is denied, ");
    assert!(sentences.iter().any(|sentence| sentence.starts_with(&both)), "{sentences:#?}");
}
