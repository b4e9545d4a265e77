//! What a policy file may say and probably does not mean. Told by `policy check`; never an error.

mod reach;

use std::fmt;

use jiff::civil::Date;

use super::glob::{Globs, ImageGlob};
use super::{Action, ExceptionState, LabelSelector, Mode, Mount, Operator, Policy, PolicySet, Rule, Variable};
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
            warnings.extend(reach::about_nothing(policy).map(|why| Warning {
                policy: policy.name.clone(),
                rule: None,
                message: format!("is about nothing: {why}"),
            }));
            warnings.extend(namespace_selector(policy));
            warnings.extend(excluded_by_choice(policy));
            warnings.extend(allows_only(policy, &self.policies));
            for (index, rule) in policy.rules.iter().enumerate() {
                let said = [
                    exception(rule, today),
                    reach::unreachable(policy, index),
                    unbounded_allow(policy, rule),
                    mount_of_files(rule),
                    mount_over(rule),
                    names_a_known_variable(rule),
                ];
                warnings.extend(said.into_iter().flatten().map(|message| about(policy, rule, message)));
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

/// What an allow of one policy lets through, the others still judge.
fn allows_only(policy: &Policy, all: &[Policy]) -> Option<Warning> {
    let allows = |policy: &Policy| policy.rules.iter().all(|rule| matches!(rule.action, Action::Allow(_)));
    if policy.mode != Mode::Enforce || policy.rules.is_empty() || !allows(policy) {
        return None;
    }
    let other = all.iter().find(|other| !allows(other) && may_share_a_namespace(policy, other))?;
    Some(Warning {
        policy: policy.name.clone(),
        rule: None,
        message: format!(
            "decides nothing: all its rules allow, and over several policies the strictest wins: put them into the policy \
             that they except from, such as \"{}\", before its deny",
            other.name
        ),
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

/// Whoever writes a pod writes its labels, and names its ServiceAccount.
fn excluded_by_choice(policy: &Policy) -> Option<Warning> {
    let fields = [
        ("exclude.objectSelector", "labels a pod", policy.exclude.object_selector.is_some()),
        ("exclude.serviceAccounts", "names a pod's ServiceAccount", policy.exclude.service_accounts.is_some()),
    ];
    let (field, does, _) = fields.into_iter().find(|(.., given)| *given)?;
    Some(Warning {
        policy: policy.name.clone(),
        rule: None,
        message: format!(
            "{field} lets out whoever {does} so, and that is the tenant's to choose: exclude by namespaces, or guard it \
             by another policy"
        ),
    })
}

/// Directories of which images have content that a mount would hide. Those that the second list names may not be mounted
/// below, either.
const FULL: [&str; 24] = [
    "/bin",
    "/boot",
    "/etc",
    "/etc/pki",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/run",
];
const OF_THE_KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

fn mount_over(rule: &Rule) -> Option<String> {
    let Action::Mount(Mount { path, .. }) = &rule.action else { return None };
    let is_below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if OF_THE_KERNEL.iter().any(|root| is_below(root)) {
        return Some(format!("mount.path {path} is the kernel's: most runtimes refuse it, so use /run/secretfence"));
    }
    FULL.contains(&&**path).then(|| {
        format!("mount.path {path} would hide what images have there: use a directory of its own, such as {path}/secretfence")
    })
}

/// Variables that programs, loaders and shells read for themselves.
const KNOWN_VARIABLES: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "HOSTNAME",
    "PWD",
    "TMPDIR",
    "LANG",
    "TZ",
    "IFS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "NODE_OPTIONS",
];

fn names_a_known_variable(rule: &Rule) -> Option<String> {
    let Action::Mount(Mount { variable: Variable::Pattern(pattern), .. }) = &rule.action else { return None };
    KNOWN_VARIABLES.contains(&&**pattern).then(|| {
        format!(
            "mount.variable {pattern} is one that programs read for themselves: use auto, or a pattern with {{name}}"
        )
    })
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
    fn warns_of_a_policy_of_exceptions_beside_the_one_that_it_means() {
        let exceptions = |more: Value| {
            let mut spec = json!({"rules": [rule("allow", json!({"where": {"namespaces": ["billing"]}}))]});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        let deny = || json!({"match": {"namespaces": ["billing"]}, "rules": [rule("deny", json!({}))]});
        let said = warnings(vec![deny(), exceptions(json!({}))]);
        assert_eq!(
            said,
            [
                "b: decides nothing: all its rules allow, and over several policies the strictest wins: put them into the policy \
              that they except from, such as \"a\", before its deny"
            ]
        );
        for more in [json!({"mode": "dryRun"}), json!({"match": {"namespaces": ["shop"]}})] {
            let said = warnings(vec![deny(), exceptions(more.clone())]);
            assert!(!said.iter().any(|said| said.contains("all its rules allow")), "{more}: {said:?}");
        }
        assert!(warnings(vec![exceptions(json!({}))]).is_empty());
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

    /// What is said of the last of some rules, beside its name.
    fn of_last(rules: &[Value]) -> Vec<String> {
        let mut rules = rules.to_vec();
        for (index, rule) in rules.iter_mut().enumerate() {
            rule["name"] = format!("r{index}").into();
        }
        let last = format!("a/r{}: ", rules.len() - 1);
        let said = warnings(vec![json!({"match": {"namespaces": ["team-*"]}, "rules": rules})]);
        said.iter().filter_map(|warning| warning.strip_prefix(&last)).map(str::to_owned).collect()
    }

    fn is_unreachable(rules: &[Value]) -> bool {
        of_last(rules).iter().any(|said| said.starts_with("never decides anything"))
    }

    fn on(kinds: &[&str], action: &str, selects: Value) -> Value {
        rule(action, json!({"on": kinds, "where": selects}))
    }

    #[test]
    fn warns_of_a_rule_that_earlier_ones_leave_nothing() {
        let all = json!({});
        let deny = |kinds: &[&str], selects: &Value| on(kinds, "deny", selects.clone());
        assert_eq!(
            of_last(&[deny(&["env"], &all), deny(&["envFrom"], &all)]),
            ["never decides anything: the earlier rule \"r0\" decides all that it fits: put it before, or remove it"]
        );
        let by_kind = [deny(&["secretKeyRef"], &all), deny(&["envFrom", "fileKeyRef"], &all), deny(&["env"], &all)];
        assert!(of_last(&by_kind)[0].contains("the earlier rules \"r0\", \"r1\" decide"));
        for (wide, narrow) in [
            (json!({"secrets": ["db-*"]}), json!({"secrets": ["db-main"], "containers": ["a"]})),
            (json!({"namespaces": ["team-*"]}), json!({})),
            (json!({"images": ["registry.example.com/*"]}), json!({"images": ["registry.example.com/a:1"]})),
            (json!({"readsFiles": true}), json!({"readsFiles": true, "variables": ["A"]})),
        ] {
            let rules = [on(&["secretKeyRef"], "allow", wide.clone()), on(&["secretKeyRef"], "allow", narrow.clone())];
            assert!(is_unreachable(&rules), "{wide} {narrow}");
        }
    }

    #[test]
    fn does_not_warn_of_a_rule_that_may_decide_something() {
        let all = || json!({});
        for (wide, narrow) in [
            (on(&["envFrom"], "deny", all()), on(&["env"], "deny", all())),
            (on(&["env"], "deny", json!({"secrets": ["a"]})), on(&["env"], "deny", json!({"secrets": ["*"]}))),
            // A reference without a Secret fits the second.
            (on(&["any"], "deny", json!({"secrets": ["*"]})), on(&["csi"], "deny", all())),
            // Keys that are not known fit a denial, and an allow only where it says *.
            (on(&["envFrom"], "allow", json!({"keys": ["a"]})), on(&["envFrom"], "deny", json!({"keys": ["a"]}))),
            // No image's name is let through by an allow.
            (on(&["env"], "allow", json!({"images": ["*"]})), on(&["env"], "deny", json!({"images": ["*"]}))),
            (on(&["env"], "deny", json!({"readsFiles": true})), on(&["env"], "deny", json!({"readsFiles": false}))),
            (on(&["env"], "deny", json!({"namespaces": ["team-a"]})), on(&["env"], "deny", all())),
        ] {
            assert!(!is_unreachable(&[wide.clone(), narrow.clone()]), "{wide} {narrow}");
        }
        let exception =
            rule("allow", json!({"where": {"namespaces": ["team-a"]}, "reason": "x", "expires": "2030-01-01"}));
        assert!(!is_unreachable(&[exception, on(&["env"], "deny", json!({"namespaces": ["team-a"]}))]));
    }

    #[test]
    fn warns_of_what_is_about_nothing() {
        let policy = |spec: Value| {
            let mut spec = spec;
            spec["rules"] = json!([rule("deny", json!({}))]);
            warnings(vec![spec])
        };
        for spec in [
            json!({"match": {"namespaces": ["a"]}, "exclude": {"namespaces": ["a*"]}}),
            json!({"match": {"namespaces": ["a", "!a"]}}),
            json!({"exclude": {"namespaces": ["*"]}}),
            json!({"match": {"kinds": ["Job"]}, "exclude": {"kinds": ["Job", "Pod"]}}),
            json!({"match": {"kinds": ["Job"]}, "templates": "ignore"}),
            json!({"match": {"objectSelector": {"matchExpressions": [
                {"key": "a", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"}]}}}),
        ] {
            let said = policy(spec.clone());
            assert!(said.len() == 1 && said[0].starts_with("a: is about nothing"), "{spec} {said:?}");
        }
        for spec in [
            json!({"match": {"namespaces": ["a*"]}, "exclude": {"namespaces": ["a"]}}),
            json!({"match": {"kinds": ["Job", "Pod"]}, "templates": "ignore"}),
        ] {
            assert!(policy(spec.clone()).is_empty(), "{spec}");
        }
        let elsewhere = of_last(&[on(&["env"], "deny", json!({"namespaces": ["other"]}))]);
        assert!(elsewhere[0].starts_with("never fits: no namespace"), "{elsewhere:?}");
    }

    #[test]
    fn warns_of_an_exclude_that_a_tenant_chooses() {
        let rules = json!([rule("deny", json!({}))]);
        for exclude in [json!({"objectSelector": {"matchLabels": {"a": "b"}}}), json!({"serviceAccounts": ["builder"]})]
        {
            let said = warnings(vec![json!({"exclude": exclude, "rules": rules})]);
            assert!(said.len() == 1 && said[0].contains("the tenant's to choose"), "{said:?}");
        }
    }

    #[test]
    fn warns_of_a_mount_over_what_images_have_and_of_a_variable_that_programs_read() {
        let said = |block: Value| warnings(vec![json!({"rules": [rule("mount", json!({"mount": block}))]})]);
        for path in ["/etc", "/usr/local/bin", "/proc/secrets", "/dev"] {
            assert_eq!(said(json!({"path": path})).len(), 1, "{path}");
        }
        for path in ["/etc/secretfence", "/secrets", "/devices"] {
            assert!(said(json!({"path": path})).is_empty(), "{path}");
        }
        assert!(said(json!({"variable": "PATH"}))[0].contains("mount.variable PATH"));
        assert!(said(json!({"variable": "{name}_PATH"})).is_empty());
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
