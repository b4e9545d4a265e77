//! The API server's RBAC, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use secretfence::fence::access::ROWS;
use serde_json::{Value, json};

use super::generator::{Answered, LABEL, Question, Set};
use super::line::{DEPTH, Line};
use crate::api::{Api, path};
use crate::control_plane::{ADMIN, ControlPlane, eventually};

const THREADS: usize = 6;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

pub struct Truth {
    /// Connections, one for each thread: for objects, and for questions.
    apis: Vec<Api>,
    lines: Vec<Mutex<Line>>,
    /// How many sentinels there were.
    sentinels: AtomicUsize,
}

impl Truth {
    /// The API server, with the namespaces of so many sets.
    pub fn new(control_plane: &ControlPlane, slots: usize) -> Truth {
        let apis = (0..THREADS).map(|_| control_plane.api(ADMIN)).collect();
        let lines = (0..THREADS).map(|_| Mutex::new(Line::new(control_plane))).collect();
        let truth = Truth { apis, lines, sentinels: AtomicUsize::new(0) };
        let names = (0..slots).flat_map(|slot| ["a", "b"].map(|half| format!("reach-{slot}-{half}")));
        let namespace = |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let namespaces: Vec<Value> = names.map(namespace).collect();
        each(&truth.apis, &namespaces, |api, namespace| api.create(namespace, "").done());
        truth
    }

    /// Makes all objects, and waits until they are what RBAC judges by.
    pub fn apply(&self, sets: &[Set]) {
        let objects: Vec<&Value> = sets.iter().flat_map(|set| &set.objects).collect();
        each(&self.apis, &objects, |api, object| api.create(object, "").done());
        if sets.iter().any(|set| !set.aggregated.is_empty()) {
            let settled = eventually(|| self.is_settled(sets).then_some(()));
            assert!(settled.is_some(), "the aggregation controller does not come round");
        }
        self.wait_for_rbac();
    }

    /// Deletes all objects, one by one: that is faster than by the collections of so many namespaces. That RBAC has heard of it is
    /// waited for with the next ones.
    pub fn clear(&self, sets: &[Set]) {
        let objects: Vec<&Value> = sets.iter().flat_map(|set| &set.objects).collect();
        each(&self.apis, &objects, |api, object| api.delete(&path(object)).done());
    }

    /// For each question the reason why it is allowed, or none.
    pub fn ask(&self, questions: &[Question<'_>]) -> Vec<Option<String>> {
        let chunks: Vec<&[Question<'_>]> = questions.chunks(DEPTH).collect();
        each(&self.lines, &chunks, |line, chunk| {
            let reviews: Vec<String> = chunk.iter().map(review).collect();
            line.lock().unwrap().ask(&reviews)
        })
        .concat()
    }

    /// Whether each aggregated ClusterRole has the rules of those that it is to be made of, as they are now.
    fn is_settled(&self, sets: &[Set]) -> bool {
        let listed =
            self.apis[0].get(&format!("{RBAC}/clusterroles?labelSelector={}", LABEL.replace('/', "%2F"))).done();
        let rules = |role: &Value| -> BTreeSet<String> {
            role["rules"].as_array().into_iter().flatten().map(Value::to_string).collect()
        };
        let items = listed["items"].as_array().unwrap().iter();
        let roles: BTreeMap<&str, BTreeSet<String>> =
            items.map(|role| (role["metadata"]["name"].as_str().unwrap(), rules(role))).collect();
        sets.iter().flat_map(|set| &set.aggregated).all(|(name, parts)| {
            let parts = parts.iter().flat_map(|part| &roles[part.as_str()]).cloned();
            roles[name.as_str()] == parts.collect()
        })
    }

    /// RBAC judges by four watches. Each hears of changes in their order: who is judged by the last has heard of all.
    fn wait_for_rbac(&self) {
        let number = self.sentinels.fetch_add(1, Ordering::Relaxed);
        let (user, name) = (format!("sentinel-{number}"), format!("zz-sentinel-{number}"));
        let api = &self.apis[0];
        let mut made = Vec::new();
        for (kind, namespace) in [("ClusterRole", None), ("Role", Some("default"))] {
            let object = |kind: &str| {
                let metadata = json!({"name": name, "namespace": namespace, "labels": {LABEL: ""}});
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata})
            };
            let mut role = object(kind);
            role["rules"] = json!([{"verbs": ["see"], "apiGroups": ["example.com"], "resources": [kind]}]);
            let mut binding = object(&format!("{kind}Binding"));
            binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
            binding["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
            made.extend([role, binding]);
        }
        for object in &made {
            api.create(object, "").done();
        }
        for (kind, namespace) in [("ClusterRole", ""), ("Role", "default")] {
            let attributes = json!({"group": "example.com", "resource": kind, "verb": "see", "namespace": namespace});
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": user, "resourceAttributes": attributes},
            });
            let mut line = self.lines[0].lock().unwrap();
            let seen = eventually(|| line.ask(&[review.to_string()])[0].clone());
            assert!(seen.is_some(), "RBAC does not hear of a {kind}");
        }
        for object in &made {
            api.delete(&path(object)).done();
        }
    }
}

