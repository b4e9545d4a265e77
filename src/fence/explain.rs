//! Why an object is judged as it is: [`evaluate`](super::evaluate())'s judgement, with what every policy said on the way.

use super::evaluate::{Question, group_and_version};
use super::facts::Facts;
use super::finding::{Finding, Subject};
use super::message;
use super::name::in_full;
use super::policy::PolicySet;
use super::verdict::trace::trace;
use super::verdict::{Place, Stage};
use super::workload::{ObjectError, Shape, Workload};

pub use super::verdict::trace::{Bystander, PolicyTrace, RuleTrace};

/// An object, explained.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// Its namespace, safe to show.
    pub namespace: String,
    /// Its name, safe to show.
    pub name: String,
    /// Each reference, in stable order.
    pub references: Vec<ExplainedReference>,
    /// The policies that are not about it, by name; of several pod templates each once.
    pub bystanders: Vec<Bystander>,
}

/// A reference, and how the policies came to what becomes of it.
#[derive(Clone, Debug)]
pub struct ExplainedReference {
    /// JSON pointer within the object: exact, and so not safe to show.
    pub pointer: String,
    /// What it does, in words.
    pub sentence: String,
    /// What becomes of it: by the policies that enforce, by those in dry run, or one that says that no rule is about it.
    pub findings: Vec<Finding>,
    /// What each policy said that is about the object, by name.
    pub policies: Vec<PolicyTrace>,
}

impl Explanation {
    /// The rules that decided some reference within their policy, whether or not another policy was stricter: policy and
    /// rule, each as often as it did.
    pub fn reached(&self) -> impl Iterator<Item = (&str, &str)> {
        let traces = self.references.iter().flat_map(|reference| &reference.policies);
        traces.filter_map(|trace| Some((&*trace.policy, trace.decided.as_deref()?)))
    }
}

/// Explains an object. `None` where [`evaluate`](super::evaluate()) does not judge it: it is of no known kind, or another
/// workload makes it.
///
/// # Errors
/// Where an object of a workload's kind does not have the shape of that kind.
pub fn explain(
    object: &[u8],
    question: &Question<'_>,
    policies: &PolicySet,
    facts: &Facts,
) -> Result<Option<Explanation>, ObjectError> {
    let (group, version) = group_and_version(question.api_version);
    let Some(shape) = Shape::of(group, version, question.kind, policies) else { return Ok(None) };
    let workload = Workload::parse(str::from_utf8(object).map_err(|_| ObjectError::not_text())?, shape)?;
    if !shape.is_pod() && workload.is_made_by_a_workload(policies) {
        return Ok(None);
    }
    let namespace = Some(workload.namespace()).filter(|own| !own.is_empty()).unwrap_or(question.namespace);
    let kinds = [question.kind, "Pod"];
    let place = Place {
        namespace,
        kinds: if shape.is_pod() { &kinds[..1] } else { &kinds },
        is_pod: shape.is_pod(),
        stage: Stage::Foretold,
        dry_run: false,
        set_aside: &[],
    };
    let subject = Subject { kind: question.kind, namespace, name: workload.name() };
    let mut explanation =
        Explanation { namespace: in_full(namespace), name: in_full(workload.name()), ..Explanation::default() };
    for (template, pod) in workload.pods() {
        let traced = trace(pod, &place, policies, facts);
        for (judged, policies) in traced.verdict.judged.iter().zip(traced.traces) {
            let mut sentence = String::new();
            message::describe(&mut sentence, &judged.reference, pod.spec);
            explanation.references.push(ExplainedReference {
                pointer: judged.reference.pointer(template),
                sentence,
                findings: Finding::of(judged, pod.spec, template, subject, true),
                policies,
            });
        }
        for bystander in traced.bystanders {
            if !explanation.bystanders.contains(&bystander) {
                explanation.bystanders.push(bystander);
            }
        }
    }
    Ok(Some(explanation))
}
