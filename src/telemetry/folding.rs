//! Folding: of lines that say the same, the first is written at once, the others as a count per minute.
//!
//! Lines belong to groups, the namespaces. One that writes ever different lines fills its own quota and not the table.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a line stands for its repetitions.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// How many different lines are told apart in a window: with about 1 KiB each this bounds the table to 2 MiB.
const CAPACITY: usize = 2048;

/// How many of them one group may have.
const QUOTA: usize = CAPACITY / 16;

/// How many groups are told apart. The first line of each finds a place in a table that others have filled.
const GROUPS: usize = 1024;

/// The lines of the last minute.
#[derive(Debug)]
pub(super) struct Folding<Line> {
    entries: HashMap<u64, Entry<Line>>,
    groups: HashMap<Box<str>, Group>,
    /// Lines of groups that could not be told apart.
    others: u64,
    /// When the first line found no place.
    crowded: Option<Instant>,
}

#[derive(Debug)]
struct Entry<Line> {
    since: Instant,
    repeated: u64,
    group: Box<str>,
    line: Line,
}

#[derive(Debug, Default)]
struct Group {
    entries: usize,
    /// Lines that found no place.
    unseen: u64,
}

/// What to write when the time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folded<Line> {
    /// Lines that were repeated, and how often.
    pub(super) repeated: Vec<(Line, u64)>,
    /// How many lines found no place and were not written, by group, the most first.
    pub(super) unseen: Vec<(Box<str>, u64)>,
    /// The same, of groups that could not be told apart.
    pub(super) others: u64,
}

impl<Line> Default for Folding<Line> {
    fn default() -> Self {
        Folding { entries: HashMap::new(), groups: HashMap::new(), others: 0, crowded: None }
    }
}

impl<Line: Clone> Folding<Line> {
    /// Whether the line of this key is to be written now; its details are kept only then.
    pub(super) fn is_new(&mut self, key: u64, group: &str, now: Instant, line: impl FnOnce() -> Line) -> Option<&Line> {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.repeated += 1;
            return None;
        }
        if !self.groups.contains_key(group) {
            if self.groups.len() >= GROUPS {
                self.others += 1;
                self.crowded.get_or_insert(now);
                return None;
            }
            self.groups.insert(group.into(), Group::default());
        }
        let of_group = self.groups.get_mut(group)?;
        let fits = of_group.entries < QUOTA && self.entries.len() < CAPACITY;
        if !fits && of_group.entries > 0 {
            of_group.unseen += 1;
            self.crowded.get_or_insert(now);
            return None;
        }
        of_group.entries += 1;
        let entry = Entry { since: now, repeated: 0, group: group.into(), line: line() };
        Some(&self.entries.entry(key).or_insert(entry).line)
    }

    /// Takes what is due: a repeated line stays for another window, one that was not repeated is forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Folded<Line> {
        let mut folded = Folded { repeated: Vec::new(), unseen: Vec::new(), others: 0 };
        let groups = &mut self.groups;
        self.entries.retain(|_, entry| {
            if now.saturating_duration_since(entry.since) < WINDOW {
                return true;
            }
            if entry.repeated == 0 {
                if let Some(group) = groups.get_mut(&entry.group) {
                    group.entries -= 1;
                }
                return false;
            }
            folded.repeated.push((entry.line.clone(), std::mem::take(&mut entry.repeated)));
            entry.since = now;
            true
        });
        if self.crowded.is_some_and(|since| now.saturating_duration_since(since) >= WINDOW) {
            self.crowded = None;
            folded.others = std::mem::take(&mut self.others);
            for (name, group) in self.groups.iter_mut().filter(|(_, group)| group.unseen > 0) {
                folded.unseen.push((name.clone(), std::mem::take(&mut group.unseen)));
            }
            folded.unseen.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        self.groups.retain(|_, group| group.entries > 0 || group.unseen > 0);
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_first_at_once_and_the_others_as_a_count() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        assert_eq!(folding.is_new(1, "", start, || "a"), Some(&"a"));
        assert_eq!(folding.is_new(1, "", start, || "a"), None);
        assert_eq!(folding.is_new(1, "", start, || "a"), None);
        assert_eq!(folding.is_new(2, "", start, || "b"), Some(&"b"));
        assert_eq!(folding.due(start + WINDOW / 2).repeated, []);
        assert_eq!(folding.due(start + WINDOW).repeated, [("a", 2)]);
    }

    #[test]
    fn counts_every_window_while_the_line_goes_on_and_then_writes_it_anew() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        folding.is_new(1, "", start, || "a");
        folding.is_new(1, "", start, || "a");
        folding.due(start + WINDOW);
        folding.is_new(1, "", start + WINDOW, || "a");
        assert_eq!(folding.due(start + WINDOW * 2).repeated, [("a", 1)]);
        assert_eq!(folding.due(start + WINDOW * 3).repeated, []);
        assert_eq!(folding.is_new(1, "", start + WINDOW * 3, || "a"), Some(&"a"));
    }

    /// How many of so many different lines of a group are written.
    fn written(folding: &mut Folding<()>, group: usize, count: usize, now: Instant) -> usize {
        let name = format!("namespace-{group}");
        let key = |at: usize| (group * 1_000_000 + at) as u64;
        (0..count).filter(|at| folding.is_new(key(*at), &name, now, || ()).is_some()).count()
    }

    #[test]
    fn a_namespace_that_fills_its_quota_silences_itself_alone_and_is_named_once_a_minute() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        assert_eq!(written(&mut folding, 0, 100_000, start), QUOTA);
        assert_eq!(written(&mut folding, 1, 50, start), 50);
        assert_eq!(folding.due(start + WINDOW / 2).unseen, []);
        let folded = folding.due(start + WINDOW);
        assert_eq!((folded.unseen, folded.others), (vec![("namespace-0".into(), 100_000 - QUOTA as u64)], 0));
        assert_eq!(folding.due(start + WINDOW * 2).unseen, []);
        assert_eq!(written(&mut folding, 0, 1, start + WINDOW * 2), 1);
    }

    #[test]
    fn in_a_table_that_is_full_each_namespace_has_its_first_line() {
        let (mut folding, start) = (Folding::default(), Instant::now());
        for group in 0..CAPACITY / QUOTA {
            assert_eq!(written(&mut folding, group, QUOTA, start), QUOTA);
        }
        for group in CAPACITY / QUOTA..GROUPS {
            assert_eq!(written(&mut folding, group, 3, start), 1, "{group}");
        }
        assert_eq!(written(&mut folding, GROUPS, 3, start), 0);
        assert!(folding.entries.len() <= CAPACITY + GROUPS);
        let folded = folding.due(start + WINDOW);
        assert_eq!((folded.unseen.len(), folded.others), (GROUPS - CAPACITY / QUOTA, 3));
        assert_eq!((folding.entries.len(), folding.groups.len()), (0, 0));
    }
}
