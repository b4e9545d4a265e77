//! What becomes of references by each shipped policy, and the tables of docs/swap-coverage.md that say it.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use secretfence::fence::policy::{Mode, PolicySet};
use secretfence::fence::{Evaluation, Facts, Question, evaluate};
use serde_json::Value;

const PAGE: &str = "docs/swap-coverage.md";
const END: &str = "<!-- end -->\n";

/// On which the exceptions of the examples hold.
const DAY: Date = jiff::civil::date(2026, 11, 1);

/// References by what becomes of them: each in one of these, or let alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub reads_files: usize,
    pub must_be_told: usize,
    pub not_safe: usize,
    pub denied: usize,
    pub warned: usize,
    pub dry_run: usize,
}

impl Counts {
    /// As `check` judges an object in a namespace. How many references it has; none: it is no object.
    pub fn take(&mut self, object: &Value, namespace: &str, policies: &PolicySet) -> Option<usize> {
        let mut object = object.clone();
        object["metadata"]["namespace"] = Value::from(namespace);
        let [api_version, kind] = ["apiVersion", "kind"].map(|field| object[field].as_str().unwrap());
        let question = Question { api_version, kind, namespace, all: true, patch: false };
        let evaluation = evaluate(object.to_string().as_bytes(), &question, policies, &Facts::on(DAY));
        let Ok(Evaluation::Judged(judgement)) = evaluation else { return None };
        for finding in &judgement.findings {
            let mode = if finding.mode == Some(Mode::DryRun) { "dryRun" } else { "" };
            self.count(mode, finding.outcome.name(), finding.reads.unwrap_or_default());
        }
        Some(judgement.references)
    }

    /// By what the JSON of `check` and `audit` says of a finding.
    pub fn count(&mut self, mode: &str, outcome: &str, reads: &str) {
        let number = match (mode, outcome, reads) {
            (_, "allowed", _) => return,
            ("dryRun", ..) => &mut self.dry_run,
            (_, "swapped", "files") => &mut self.reads_files,
            (_, "swapped", _) => &mut self.must_be_told,
            (_, _, "unsafe") => &mut self.not_safe,
            (_, "denied", _) => &mut self.denied,
            (_, "warned", _) => &mut self.warned,
            other => unreachable!("{other:?}"),
        };
        *number += 1;
    }
}

/// The day, as a flag takes it.
pub fn day() -> String {
    DAY.to_string()
}

/// A table that shows nothing of some sort is none.
#[track_caller]
pub fn there_is_something_of_every_sort(rows: &BTreeMap<String, Counts>) {
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
}

/// Holds the table that comes after a mark of the page, or writes it.
#[track_caller]
pub fn is_the_table_of_the_page(begin: &str, about: &str, rows: &BTreeMap<String, Counts>) {
    let expected = format!("{about}\n\n{}", table(rows));
    let file = root().join(PAGE);
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(begin).expect("the mark before the table");
    let (found, after) = rest.split_once(END).expect("the mark after it");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, format!("{before}{begin}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "UPDATE_DOCS=1 writes it, and {PAGE} says more about its figures");
}

fn table(rows: &BTreeMap<String, Counts>) -> String {
    let mut text =
        "| policy | swapped, the image reads the file | swapped, the program must be told | unsafe to swap | \
                    denied otherwise | warned of | dry run |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for (name, counts) in rows {
        let Counts { reads_files, must_be_told, not_safe, denied, warned, dry_run } = counts;
        text +=
            &format!("| `{name}` | {reads_files} | {must_be_told} | {not_safe} | {denied} | {warned} | {dry_run} |\n");
    }
    text
}

/// Each shipped policy, by its name below `policies/`.
pub fn policies() -> Vec<(String, PathBuf)> {
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
pub fn namespace_for(policy: &str) -> &'static str {
    match policy.rsplit('/').next().unwrap() {
        "allow-list" => "shop-web",
        "beside-env-from" => "web-shop",
        "mount-everything" => "files-shop",
        "volumes" => "edge-proxy",
        _ => "team-shop",
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
