//! Objects as they come: judged from their bytes, folded into their owners, and gone.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::check::{matched_nothing, unresolved};
use super::late::{Late, Settled};
use super::owners::{Chains, Head, Maker, has_no_replicas};
use super::sentences;
use super::surroundings::Surroundings;
use crate::cluster::audit::{AuditError, Batch, WorkloadKind};
use crate::fence::name::Shown;
use crate::fence::{Evaluation, Facts, Finding, Judgement, ObjectError, Outcome};
use crate::fence::{PolicySet, Question, Subject, evaluate_for};
use crate::report::audit::fold::{Fold, OwnerName};

/// How many objects are named that cannot be judged.
const NAMED_ERRORS: usize = 100;

/// What judges what comes.
pub(super) struct Auditor<'a> {
    policies: &'a PolicySet,
    around: &'a Surroundings,
    kinds: &'a [Arc<WorkloadKind>],
    fold: Fold,
    chains: Chains,
    /// Templates whose labels the selector leaves out, until a pod of theirs comes that it does not.
    waiting: HashMap<OwnerName, Judgement>,
    /// The versions by which kinds are read, by group and kind: who owns a pod may be named by another.
    versions: HashMap<(String, String), String>,
    /// Objects that were counted, by uid. A list that is begun anew brings them again, and so does one that is read again.
    seen: HashSet<u128>,
    /// Custom resources of which the cluster has no version.
    absent: Vec<Arc<WorkloadKind>>,
    /// Custom resources that are in no namespace.
    cluster_scoped: Vec<Arc<WorkloadKind>>,
    settled: Settled,
    ended_jobs: usize,
    matching: BTreeSet<u32>,
    /// The ServiceAccounts of pods that a policy is about, where somebody asks.
    accounts: BTreeSet<(String, String)>,
    judged: usize,
    errors: Vec<String>,
    more_errors: usize,
}

