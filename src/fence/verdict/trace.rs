//! Why each policy decided as it did: the same steps as the judgement's own, told one by one.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Active, Bench, Misfit, Place, Stand, Verdict, first_policy, judge, judge_object};
use crate::fence::facts::Facts;
use crate::fence::kind::Kind;
use crate::fence::name::{Shown, in_full};
use crate::fence::policy::{Action, Mode, Policy, PolicySet, Rule, Scope, ScopeField, Subject, Templates};
use crate::fence::reference::{Keys, Known, Reference};
use crate::fence::swap::plan::Pod;

/// A policy that has nothing to say of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bystander {
    /// The policy's name.
    pub policy: String,
    /// The field by which it is not about the object, and what that met.
    pub why: String,
}

/// What one policy said to one reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyTrace {
    /// The policy's name.
    pub policy: String,
    /// `enforce` or `dryRun`.
    pub mode: &'static str,
    /// The key, where several were asked about one by one.
    pub key: Option<String>,
    /// Its rules up to the one that decides; all of them where none does.
    pub rules: Vec<RuleTrace>,
    /// The rule that decides, if one does.
    pub decided: Option<String>,
}

/// What one rule said to one reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleTrace {
    /// The rule's name.
    pub rule: String,
    /// Its action.
    pub action: &'static str,
    /// Whether it decides.
    pub decides: bool,
    /// Why it does not fit; empty where it decides.
    pub why: String,
}

/// A pod, judged, and how that came about.
#[derive(Debug)]
pub struct Traced<'t, 'p> {
    /// What is decided.
    pub verdict: Verdict<'t, 'p>,
    /// For each reference what each policy that is about the pod said, by name.
    pub traces: Vec<Vec<PolicyTrace>>,
    /// The policies that are not about it, by name.
    pub bystanders: Vec<Bystander>,
}

/// Judges a pod, and tells how each policy came to what it says.
pub fn trace<'t, 'p: 't>(pod: Pod<'t>, place: &Place<'_>, policies: &'p PolicySet, facts: &Facts) -> Traced<'t, 'p> {
    let verdict = judge(pod, place, policies, facts, true);
    traced(verdict, pod, pod.spec.service_account(), place, policies, facts)
}

/// The same of an object that is no pod.
pub fn trace_object<'t, 'p: 't>(
    pod: Pod<'t>,
    references: Vec<Reference<'t>>,
    place: &Place<'_>,
    policies: &'p PolicySet,
    facts: &Facts,
) -> Traced<'t, 'p> {
    // It has no ServiceAccount.
    traced(judge_object(pod, references, place, policies, facts), pod, "", place, policies, facts)
}

fn traced<'t, 'p: 't>(
    verdict: Verdict<'t, 'p>,
    pod: Pod<'t>,
    service_account: &str,
    place: &Place<'_>,
    policies: &'p PolicySet,
    facts: &Facts,
) -> Traced<'t, 'p> {
    let matching = &verdict.matching;
    let mut bench = Bench {
        pod,
        place,
        policies,
        facts,
        active: Active::of(matching, place, policies),
        first_policy: first_policy(matching, place, policies),
        container: None,
    };
    let mut traces = Vec::new();
    for judged in &verdict.judged {
        bench.enter(judged.reference.site);
        traces.push(bench.trace_each(matching, &judged.reference));
    }
    let labels = pod.metadata.and_then(|metadata| metadata.labels.as_ref()).map_or(&[][..], |labels| &labels.0[..]);
    let subject = Subject {
        namespace: place.namespace,
        namespace_labels: facts.namespaces.get(place.namespace),
        labels,
        service_account,
        kinds: place.kinds,
    };
    let why = |policy: &Policy| not_about(policy, &subject).or_else(|| left_out(policy, place));
    let bystanders = policies
        .policies()
        .iter()
        .filter_map(|policy| Some(Bystander { policy: policy.name.clone(), why: why(policy)? }))
        .collect();
    Traced { verdict, traces, bystanders }
}

