//! Rules that decide nothing, since earlier ones of the same policy decide all that they fit; and policies and rules that
//! are about nothing. Only what is certain is said.

use super::super::glob::Globs;
use super::super::{Action, LabelSelector, Operator, Policy, Rule, Scope, Templates, Where};
use crate::fence::kind::Kind;

/// Why a rule never decides anything.
pub(super) fn unreachable(policy: &Policy, index: usize) -> Option<String> {
    let (rule, before) = (policy.rules.get(index)?, policy.rules.get(..index)?);
    if let Some(why) = fits_nothing(policy, rule) {
        return Some(why);
    }
    let mut by: Vec<&str> = Vec::new();
    for kind in rule.on.iter() {
        let earlier = before.iter().find(|earlier| decides_before(policy, earlier, rule, kind))?;
        if !by.contains(&&*earlier.name) {
            by.push(&earlier.name);
        }
    }
    let names: Vec<String> = by.iter().map(|name| format!("\"{name}\"")).collect();
    let (noun, verb) = if names.len() == 1 { ("rule", "decides") } else { ("rules", "decide") };
    (!names.is_empty()).then(|| {
        format!(
            "never decides anything: the earlier {noun} {} {verb} all that it fits: put it before, or remove it",
            names.join(", ")
        )
    })
}

fn fits_nothing(policy: &Policy, rule: &Rule) -> Option<String> {
    let Where { namespaces, containers, secrets, keys, variables, reach, from, .. } = &rule.selects;
    let named = [
        ("namespaces", namespaces),
        ("containers", containers),
        ("secrets", secrets),
        ("keys", keys),
        ("variables", variables),
        ("reach", reach),
        ("from", from),
    ];
    // Of what is not known even a list of nothing is taken to fit, but for names that are always known.
    let certain = ["namespaces", "containers", "secrets"];
    let empty =
        named.iter().find(|(field, globs)| certain.contains(field) && globs.as_ref().is_some_and(Globs::is_nothing));
    if let Some((field, _)) = empty {
        return Some(format!("never fits: where.{field} excludes all that it names"));
    }
    let (theirs, its) = (policy.matches.namespaces.as_ref()?, namespaces.as_ref()?);
    theirs.never_meets(its).then(|| {
        "never fits: no namespace of match.namespaces fits where.namespaces: widen the one or the other".to_owned()
    })
}

/// Whether the earlier rule certainly decides every reference of the kind that the later one fits.
fn decides_before(policy: &Policy, earlier: &Rule, later: &Rule, kind: Kind) -> bool {
    // An exception ends, and the later rule is what holds from then on.
    let ends = matches!(earlier.action, Action::Allow(Some(_)));
    !ends && earlier.on.contains(kind) && covers(policy, earlier, later, kind)
}

