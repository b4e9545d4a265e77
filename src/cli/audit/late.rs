//! What was made while the lists were read. Pods come last, and by then there may be a Job or a ReplicaSet that its own list,
//! read before, does not have.
//!
//! The pages of one list of pods are all as of when it began, so what makes any of them is there by the time its first
//! page has come: a list that is read again then has it, and none is read again twice.

use std::sync::Arc;

use crate::cluster::audit::{AuditError, Batch, Part, WorkloadKind};

/// What is to be read again before the rest of a page of pods is judged.
pub(super) struct Late {
    /// Where in the page those pods stand that are not judged yet.
    pub(super) pods: Vec<usize>,
    /// The kinds of their owners.
    pub(super) kinds: Vec<Arc<WorkloadKind>>,
}

/// Which kinds there is no use in reading again.
#[derive(Default)]
pub(super) struct Settled {
    /// They cannot be read, in this namespace; none: anywhere, as where the cluster has none of their versions.
    unread: Vec<(Arc<WorkloadKind>, Option<String>)>,
    /// Read again since the pods of this list began to come.
    again: Vec<Arc<WorkloadKind>>,
}

impl Late {
    pub(super) fn nothing() -> Late {
        Late { pods: Vec::new(), kinds: Vec::new() }
    }

    pub(super) fn add(&mut self, pod: usize, kind: &Arc<WorkloadKind>) {
        self.pods.push(pod);
        if !self.kinds.contains(kind) {
            self.kinds.push(Arc::clone(kind));
        }
    }

    /// Where they are: with the pods.
    pub(super) fn part(part: &Part, batch: &Batch) -> Part {
        let namespaces = batch.namespace.iter().map(|name| name.to_string()).collect();
        Part { namespaces, ..part.clone() }
    }
}

impl Settled {
    /// A list of pods begins.
    pub(super) fn begin(&mut self) {
        self.again.clear();
    }

    pub(super) fn read_again(&mut self, kinds: &[Arc<WorkloadKind>]) {
        self.again.extend(kinds.iter().cloned());
    }

    /// The cluster has none of its versions, or none of its objects is in a namespace.
    pub(super) fn is_not_listed(&mut self, kind: &Arc<WorkloadKind>) {
        self.unread(kind, None);
    }

    /// Where lists are by namespace, another one may be read all the same.
    pub(super) fn cannot_be_read(&mut self, kind: &Arc<WorkloadKind>, error: &AuditError) {
        self.unread(kind, namespace(error));
    }

    fn unread(&mut self, kind: &Arc<WorkloadKind>, namespace: Option<&str>) {
        let unread = (Arc::clone(kind), namespace.map(str::to_owned));
        if !self.unread.contains(&unread) {
            self.unread.push(unread);
        }
    }

    /// For what is in this namespace.
    pub(super) fn has(&self, kind: &Arc<WorkloadKind>, namespace: &str) -> bool {
        let is_here = |its: &Option<String>| its.as_ref().is_none_or(|its| its == namespace);
        self.unread.iter().any(|(its, place)| its == kind && is_here(place)) || self.again.contains(kind)
    }
}

/// Of the list that could not be read; none: of all of them.
fn namespace(error: &AuditError) -> Option<&str> {
    match error {
        AuditError::Forbidden { namespace, .. }
        | AuditError::NotFound { namespace, .. }
        | AuditError::Outlived { namespace, .. }
        | AuditError::Failed { namespace, .. } => namespace.as_deref(),
        AuditError::Connect(_) | AuditError::Unauthorized => None,
    }
}