impl<'t, 'p: 't> Bench<'t, 'p, '_> {
    /// Key by key, as the judgement asks; told once where all keys are answered alike.
    fn trace_each(&self, matching: &[u32], reference: &Reference<'_>) -> Vec<PolicyTrace> {
        let Keys::Some(keys) = &reference.keys else { return self.trace(matching, reference, None) };
        let by_key: Vec<Vec<PolicyTrace>> = keys
            .iter()
            .map(|key| self.trace(matching, &Reference { keys: Keys::One(key), ..reference.clone() }, Some(key)))
            .collect();
        let said = |traces: &[PolicyTrace]| -> Vec<Option<String>> {
            traces.iter().map(|trace| trace.decided.clone()).collect()
        };
        match by_key.split_first() {
            Some((first, others)) if others.iter().all(|other| said(other) == said(first)) => {
                first.iter().cloned().map(|trace| PolicyTrace { key: None, ..trace }).collect()
            }
            _ => by_key.into_iter().flatten().collect(),
        }
    }

    fn trace(&self, matching: &[u32], reference: &Reference<'_>, key: Option<&str>) -> Vec<PolicyTrace> {
        let mut traces: Vec<PolicyTrace> = Vec::new();
        for policy in matching.iter().filter_map(|index| self.policies.policies().get(*index as usize)) {
            let Some(mode) = self.place.mode_of(policy) else { continue };
            let mut trace = PolicyTrace {
                policy: policy.name.clone(),
                mode: match mode {
                    Mode::Enforce => "enforce",
                    Mode::DryRun => "dryRun",
                },
                key: key.map(in_full),
                rules: Vec::new(),
                decided: None,
            };
            for rule in &policy.rules {
                let stand = if rule.selects.is_in(self.place.namespace) {
                    self.stand(rule, reference)
                } else {
                    Stand::Misfit(Misfit::Namespaces)
                };
                let decides = stand == Stand::Decides;
                let why = self.why(stand, rule, reference);
                trace.rules.push(RuleTrace { rule: rule.name.clone(), action: rule.action.name(), decides, why });
                if decides {
                    trace.decided = Some(rule.name.clone());
                    break;
                }
            }
            traces.push(trace);
        }
        traces
    }

    fn why(&self, stand: Stand, rule: &Rule, reference: &Reference<'_>) -> String {
        match stand {
            Stand::Decides => String::new(),
            Stand::OtherKind => {
                let kinds: Vec<&str> = rule.on.iter().map(Kind::name).collect();
                format!("it is on {}, and this is {}", kinds.join(", "), reference.kind)
            }
            Stand::Ended(expires) => format!("the exception ended on {expires}"),
            Stand::Misfit(misfit) => self.why_not(misfit, rule, reference),
        }
    }

