//! `check` over manifests of real projects, and over the test inputs of other tools, against what is known of each.

#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "support/corpus.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

const DENY_ENV: &str = "
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: deny-env}
spec:
  rules: [{name: deny, on: [env], action: deny}]
";

/// A document: its file, and its index there.
type Document = (String, String);

#[test]
fn reports_exactly_the_references_of_the_oracle() {
    let Some(corpus) = corpus("pointer by pointer: real/ against oracle.tsv") else { return };
    let report = corpus.check("real");
    let found = report.references();
    let mut documents = 0;
    let mut wrong = Vec::new();
    for row in corpus.shared.table("oracle.tsv") {
        let document = (row["file"].clone(), row["doc"].clone());
        if row["expected_reject"] == "n/a" {
            assert!(!found.contains_key(&document), "{document:?} is no workload");
            continue;
        }
        documents += 1;
        let expected: BTreeSet<String> =
            row["pointers(secret/key->VAR)"].split_whitespace().map(|reference| reference.replace("?)", ")")).collect();
        assert_eq!(expected.is_empty(), row["expected_reject"] == "allow", "{document:?}");
        let actual = found.get(&document).cloned().unwrap_or_default();
        if actual != expected {
            wrong.push(format!("{document:?}\n  expected {expected:?}\n  reported {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(documents > 300, "only {documents} documents in oracle.tsv");
    let known: BTreeSet<Document> =
        corpus.shared.table("oracle.tsv").into_iter().map(|row| (row["file"].clone(), row["doc"].clone())).collect();
    let beyond: Vec<_> = found.keys().filter(|document| !known.contains(document)).collect();
    assert!(beyond.is_empty(), "findings in documents that the oracle does not have: {beyond:?}");
}

#[test]
fn agrees_with_what_other_tools_expect_of_their_inputs() {
    let Some(corpus) = corpus("peers/ against expected.tsv") else { return };
    let report = corpus.check("peers");
    let denied: BTreeSet<Document> = report.findings().map(place).collect();
    let errors: BTreeSet<Document> = report.errors().map(place).collect();
    let mut rows = 0;
    for row in corpus.shared.table("expected.tsv") {
        rows += 1;
        let document = (format!("peers/{}", row["file"]), row["doc"].clone());
        let verdict = match () {
            () if errors.contains(&document) => "invalid-object",
            () if denied.contains(&document) => "reject",
            () => "allow",
        };
        assert_eq!(verdict, row["secretfence_env_rule"], "{document:?} ({})", row["kind_name"]);
    }
    assert!(rows > 200, "only {rows} rows in expected.tsv");
    assert_eq!(report.exit, 2, "an invalid object is among them");
}

#[test]
fn files_that_are_invalid_are_errors_with_a_line() {
    let Some(corpus) = corpus("invalid/") else { return };
    let files = corpus.shared.files("invalid");
    assert!(!files.is_empty());
    for file in files {
        let report = corpus.check(&file);
        assert_eq!(report.exit, 2, "{file}");
        let errors: Vec<_> = report.errors().collect();
        assert!(!errors.is_empty() && errors.iter().all(|error| error["line"].is_u64()), "{errors:?}");
    }
}

#[test]
fn every_oddity_is_judged_or_an_error_that_says_why() {
    let Some(corpus) = corpus("oddities.tsv") else { return };
    let mut errors = BTreeMap::new();
    for row in corpus.shared.table("oddities.tsv") {
        let report = corpus.check(&row["file"]);
        let said: Vec<String> = report.errors().map(|error| error["message"].as_str().unwrap().to_owned()).collect();
        if said.is_empty() {
            assert!(report.exit < 2, "{}: exit {}", row["file"], report.exit);
            assert_eq!(report.json["summary"]["files"], 1, "{}", row["file"]);
        } else {
            assert_eq!(report.exit, 2, "{}", row["file"]);
            errors.insert(row["file"].clone(), (row["oddity"].clone(), said));
        }
    }
    // Whatever else is odd must be judged: an error is right only where the file itself is wrong.
    for (file, (oddity, said)) in &errors {
        let duplicate = said.iter().all(|message| message.contains("given twice"));
        let template = said.iter().all(|message| message.contains("helm template"));
        let misshapen = said.iter().all(|message| message.contains("expected"));
        assert!(duplicate || template || misshapen, "{file} ({oddity}): {said:?}");
    }
}

struct Corpus {
    shared: shared::Corpus,
    policy: PathBuf,
    _folder: tempfile::TempDir,
}

struct Report {
    json: Value,
    exit: i32,
}

fn corpus(about: &str) -> Option<Corpus> {
    let shared = shared::Corpus::find(about)?;
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("deny-env.yaml");
    std::fs::write(&policy, DENY_ENV).unwrap();
    Some(Corpus { shared, policy, _folder: folder })
}

impl Corpus {
    fn check(&self, path: &str) -> Report {
        let output = Command::new(env!("CARGO_BIN_EXE_secretfence"))
            .current_dir(&self.shared.root)
            .args(["check", "--format", "json", "-p"])
            .args([self.policy.as_os_str(), path.as_ref()])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{path}");
        let json = serde_json::from_slice(&output.stdout).unwrap();
        Report { json, exit: output.status.code().expect("it ends by itself") }
    }
}

impl Report {
    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().unwrap().iter()
    }

    fn errors(&self) -> impl Iterator<Item = &Value> {
        self.json["errors"].as_array().unwrap().iter()
    }

    /// As the oracle writes them, by document. The files that a `fileKeyRef` names are no Secrets for it.
    fn references(&self) -> BTreeMap<Document, BTreeSet<String>> {
        let mut found: BTreeMap<Document, BTreeSet<String>> = BTreeMap::new();
        for finding in self.findings().filter(|finding| finding["kind"] != "fileKeyRef") {
            let text = |name: &str, without: &str| finding[name].as_str().unwrap_or(without).to_owned();
            let (pointer, secret) = (text("pointer", ""), text("secret", ""));
            let reference = format!("{pointer}({secret}/{}->{})", text("key", "*"), text("variable", ""));
            found.entry(place(finding)).or_default().insert(reference);
        }
        found
    }
}

fn place(row: &Value) -> Document {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("file"), text("document"))
}
