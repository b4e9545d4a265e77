//! The kinds of objects that have pods, and where the API has them.

use std::sync::Arc;

use crate::cluster::list::Listing;
use crate::fence::policy::PolicySet;

/// A kind of object that is a pod, or has a template of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadKind {
    /// Empty for the core.
    pub group: String,
    /// The versions by which it is asked for: the first that is served.
    pub versions: Vec<String>,
    /// The plural name, by which RBAC and the API's paths speak of it.
    pub resource: String,
    /// As objects name it.
    pub kind: String,
}

/// What is built in, pods last: who made them is known then. (`pkg/controlplane/instance.go`: these are served wherever the
/// group is.)
const BUILT_IN: [(&str, &str, &str); 9] = [
    ("apps", "replicasets", "ReplicaSet"),
    ("batch", "jobs", "Job"),
    ("apps", "deployments", "Deployment"),
    ("apps", "statefulsets", "StatefulSet"),
    ("apps", "daemonsets", "DaemonSet"),
    ("batch", "cronjobs", "CronJob"),
    ("", "replicationcontrollers", "ReplicationController"),
    ("", "podtemplates", "PodTemplate"),
    ("", "pods", "Pod"),
];

/// What kubectl has for short (`pkg/registry`, `ShortNames`), by group and resource.
const SHORT: [(&str, &str, &str); 7] = [
    ("apps", "replicasets", "rs"),
    ("apps", "deployments", "deploy"),
    ("apps", "statefulsets", "sts"),
    ("apps", "daemonsets", "ds"),
    ("batch", "cronjobs", "cj"),
    ("", "replicationcontrollers", "rc"),
    ("", "pods", "po"),
];

/// Every kind that these policies know the pods of, in the order in which they are to be read.
pub fn kinds(policies: &PolicySet) -> Vec<Arc<WorkloadKind>> {
    let mut kinds: Vec<WorkloadKind> = Vec::new();
    for row in policies.pod_template_rows() {
        let is_it = |kind: &&mut WorkloadKind| kind.group == row.group && kind.resource == row.resource;
        match kinds.iter_mut().find(is_it) {
            Some(kind) => kind.versions.extend(row.versions.iter().cloned()),
            None => kinds.push(WorkloadKind {
                group: row.group.clone(),
                versions: row.versions.clone(),
                resource: row.resource.clone(),
                kind: row.kind.clone(),
            }),
        }
    }
    let built_in = BUILT_IN.iter().map(|(group, resource, kind)| WorkloadKind {
        group: (*group).to_owned(),
        versions: vec!["v1".to_owned()],
        resource: (*resource).to_owned(),
        kind: (*kind).to_owned(),
    });
    kinds.into_iter().chain(built_in).map(Arc::new).collect()
}

impl WorkloadKind {
    /// Whether its objects are pods.
    pub fn is_pod(&self) -> bool {
        self.group.is_empty() && self.kind == "Pod"
    }

    /// Whether its objects are of one template each, so that each roll-out of what makes them leaves one behind.
    pub fn is_left_behind(&self) -> bool {
        matches!((&*self.group, &*self.kind), ("apps", "ReplicaSet") | ("", "ReplicationController"))
    }

    /// Whether its objects are Jobs, which end.
    pub fn is_job(&self) -> bool {
        (&*self.group, &*self.kind) == ("batch", "Job")
    }

    /// Whether somebody means it by this word: its kind, the name of its resource, alone or with its group, or what kubectl
    /// has for short.
    pub fn is_named(&self, word: &str) -> bool {
        let Some((name, group)) = word.split_once('.') else {
            let names = [&*self.kind, &*self.resource, self.short().unwrap_or(&self.kind)];
            return names.into_iter().any(|name| word.eq_ignore_ascii_case(name));
        };
        let names = [&*self.kind, &*self.resource];
        group.eq_ignore_ascii_case(&self.group) && names.into_iter().any(|its| name.eq_ignore_ascii_case(its))
    }

