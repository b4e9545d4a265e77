//! Who made a pod, and who made that.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::audit::Selector;
use crate::fence::PolicySet;
use crate::fence::name::{Text, in_full};
use crate::fence::workload::{Shape, group_and_version};
use crate::report::audit::fold::OwnerName;

/// How far up it is looked: a CronJob's pod is two steps away.
const STEPS: usize = 8;

/// Of an object: what tells it from others, and whose it is. Not safe to show.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    /// As it came: a custom resource may have anything there.
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    #[serde(borrow, default)]
    uid: Text<'a>,
    #[serde(borrow, default)]
    owner_references: Option<Vec<Reference<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(default)]
    controller: Option<bool>,
}

/// Who makes pods, by names as they stand in objects. Not safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maker<'a> {
    pub(super) api_version: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
}

/// What stands between pods and what makes them in the end: by the place of the one, the other.
#[derive(Debug, Default)]
pub(super) struct Chains {
    parents: HashMap<String, Parent>,
    /// The words that are in all of them.
    words: HashMap<String, Arc<str>>,
}

#[derive(Debug)]
struct Parent {
    api_version: Arc<str>,
    kind: Arc<str>,
    name: Box<str>,
}

impl<'a> Head<'a> {
    pub(super) fn read(json: &'a [u8]) -> Option<Head<'a>> {
        serde_json::from_slice(json).ok()
    }

    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_str()
    }

    pub(super) fn namespace(&self) -> &str {
        self.metadata.namespace.as_str()
    }

    /// As a number; an API server's objects have one.
    pub(super) fn uid(&self) -> Option<u128> {
        let digits: String = self.metadata.uid.as_str().chars().filter(|digit| *digit != '-').collect();
        u128::from_str_radix(&digits, 16).ok()
    }

    /// Whether it is a pod whose containers have ended for good (`status.phase`): it runs nothing, and never will. One that
    /// cannot be told counts as running.
    pub(super) fn is_finished(&self) -> bool {
        #[derive(Deserialize)]
        struct Status<'a> {
            #[serde(borrow, default)]
            phase: Text<'a>,
        }
        let status = self.status.and_then(|status| serde_json::from_str::<Status<'_>>(status.get()).ok());
        status.is_some_and(|status| matches!(status.phase.as_str(), "Succeeded" | "Failed"))
    }

    /// Whether it is a Job that has ended (`status.conditions`: `Complete` or `Failed`; pkg/controller/job, `IsJobFinished`):
    /// it makes no pods any more. One that cannot be told goes on.
    pub(super) fn has_ended(&self) -> bool {
        #[derive(Deserialize)]
        struct Status<'a> {
            #[serde(borrow, default)]
            conditions: Option<Vec<Condition<'a>>>,
        }
        #[derive(Deserialize)]
        struct Condition<'a> {
            #[serde(borrow, default, rename = "type")]
            sort: Text<'a>,
            #[serde(borrow, default)]
            status: Text<'a>,
        }
        let status = self.status.and_then(|status| serde_json::from_str::<Status<'_>>(status.get()).ok());
        let ends =
            |its: &Condition<'_>| matches!(its.sort.as_str(), "Complete" | "Failed") && its.status.as_str() == "True";
        status.and_then(|status| status.conditions).is_some_and(|conditions| conditions.iter().any(ends))
    }

    /// Who controls it. A node does not: a static pod is nobody's but its own. Nor does a pod, which has no template: what it
    /// makes (Spark's executors) is not as it is.
    pub(super) fn controller(&self) -> Option<Maker<'_>> {
        let references = self.metadata.owner_references.iter().flatten();
        let controller = references.into_iter().find(|reference| reference.controller == Some(true))?;
        let Reference { api_version, kind, name, .. } = controller;
        let maker = Maker {
            api_version: Cow::Borrowed(api_version.as_str()),
            kind: Cow::Borrowed(kind.as_str()),
            name: Cow::Borrowed(name.as_str()),
        };
        let is_no_maker = maker.group().is_empty() && matches!(&*maker.kind, "Node" | "Pod");
        (!is_no_maker).then_some(maker)
    }
}

impl Maker<'_> {
    /// Empty for the core.
    pub(super) fn group(&self) -> &str {
        group_and_version(&self.api_version).0
    }

    /// Whether the policies know where this version of it has its template.
    pub(super) fn is_judged(&self, policies: &PolicySet) -> bool {
        let (group, version) = group_and_version(&self.api_version);
        Shape::of(group, version, &self.kind, policies).is_some()
    }

    /// Safe to show.
    pub(super) fn owner_name(&self, namespace: &str) -> OwnerName {
        OwnerName {
            namespace: in_full(namespace),
            api_version: api_version(&self.api_version),
            kind: in_full(&self.kind),
            name: in_full(&self.name),
        }
    }

    fn place(&self, namespace: &str) -> String {
        let group = self.group();
        format!("{group}\0{}\0{namespace}\0{}", self.kind, self.name)
    }
}

impl Chains {
    /// One stands between its pods and this.
    pub(super) fn put(&mut self, namespace: &str, child: &Maker<'_>, parent: &Maker<'_>) {
        let mut shared = |word: &str| match self.words.get(word) {
            Some(shared) => Arc::clone(shared),
            None => {
                let shared: Arc<str> = word.into();
                self.words.insert(word.to_owned(), Arc::clone(&shared));
                shared
            }
        };
        let (api_version, kind) = (shared(&parent.api_version), shared(&parent.kind));
        let parent = Parent { api_version, kind, name: parent.name.as_ref().into() };
        self.parents.insert(child.place(namespace), parent);
    }