fn covers(policy: &Policy, earlier: &Rule, later: &Rule, kind: Kind) -> bool {
    let (wide, narrow) = (&earlier.selects, &later.selects);
    let names = |wide: &Option<Globs>, narrow: &Option<Globs>| match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide.covers(narrow),
        (Some(_), None) => false,
    };
    // What is not known fits an allow only where it says *, and of several keys an allow must fit all: so of such fields
    // rules are compared only with their like.
    let unsure = |wide: &Option<Globs>, narrow: &Option<Globs>| match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) if allows(earlier) == allows(later) && asks_alike(earlier, later) => {
            wide == narrow || !allows(earlier) && wide.covers(narrow)
        }
        _ => false,
    };
    // Of one key or variable of a container nothing is unknown.
    let of_keys = |wide: &Option<Globs>, narrow: &Option<Globs>| {
        if kind == Kind::SecretKeyRef { names(wide, narrow) } else { unsure(wide, narrow) }
    };
    let namespaces = match &wide.namespaces {
        None => true,
        Some(wide) => {
            wide.fits_all()
                || [&narrow.namespaces, &policy.matches.namespaces]
                    .into_iter()
                    .flatten()
                    .any(|narrow| wide.covers(narrow))
        }
    };
    let images = match (&wide.images, &narrow.images) {
        (None, _) => true,
        // An allow fits no image whose name is none.
        (Some(wide), Some(narrow)) => wide.covers(narrow) && (!allows(earlier) || allows(later)),
        (Some(_), None) => false,
    };
    let reads_files = match (wide.reads_files, narrow.reads_files) {
        (None, _) => true,
        (wide, narrow) => wide == narrow && (kind == Kind::SecretKeyRef || asks_alike(earlier, later)),
    };
    let paths = match (&wide.paths, &narrow.paths) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => {
            let same = wide.node_secrets == narrow.node_secrets && wide.globs == narrow.globs;
            same && allows(earlier) == allows(later)
        }
        (Some(_), None) => false,
    };
    namespaces
        && names(&wide.containers, &narrow.containers)
        && names(&wide.secrets, &narrow.secrets)
        && images
        && of_keys(&wide.keys, &narrow.keys)
        && of_keys(&wide.variables, &narrow.variables)
        && reads_files
        && paths
        && unsure(&wide.from, &narrow.from)
        && unsure(&wide.reach, &narrow.reach)
}

fn allows(rule: &Rule) -> bool {
    matches!(rule.action, Action::Allow(_))
}

/// Whether both know the same keys of a whole Secret: a mount may list some.
fn asks_alike(a: &Rule, b: &Rule) -> bool {
    let keys = |rule: &Rule| match &rule.action {
        Action::Mount(mount) => mount.keys.clone(),
        _ => Vec::new(),
    };
    keys(a) == keys(b)
}

/// Why a policy is about nothing at all.
pub(super) fn about_nothing(policy: &Policy) -> Option<&'static str> {
    let Policy { matches, exclude, templates, .. } = policy;
    let never = |scope: &Scope| {
        scope.namespaces.as_ref().is_some_and(Globs::is_nothing)
            || scope.service_accounts.as_ref().is_some_and(Globs::is_nothing)
            || [&scope.object_selector, &scope.namespace_selector].into_iter().flatten().any(contradicts_itself)
    };
    if never(matches) {
        return Some("match contradicts itself: nothing fits it");
    }
    let covered = |wide: &Option<Globs>, narrow: &Option<Globs>| match (wide, narrow) {
        (Some(wide), Some(narrow)) => wide.covers(narrow),
        (Some(wide), None) => wide.fits_all(),
        (None, _) => false,
    };
    if covered(&exclude.namespaces, &matches.namespaces) {
        return Some("exclude.namespaces takes away every namespace that is matched");
    }
    if covered(&exclude.service_accounts, &matches.service_accounts) {
        return Some("exclude.serviceAccounts takes away every ServiceAccount that is matched");
    }
    let kinds = matches.kinds.as_deref()?;
    if exclude.kinds.as_ref().is_some_and(|gone| kinds.iter().all(|kind| gone.contains(kind))) {
        return Some("exclude.kinds takes away every kind that is matched");
    }
    let only_templates = !kinds.iter().any(|kind| kind == "Pod");
    (only_templates && *templates == Templates::Ignore)
        .then_some("match.kinds names no Pod, and templates: ignore leaves everything else out")
}

fn contradicts_itself(selector: &LabelSelector) -> bool {
    let asked = &selector.requirements;
    asked.iter().any(|one| {
        asked.iter().filter(|other| other.key == one.key).any(|other| match (&one.operator, &other.operator) {
            (Operator::In(_) | Operator::Exists, Operator::DoesNotExist) => true,
            (Operator::In(wanted), Operator::NotIn(unwanted)) => wanted.iter().all(|value| unwanted.contains(value)),
            (Operator::In(wanted), Operator::In(others)) => wanted.iter().all(|value| !others.contains(value)),
            _ => false,
        })
    })
}
