//! Judging an object that nobody is about to admit: a manifest, or what lives in a cluster.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::finding::{Finding, Subject};
use super::name::in_full;
use super::pod::{Metadata, PodSpec};
use super::policy::PolicySet;
use super::rules::data::{self, DataObject};
use super::swap::patch;
use super::swap::plan::Pod;
use super::verdict::{Judged, Outcome, Place, SetAside, Stage, Verdict, judge, judge_object};
use super::workload::{ObjectError, Shape, Workload, group_and_version};

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
    /// A Secret or a ConfigMap, judged: some rule is about what it holds in clear.
    Data(Judgement),
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
    judge_for(object, question, None, &[], policies, facts)
}

/// As [`evaluate`], but findings have the fingerprints of this subject: those of a pod are its owner's then.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_for(
    object: &[u8],
    question: &Question<'_>,
    owner: Subject<'_>,
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Evaluation, ObjectError> {
    judge_for(object, question, Some(owner), &[], policies, facts)
}

/// As [`evaluate`], but for what the manifest itself sets aside. A rule that is set aside decides nothing of that reference,
/// nor does any other of its policy; other policies do.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_but(
    object: &[u8],
    question: &Question<'_>,
    set_aside: &[SetAside],
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Evaluation, ObjectError> {
    judge_for(object, question, None, set_aside, policies, facts)
}

fn judge_for(
    object: &[u8],
    question: &Question<'_>,
    owner: Option<Subject<'_>>,
    set_aside: &[SetAside],
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Evaluation, ObjectError> {
    let asked = match Asked::read(object, question, policies)? {
        Ok(asked) => asked,
        Err(nothing_to_judge) => return Ok(nothing_to_judge),
    };
    let (place, subject) = (asked.place(), asked.subject());
    let mut judgement =
        Judgement { namespace: in_full(subject.namespace), name: in_full(subject.name), ..Judgement::default() };
    let subject = owner.unwrap_or(subject);
    let workload = match &asked.object {
        AskedObject::Workload(workload) => workload,
        AskedObject::Data(data) => {
            let spec = PodSpec::default();
            let pod = Pod { metadata: data.metadata.as_ref(), spec: &spec };
            let references = data.references(question.kind, subject.name);
            let verdict = judge_object(pod, references, &Place { set_aside, ..place }, policies, facts);
            judgement.take(&verdict, pod, "", subject, question.all);
            return Ok(Evaluation::Data(judgement));
        }
    };
    for (template, pod) in workload.pods() {
        let set_aside = below(set_aside, template);
        let verdict = judge(pod, &Place { set_aside: &set_aside, ..place }, policies, facts, true);
        if !verdict.matching.is_empty() {
            judgement.accounts.insert(pod.spec.service_account().to_owned());
        }
        judgement.take(&verdict, pod, template, subject, question.all);
        if question.patch {
            append(&mut judgement.patch, patch::write(pod, template, &verdict.candidates, &verdict.plan));
        }
    }
    Ok(Evaluation::Judged(judgement))
}

impl Judgement {
    fn take(&mut self, verdict: &Verdict<'_, '_>, pod: Pod<'_>, template: &str, subject: Subject<'_>, all: bool) {
        self.matching.extend(&verdict.matching);
        self.references += verdict.judged.len();
        let stands = |its: &&Judged<'_, '_>| its.enforced.as_ref().is_none_or(|by| by.outcome == Outcome::Allowed);
        self.allowed += verdict.judged.iter().filter(stands).count();
        self.findings.extend(verdict.judged.iter().flat_map(|its| Finding::of(its, pod.spec, template, subject, all)));
    }
}

/// What is set aside in one pod, with pointers from there on.
fn below(set_aside: &[SetAside], template: &str) -> Vec<SetAside> {
    let within = |its: &SetAside| {
        let pointer = its.pointer.strip_prefix(template).filter(|rest| rest.starts_with('/'))?;
        Some(SetAside { pointer: pointer.to_owned(), ..its.clone() })
    };
    set_aside.iter().filter_map(within).collect()
}

/// What a question is about: how it was decided, and how it came about, begin with the same.
pub(super) struct Asked<'q> {
    pub(super) object: AskedObject<'q>,
    /// Whether it is judged itself, and not what it makes.
    is_pod: bool,
    kinds: [&'q str; 2],
    default_namespace: &'q str,
}

pub(super) enum AskedObject<'q> {
    Workload(Workload<'q>),
    /// A Secret or a ConfigMap.
    Data(DataObject<'q>),
}

impl<'q> Asked<'q> {
    /// Reads it; or says why there is nothing to judge.
    pub(super) fn read(
        object: &'q [u8],
        question: &Question<'q>,
        policies: &PolicySet,
    ) -> Result<Result<Asked<'q>, Evaluation>, ObjectError> {
        let Question { api_version, kind, namespace, .. } = *question;
        let text = || str::from_utf8(object).map_err(|_| ObjectError::not_text());
        let asked =
            |object, is_pod| Ok(Ok(Asked { object, is_pod, kinds: [kind, "Pod"], default_namespace: namespace }));
        let (group, version) = group_and_version(api_version);
        let Some(shape) = Shape::of(group, version, kind, policies) else {
            if data::is_judged(api_version, kind, policies.kinds()) {
                return asked(AskedObject::Data(data::parse(text()?)?), true);
            }
            return Ok(Err(Evaluation::NotAWorkload));
        };
        let workload = Workload::parse(text()?, shape)?;
        if !shape.is_pod() && workload.is_made_by_a_workload(policies) {
            return Ok(Err(Evaluation::Owned));
        }
        asked(AskedObject::Workload(workload), shape.is_pod())
    }

    /// The pods of a template are judged along with it: a policy on pods alone is about them, too.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            namespace: self.namespace(),
            kinds: if self.is_pod { &self.kinds[..1] } else { &self.kinds },
            is_pod: self.is_pod,
            stage: Stage::Foretold,
            dry_run: false,
            set_aside: &[],
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        let name = self.metadata().map_or("", Metadata::name_or_prefix);
        Subject { kind: self.kinds[0], namespace: self.namespace(), name }
    }

    fn namespace(&self) -> &str {
        let own = self.metadata().map_or("", |metadata| metadata.namespace.as_str());
        Some(own).filter(|own| !own.is_empty()).unwrap_or(self.default_namespace)
    }

    fn metadata(&self) -> Option<&Metadata<'q>> {
        match &self.object {
            AskedObject::Workload(workload) => workload.metadata.as_ref(),
            AskedObject::Data(data) => data.metadata.as_ref(),
        }
    }
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
        self.metadata.as_ref().map_or("", Metadata::name_or_prefix)
    }

    /// The namespace that the object itself names.
    pub fn namespace(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| metadata.namespace.as_str())
    }

    /// Whether another object controls it: a Deployment's ReplicaSet, a CronJob's Job.
    pub fn is_controlled(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| metadata.controller().is_some())
    }

    /// Whether that object has a pod template of its own. A pod has none: who judges it has not judged what it makes.
    pub(super) fn is_made_by_a_workload(&self, policies: &PolicySet) -> bool {
        self.metadata.as_ref().and_then(Metadata::controller).is_some_and(|owner| {
            let (group, version) = group_and_version(owner.api_version.as_str());
            Shape::of(group, version, owner.kind.as_str(), policies).is_some_and(|shape| !shape.is_pod())
        })
    }
}