    /// `deployment (deploy)`: how it can be named.
    pub fn names(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        self.short().map_or_else(|| kind.clone(), |short| format!("{kind} ({short})"))
    }

    fn short(&self) -> Option<&'static str> {
        let is_it = |(group, resource, _): &&(&str, &str, &str)| *group == self.group && *resource == self.resource;
        SHORT.iter().find(is_it).map(|(.., short)| *short)
    }

    /// Whether the API server need not have it.
    pub(super) fn is_custom(&self) -> bool {
        !BUILT_IN.iter().any(|(group, resource, _)| *group == self.group && *resource == self.resource)
    }

    /// `apps/v1`
    pub(super) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Where objects of a version are, in a namespace or in all.
    pub(super) fn listing(&self, version: &str, namespace: Option<&str>) -> Listing {
        let within = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
        Listing { path: format!("{}{within}/{}", self.place(version), self.resource), is_metadata: false }
    }

    /// Where its group has a version.
    pub(super) fn place(&self, version: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        format!("{root}/{}", self.api_version(version))
    }

    /// `deployments of apps`, or `pods`.
    pub fn in_words(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{} of {}", self.resource, self.group) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::workload;
    use crate::policy_dir;

    #[test]
    fn every_kind_that_is_judged_is_read() {
        // The group `extensions` has had none of them since Kubernetes 1.16.
        let judged = workload::BUILT_IN.iter().filter(|(group, ..)| *group != "extensions");
        let mut judged: Vec<_> = judged.map(|(group, kind, _)| (*group, *kind)).collect();
        let mut read: Vec<_> = BUILT_IN.iter().map(|(group, _, kind)| (*group, *kind)).collect();
        judged.sort_unstable();
        read.sort_unstable();
        assert_eq!(judged, read);
    }

    #[test]
    fn a_kind_is_named_as_kubectl_names_it() {
        let kinds = kinds(&policy_dir::built_in());
        let named = |word: &str| -> Vec<&str> {
            kinds.iter().filter(|kind| kind.is_named(word)).map(|kind| &*kind.resource).collect()
        };
        for word in ["deployment", "Deployment", "deployments", "deploy", "deployments.apps", "deployment.apps"] {
            assert_eq!(named(word), ["deployments"], "{word}");
        }
        for (word, resource) in [
            ("po", "pods"),
            ("rs", "replicasets"),
            ("sts", "statefulsets"),
            ("ds", "daemonsets"),
            ("cj", "cronjobs"),
            ("rc", "replicationcontrollers"),
            ("job", "jobs"),
        ] {
            assert_eq!(named(word), [resource], "{word}");
        }
        for word in ["", "service", "deployments.batch", "dep", "po.apps"] {
            assert!(named(word).is_empty(), "{word}");
        }
    }

    #[test]
    fn pods_come_last_and_what_policies_add_first() {
        let text = "apiVersion: secretfence.dev/v1alpha1\nkind: PodTemplates\nmetadata: {name: a}\nspec:\n  rows:\n  \
            - {group: a.io, versions: [v1], resource: as, kind: A, paths: [spec.template]}\n  \
            - {group: a.io, versions: [v2], resource: as, kind: A, paths: [spec.templates]}\n";
        let set = policy_dir::compile(&[("a.yaml".into(), text.as_bytes().to_vec())]).unwrap().set;
        let kinds = kinds(&set);
        assert_eq!(kinds.len(), 10);
        assert_eq!((&kinds[0].versions[..], kinds[0].is_custom()), (&["v1".to_owned(), "v2".to_owned()][..], true));
        assert!(kinds[9].is_pod() && !kinds[9].is_custom());
        assert_eq!(kinds[0].listing("v2", Some("shop")).path, "/apis/a.io/v2/namespaces/shop/as");
        assert_eq!(kinds[9].listing("v1", None).path, "/api/v1/pods");
    }
}
