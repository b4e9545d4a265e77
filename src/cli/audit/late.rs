//! What was made while the lists were read. Pods come last, and by then there may be a Job or a ReplicaSet that its own list,
//! read before, does not have.
//!
//! The pages of one list of pods are all as of when it began, so what makes any of them is there by the time its first
//! page has come: a list that is read again then has it, and none is read again twice.

use std::sync::Arc;

use crate::cluster::audit::{Batch, Part, WorkloadKind};

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
    /// They cannot be read, or the cluster has none of their versions.
    unread: Vec<Arc<WorkloadKind>>,
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

    pub(super) fn cannot_be_read(&mut self, kind: &Arc<WorkloadKind>) {
        if !self.unread.contains(kind) {
            self.unread.push(Arc::clone(kind));
        }
    }

    pub(super) fn has(&self, kind: &Arc<WorkloadKind>) -> bool {
        self.unread.contains(kind) || self.again.contains(kind)
    }
}
