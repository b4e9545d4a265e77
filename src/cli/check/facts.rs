//! What the input itself tells beside the objects: the labels of its Namespaces.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::Deserialize;

use super::files::Input;
use crate::fence::PolicySet;
use crate::fence::name::Text;
use crate::manifest;

type Labels = BTreeMap<String, String>;

/// Whether some policy asks for labels of namespaces. Only then is everything read once before.
pub fn are_asked_for(policies: &PolicySet) -> bool {
    let asks = |scope: &crate::fence::policy::Scope| scope.namespace_selector.is_some();
    policies.policies().iter().any(|policy| asks(&policy.matches) || asks(&policy.exclude))
}

/// The labels of the Namespaces in the input. One that is there twice with different labels is not known: which of
/// the two will be applied last is not told here.
pub fn namespaces(inputs: &[Input]) -> HashMap<String, Labels> {
    let mut known: HashMap<String, Option<Labels>> = HashMap::new();
    let found: Vec<Vec<(String, Labels)>> = inputs.par_iter().map(in_file).collect();
    for (name, labels) in found.into_iter().flatten() {
        known
            .entry(name)
            .and_modify(|before| {
                if before.as_ref() != Some(&labels) {
                    *before = None;
                }
            })
            .or_insert(Some(labels));
    }
    known.into_iter().filter_map(|(name, labels)| Some((name, labels?))).collect()
}

/// A file that cannot be read has nothing to tell; that is said when it is judged.
fn in_file(input: &Input) -> Vec<(String, Labels)> {
    let Ok(bytes) = input.read() else { return Vec::new() };
    if memchr::memmem::find(&bytes, b"Namespace").is_none() {
        return Vec::new();
    }
    let documents = manifest::parse(&bytes).documents;
    let objects = documents.iter().flat_map(|document| document.objects().unwrap_or_default());
    objects
        .filter(|object| object.api_version == "v1" && object.kind == "Namespace")
        .filter_map(|object| labels(&object.json))
        .collect()
}

#[derive(Deserialize)]
struct Namespace<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
}

fn labels(json: &[u8]) -> Option<(String, Labels)> {
    let Metadata { name, labels } = serde_json::from_slice::<Namespace<'_>>(json).ok()?.metadata;
    let name = name.as_str().to_owned();
    let mut labels: Labels =
        labels.into_iter().flatten().map(|(key, value)| (key.as_str().to_owned(), value.as_str().to_owned())).collect();
    // The API server sets it on every Namespace (NamespaceDefaultLabelName, pkg/apis/core/v1/defaults.go).
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
    Some((name, labels))
}
