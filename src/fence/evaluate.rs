//! Judging an object that nobody is about to admit: a manifest, or what lives in a cluster.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::finding::{Finding, Subject};
use super::name::in_full;
use super::pod::Metadata;
use super::policy::PolicySet;
use super::swap::patch;
use super::swap::plan::Pod;
use super::verdict::{Judged, Outcome, Place, Stage, judge};
use super::workload::{ObjectError, Shape, Workload};

/// What is asked of an object.
#[derive(Clone, Copy, Debug)]
pub struct Question<'s> {
    /// `apiVersion` of the object, group and version.
    pub api_version: &'s str,
    /// Its kind.
    pub kind: &'s str,
    /// The namespace, where the object names none.
    pub namespace: &'s str,
    /// Whether references that are allowed are findings, too.
    pub all: bool,
    /// Whether to write the patch.
    pub patch: bool,
}

/// What became of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Of a kind that no table names: it has no pods that we know of.
    NotAWorkload,
    /// It is made by another workload, which is judged instead. What a custom resource makes of which no table tells
    /// where its pods are is judged itself: nothing else here would be.
    Owned,
    /// Judged.
    Judged(Judgement),
}

/// An object, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Its namespace, safe to show.
    pub namespace: String,
    /// Its name (`generateName` where it has none), safe to show.
    pub name: String,
    /// Indices of the policies of the set that are about it.
    pub matching: Vec<u32>,
    /// In stable order.
    pub findings: Vec<Finding>,
    /// How many references there are.
    pub references: usize,
    /// How many of them no enforcing policy denies, swaps or warns of: those that a rule allows, that no rule fits, and
    /// that only policies in dry run decide.
    pub allowed: usize,
    /// The ServiceAccounts of its pods that a policy is about, as they name them.
    pub accounts: BTreeSet<String>,
    /// RFC 6902: what the enforcing policies swap. Empty where nothing is, or where it was not asked for.
    pub patch: Vec<u8>,
}

