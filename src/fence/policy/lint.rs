//! What a policy file may say and probably does not mean. Told by `policy check`; never an error.

use std::fmt;

use jiff::civil::Date;

use super::glob::{Globs, ImageGlob};
use super::{Action, ExceptionState, LabelSelector, Mount, Operator, Policy, PolicySet, Rule};
use crate::fence::kind::{Kind, KindSet};

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The policy.
    pub policy: String,
    /// The rule, where one is meant.
    pub rule: Option<String>,
    /// What, and what to do.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "{}/{rule}: {}", self.policy, self.message),
            None => write!(f, "{}: {}", self.policy, self.message),
        }
    }
}

impl PolicySet {
    /// What to look at, in order of policies and rules. Exceptions are judged on the day given, in UTC.
    pub fn warnings(&self, today: Date) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (index, policy) in self.policies.iter().enumerate() {
            warnings.extend(namespace_selector(policy));
            for rule in &policy.rules {
                let said =
                    [exception(rule, today), unbounded_allow(policy, rule), mount_of_files(rule)].into_iter().flatten();
                warnings.extend(said.map(|message| about(policy, rule, message)));
            }
            warnings.extend(differing_mount(policy, &self.policies[..index]));
        }
        warnings
    }
}

fn about(policy: &Policy, rule: &Rule, message: String) -> Warning {
    Warning { policy: policy.name.clone(), rule: Some(rule.name.clone()), message }
}

fn namespace_selector(policy: &Policy) -> Option<Warning> {
    let used = policy.matches.namespace_selector.is_some() || policy.exclude.namespace_selector.is_some();
    used.then(|| Warning {
        policy: policy.name.clone(),
        rule: None,
        message: "namespaceSelector needs a watch of Namespaces; while a namespace is not known, match counts as true \
                  and exclude as false: globs in namespaces need nothing"
            .to_owned(),
    })
}

fn exception(rule: &Rule, today: Date) -> Option<String> {
    let Action::Allow(Some(exception)) = &rule.action else { return None };
    let expires = exception.expires;
    match exception.state(today) {
        ExceptionState::Active => None,
        ExceptionState::Ending => Some(format!(
            "the exception ends on {expires}, after which the rule matches nothing: end the need, or agree on a later day"
        )),
        ExceptionState::Expired => {
            Some(format!("the exception ended on {expires} and the rule matches nothing: remove it, or renew it"))
        }
    }
}

/// Whoever writes a pod chooses the names of its containers, variables and ServiceAccount.
fn unbounded_allow(policy: &Policy, rule: &Rule) -> Option<String> {
    let bounded = |globs: &Option<Globs>| globs.as_ref().is_some_and(Globs::is_bounded);
    let is_bounded = bounded(&policy.matches.namespaces)
        || policy.matches.namespace_selector.as_ref().is_some_and(asks_for_a_label)
        || bounded(&rule.selects.namespaces)
        || bounded(&rule.selects.secrets)
        || rule.selects.images.as_ref().is_some_and(|images| {
            !images.included().is_empty() && images.included().iter().all(ImageGlob::names_registry)
        });
    (matches!(rule.action, Action::Allow(_)) && !is_bounded).then(|| {
        "nothing that a tenant cannot choose bounds this allow: add where.namespaces, where.secrets, or where.images \
         with a registry such as registry.example.com/vendor/*"
            .to_owned()
    })
}

fn asks_for_a_label(selector: &LabelSelector) -> bool {
    selector.requirements.iter().any(|asked| matches!(asked.operator, Operator::In(_) | Operator::Exists))
}

/// A group brings in kinds that are files already: each of them would be unsafe, and so denied.
fn mount_of_files(rule: &Rule) -> Option<String> {
    let Action::Mount(mount) = &rule.action else { return None };
    let odd: Vec<_> = rule.on.iter().filter(|kind| !KindSet::ENV.contains(*kind)).map(Kind::name).collect();
    let outcome = if mount.unsafe_is_denied { "denied" } else { "warned of" };
    (!odd.is_empty())
        .then(|| format!("{} cannot be swapped and would be {outcome} as unsafe: use on: [env]", odd.join(", ")))
}

/// One warning for each policy: the first other one is enough to find the rest.
fn differing_mount(policy: &Policy, before: &[Policy]) -> Option<Warning> {
    let (first, rule) = before
        .iter()
        .filter(|first| first.mode == policy.mode && may_share_a_namespace(first, policy))
        .find_map(|first| {
            mounts(policy).find(|mine| mounts(first).any(|other| differs(*mine, other))).map(|(rule, _)| (first, rule))
        })?;
    let message = format!(
        "swaps differently than policy \"{}\": where both match a pod, the first policy by name wins",
        first.name
    );
    Some(about(policy, rule, message))
}

fn mounts(policy: &Policy) -> impl Iterator<Item = (&Rule, &Mount)> {
    policy.rules.iter().filter_map(|rule| match &rule.action {
        Action::Mount(mount) => Some((rule, mount)),
        _ => None,
    })
}

fn differs((rule, mount): (&Rule, &Mount), (other_rule, other_mount): (&Rule, &Mount)) -> bool {
    let shared = rule.on.iter().any(|kind| kind.has_swap() && other_rule.on.contains(kind));
    shared && mount != other_mount
}

/// False only where both name their namespaces one by one, and none is named by both.
fn may_share_a_namespace(a: &Policy, b: &Policy) -> bool {
    fn names(policy: &Policy) -> Option<Vec<&str>> {
        let included = policy.matches.namespaces.as_ref()?.included();
        if included.is_empty() { None } else { included.iter().map(|glob| glob.literal()).collect() }
    }
    match (names(a), names(b)) {
        (Some(a), Some(b)) => a.iter().any(|name| b.contains(name)),
        _ => true,
    }
}
