//! The API server's RBAC, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use secretfence::fence::access::ROWS;
use serde_json::{Value, json};

use super::generator::{LABEL, Question, Set};
use crate::api::{Api, Reply};
use crate::control_plane::{ADMIN, ControlPlane, eventually};

const THREADS: usize = 6;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

pub struct Truth {
    /// A connection for each thread.
    apis: Vec<Api>,
    /// How many sentinels there were.
    sentinels: AtomicUsize,
}

impl Truth {
    /// The API server, with the namespaces of so many sets.
    pub fn new(control_plane: &ControlPlane, slots: usize) -> Truth {
        let apis = (0..THREADS).map(|_| control_plane.api(ADMIN)).collect();
        let truth = Truth { apis, sentinels: AtomicUsize::new(0) };
        let names = (0..slots).flat_map(|slot| ["a", "b"].map(|half| format!("reach-{slot}-{half}")));
        let namespace = |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let namespaces: Vec<Value> = names.map(namespace).collect();
        truth.each(&namespaces, |api, namespace| api.create(namespace, "").done());
        truth
    }

    /// Makes all objects, and waits until they are what RBAC judges by.
    pub fn apply(&self, sets: &[Set]) {
        let objects: Vec<&Value> = sets.iter().flat_map(|set| &set.objects).collect();
        self.each(&objects, |api, object| api.create(object, "").done());
        if sets.iter().any(|set| !set.aggregated.is_empty()) {
            let settled = eventually(|| self.is_settled(sets).then_some(()));
            assert!(settled.is_some(), "the aggregation controller does not come round");
        }
        self.wait_for_rbac();
    }

    /// Deletes all objects. That RBAC has heard of it is waited for with the next ones.
    pub fn clear(&self, sets: &[Set]) {
        let namespaces = sets.iter().flat_map(|set| &set.namespaces);
        let namespaced = namespaces.flat_map(|namespace| {
            ["rolebindings", "roles"].map(|resource| format!("{RBAC}/namespaces/{namespace}/{resource}"))
        });
        let cluster = ["clusterrolebindings", "clusterroles"].map(|resource| format!("{RBAC}/{resource}"));
        let collections: Vec<String> = namespaced.chain(cluster).collect();
        self.each(&collections, |api, path| {
            let reply = api.delete(&format!("{path}?labelSelector={}", LABEL.replace('/', "%2F")));
            assert_eq!(reply.status, 200, "{}", reply.message());
        });
    }

    /// For each question the reason why it is allowed, or none.
    pub fn ask(&self, questions: &[Question<'_>]) -> Vec<Option<String>> {
        self.each(questions, |api, question| {
            let (namespace, name) = question.account;
            let row = &ROWS[question.row];
            let attributes = json!({
                "group": row.group, "resource": row.resource, "subresource": row.subresource, "verb": row.verb,
                "namespace": question.namespace.unwrap_or_default(), "name": question.name,
            });
            let groups =
                ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
            let user = format!("system:serviceaccount:{namespace}:{name}");
            review(api, &user, &json!(groups), &attributes)
        })
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
            api.create(&role, "").done();
            api.create(&binding, "").done();
        }
        for (kind, namespace) in [("ClusterRole", ""), ("Role", "default")] {
            let attributes = json!({"group": "example.com", "resource": kind, "verb": "see", "namespace": namespace});
            let seen = eventually(|| review(api, &user, &json!([]), &attributes));
            assert!(seen.is_some(), "RBAC does not hear of a {kind}");
        }
    }

    /// Does it for each, on all connections, in order of the list.
    fn each<T: Sync, R: Send>(&self, list: &[T], act: impl Fn(&Api, &T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let work = |api: &Api| {
            let indices = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let mine = indices.map_while(|index| list.get(index).map(|item| (index, item)));
            mine.map(|(index, item)| (index, act(api, item))).collect::<Vec<_>>()
        };
        let mut done: Vec<(usize, R)> = thread::scope(|scope| {
            let threads: Vec<_> = self.apis.iter().map(|api| scope.spawn(|| work(api))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// The reason why it is allowed, or none.
fn review(api: &Api, user: &str, groups: &Value, attributes: &Value) -> Option<String> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    });
    let Reply { status, body, .. } = api.request("POST", REVIEWS, "application/json", &review);
    assert_eq!(status, 201, "{body}");
    let reason = || body["status"]["reason"].as_str().unwrap_or_default().to_owned();
    body["status"]["allowed"].as_bool().unwrap().then(reason)
}

/// How many answers of each sort there were.
#[derive(Default)]
pub struct Answers {
    all: [usize; 2],
    rows: BTreeMap<usize, [usize; 2]>,
    subjects: BTreeMap<&'static str, [usize; 2]>,
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
    pub fn count(&mut self, question: &Question<'_>, reason: Option<&str>) {
        let yes = usize::from(reason.is_some());
        self.all[yes] += 1;
        self.rows.entry(question.row).or_default()[yes] += 1;
        let bindings = question.set.objects.iter().filter_map(|object| object["subjects"].as_array());
        let subjects: Vec<&Value> = bindings.flatten().collect();
        for (kind, is_it, shown) in SUBJECTS {
            if reason.map_or_else(|| subjects.iter().any(|subject| is_it(subject)), |reason| reason.contains(shown)) {
                self.subjects.entry(kind).or_default()[yes] += 1;
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
        assert!(10 * yes >= no + yes, "{yes} of {} answers are yes", no + yes);
        for (index, row) in ROWS.iter().enumerate() {
            let [no, yes] = self.rows[&index];
            assert!(no > 0 && yes > 0, "{row}: {yes} yes, {no} no");
        }
        for (kind, ..) in SUBJECTS {
            let [no, yes] = self.subjects[kind];
            assert!(no > 0 && yes > 0, "{kind}: {yes} yes, {no} no");
        }
    }
}