/// Judges an object as its pods will be judged once they are made: by `/mutate`, then by `/validate`.
///
/// # Errors
/// Where an object of a workload's kind does not have the shape of that kind.
///
/// ```
/// use jiff::civil::date;
/// use secretfence::fence::policy::PolicyDocument;
/// use secretfence::fence::{Evaluation, Facts, PolicySet, Question, evaluate};
///
/// let policy = serde_json::json!({
///     "apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "files-only"},
///     "spec": {"rules": [{"name": "no-env", "on": ["env"], "action": "deny"}]},
/// });
/// let policies = PolicySet::compile(&[PolicyDocument { source: 0, value: policy }]).unwrap();
/// let pod = br#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [
///     {"name": "api", "image": "api", "env": [
///         {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}]}}"#;
/// let question = Question { api_version: "v1", kind: "Pod", namespace: "default", all: false, patch: false };
///
/// let Evaluation::Judged(judgement) = evaluate(pod, &question, &policies, &Facts::on(date(2026, 11, 21))).unwrap()
/// else { panic!("a pod is a workload") };
/// assert_eq!(
///     judgement.findings[0].message,
///     "container \"api\" takes Secret \"db\" key \"password\" as env DB_PASSWORD \
///      (/spec/containers/0/env/0): mount it as a file [files-only/no-env]",
/// );
/// ```
pub fn evaluate(
    object: &[u8],
    question: &Question<'_>,
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Evaluation, ObjectError> {
    evaluate_for(object, question, None, policies, facts)
}

/// The same, but findings have the fingerprints of this subject, where one is named: those of a pod are its owner's then.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_for(
    object: &[u8],
    question: &Question<'_>,
    owner: Option<Subject<'_>>,
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Evaluation, ObjectError> {
    let asked = match Asked::read(object, question, policies)? {
        Ok(asked) => asked,
        Err(nothing_to_judge) => return Ok(nothing_to_judge),
    };
    let (workload, place, subject) = (&asked.workload, asked.place(), asked.subject());
    let mut judgement =
        Judgement { namespace: in_full(subject.namespace), name: in_full(subject.name), ..Judgement::default() };
    let subject = owner.unwrap_or(subject);
    for (template, pod) in workload.pods() {
        let verdict = judge(pod, &place, policies, facts, true);
        judgement.matching.extend(&verdict.matching);
        if !verdict.matching.is_empty() {
            judgement.accounts.insert(pod.spec.service_account().to_owned());
        }
        judgement.references += verdict.judged.len();
        let stands = |its: &&Judged<'_, '_>| its.enforced.as_ref().is_none_or(|by| by.outcome == Outcome::Allowed);
        judgement.allowed += verdict.judged.iter().filter(stands).count();
        let findings =
            verdict.judged.iter().flat_map(|its| Finding::of(its, pod.spec, template, subject, question.all));
        judgement.findings.extend(findings);
        if question.patch {
            append(&mut judgement.patch, patch::write(pod, template, &verdict.candidates, &verdict.plan));
        }
    }
    Ok(Evaluation::Judged(judgement))
}

/// A workload that a question is about: how it was decided, and how it came about, begin with the same.
pub(super) struct Asked<'q> {
    pub(super) workload: Workload<'q>,
    is_pod: bool,
    kinds: [&'q str; 2],
    default_namespace: &'q str,
}

impl<'q> Asked<'q> {
    /// Reads it; or says why there is nothing to judge.
    pub(super) fn read(
        object: &'q [u8],
        question: &Question<'q>,
        policies: &PolicySet,
    ) -> Result<Result<Asked<'q>, Evaluation>, ObjectError> {
        let (group, version) = group_and_version(question.api_version);
        let Some(shape) = Shape::of(group, version, question.kind, policies) else {
            return Ok(Err(Evaluation::NotAWorkload));
        };
        let workload = Workload::parse(str::from_utf8(object).map_err(|_| ObjectError::not_text())?, shape)?;
        let is_pod = shape.is_pod();
        if !is_pod && workload.is_made_by_a_workload(policies) {
            return Ok(Err(Evaluation::Owned));
        }
        Ok(Ok(Asked { workload, is_pod, kinds: [question.kind, "Pod"], default_namespace: question.namespace }))
    }

    /// The pods of a template are judged along with it: a policy on pods alone is about them, too.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            namespace: self.namespace(),
            kinds: if self.is_pod { &self.kinds[..1] } else { &self.kinds },
            is_pod: self.is_pod,
            stage: Stage::Foretold,
            dry_run: false,
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { kind: self.kinds[0], namespace: self.namespace(), name: self.workload.name() }
    }

    fn namespace(&self) -> &str {
        Some(self.workload.namespace()).filter(|own| !own.is_empty()).unwrap_or(self.default_namespace)
    }
}

fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// Joins two JSON arrays, either of which may be empty text.
fn append(patch: &mut Vec<u8>, more: Vec<u8>) {
    if patch.is_empty() || more.is_empty() {
        patch.extend(more);
        return;
    }
    patch.pop();
    patch.push(b',');
    patch.extend_from_slice(&more[1..]);
}

impl<'a> Workload<'a> {
    /// Each pod or pod template, with its pointer.
    pub fn pods<'t>(&'t self) -> impl Iterator<Item = (&'t str, Pod<'t>)>
    where
        'a: 't,
    {
        self.templates.iter().map(|(pointer, template)| {
            let metadata = if pointer.is_empty() { self.metadata.as_ref() } else { template.metadata.as_ref() };
            (pointer.as_str(), Pod { metadata, spec: &template.spec })
        })
    }

    /// The name, or `generateName` where the API server still has to make one of it.
    pub fn name(&self) -> &str {
        let metadata = self.metadata.as_ref();
        let names = metadata.map(|metadata| [metadata.name.as_str(), metadata.generate_name.as_str()]);
        names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("")
    }

    /// The namespace that the object itself names.
    pub fn namespace(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| metadata.namespace.as_str())
    }

    /// Whether another object controls it: a Deployment's ReplicaSet, a CronJob's Job.
    pub fn is_controlled(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| metadata.controller().is_some())
    }

    /// Whether that object has a pod template of its own.
    pub(super) fn is_made_by_a_workload(&self, policies: &PolicySet) -> bool {
        self.metadata.as_ref().and_then(Metadata::controller).is_some_and(|owner| {
            let (group, version) = group_and_version(owner.api_version.as_str());
            Shape::of(group, version, owner.kind.as_str(), policies).is_some()
        })
    }
}
