//! What becomes of the references in manifests of real projects, by each shipped policy: the table of docs/swap-coverage.md.

#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secretfence::fence::policy::{Mode, PolicySet};
use secretfence::fence::workload::BUILT_IN;
use secretfence::fence::{Evaluation, Facts, Outcome, Question, evaluate};
use secretfence::{manifest, policy_dir};
use serde_json::Value;

use corpus::Corpus;

const PAGE: &str = "docs/swap-coverage.md";
const BEGIN: &str = "<!-- by policy: UPDATE_DOCS=1 cargo test --test coverage -->\n";
const END: &str = "<!-- end -->\n";

/// A pod or what makes pods, as it is judged.
struct Workload {
    api_version: String,
    kind: String,
    object: Value,
}

/// References by what becomes of them: each in one of these, or let alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    references: usize,
    reads_files: usize,
    must_be_told: usize,
    not_safe: usize,
    denied: usize,
    warned: usize,
    dry_run: usize,
}

#[test]
fn the_table_of_the_page_is_what_the_policies_do() {
    let Some(corpus) = Corpus::find("what becomes of each reference by each policy") else { return };
    let workloads = workloads(&corpus);
    assert!(workloads.len() > 500, "only {} workloads", workloads.len());
    let mut rows: BTreeMap<String, Counts> = BTreeMap::new();
    for (name, path) in policies() {
        let set = policy_dir::load(&[path]).unwrap().set;
        let mut counts = Counts::default();
        workloads.iter().for_each(|workload| counts.take(workload, namespace_for(&name), &set));
        rows.insert(name, counts);
    }
    let sum = |count: fn(&Counts) -> usize| rows.values().map(count).sum::<usize>();
    for (what, count) in [
        ("read from a file", sum(|its| its.reads_files)),
        ("to be told", sum(|its| its.must_be_told)),
        ("unsafe", sum(|its| its.not_safe)),
        ("denied", sum(|its| its.denied)),
        ("in dry run", sum(|its| its.dry_run)),
    ] {
        assert!(count > 0, "nothing is {what}: the table shows nothing");
    }
    let expected = table(workloads.len(), &rows);
    let file = root().join(PAGE);
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (found, after) = rest.split_once(END).expect("the mark after it");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "UPDATE_DOCS=1 writes it, and {PAGE} says more about its figures");
}

impl Counts {
    fn take(&mut self, workload: &Workload, namespace: &str, policies: &PolicySet) {
        let Workload { api_version, kind, object } = workload;
        let mut object = object.clone();
        object["metadata"]["namespace"] = Value::from(namespace);
        let question = Question { api_version, kind, namespace, all: true, patch: false };
        // A day on which the exceptions of the examples hold.
        let facts = Facts::on(jiff::civil::date(2026, 11, 1));
        // Not all that stands in a repository is an object.
        let Ok(Evaluation::Judged(judgement)) = evaluate(object.to_string().as_bytes(), &question, policies, &facts)
        else {
            return;
        };
        self.references += judgement.references;
        for finding in &judgement.findings {
            let number = match (finding.mode, finding.outcome, finding.reads) {
                (_, Outcome::Allowed, _) => continue,
                (Some(Mode::DryRun), ..) => &mut self.dry_run,
                (_, Outcome::Swapped, Some("files")) => &mut self.reads_files,
                (_, Outcome::Swapped, _) => &mut self.must_be_told,
                (_, _, Some("unsafe")) => &mut self.not_safe,
                (_, Outcome::Denied, _) => &mut self.denied,
                (_, Outcome::Warned, _) => &mut self.warned,
            };
            *number += 1;
        }
    }
}

fn table(workloads: usize, rows: &BTreeMap<String, Counts>) -> String {
    // Of rules that ask for ways to other namespaces, more are found.
    let least = rows.values().map(|its| its.references).min().unwrap_or_default();
    let mut text = format!(
        "{workloads} workloads with {least} references.\n\n\
         | policy | swapped, the image reads the file | swapped, the program must be told | unsafe to swap | denied otherwise | \
         warned of | dry run |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (name, counts) in rows {
        let Counts { references: _, reads_files, must_be_told, not_safe, denied, warned, dry_run } = counts;
        text +=
            &format!("| `{name}` | {reads_files} | {must_be_told} | {not_safe} | {denied} | {warned} | {dry_run} |\n");
    }
    text
}

/// Each shipped policy, by its name below `policies/`.
fn policies() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for folder in ["", "examples"] {
        for entry in std::fs::read_dir(root().join("policies").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = Path::new(folder).join(path.file_stem().unwrap()).to_str().unwrap().to_owned();
                found.push((name, path));
            }
        }
    }
    found
}

/// A namespace that the policy is about.
fn namespace_for(policy: &str) -> &'static str {
    match policy.rsplit('/').next().unwrap() {
        "allow-list" => "shop-web",
        "beside-env-from" => "web-shop",
        "mount-everything" => "files-shop",
        "volumes" => "edge-proxy",
        _ => "team-shop",
    }
}

fn workloads(corpus: &Corpus) -> Vec<Workload> {
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
                    let (api_version, kind) = (object.api_version.to_string(), object.kind.to_string());
                    found.push(Workload { api_version, kind, object: value });
                }
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
