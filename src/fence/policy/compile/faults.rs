//! Where mistakes are collected, and what many fields share.

use crate::fence::policy::error::{Part, PolicyError, Problem};
use crate::fence::policy::glob::{GlobError, Globs, ImageGlobs};

/// The mistakes of one document.
pub(super) struct Faults<'e> {
    pub(super) source: usize,
    pub(super) errors: &'e mut Vec<PolicyError>,
}

impl Faults<'_> {
    /// A mistake in a value.
    pub(super) fn value(&mut self, pointer: impl Into<String>, problem: impl Into<Problem>) {
        self.push(pointer.into(), Part::Value, problem.into());
    }

    /// A mistake in a key, or a key that should not be there.
    pub(super) fn key(&mut self, pointer: impl Into<String>, problem: impl Into<Problem>) {
        self.push(pointer.into(), Part::Key, problem.into());
    }

    /// A string that is not what belongs there.
    pub(super) fn wrong(&mut self, pointer: impl Into<String>, found: &str, expected: &str) {
        self.value(pointer, Problem::WrongValue { found: found.to_owned(), expected: expected.to_owned() });
    }

    /// A list of globs, where there is one.
    pub(super) fn globs(&mut self, written: Option<&Vec<String>>, at: &str) -> Option<Globs> {
        let parsed = Globs::parse(self.not_empty(written, at)?);
        self.glob_result(parsed, at)
    }

    /// A list of globs on images, where there is one.
    pub(super) fn image_globs(&mut self, written: Option<&Vec<String>>, at: &str) -> Option<ImageGlobs> {
        let parsed = ImageGlobs::parse(self.not_empty(written, at)?);
        self.glob_result(parsed, at)
    }

    /// A text for people: in one line, since it ends in logs and messages.
    pub(super) fn sentence(&mut self, written: Option<&String>, at: &str) -> Option<String> {
        let text = written?.trim();
        if text.is_empty() {
            self.value(at, Problem::Empty("write it, or leave the field out"));
        } else if text.contains(char::is_control) {
            self.wrong(at, text, "one line without control characters (in YAML \">-\" folds several into one)");
        }
        Some(text.to_owned())
    }

    /// A list with something in it, where there is one.
    pub(super) fn not_empty<'w>(&mut self, written: Option<&'w Vec<String>>, at: &str) -> Option<&'w [String]> {
        let written = written?;
        if written.is_empty() {
            self.value(at, Problem::Empty("an empty list selects nothing: add a glob, or leave the field out"));
            return None;
        }
        Some(written)
    }

    /// What a list compiled to.
    pub(super) fn glob_result<T>(&mut self, parsed: Result<T, GlobError>, at: &str) -> Option<T> {
        match parsed {
            Ok(globs) => Some(globs),
            Err(GlobError { index, problem }) => {
                self.value(format!("{at}/{index}"), problem);
                None
            }
        }
    }

    fn push(&mut self, pointer: String, part: Part, problem: Problem) {
        self.errors.push(PolicyError { source: self.source, pointer, part, problem });
    }
}
