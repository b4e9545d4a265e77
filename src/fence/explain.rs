//! Why an object is judged as it is: [`evaluate`](super::evaluate())'s judgement, with what every policy said on the way.

use super::evaluate::{Asked, AskedObject, Question};
use super::facts::Facts;
use super::finding::{Finding, Subject};
use super::message;
use super::name::in_full;
use super::pod::PodSpec;
use super::policy::PolicySet;
use super::swap::plan::Pod;
use super::verdict::trace::{Traced, trace, trace_object};
use super::workload::ObjectError;

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

    fn take(&mut self, traced: Traced<'_, '_>, pod: Pod<'_>, template: &str, subject: Subject<'_>) {
        for (judged, policies) in traced.verdict.judged.iter().zip(traced.traces) {
            let mut sentence = String::new();
            message::describe(&mut sentence, &judged.reference, pod.spec);
            self.references.push(ExplainedReference {
                pointer: judged.reference.pointer(template),
                sentence,
                findings: Finding::of(judged, pod.spec, template, subject, true),
                policies,
            });
        }
        for bystander in traced.bystanders {
            if !self.bystanders.contains(&bystander) {
                self.bystanders.push(bystander);
            }
        }
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
    let Ok(asked) = Asked::read(object, question, policies)? else { return Ok(None) };
    let (place, subject) = (asked.place(), asked.subject());
    let mut explanation =
        Explanation { namespace: in_full(subject.namespace), name: in_full(subject.name), ..Explanation::default() };
    match &asked.object {
        AskedObject::Workload(workload) => {
            for (template, pod) in workload.pods() {
                explanation.take(trace(pod, &place, policies, facts), pod, template, subject);
            }
        }
        AskedObject::Data(data) => {
            let spec = PodSpec::default();
            let pod = Pod { metadata: data.metadata.as_ref(), spec: &spec };
            let references = data.references(question.kind, subject.name);
            explanation.take(trace_object(pod, references, &place, policies, facts), pod, "", subject);
        }
    }
    Ok(Some(explanation))
}
