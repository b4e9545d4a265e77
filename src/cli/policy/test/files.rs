//! From paths as they were named to documents of tests, with their places.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fence::policy::error::Field;
use crate::fence::policy::{Part, PolicyError, PolicyTest};
use crate::manifest::{self, Document, Position};
use crate::policy_dir;
use crate::report::text::Path as ShownPath;

/// What every file with a test holds.
const WORD: &[u8] = b"PolicyTest";

/// A file that may hold tests.
pub(super) struct TestFile {
    pub(super) path: PathBuf,
    bytes: Vec<u8>,
}

/// One document of tests.
pub(super) struct TestDocument<'f> {
    pub(super) path: &'f Path,
    pub(super) test: PolicyTest,
    /// As kubectl reads it: the objects of the cases are taken from here.
    pub(super) whole: Value,
    document: Document<'f>,
}

/// Files that are named, and those in folders, that have the word.
pub(super) fn find(paths: &[PathBuf], faults: &mut Vec<String>) -> Vec<TestFile> {
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    for named in paths {
        let mut unreadable = Vec::new();
        let found = policy_dir::files_at(named, &mut unreadable);
        faults.extend(unreadable.iter().map(ToString::to_string));
        for path in found {
            match fs::read(&path) {
                Ok(bytes) if memchr::memmem::find(&bytes, WORD).is_some() => {
                    if seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
                        files.push(TestFile { path, bytes });
                    }
                }
                Ok(_) => {}
                Err(error) => faults.push(format!("{}: cannot be read: {error}", ShownPath(&path.to_string_lossy()))),
            }
        }
    }
    files
}

impl TestFile {
    /// Its documents of tests. Every mistake of theirs is a fault, and so is what makes the file unreadable: a test may be
    /// in it.
    pub(super) fn documents(&self, faults: &mut Vec<String>) -> Vec<TestDocument<'_>> {
        let manifest = manifest::parse(&self.bytes);
        let shown = ShownPath(&self.path.to_string_lossy()).to_string();
        for error in &manifest.errors {
            faults.push(format!("{shown}:{}:{}: {}", error.line, error.column, error.problem));
        }
        manifest.documents.into_iter().filter_map(|document| self.document(document, &shown, faults)).collect()
    }

    fn document<'f>(
        &'f self,
        document: Document<'f>,
        shown: &str,
        faults: &mut Vec<String>,
    ) -> Option<TestDocument<'f>> {
        // What is not a value of JSON is some other document, or a fault of one that names itself a test.
        let plain = document.clone();
        let words = document.with_words();
        let value = |document: &Document<'_>| -> Option<Value> { serde_json::from_slice(&document.json().ok()?).ok() };
        let written = value(&words)?;
        if written.get("kind").and_then(Value::as_str) != Some("PolicyTest") {
            return None;
        }
        match (PolicyTest::read(&written, 0), value(&plain)) {
            (Ok(test), Some(whole)) => Some(TestDocument { path: &self.path, test, whole, document: words }),
            (Ok(_), None) => {
                faults.push(format!("{shown}: an object of a case has a value that JSON cannot hold"));
                None
            }
            (Err(errors), _) => {
                faults.extend(errors.iter().map(|error| located(error, &words, shown)));
                None
            }
        }
    }
}

impl TestDocument<'_> {
    /// File, line and column of a value of the document.
    pub(super) fn place(&self, pointer: &str) -> String {
        let Position { line, column, .. } = self.document.locate_nearest(pointer);
        format!("{}:{line}:{column}", ShownPath(&self.path.to_string_lossy()))
    }
}

fn located(error: &PolicyError, document: &Document<'_>, shown: &str) -> String {
    let place = match error.part {
        Part::Key => document.locate_key(&error.pointer),
        Part::Value => document.locate(&error.pointer),
    };
    let Position { line, column, .. } = place.unwrap_or_else(|| document.locate_nearest(&error.pointer));
    format!("{shown}:{line}:{column}: {}: {}", Field(&error.pointer), error.problem)
}
