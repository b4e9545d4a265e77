//! Objects as they come: judged from their bytes, folded into their owners, and gone.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::check::{matched_nothing, unresolved};
use super::owners::{Chains, Head, Maker, has_no_replicas};
use super::surroundings::Surroundings;
use crate::cluster::audit::{AuditError, Batch};
use crate::fence::name::Shown;
use crate::fence::{Evaluation, Finding, Judgement, ObjectError, Outcome, PolicySet, Question, Subject, evaluate_for};
use crate::report::audit::fold::{Fold, OwnerName};

/// How many objects are named that cannot be judged.
const NAMED_ERRORS: usize = 100;

/// What judges what comes.
pub(super) struct Auditor<'a> {
    policies: &'a PolicySet,
    around: &'a Surroundings,
    fold: Fold,
    chains: Chains,
    /// Templates whose labels the selector leaves out, until a pod of theirs comes that it does not.
    waiting: HashMap<OwnerName, Judgement>,
    /// The versions by which kinds are read, by group and kind: who owns a pod may be named by another.
    versions: HashMap<(String, String), String>,
    /// Pods that have come. A list that is begun anew brings them again.
    seen: HashSet<u128>,
    matching: BTreeSet<u32>,
    /// The ServiceAccounts of pods that a policy is about, where somebody asks.
    accounts: BTreeSet<(String, String)>,
    judged: usize,
    errors: Vec<String>,
    more_errors: usize,
}

impl<'a> Auditor<'a> {
    pub(super) fn new(policies: &'a PolicySet, around: &'a Surroundings) -> Auditor<'a> {
        Auditor {
            policies,
            around,
            fold: Fold::default(),
            chains: Chains::default(),
            waiting: HashMap::new(),
            versions: HashMap::new(),
            seen: HashSet::new(),
            matching: BTreeSet::new(),
            accounts: BTreeSet::new(),
            judged: 0,
            errors: Vec::new(),
            more_errors: 0,
        }
    }

    /// Something could not be read.
    pub(super) fn failed(&mut self, error: &AuditError) {
        let text = error.to_string();
        // Who is not let in is not let in anywhere.
        if !self.errors.contains(&text) {
            self.errors.push(text);
        }
    }

    pub(super) fn batch(&mut self, batch: &Batch) {
        let place = (batch.kind.group.clone(), batch.kind.kind.clone());
        self.versions.entry(place).or_insert_with(|| batch.api_version.to_string());
        for item in batch.items() {
            self.item(batch, item);
        }
    }

    fn item(&mut self, batch: &Batch, json: &[u8]) {
        let Some(head) = Head::read(json) else {
            self.error(format!("{}: an object has no metadata that can be read", batch.kind.resource));
            return;
        };
        if self.around.left_out.contains(head.namespace()) {
            return;
        }
        let itself = Maker {
            api_version: Cow::Borrowed(&batch.api_version),
            kind: Cow::Borrowed(&batch.kind.kind),
            name: Cow::Borrowed(head.name()),
        };
        let controller = head.controller();
        let is_pod = batch.kind.is_pod();
        if is_pod && head.is_finished() {
            return;
        }
        if is_pod && head.uid().is_some_and(|uid| !self.seen.insert(uid)) {
            return;
        }
        if !is_pod && let Some(controller) = controller.as_ref().filter(|maker| maker.is_judged(self.policies)) {
            self.chains.put(head.namespace(), &itself, controller);
            return;
        }
        // What was rolled out before, of a kind whose template nobody knows (Argo's Rollouts): it makes no pods any more.
        if batch.kind.is_replica_set() && controller.is_some() && has_no_replicas(json) {
            return;
        }
        let is_its_own = controller.is_none() || !is_pod;
        let mut owner = match controller {
            Some(controller) if is_pod => self.chains.last(head.namespace(), controller),
            _ => itself.clone(),
        };
        let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        if let Some(version) = self.versions.get(&(group, owner.kind.to_string())) {
            owner.api_version = Cow::Owned(version.clone());
        }
        match self.judge(batch, json, &owner, head.namespace()) {
            Ok(Evaluation::Judged(judgement)) => {
                let owner = owner.owner_name(head.namespace());
                if is_pod {
                    if let Some(template) = self.waiting.remove(&owner) {
                        self.template(owner.clone(), template);
                    }
                    self.take(&judgement);
                    self.fold.pod(owner, is_its_own, counted(judgement.findings));
                } else if self.around.chooses(json) {
                    self.template(owner, judgement);
                } else {
                    self.waiting.insert(owner, judgement);
                }
            }
            Ok(Evaluation::Owned | Evaluation::NotAWorkload | Evaluation::Data(_)) => {}
            // Who asked for others need not hear of it; where a pod of it is asked for, its template is not known.
            Err(_) if !is_pod && !self.around.chooses(json) => {}
            Err(error) => {
                let (kind, namespace, name) = (&itself.kind, Shown(head.namespace()), Shown(head.name()));
                self.error(format!("{kind} {namespace}/{name}: this is no {kind}: {error}"));
            }
        }
    }

    fn judge(&self, batch: &Batch, json: &[u8], owner: &Maker<'_>, namespace: &str) -> Result<Evaluation, ObjectError> {
        // What is allowed is asked for, too: exceptions are in it.
        let question =
            Question { api_version: &batch.api_version, kind: &batch.kind.kind, namespace, all: true, patch: false };
        let subject = Subject { kind: &owner.kind, namespace, name: &owner.name };
        evaluate_for(json, &question, subject, self.policies, &self.around.facts)
    }

    fn template(&mut self, owner: OwnerName, judgement: Judgement) {
        self.take(&judgement);
        self.fold.template(owner, counted(judgement.findings));
    }

    fn take(&mut self, judgement: &Judgement) {
        self.judged += 1;
        self.matching.extend(&judgement.matching);
        if !self.around.dangling.is_empty() {
            let accounts = judgement.accounts.iter();
            self.accounts.extend(accounts.map(|name| (judgement.namespace.clone(), name.clone())));
        }
    }

    fn error(&mut self, text: String) {
        if self.errors.len() < NAMED_ERRORS {
            self.errors.push(text);
        } else {
            self.more_errors += 1;
        }
    }

    /// What was found, what went wrong, and what was not judged.
    pub(super) fn finish(mut self) -> (Fold, Vec<String>, Vec<String>) {
        if self.more_errors > 0 {
            self.errors.push(format!("{} more objects could not be judged", self.more_errors));
        }
        let mut not_judged = unresolved(&self.around.dangling, &self.accounts, "not in the cluster");
        if self.judged > 0 {
            not_judged.extend(matched_nothing(self.judged, &self.matching, self.policies));
        } else if self.errors.is_empty() && self.around.around.errors.is_empty() {
            // As kubectl: no error, and not silent.
            not_judged.extend(self.around.selector().map(|selector| {
                format!(
                    "no pod and no workload has the labels {:?} that --selector asks for: look at its spelling, and at \
                     --namespace",
                    selector.as_str()
                )
            }));
        }
        (self.fold, self.errors, not_judged)
    }
}

/// Of what is allowed, only exceptions are counted.
fn counted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.outcome != Outcome::Allowed || finding.expires.is_some());
    findings
}
