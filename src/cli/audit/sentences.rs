//! What was not judged, a sentence each.

use std::sync::Arc;

use super::surroundings::Surroundings;
use crate::cluster::audit::WorkloadKind;
use crate::fence::name::in_full;
use crate::fence::policy::Action;
use crate::fence::{Kind, PolicySet};

/// Of names in one sentence, how many are said.
const MOST_NAMES: usize = 8;

/// Rows of `PodTemplates` that nothing in this cluster fits: that it has not installed them, and a misspelt row, look alike.
pub(super) fn absent(kinds: &[Arc<WorkloadKind>]) -> Option<String> {
    let (these, rows) = if kinds.len() == 1 { ("it", "its row") } else { ("them", "their rows") };
    (!kinds.is_empty()).then(|| {
        format!(
            "{}: the cluster has none of these versions, so nothing of {these} was judged: where it should have, look \
             at group, versions and resource of {rows} in PodTemplates",
            in_words(kinds)
        )
    })
}

/// Rows of `PodTemplates` whose objects are in no namespace.
pub(super) fn cluster_scoped(kinds: &[Arc<WorkloadKind>]) -> Option<String> {
    (!kinds.is_empty()).then(|| {
        format!(
            "templates of {}: they are in no namespace, and what is decided of their pods goes by the one that these are made \
             in: pods that are there were judged",
            in_words(kinds)
        )
    })
}

/// They make no pods any more.
pub(super) fn ended_jobs(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 Job that has ended: it makes no pods any more".to_owned()),
        count => Some(format!("{count} Jobs that have ended: they make no pods any more")),
    }
}

/// What ServiceAccount admission writes into a pod that names no pull secrets (`plugin/pkg/admission/serviceaccount`).
pub(super) fn pull_secrets(policies: &PolicySet) -> Option<String> {
    let mut rules = policies.policies().iter().flat_map(|policy| &policy.rules);
    let asks = rules.any(|rule| rule.on.contains(Kind::ImagePull) && !matches!(rule.action, Action::Allow(_)));
    asks.then(|| {
        "pull secrets that ServiceAccounts add: a pod that names none gets them while it is admitted, so rules on imagePull \
         find them in pods, and in no template"
            .to_owned()
    })
}

/// As kubectl: no error, and not silent.
pub(super) fn nothing_selected(around: &Surroundings) -> Option<String> {
    around.selector().map(|selector| {
        format!(
            "no pod and no workload has the labels {:?} that --selector asks for: look at its spelling, and at --namespace",
            selector.as_str()
        )
    })
}

fn in_words(kinds: &[Arc<WorkloadKind>]) -> String {
    let name = |kind: &Arc<WorkloadKind>| in_full(&format!("{} ({})", kind.in_words(), kind.versions.join(", ")));
    listed(&kinds.iter().map(name).collect::<Vec<_>>())
}

/// `a, b (+2 more)`.
pub(super) fn listed(names: &[String]) -> String {
    let (named, more) = names.split_at(names.len().min(MOST_NAMES));
    let more = if more.is_empty() { String::new() } else { format!(" (+{} more)", more.len()) };
    format!("{}{more}", named.join(", "))
}
