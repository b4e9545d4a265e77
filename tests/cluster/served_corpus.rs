//! Every pod and pod template of the corpus that the API server admits: what becomes of it is what `check` says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{Timestamp, tz::TimeZone};
use secretfence::fence::policy::PolicySet;
use secretfence::fence::workload::BUILT_IN;
use secretfence::fence::{Evaluation, Facts, Judgement, Outcome, Question, evaluate};
use secretfence::{manifest, policy_dir};
use serde_json::{Value, json};

use crate::api::Api;
use crate::cluster::{Cluster, shared_policies};
use crate::corpus::Corpus;

const WORKERS: usize = 4;

#[test]
fn every_pod_of_the_corpus_becomes_what_check_says() {
    let Some(corpus) = Corpus::find("every pod of the corpus through a real API server") else { return };
    let Some(cluster) = Cluster::shared() else { return };
    let pods = pods(&corpus);
    assert!(pods.len() > 300, "only {} pods", pods.len());
    let policies = policies();
    let bare = cluster.namespace("corpus-bare", None);
    let fenced = [cluster.namespace("corpus", Some("enforce")), cluster.namespace("own-policy-mount", Some("enforce"))];
    make_what_they_name(&cluster.api, &pods, &[std::slice::from_ref(&bare), &fenced[..]].concat());
    let counts = Mutex::new(BTreeMap::<String, usize>::new());
    let count = |what: &str| *counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    each(&pods, |(about, pod)| {
        let reply = cluster.api.create(&within(pod, &bare), "?dryRun=All");
        if reply.status != 201 {
            return count(&format!("left out: {}", class(reply.message())));
        }
        count("admitted without the webhook");
        for namespace in &fenced {
            let outcome = compare(cluster, &policies, &within(pod, namespace), &reply.body, about);
            let prefix = namespace.trim_end_matches(|c: char| c == '-' || c.is_numeric());
            count(&format!("{outcome}, {prefix}"));
        }
    });
    let counts = counts.into_inner().unwrap();
    println!("{} pods and templates", pods.len());
    counts.iter().for_each(|(what, count)| println!("{count:>4} {what}"));
    assert!(counts["admitted without the webhook"] > 240, "{counts:#?}");
    for what in ["swapped, own-policy-mount", "denied, own-policy-mount", "denied, corpus"] {
        assert!(counts.get(what).is_some_and(|count| *count > 10), "{what}: {counts:#?}");
    }
}

/// Does this with each of them, several at a time.
pub fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// Creates the pod and says what became of it, which is what `check` says of it. `bare` is the pod without a webhook.
fn compare(cluster: &Cluster, policies: &PolicySet, pod: &Value, bare: &Value, about: &str) -> &'static str {
    let reply = cluster.api.create(pod, "?dryRun=All");
    let check = check(pod, policies);
    let messages = |outcome: Outcome| check.findings.iter().filter(move |finding| finding.outcome == outcome);
    if messages(Outcome::Denied).next().is_some() {
        says_what_check_says(reply.denied(), &check, about);
        return "denied";
    }
    // The patch that `check` makes of the pod as the API server gives it to webhooks.
    let mut expected = bare.clone();
    expected["metadata"]["namespace"] = pod["metadata"]["namespace"].clone();
    let patch = self::check(&expected, policies).patch;
    if !patch.is_empty() {
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut expected, &patch).unwrap();
    }
    let made = reply.done();
    assert_eq!(comparable(&made), comparable(&expected), "{about}");
    let is_swapped = messages(Outcome::Swapped).next().is_some();
    assert_eq!(is_swapped, !patch.is_empty(), "{about}");
    if !is_swapped {
        return "let alone";
    }
    // It comes out unchanged the second time.
    let mut again = pod.clone();
    again["spec"] = made["spec"].clone();
    again["metadata"]["annotations"] = made["metadata"]["annotations"].clone();
    let again = cluster.api.create(&again, "?dryRun=All").done();
    assert_eq!(comparable(&again), comparable(&made), "{about}: the second time");
    "swapped"
}

/// A denial counts and lists, in order, what `check` says would be denied. It may stop before the last.
pub fn says_what_check_says(denial: &str, check: &Judgement, about: &str) {
    let denied = check.findings.iter().filter(|finding| finding.outcome == Outcome::Denied);
    let expected: Vec<String> = denied.map(|finding| format!("- {}", finding.message)).collect();
    let (count, rest) = denial.split_once('\n').unwrap();
    assert_eq!(count.split(' ').next().unwrap(), expected.len().to_string(), "{about}: {denial}");
    let mut lines: Vec<&str> = rest.lines().collect();
    if lines.len() > 1 && lines.last().unwrap().starts_with("(+") {
        lines.pop();
    } else {
        assert_eq!(lines.len(), expected.len(), "{about}: {denial}");
    }
    assert_eq!(lines, expected[..lines.len()], "{about}");
}

/// What `check` says of an object.
pub fn check(object: &Value, policies: &PolicySet) -> Judgement {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let namespace = text(&object["metadata"]["namespace"]);
    let question = Question { api_version: &api_version, kind: &kind, namespace: &namespace, all: false, patch: true };
    let facts = Facts::on(Timestamp::now().to_zoned(TimeZone::UTC).date());
    match evaluate(&serde_json::to_vec(object).unwrap(), &question, policies, &facts).unwrap() {
        Evaluation::Judged(judgement) => judgement,
        other => panic!("it is judged: {other:?}"),
    }
}

