//! Folding: of lines that say the same, the first is written at once, the others as a count per minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a line stands for its repetitions.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// How many different lines are told apart in a window: with about 1 KiB each this bounds the table to 2 MiB.
const CAPACITY: usize = 2048;

/// The lines of the last minute.
#[derive(Debug)]
pub(super) struct Folding<Line> {
    entries: HashMap<u64, Entry<Line>>,
    /// Lines that found the table full.
    unseen: u64,
}

#[derive(Debug)]
struct Entry<Line> {
    since: Instant,
    repeated: u64,
    line: Line,
}

/// What to write when the time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folded<Line> {
    /// Lines that were repeated, and how often.
    pub(super) repeated: Vec<(Line, u64)>,
    /// How many lines found the table full and were not written.
    pub(super) unseen: u64,
}

impl<Line> Default for Folding<Line> {
    fn default() -> Self {
        Folding { entries: HashMap::new(), unseen: 0 }
    }
}

impl<Line: Clone> Folding<Line> {
    /// Whether the line of this key is to be written now; its details are kept only then.
    pub(super) fn is_new(&mut self, key: u64, now: Instant, line: impl FnOnce() -> Line) -> Option<&Line> {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.repeated += 1;
            return None;
        }
        if self.entries.len() >= CAPACITY {
            self.unseen += 1;
            return None;
        }
        Some(&self.entries.entry(key).or_insert(Entry { since: now, repeated: 0, line: line() }).line)
    }

    /// Takes what is due: a repeated line stays for another window, one that was not repeated is forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Folded<Line> {
        let mut repeated = Vec::new();
        self.entries.retain(|_, entry| {
            if now.duration_since(entry.since) < WINDOW {
                return true;
            }
            if entry.repeated == 0 {
                return false;
            }
            repeated.push((entry.line.clone(), std::mem::take(&mut entry.repeated)));
            entry.since = now;
            true
        });
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
        Folded { repeated, unseen: std::mem::take(&mut self.unseen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_first_at_once_and_the_others_as_a_count() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        assert_eq!(folding.is_new(1, start, || "a"), Some(&"a"));
        assert_eq!(folding.is_new(1, start, || "a"), None);
        assert_eq!(folding.is_new(1, start, || "a"), None);
        assert_eq!(folding.is_new(2, start, || "b"), Some(&"b"));
        assert_eq!(folding.due(start + WINDOW / 2).repeated, []);
        assert_eq!(folding.due(start + WINDOW).repeated, [("a", 2)]);
    }

    #[test]
    fn counts_every_window_while_the_line_goes_on_and_then_writes_it_anew() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        folding.is_new(1, start, || "a");
        folding.is_new(1, start, || "a");
        folding.due(start + WINDOW);
        folding.is_new(1, start + WINDOW, || "a");
        assert_eq!(folding.due(start + WINDOW * 2).repeated, [("a", 1)]);
        assert_eq!(folding.due(start + WINDOW * 3).repeated, []);
        assert_eq!(folding.is_new(1, start + WINDOW * 3, || "a"), Some(&"a"));
    }

    #[test]
    fn is_bounded_and_says_how_many_it_did_not_write() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        let written = (0..CAPACITY as u64 + 10).filter(|key| folding.is_new(*key, start, || ()).is_some()).count();
        assert_eq!(written, CAPACITY);
        assert_eq!(folding.due(start).unseen, 10);
        assert_eq!(folding.due(start).unseen, 0);
    }
}