    /// Who makes it in the end.
    pub(super) fn last<'m>(&self, namespace: &str, mut maker: Maker<'m>) -> Maker<'m> {
        for _ in 0..STEPS {
            let Some(Parent { api_version, kind, name }) = self.parents.get(&maker.place(namespace)) else { break };
            let owned = |text: &str| Cow::Owned(text.to_owned());
            maker = Maker { api_version: owned(api_version), kind: owned(kind), name: owned(name) };
        }
        maker
    }
}

/// Whether a selector chooses it.
pub(super) fn has_labels(json: &[u8], selector: &Selector) -> bool {
    #[derive(Deserialize)]
    struct Object {
        metadata: Labelled,
    }
    #[derive(Deserialize)]
    struct Labelled {
        labels: Option<BTreeMap<String, String>>,
    }
    let object: Option<Object> = serde_json::from_slice(json).ok();
    let labels = object.and_then(|object| object.metadata.labels).unwrap_or_default();
    selector.matches(|key| labels.get(key).map(String::as_str))
}

/// Whether it is to make no pods.
pub(super) fn has_no_replicas(json: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Object {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        replicas: Option<i64>,
    }
    serde_json::from_slice(json).is_ok_and(|object: Object| object.spec.replicas == Some(0))
}

/// A group has dots and the version a slash before it: neither is in a name that is safe as it stands.
fn api_version(written: &str) -> String {
    match written.rsplit_once('/') {
        Some((group, version)) => format!("{}/{}", in_full(group), in_full(version)),
        None => in_full(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn maker(api_version: &'static str, kind: &'static str, name: &'static str) -> Maker<'static> {
        Maker { api_version: api_version.into(), kind: kind.into(), name: name.into() }
    }

    #[test]
    fn the_last_of_a_chain_is_the_owner() {
        let mut chains = Chains::default();
        let (set, deployment) = (maker("apps/v1", "ReplicaSet", "web-1"), maker("apps/v1", "Deployment", "web"));
        chains.put("shop", &set, &deployment);
        assert_eq!(chains.last("shop", set.clone()), deployment);
        assert_eq!(chains.last("other", set.clone()), set);
        let unknown = maker("apps.kruise.io/v1", "CloneSet", "web-1");
        assert_eq!(chains.last("shop", unknown.clone()), unknown);
    }

    #[test]
    fn chains_that_bite_their_tail_end() {
        let mut chains = Chains::default();
        let (a, b) = (maker("apps/v1", "ReplicaSet", "a"), maker("apps/v1", "ReplicaSet", "b"));
        chains.put("shop", &a, &b);
        chains.put("shop", &b, &a);
        assert_eq!(chains.last("shop", a.clone()), a);
    }

    #[test]
    fn nodes_and_pods_control_nothing_and_who_does_not_control_does_not_either() {
        let controller = |api_version: &str, kind: &str, controller: bool| {
            let owner = json!({"apiVersion": api_version, "kind": kind, "name": "a", "controller": controller});
            let json = json!({"metadata": {"name": "pod", "ownerReferences": [owner]}}).to_string();
            Head::read(json.as_bytes()).unwrap().controller().map(|maker| maker.kind.into_owned())
        };
        assert_eq!(controller("apps/v1", "ReplicaSet", true).as_deref(), Some("ReplicaSet"));
        assert_eq!(controller("apps/v1", "ReplicaSet", false), None);
        assert_eq!(controller("v1", "Node", true), None);
        assert_eq!(controller("v1", "Pod", true), None);
        assert_eq!(controller("example.com/v1", "Pod", true).as_deref(), Some("Pod"));
    }

    #[test]
    fn a_pod_is_finished_where_its_phase_says_so_and_a_status_of_anything_is_no_mistake() {
        let is_finished = |status: serde_json::Value| {
            let json = json!({"metadata": {"name": "a"}, "status": status}).to_string();
            Head::read(json.as_bytes()).unwrap().is_finished()
        };
        for (phase, expected) in
            [("Succeeded", true), ("Failed", true), ("Running", false), ("Pending", false), ("Unknown", false)]
        {
            assert_eq!(is_finished(json!({"phase": phase, "message": "a"})), expected, "{phase}");
        }
        for status in [json!(null), json!({}), json!("Failed"), json!({"phase": 1}), json!({"phase": ["Failed"]})] {
            assert!(!is_finished(status.clone()), "{status}");
        }
        assert!(!Head::read(br#"{"metadata": {"name": "a"}}"#).unwrap().is_finished());
    }

    #[test]
    fn a_job_has_ended_where_a_condition_that_holds_says_so() {
        let has_ended = |status: serde_json::Value| {
            let json = json!({"metadata": {"name": "a"}, "status": status}).to_string();
            Head::read(json.as_bytes()).unwrap().has_ended()
        };
        let condition =
            |sort: &str, status: &str| json!({"conditions": [{"type": "Suspended"}, {"type": sort, "status": status}]});
        assert!(has_ended(condition("Complete", "True")) && has_ended(condition("Failed", "True")));
        for status in [
            condition("Complete", "False"),
            condition("FailureTarget", "True"),
            json!({"conditions": null}),
            json!({"conditions": ["Complete"]}),
            json!({"conditions": {"type": "Complete", "status": "True"}}),
            json!(null),
        ] {
            assert!(!has_ended(status.clone()), "{status}");
        }
    }

    #[test]
    fn a_uid_is_a_number() {
        let json = br#"{"metadata": {"uid": "00000000-0000-0000-0000-0000000000ff"}}"#;
        assert_eq!(Head::read(json).unwrap().uid(), Some(255));
        assert_eq!(Head::read(br#"{"metadata": {"uid": "x"}}"#).unwrap().uid(), None);
    }
}