/// The policies of the shared cluster.
pub fn policies() -> PolicySet {
    let files: Vec<_> = shared_policies().map(|(name, text)| (PathBuf::from(name), text.into_bytes())).into();
    policy_dir::compile(&files).unwrap().set
}

/// What does not differ from one request to the next: the name of the token's volume does.
pub fn comparable(pod: &Value) -> String {
    let text = json!({"spec": pod["spec"], "annotations": pod["metadata"]["annotations"]}).to_string();
    let mut parts = text.split("kube-api-access-");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + "kube-api-access-" + &part[5..])
}

/// Every pod, and a pod of every template, with where it is from.
fn pods(corpus: &Corpus) -> Vec<(String, Value)> {
    let pod = |(about, object, path): (String, Value, &[&str])| {
        let template = path.iter().fold(&object, |at, step| &at[*step]);
        (about, pod_of(&object, template))
    };
    workloads(corpus).into_iter().map(pod).collect()
}

/// Every object of a built-in kind that is a pod or makes pods: where it is from, itself, and the path to its template.
pub fn workloads(corpus: &Corpus) -> Vec<(String, Value, &'static [&'static str])> {
    let mut found = Vec::new();
    for file in ["real", "peers"].iter().flat_map(|folder| corpus.files(folder)) {
        for (address, object) in objects(&std::fs::read(corpus.root.join(&file)).unwrap()) {
            if let Some(path) = built_in(&object) {
                found.push((format!("{file} [{address}]"), object, path));
            }
        }
    }
    found
}

/// Every object of a file, with where it is there.
pub fn objects(source: &[u8]) -> Vec<(String, Value)> {
    let documents = manifest::parse(source).documents;
    let objects = documents.iter().flat_map(|document| document.objects().unwrap_or_default());
    objects.map(|object| (object.address, serde_json::from_slice(&object.json).unwrap())).collect()
}

/// The path to the pod template of an object that is a pod or makes pods, where its kind is built in.
pub fn built_in(object: &Value) -> Option<&'static [&'static str]> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let (group, _) = api_version.split_once('/').unwrap_or(("", api_version));
    let row = BUILT_IN.iter().find(|(its_group, its_kind, _)| *its_group == group && *its_kind == kind);
    row.map(|(_, _, path)| *path)
}

/// The pod that comes of an object's template. Claims and owners are nobody's here; of a StatefulSet's claims, too, come
/// volumes.
pub fn pod_of(object: &Value, template: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": template["spec"]});
    for field in ["labels", "annotations"] {
        if let Some(value) = template["metadata"].get(field) {
            pod["metadata"][field] = value.clone();
        }
    }
    for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        if volume.get("persistentVolumeClaim").is_some() {
            *volume = json!({"name": volume["name"], "emptyDir": {}});
        }
    }
    // A placeholder that somebody renders is no name.
    for field in ["serviceAccountName", "serviceAccount"] {
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"0123456789-.".contains(&byte));
        if pod["spec"][field].as_str().is_some_and(|name| !is_name(name)) {
            pod["spec"].as_object_mut().unwrap().remove(field);
        }
    }
    for claim in object["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let volume = json!({"name": claim["metadata"]["name"], "emptyDir": {}});
        match &mut pod["spec"]["volumes"] {
            Value::Array(volumes) if volumes.iter().any(|its| its["name"] == volume["name"]) => {}
            Value::Array(volumes) => volumes.push(volume),
            none => *none = json!([volume]),
        }
    }
    pod
}

pub fn within(pod: &Value, namespace: &str) -> Value {
    let mut pod = pod.clone();
    pod["metadata"]["namespace"] = json!(namespace);
    pod
}

/// The ServiceAccounts, PriorityClasses and RuntimeClasses that pods name.
pub fn make_what_they_name(api: &Api, pods: &[(String, Value)], namespaces: &[String]) {
    let named = |field: &str| {
        let names = pods.iter().filter_map(|(_, pod)| pod["spec"][field].as_str());
        names.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    for name in named("serviceAccountName").union(&named("serviceAccount")) {
        for namespace in namespaces {
            let metadata = json!({"name": name, "namespace": namespace});
            let reply = api.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}), "");
            assert!(matches!(reply.status, 201 | 409 | 422), "{reply:#?}");
        }
    }
    let classes = [
        ("priorityClassName", json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1})),
        ("runtimeClassName", json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "any"})),
    ];
    for (class, name) in
        classes.iter().flat_map(|(field, class)| named(field).into_iter().map(move |name| (class, name)))
    {
        let mut class = class.clone();
        class["metadata"] = json!({"name": name});
        let reply = api.create(&class, "");
        assert!(matches!(reply.status, 201 | 403 | 409 | 422), "{reply:#?}");
    }
}

/// A refusal without its names and values.
pub fn class(message: &str) -> String {
    let message = message.split_once(" is invalid: ").map_or(message, |(_, reason)| reason);
    let words = message.split_whitespace().take(14).map(|word| {
        let is_name = word.contains(['"', '[', '/', '=']) || word.chars().any(|c| c.is_ascii_digit());
        if is_name { "…" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}
