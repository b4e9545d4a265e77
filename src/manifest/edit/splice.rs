//! Splices: bytes of the source that become others.

use std::ops::Range;

use super::{Declined, Edited, Reason};

/// The splices of a file.
pub struct Splices<'s> {
    text: &'s str,
    all: Vec<(Range<usize>, String)>,
}

impl<'s> Splices<'s> {
    pub fn new(text: &'s str) -> Splices<'s> {
        Splices { text, all: Vec::new() }
    }

    /// What stands at `range` becomes `text`.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.all.push((range, text.into()));
    }

    /// `text` comes in at `at`, after what came in there before.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// The new text.
    pub fn apply(mut self) -> Result<Edited, Declined> {
        // Stable: what comes in at one place stays in order, and before what goes from there on.
        self.all.sort_by_key(|(range, _)| (range.start, !range.is_empty()));
        let mut source = Vec::with_capacity(self.text.len() + self.all.iter().map(|(_, new)| new.len()).sum::<usize>());
        let mut inserted = Vec::new();
        let mut at = 0;
        for (range, new) in &self.all {
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