/// Does it for each of a list, on all connections at a time. The results are in the order of the list.
fn each<C: Sync, T: Sync, R: Send>(connections: &[C], list: &[T], act: impl Fn(&C, &T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = |connection: &C| {
        let indices = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let mine = indices.map_while(|index| list.get(index).map(|item| (index, item)));
        mine.map(|(index, item)| (index, act(connection, item))).collect::<Vec<_>>()
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = connections.iter().map(|connection| scope.spawn(|| work(connection))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The review that asks a question. No name in it needs an escape.
fn review(question: &Question<'_>) -> String {
    let (namespace, account) = question.account;
    let (row, place, name) = (&ROWS[question.row], question.namespace.unwrap_or_default(), question.name);
    let (group, resource, subresource, verb) = (row.group, row.resource, row.subresource, row.verb);
    format!(
        r#"{{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{{"user":"system:serviceaccount:{namespace}:{account}","groups":["system:serviceaccounts","system:serviceaccounts:{namespace}","system:authenticated"],"resourceAttributes":{{"group":"{group}","resource":"{resource}","subresource":"{subresource}","verb":"{verb}","namespace":"{place}","name":"{name}"}}}}}}"#
    )
}

/// How many answers of each sort there were.
#[derive(Default)]
pub struct Answers {
    all: [usize; 2],
    rows: BTreeMap<usize, [usize; 2]>,
    subjects: BTreeMap<&'static str, [usize; 2]>,
    /// How many were given by an aggregated ClusterRole.
    aggregated: usize,
    /// Of how many questions the answer depends on the name.
    named: usize,
}

/// A kind of subject; what of the reason tells it, and whether a subject of a binding is of that kind.
type Subject = (&'static str, fn(&Value) -> bool, &'static str);

const SUBJECTS: [Subject; 5] = [
    ("ServiceAccount", |subject| subject["kind"] == "ServiceAccount", "to ServiceAccount "),
    ("User", |subject| subject["kind"] == "User", "to User "),
    (
        "system:serviceaccounts",
        |subject| subject["name"] == "system:serviceaccounts",
        "to Group \"system:serviceaccounts\"",
    ),
    (
        "system:serviceaccounts:<namespace>",
        |subject| {
            subject["kind"] == "Group" && subject["name"].as_str().unwrap().starts_with("system:serviceaccounts:")
        },
        "to Group \"system:serviceaccounts:",
    ),
    ("system:authenticated", |subject| subject["name"] == "system:authenticated", "to Group \"system:authenticated\""),
];

impl Answers {
    /// A yes is that of the subject that the reason names; a no that of all which the set has.
    pub fn count(&mut self, set: &Set, answered: &[Answered<'_>]) {
        let bindings = set.objects.iter().filter_map(|object| object["subjects"].as_array());
        let subjects: Vec<&Value> = bindings.flatten().collect();
        let has = SUBJECTS.map(|(_, is_it, _)| subjects.iter().any(|subject| is_it(subject)));
        let same = answered.chunk_by(|(a, _), (b, _)| a.but_for_the_name() == b.but_for_the_name());
        self.named += same.filter(|same| same.iter().any(|(_, said)| said.is_some() != same[0].1.is_some())).count();
        let aggregated: Vec<_> =
            set.aggregated.iter().map(|(name, _)| format!(" of ClusterRole \"{name}\" ")).collect();
        for (question, reason) in answered {
            let is_aggregated = |reason: &String| aggregated.iter().any(|shown| reason.contains(shown));
            self.aggregated += usize::from(reason.as_ref().is_some_and(is_aggregated));
            let yes = usize::from(reason.is_some());
            self.all[yes] += 1;
            self.rows.entry(question.row).or_default()[yes] += 1;
            for ((kind, _, shown), has) in SUBJECTS.iter().zip(has) {
                if reason.as_ref().map_or(has, |reason| reason.contains(shown)) {
                    self.subjects.entry(kind).or_default()[yes] += 1;
                }
            }
        }
    }

    /// Fails where a test of this kind would say nothing.
    pub fn assert_telling(&self) {
        let [no, yes] = self.all;
        println!("{} answers, {yes} of them yes", no + yes);
        for (kind, [no, yes]) in &self.subjects {
            println!("{kind}: {yes} yes, {no} no");
        }
        println!("by aggregated ClusterRoles: {} yes; dependent on the name: {}", self.aggregated, self.named);
        assert!(self.aggregated > 0 && self.named > 0, "{} {}", self.aggregated, self.named);
        assert!(10 * yes >= no + yes, "{yes} of {} answers are yes", no + yes);
        for (index, row) in ROWS.iter().enumerate() {
            let [no, yes] = self.rows.get(&index).copied().unwrap_or_default();
            assert!(no > 0 && yes > 0, "{row}: {yes} yes, {no} no");
        }
        for (kind, ..) in SUBJECTS {
            let [no, yes] = self.subjects.get(kind).copied().unwrap_or_default();
            assert!(no > 0 && yes > 0, "{kind}: {yes} yes, {no} no");
        }
    }
}
