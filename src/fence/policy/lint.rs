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

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::*;
    use crate::fence::policy::PolicyDocument;

    /// The warnings of policies, each given as its spec and named `a`, `b`, …
    fn warnings(specs: Vec<Value>) -> Vec<String> {
        let document = |(source, spec): (usize, Value)| {
            let name = char::from(b'a' + source as u8).to_string();
            let value = json!({
                "apiVersion": "secretfence.dev/v1alpha1",
                "kind": "SecretPolicy",
                "metadata": {"name": name},
                "spec": spec,
            });
            PolicyDocument { source, value }
        };
        let documents: Vec<_> = specs.into_iter().enumerate().map(document).collect();
        let set = PolicySet::compile(&documents).unwrap();
        set.warnings(date(2026, 11, 21)).iter().map(ToString::to_string).collect()
    }

    fn rule(action: &str, more: Value) -> Value {
        let mut rule = json!({"name": "r", "on": ["env"], "action": action});
        for (key, value) in more.as_object().unwrap() {
            rule[key] = value.clone();
        }
        rule
    }

    fn allow(selects: Value) -> Vec<String> {
        warnings(vec![json!({"rules": [rule("allow", json!({"where": selects}))]})])
    }

    fn mount(path: &str, on: &str) -> Value {
        rule("mount", json!({"on": [on], "mount": {"path": path}}))
    }

    #[test]
    fn a_plain_denial_is_not_warned_of() {
        assert!(warnings(vec![json!({"rules": [rule("deny", json!({}))]})]).is_empty());
    }

    #[test]
    fn warns_of_an_allow_that_only_a_tenants_choice_bounds() {
        for selects in [
            json!({}),
            json!({"containers": ["ledger"], "variables": ["LEDGER_*"]}),
            json!({"namespaces": ["*"]}),
            json!({"namespaces": ["!kube-system"]}),
            json!({"namespaces": ["a", "*"]}),
            json!({"secrets": ["*"]}),
            json!({"images": ["vendor/*"]}),
            json!({"images": ["*/vendor/*"]}),
            json!({"images": ["registry.example.com/a", "nginx"]}),
            json!({"images": ["!registry.example.com/a"]}),
        ] {
            let said = allow(selects.clone());
            assert_eq!(said.len(), 1, "{selects}");
            assert!(said[0].starts_with("a/r: nothing that a tenant cannot choose bounds this allow"), "{said:?}");
        }
    }

    #[test]
    fn a_namespace_a_secret_or_an_image_of_a_registry_bounds_an_allow() {
        for selects in [
            json!({"namespaces": ["team-*"]}),
            json!({"secrets": ["public-*"]}),
            json!({"images": ["registry.example.com/vendor/*"]}),
        ] {
            assert!(allow(selects.clone()).is_empty(), "{selects}");
        }
        let rules = json!([rule("allow", json!({}))]);
        assert!(warnings(vec![json!({"match": {"namespaces": ["team-*"]}, "rules": rules})]).is_empty());
        let by_label = json!({"namespaceSelector": {"matchLabels": {"tier": "test"}}});
        let said = warnings(vec![json!({"match": by_label, "rules": rules})]);
        assert!(said.len() == 1 && said[0].contains("needs a watch"), "{said:?}");
    }

    #[test]
    fn warns_of_exceptions_that_have_ended_or_soon_will() {
        let ending = |expires: &str| {
            let more = json!({"where": {"namespaces": ["a"]}, "reason": "because", "expires": expires});
            warnings(vec![json!({"rules": [rule("allow", more)]})])
        };
        assert!(ending("2026-11-20")[0].contains("the exception ended on 2026-11-20"));
        assert!(ending("2026-11-21")[0].contains("the exception ends on 2026-11-21"));
        assert!(ending("2026-12-05")[0].contains("the exception ends on 2026-12-05"));
        assert!(ending("2026-12-06").is_empty());
    }

    #[test]
    fn warns_of_two_policies_that_swap_differently() {
        let said =
            warnings(vec![json!({"rules": [mount("/a", "env")]}), json!({"rules": [mount("/b", "secretKeyRef")]})]);
        assert_eq!(
            said,
            ["b/r: swaps differently than policy \"a\": where both match a pod, the first policy by name wins"]
        );
    }

    #[test]
    fn does_not_warn_of_swaps_that_cannot_meet() {
        let pair = |first: Value, second: Value| warnings(vec![first, second]);
        let a = || json!({"rules": [mount("/a", "secretKeyRef")]});
        assert!(pair(a(), a()).is_empty());
        assert!(pair(a(), json!({"rules": [mount("/b", "envFrom")]})).is_empty());
        assert!(pair(a(), json!({"mode": "dryRun", "rules": [mount("/b", "env")]})).is_empty());
        let named =
            |namespace: &str, path: &str| json!({"match": {"namespaces": [namespace]}, "rules": [mount(path, "env")]});
        assert!(pair(named("x", "/a"), named("y", "/b")).is_empty());
        assert_eq!(pair(named("x", "/a"), named("x*", "/b")).len(), 1);
    }

    #[test]
    fn warns_of_a_mount_that_denies_files_through_a_group() {
        let said = warnings(vec![json!({"rules": [mount("/a", "any")]})]);
        assert_eq!(
            said,
            [
                "a/r: unknownSource, volume, csi, legacyVolume, imagePull, externalEnv, injected, nodeAccess, storePath, \
                 sharedSecret, literal cannot be swapped and would be denied as unsafe: use on: [env]"
            ]
        );
    }
}