    /// The field, its pattern, and what it met.
    fn why_not(&self, misfit: Misfit, rule: &Rule, reference: &Reference<'_>) -> String {
        let selects = &rule.selects;
        let allows = matches!(rule.action, Action::Allow(_));
        let container = self.container.as_ref().filter(|_| reference.site.container().is_some()).map(|(_, its)| its);
        let across = reference.across.as_deref();
        let named = |noun: &str, name: Option<&str>| match name {
            Some(name) => format!("the {noun} is \"{}\"", Shown(name)),
            None => format!("{} has no {noun}", reference.kind),
        };
        let known = |noun: &str, known: Option<&Known>| match known {
            Some(Known::As(text)) => format!("the {noun} is \"{}\"", Shown(text)),
            Some(Known::Not) => format!("the {noun} is not known, which an allow fits only where it says *"),
            None => format!("{} has no {noun}", reference.kind),
        };
        let unknown_keys = || match (&reference.keys, reference.kind) {
            (Keys::All, _) | (_, Kind::EnvFrom) => {
                let mount = if let Action::Mount(mount) = &rule.action { Some(mount) } else { None };
                match self.known_keys(reference, mount) {
                    Some(_) if allows => Some("not every key of the Secret fits, as an allow asks for"),
                    Some(_) => Some("no key of the Secret fits"),
                    None => Some("the keys of the Secret are not known, which an allow fits only where it says *"),
                }
            }
            _ => None,
        };
        let (field, pattern, met) = match misfit {
            Misfit::Namespaces => {
                ("namespaces", shown(&selects.namespaces), named("namespace", Some(self.place.namespace)))
            }
            Misfit::Secrets => ("secrets", shown(&selects.secrets), named("Secret", reference.secret)),
            Misfit::Containers => {
                ("containers", shown(&selects.containers), named("container", container.map(|its| its.name)))
            }
            Misfit::Images => {
                let image = container.and_then(|its| its.written_image);
                let odd = allows && container.is_some_and(|its| image.is_some() && !its.has_well_formed_image());
                let mut met = named("image", image);
                if odd {
                    met.push_str(", which is no image's name, and an allow fits no such");
                }
                ("images", shown(&selects.images), met)
            }
            Misfit::Keys => {
                let met = unknown_keys().map_or_else(|| named("key", reference.keys.one()), str::to_owned);
                ("keys", shown(&selects.keys), met)
            }
            Misfit::Variables => {
                let by_keys = (reference.kind == Kind::EnvFrom).then(unknown_keys).flatten();
                let met = by_keys.map_or_else(|| named("variable", reference.variable), str::to_owned);
                ("variables", shown(&selects.variables), met)
            }
            Misfit::ReadsFiles => {
                let met = match (container, selects.reads_files) {
                    (None, _) => format!("{} is in no container", reference.kind),
                    (Some(its), Some(true)) if !its.entrypoint_runs => {
                        "the container has a command of its own, so the image's entrypoint does not run".to_owned()
                    }
                    (Some(_), Some(true)) => {
                        "the image is not known to read this variable from a file (the catalogue, readers)".to_owned()
                    }
                    (Some(_), _) => "the image is known to read this variable from a file".to_owned(),
                };
                ("readsFiles", shown(&selects.reads_files), met)
            }
            Misfit::Paths => {
                let mut pattern = String::new();
                if let Some(paths) = &selects.paths {
                    let place = if paths.node_secrets { "\"@node-secrets\"" } else { "" };
                    let globs = paths.globs.as_ref().map(|globs| format!("{globs:?}")).unwrap_or_default();
                    let between = if place.is_empty() || globs.is_empty() { "" } else { " and " };
                    // Writing to a String cannot fail.
                    let _ = write!(pattern, "{place}{between}{globs}");
                }
                ("paths", pattern, known("path", across.and_then(|across| across.path.as_ref())))
            }
            Misfit::From => {
                ("from", shown(&selects.from), known("origin", across.and_then(|across| across.from.as_ref())))
            }
            Misfit::Reach => {
                let reached = across.and_then(|across| across.reaches.as_deref());
                let met = match reached {
                    Some("*") => "it reaches every namespace, which an allow fits only where it says *".to_owned(),
                    Some(namespace) => format!("it reaches \"{}\"", Shown(namespace)),
                    None => format!("{} has no reach", reference.kind),
                };
                ("reach", shown(&selects.reach), met)
            }
        };
        format!("where.{field} is {pattern}, and {met}")
    }
}

/// Patterns are the policy's own, and hold no value of the object.
fn shown<T: std::fmt::Debug>(pattern: &Option<T>) -> String {
    pattern.as_ref().map(|pattern| format!("{pattern:?}")).unwrap_or_default()
}

fn not_about(policy: &Policy, subject: &Subject<'_>) -> Option<String> {
    if let Some(field) = policy.matches.unmet(subject) {
        return Some(format!("match.{}", met(field, &policy.matches, subject, "does not fit")));
    }
    policy.exclude.met(subject).map(|field| format!("exclude.{}", met(field, &policy.exclude, subject, "fits")))
}

fn met(field: ScopeField, scope: &Scope, subject: &Subject<'_>, fits: &str) -> String {
    match field {
        ScopeField::Namespaces => {
            format!("namespaces is {}, and the namespace is \"{}\"", shown(&scope.namespaces), Shown(subject.namespace))
        }
        ScopeField::ServiceAccounts => format!(
            "serviceAccounts is {}, and the ServiceAccount is \"{}\"",
            shown(&scope.service_accounts),
            Shown(subject.service_account)
        ),
        ScopeField::Kinds => {
            let kinds: Vec<String> = subject.kinds.iter().map(|kind| Shown(kind).to_string()).collect();
            format!("kinds is {:?}, and the kind is {}", scope.kinds.as_deref().unwrap_or_default(), kinds.join(" or "))
        }
        // Labels have values, which may be anything.
        ScopeField::ObjectSelector => format!("objectSelector {fits} the labels of the pod"),
        ScopeField::NamespaceSelector => format!("namespaceSelector {fits} the labels of the namespace"),
    }
}

fn left_out(policy: &Policy, place: &Place<'_>) -> Option<String> {
    let ignored = !place.is_pod && policy.templates == Templates::Ignore;
    ignored.then(|| "templates: ignore leaves pod templates out".to_owned())
}
