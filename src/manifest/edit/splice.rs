//! Splices: bytes of the source that become others.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Declined, Edited, Reason};

/// The splices of a file.
pub struct Splices<'s> {
    text: &'s str,
    all: Vec<Splice>,
}

struct Splice {
    range: Range<usize>,
    /// Of two insertions at one place the deeper comes first: it belongs to what ends there.
    column: usize,
    text: String,
}

impl<'s> Splices<'s> {
    pub fn new(text: &'s str) -> Splices<'s> {
        Splices { text, all: Vec::new() }
    }

    /// What stands at `range` becomes `text`.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.all.push(Splice { range, column: 0, text: text.into() });
    }

    /// `text` comes in at `at`, after what came in there before.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// Lines that begin at `column` come in at `at`, after deeper ones.
    pub fn insert_lines(&mut self, at: usize, column: usize, text: impl Into<String>) {
        self.all.push(Splice { range: at..at, column, text: text.into() });
    }

    /// The new text.
    pub fn apply(mut self) -> Result<Edited, Declined> {
        // Stable: what comes in at one place stays in order, and before what goes from there on.
        self.all.sort_by_key(|splice| (splice.range.start, !splice.range.is_empty(), Reverse(splice.column)));
        let mut source =
            Vec::with_capacity(self.text.len() + self.all.iter().map(|splice| splice.text.len()).sum::<usize>());
        let mut inserted = Vec::new();
        let mut at = 0;
        for Splice { range, text: new, .. } in &self.all {
            let Some(before) = self.text.get(at..range.start).filter(|_| range.end <= self.text.len()) else {
                let lines = self.text.as_bytes().iter().take(range.start).filter(|byte| **byte == b'\n').count();
                return Err(Declined { line: lines + 1, reason: Reason::Layout });
            };
            source.extend_from_slice(before.as_bytes());
            inserted.push(source.len()..source.len() + new.len());
            source.extend_from_slice(new.as_bytes());
            at = range.end;
        }
        source.extend_from_slice(self.text.get(at..).unwrap_or_default().as_bytes());
        Ok(Edited { source, inserted })
    }
}
