//! Objects of kinds that no table names and that hold containers all the same: nobody has judged their pods, and that is
//! said.

use serde_json::Value;

use crate::fence::name::Shown;
use crate::fence::workload::{BUILT_IN, group_and_version};
use crate::manifest::Object;

/// An object with containers that nothing judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Version, kind and name. Safe to show.
    shown: String,
    /// What was probably meant: a built-in kind that is written otherwise.
    meant: Option<String>,
}

/// How many are named in a sentence.
const NAMED: usize = 3;
/// How deep templates are looked for.
const DEPTH: usize = 16;

impl Unknown {
    /// None where the object holds no containers, as nearly all that no table names.
    pub fn of(object: &Object) -> Option<Unknown> {
        memchr::memmem::find(&object.json, b"\"containers\":[")?;
        let Object { api_version, kind, json, .. } = object;
        // Tests of policies hold pods, and definitions of kinds the word.
        if api_version.starts_with("secretfence.dev/") || kind == "CustomResourceDefinition" {
            return None;
        }
        let value: Value = serde_json::from_slice(json).ok()?;
        let holds = value.get("spec").is_some_and(holds_containers) || holds_template(&value, DEPTH);
        let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let shown = format!("{} {} {}", Shown(api_version), Shown(kind), Shown(name));
        holds.then(|| Unknown { shown: shown.trim_end().to_owned(), meant: meant(api_version, kind) })
    }
}

/// What is to be said of them.
pub fn sentences(unknown: &[Unknown]) -> Vec<String> {
    let (misspelt, custom): (Vec<&Unknown>, Vec<&Unknown>) = unknown.iter().partition(|its| its.meant.is_some());
    let list = |all: &[&Unknown]| {
        let named = all.iter().take(NAMED).map(|its| match &its.meant {
            Some(meant) => format!("{}: write {meant}", its.shown),
            None => its.shown.clone(),
        });
        let more = if all.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", named.collect::<Vec<_>>().join(", "))
    };
    let are = |all: &[&Unknown], rest: &str| match all.len() {
        1 => format!("1 object {rest} holds containers ({})", list(all)),
        count => format!("{count} objects {rest} hold containers ({})", list(all)),
    };
    let mut sentences = Vec::new();
    if !misspelt.is_empty() {
        sentences.push(are(&misspelt, "whose apiVersion or kind is not one of Kubernetes"));
    }
    if !custom.is_empty() {
        let kinds = if custom.len() == 1 { "its kind" } else { "their kinds" };
        let rest = if custom.len() == 1 { "of a kind that is not known" } else { "of kinds that are not known" };
        sentences.push(format!("{}: name {kinds} in a PodTemplates document", are(&custom, rest)));
    }
    sentences
}

/// A built-in kind in another case, or in a group that is no one's: those of custom resources have a dot.
fn meant(api_version: &str, kind: &str) -> Option<String> {
    let (group, _) = group_and_version(api_version);
    let (its_group, its_kind, _) = BUILT_IN.iter().find(|(_, its, _)| its.eq_ignore_ascii_case(kind))?;
    let version = if its_group.is_empty() { "v1".to_owned() } else { format!("{its_group}/v1") };
    (!group.contains('.')).then(|| format!("{version} {its_kind}"))
}

fn holds_containers(spec: &Value) -> bool {
    spec.get("containers").and_then(Value::as_array).is_some_and(|containers| !containers.is_empty())
}

/// Whether somewhere in it is a `…template` whose `spec` has containers.
fn holds_template(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let is_template = key.ends_with("emplate") && value.get("spec").is_some_and(holds_containers);
            is_template || holds_template(value, depth)
        }),
        Value::Array(items) => items.iter().any(|item| holds_template(item, depth)),
        _ => false,
    }
}