impl<'a> Auditor<'a> {
    pub(super) fn new(
        policies: &'a PolicySet,
        around: &'a Surroundings,
        kinds: &'a [Arc<WorkloadKind>],
    ) -> Auditor<'a> {
        Auditor {
            policies,
            around,
            kinds,
            fold: Fold::by(policies),
            chains: Chains::default(),
            waiting: HashMap::new(),
            versions: HashMap::new(),
            seen: HashSet::new(),
            absent: Vec::new(),
            cluster_scoped: Vec::new(),
            settled: Settled::default(),
            ended_jobs: 0,
            matching: BTreeSet::new(),
            accounts: BTreeSet::new(),
            judged: 0,
            errors: Vec::new(),
            more_errors: 0,
        }
    }

    /// Nothing is there of what a row of the policies names.
    pub(super) fn absent(&mut self, kind: &Arc<WorkloadKind>) {
        self.settled.is_not_listed(kind);
        if !self.absent.contains(kind) {
            self.absent.push(Arc::clone(kind));
        }
    }

    /// Its objects are in no namespace.
    pub(super) fn cluster_scoped(&mut self, kind: &Arc<WorkloadKind>) {
        self.settled.is_not_listed(kind);
        self.cluster_scoped.push(Arc::clone(kind));
    }

    /// Something could not be read.
    pub(super) fn failed(&mut self, kind: &Arc<WorkloadKind>, error: &AuditError) {
        self.settled.cannot_be_read(kind, error);
        let text = error.to_string();
        // Who is not let in is not let in anywhere.
        if !self.errors.contains(&text) {
            self.errors.push(text);
        }
    }

    /// Judges a page. Returned are the pods that wait for what makes them: its list is to be read again.
    #[must_use]
    pub(super) fn batch(&mut self, batch: &Batch) -> Late {
        if batch.begins && batch.kind.is_pod() {
            self.settled.begin();
        }
        self.items(batch, |_| true)
    }

    /// A page of a list that is read again.
    pub(super) fn again(&mut self, batch: &Batch) {
        // No pods are among them, and they alone wait.
        let _ = self.items(batch, |_| true);
    }

    /// The pods of a page that waited, once those lists have come.
    #[must_use]
    pub(super) fn late(&mut self, batch: &Batch, late: &Late) -> Late {
        self.settled.read_again(&late.kinds);
        self.items(batch, |index| late.pods.binary_search(&index).is_ok())
    }

    fn items(&mut self, batch: &Batch, is_asked: impl Fn(usize) -> bool) -> Late {
        let place = (batch.kind.group.clone(), batch.kind.kind.clone());
        self.versions.entry(place).or_insert_with(|| batch.api_version.to_string());
        let mut late = Late::nothing();
        for (index, item) in batch.items().enumerate().filter(|(index, _)| is_asked(*index)) {
            if let Some(kind) = self.item(batch, item) {
                late.add(index, &kind);
            }
        }
        late
    }

    /// Of a pod that cannot be judged yet, the kind of which it is missing an object.
    fn item(&mut self, batch: &Batch, json: &[u8]) -> Option<Arc<WorkloadKind>> {
        let Some(head) = Head::read(json) else {
            self.error(format!("{}: an object has no metadata that can be read", batch.kind.resource));
            return None;
        };
        if self.around.left_out.contains(head.namespace()) {
            return None;
        }
        let itself = Maker {
            api_version: Cow::Borrowed(&batch.api_version),
            kind: Cow::Borrowed(&batch.kind.kind),
            name: Cow::Borrowed(head.name()),
        };
        if batch.kind.is_pod() {
            return self.pod(batch, json, &head, itself);
        }
        let controller = head.controller();
        if let Some(controller) = controller.as_ref().filter(|maker| self.is_judged(maker)) {
            self.chains.put(head.namespace(), &itself, controller);
            return None;
        }
        // What was rolled out before, of a kind whose template nobody knows (Argo's Rollouts, OpenShift's DeploymentConfigs):
        // it makes no pods any more.
        if batch.kind.is_left_behind() && controller.is_some() && has_no_replicas(json) {
            return None;
        }
        if !self.is_new(&head) {
            return None;
        }
        if batch.kind.is_job() && head.has_ended() {
            self.ended_jobs += usize::from(self.around.chooses(json));
            return None;
        }
        let name = itself.owner_name(head.namespace());
        match self.judge(batch, json, &itself, head.namespace()) {
            Ok(Evaluation::Judged(judgement)) if self.around.chooses(json) => self.template(name, judgement),
            Ok(Evaluation::Judged(judgement)) => drop(self.waiting.insert(name, judgement)),
            Ok(Evaluation::Owned | Evaluation::NotAWorkload | Evaluation::Data(_)) => {}
            // Who asked for others need not hear of it; where a pod of it is asked for, its template is not known.
            Err(_) if !self.around.chooses(json) => {}
            Err(error) => self.broken(&itself, &head, &error),
        }
        None
    }

    fn pod(&mut self, batch: &Batch, json: &[u8], head: &Head<'_>, itself: Maker<'_>) -> Option<Arc<WorkloadKind>> {
        let namespace = head.namespace();
        if head.is_finished() {
            return None;
        }
        let controller = head.controller();
        let is_its_own = controller.is_none();
        let mut owner = controller.map_or_else(|| itself.clone(), |maker| self.chains.last(namespace, maker));
        let place = (owner.group().to_owned(), owner.kind.to_string());
        if let Some(version) = self.versions.get(&place) {
            owner.api_version = Cow::Owned(version.clone());
        }
        let name = owner.owner_name(namespace);
        if !is_its_own
            && let Some(kind) = self.kind_of(&owner).filter(|kind| !self.settled.has(kind, namespace))
            && !self.is_known(&name)
        {
            return Some(Arc::clone(kind));
        }
        if !self.is_new(head) {
            return None;
        }
        match self.judge(batch, json, &owner, namespace) {
            Ok(Evaluation::Judged(judgement)) => {
                if let Some(template) = self.waiting.remove(&name) {
                    self.template(name.clone(), template);
                }
                self.take(&judgement);
                self.fold.pod(name, is_its_own, judgement.findings);
            }
            Ok(Evaluation::Owned | Evaluation::NotAWorkload | Evaluation::Data(_)) => {}
            Err(error) => self.broken(&itself, head, &error),
        }
        None
    }

    /// Whether it is the first time that it is counted. Of one without a uid, which no API server has, nobody can say.
    fn is_new(&mut self, head: &Head<'_>) -> bool {
        head.uid().is_none_or(|uid| self.seen.insert(uid))
    }

    /// Whether its pod template has come.
    fn is_known(&self, owner: &OwnerName) -> bool {
        self.fold.has_template_of(owner) || self.waiting.contains_key(owner)
    }

    fn kind_of(&self, maker: &Maker<'_>) -> Option<&'a Arc<WorkloadKind>> {
        self.kinds.iter().find(|kind| kind.group == maker.group() && kind.kind == maker.kind)
    }

    /// Whether it is judged itself, so that what it makes is not. Who made something may be named by another version than
    /// the one that was read: it is the same object.
    fn is_judged(&self, maker: &Maker<'_>) -> bool {
        let is_read = self.kind_of(maker).is_some_and(|kind| !self.absent.contains(kind));
        is_read || maker.is_judged(self.policies)
    }

    fn judge(&self, batch: &Batch, json: &[u8], owner: &Maker<'_>, namespace: &str) -> Result<Evaluation, ObjectError> {
        let question =
            Question { api_version: &batch.api_version, kind: &batch.kind.kind, namespace, all: true, patch: false };
        let subject = Subject { kind: &owner.kind, namespace, name: &owner.name };
        judged(json, &question, subject, self.policies, &self.around.facts)
    }

    fn template(&mut self, owner: OwnerName, judgement: Judgement) {
        self.take(&judgement);
        self.fold.template(owner, judgement.findings);
    }

    fn take(&mut self, judgement: &Judgement) {
        self.judged += 1;
        self.matching.extend(&judgement.matching);
        if !self.around.dangling.is_empty() {
            let accounts = judgement.accounts.iter();
            self.accounts.extend(accounts.map(|name| (judgement.namespace.clone(), name.clone())));
        }
    }

    /// Whether no policy is about anything of what was judged.
    pub(super) fn is_idle(&self) -> bool {
        self.judged > 0 && self.matching.is_empty()
    }

    fn broken(&mut self, itself: &Maker<'_>, head: &Head<'_>, error: &ObjectError) {
        let (kind, namespace, name) = (&itself.kind, Shown(head.namespace()), Shown(head.name()));
        self.error(format!("{kind} {namespace}/{name}: this is no {kind}: {error}"));
    }

    fn error(&mut self, text: String) {
        // The same is said once: what has no metadata comes again with a list that is begun anew.
        if self.errors.contains(&text) {
            return;
        }
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
            not_judged.extend(sentences::nothing_selected(self.around));
        }
        not_judged.extend(sentences::absent(&self.absent));
        not_judged.extend(sentences::ended_jobs(self.ended_jobs));
        not_judged.extend(sentences::pull_secrets(self.policies));
        not_judged.extend(sentences::cluster_scoped(&self.cluster_scoped));
        (self.fold, self.errors, not_judged)
    }
}

