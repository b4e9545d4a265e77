//! What becomes of the references in manifests of real projects, by each shipped policy: the table of docs/swap-coverage.md.

#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/by_policy.rs"]
mod by_policy;
#[path = "support/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;

use secretfence::fence::workload::BUILT_IN;
use secretfence::{manifest, policy_dir};
use serde_json::Value;

use by_policy::{Counts, is_the_table_of_the_page, namespace_for, policies, there_is_something_of_every_sort};
use corpus::Corpus;

const BEGIN: &str = "<!-- by policy: UPDATE_DOCS=1 cargo test --test coverage -->\n";

#[test]
fn the_table_of_the_page_is_what_the_policies_do() {
    let Some(corpus) = Corpus::find("what becomes of each reference by each policy") else { return };
    let workloads = workloads(&corpus);
    assert!(workloads.len() > 500, "only {} workloads", workloads.len());
    let mut rows: BTreeMap<String, Counts> = BTreeMap::new();
    // Of rules that ask for ways to other namespaces, more are found.
    let mut least = usize::MAX;
    for (name, path) in policies() {
        let set = policy_dir::load(&[path]).unwrap().set;
        let mut counts = Counts::default();
        // Not all that stands in a repository is an object.
        let references = workloads.iter().filter_map(|object| counts.take(object, namespace_for(&name), &set)).sum();
        least = least.min(references);
        rows.insert(name, counts);
    }
    there_is_something_of_every_sort(&rows);
    is_the_table_of_the_page(BEGIN, &format!("{} workloads with {least} references.", workloads.len()), &rows);
}

/// Pods and what makes pods, as they are judged.
fn workloads(corpus: &Corpus) -> Vec<Value> {
    let mut found = Vec::new();
    for file in ["real", "peers"].into_iter().flat_map(|folder| corpus.files(folder)) {
        let bytes = std::fs::read(corpus.root.join(&file)).unwrap();
        for document in &manifest::parse(&bytes).documents {
            // What kubectl could not read has no way to an API server.
            for object in document.objects().unwrap_or_default() {
                let (group, _) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
                if BUILT_IN.iter().any(|(its_group, kind, _)| *its_group == group && *kind == object.kind) {
                    let mut value: Value = serde_json::from_slice(&object.json).unwrap();
                    if !value["metadata"].is_object() {
                        value["metadata"] = Value::Object(serde_json::Map::new());
                    }
                    // What a controller made is not judged where it is, but is a workload like any other here.
                    value["metadata"].as_object_mut().map(|metadata| metadata.remove("ownerReferences"));
                    found.push(value);
                }
            }
        }
    }
    found
}