/// As [`evaluate_for`], with the findings that count: of what is allowed, which is asked for since exceptions are in it, those
/// alone. A judgement may wait for a pod that chooses it, and is no bigger meanwhile than what comes of it.
fn judged(
    json: &[u8],
    question: &Question<'_>,
    owner: Subject<'_>,
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Evaluation, ObjectError> {
    let counts = |finding: &Finding| finding.outcome != Outcome::Allowed || !finding.exceptions.is_empty();
    let mut evaluation = evaluate_for(json, question, owner, policies, facts)?;
    if let Evaluation::Judged(judgement) = &mut evaluation {
        judgement.findings.retain(counts);
        judgement.findings.shrink_to_fit();
    }
    Ok(evaluation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_dir;
    use jiff::civil::date;
    use serde_json::json;

    #[test]
    fn what_is_merely_allowed_is_not_kept() {
        let text = b"apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: a}\nspec:\n  rules:\n    \
            - {name: let, on: [secretKeyRef], where: {secrets: [let]}, action: allow}\n    \
            - {name: excuse, on: [secretKeyRef], where: {secrets: [excused]}, action: allow, reason: soon, expires: 2026-12-01}\n    \
            - {name: deny, on: [secretKeyRef], where: {secrets: [denied]}, action: deny}\n";
        let policies = policy_dir::compile(&[("a.yaml".into(), text.to_vec())]).unwrap().set;
        let env = ["let", "excused", "denied", "of-no-rule"]
            .map(|secret| json!({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "a"}}}));
        let spec = json!({"containers": [{"name": "api", "image": "api", "env": env}]});
        let pod = json!({"metadata": {"name": "web"}, "spec": spec}).to_string();
        let question = Question { api_version: "v1", kind: "Pod", namespace: "shop", all: true, patch: false };
        let owner = Subject { kind: "Pod", namespace: "shop", name: "web" };
        let evaluation = judged(pod.as_bytes(), &question, owner, &policies, &Facts::on(date(2026, 11, 21))).unwrap();
        let Evaluation::Judged(judgement) = evaluation else { panic!("a pod is a workload") };
        let rules: Vec<Option<&str>> = judgement.findings.iter().map(|finding| finding.rule.as_deref()).collect();
        assert_eq!(rules, [Some("excuse"), Some("deny")]);
        assert_eq!((judgement.references, judgement.findings.capacity()), (4, 2));
    }
}
