//! One log line per denial, swap or warning; repeated ones of the same owner and findings are folded.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::Level;

use super::Webhook;
use super::folding::{Folded, Folding};
use crate::fence::answer::{Record, ReviewResult};

/// How many bytes of findings a line holds. The review's answer has them all.
const FINDINGS_BYTES: usize = 512;

/// How many namespaces are named of which not everything is written.
const NAMED: usize = 16;

const UNSEEN: &str = "reviews not logged one by one: too many different ones in a minute";

/// Writes what became of reviews.
#[derive(Debug, Default)]
pub struct ReviewLog {
    folding: Mutex<Folding<Line>>,
    hashes: RandomState,
}

#[derive(Clone, Debug)]
struct Line {
    level: Level,
    what: &'static str,
    webhook: &'static str,
    uid: String,
    operation: &'static str,
    namespace: String,
    kind: String,
    name: String,
    owner: String,
    result: &'static str,
    findings: String,
}

impl ReviewLog {
    /// Writes one review, unless it repeats a line of the last minute.
    pub fn review(&self, webhook: Webhook, record: &Record) {
        match record.result {
            // Let through, but not in silence.
            ReviewResult::Allowed if !record.findings.is_empty() => self.fold(webhook, record),
            ReviewResult::Allowed | ReviewResult::NotOurs => {
                let result = record.result.name();
                tracing::debug!(
                    webhook = webhook.name(),
                    uid = &*record.uid,
                    operation = record.operation,
                    namespace = &*record.namespace,
                    kind = &*record.kind,
                    name = &*record.name,
                    result,
                    "review"
                );
            }
            ReviewResult::Denied
            | ReviewResult::Swapped
            | ReviewResult::WouldDeny
            | ReviewResult::WouldSwap
            | ReviewResult::Undecodable => self.fold(webhook, record),
        }
    }

    /// Writes why a request was not answered with a review, unless that repeats a line of the last minute.
    pub fn refused(&self, webhook: Webhook, why: &str) {
        self.fold_refused(Level::INFO, "request refused", webhook.name(), why);
    }

    /// Writes why a client was not let in, unless that repeats a line of the last minute.
    pub fn handshake_refused(&self, why: &str) {
        self.fold_refused(Level::WARN, "connection refused", "", why);
    }

    /// Writes that connections were closed for others, unless that repeats a line of the last minute.
    pub fn crowded(&self, what: &str) {
        self.fold_refused(Level::WARN, "connections closed", "", what);
    }

    /// Writes the counts that are due. To be called every few seconds.
    pub fn write_due(&self, now: Instant) {
        let Folded { repeated, unseen, mut others } = self.lock().due(now);
        for (line, count) in repeated {
            line.write(Some(count));
        }
        let (named, unnamed) = unseen.split_at(unseen.len().min(NAMED));
        for (namespace, count) in named {
            tracing::info!(namespace = given(namespace), count, "{UNSEEN}");
        }
        others += unnamed.iter().map(|(_, count)| count).sum::<u64>();
        if others > 0 {
            tracing::info!(count = others, "{UNSEEN}, of other namespaces");
        }
    }

    fn fold(&self, webhook: Webhook, record: &Record) {
        let who = if record.owner.is_empty() { &record.name } else { &record.owner };
        let mut hasher = self.hashes.build_hasher();
        (webhook, record.operation, &record.namespace, &record.kind, who, record.result.name()).hash(&mut hasher);
        record.findings.hash(&mut hasher);
        let key = hasher.finish();
        // The line is written outside the lock: standard error may block.
        let group = &record.namespace[..record.namespace.floor_char_boundary(256)];
        let line = self.lock().is_new(key, group, Instant::now(), || Line::of(webhook, record)).cloned();
        if let Some(line) = line {
            line.write(None);
        }
    }

    fn fold_refused(&self, level: Level, what: &'static str, webhook: &'static str, why: &str) {
        let key = self.hashes.hash_one((what, webhook, why));
        // No namespace has this name.
        let line = self.lock().is_new(key, what, Instant::now(), || Line::refused(level, what, webhook, why)).cloned();
        if let Some(line) = line {
            line.write(None);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Folding<Line>> {
        self.folding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn of(webhook: Webhook, record: &Record) -> Line {
        Line {
            level: Level::INFO,
            what: "review",
            webhook: webhook.name(),
            uid: cut(&record.uid),
            operation: record.operation,
            namespace: cut(&record.namespace),
            kind: cut(&record.kind),
            name: cut(&record.name),
            owner: cut(&record.owner),
            result: record.result.name(),
            findings: joined(&record.findings),
        }
    }

    fn refused(level: Level, what: &'static str, webhook: &'static str, why: &str) -> Line {
        Line {
            level,
            what,
            webhook,
            uid: String::new(),
            operation: "",
            namespace: String::new(),
            kind: String::new(),
            name: String::new(),
            owner: String::new(),
            result: "refused",
            findings: cut(why),
        }
    }

    fn write(&self, repeated: Option<u64>) {
        let again = if repeated.is_some() { ", again within the last minute" } else { "" };
        let what = self.what;
        if self.level == Level::WARN {
            tracing::warn!(result = self.result, why = &*self.findings, count = repeated, "{what}{again}");
            return;
        }
        tracing::info!(
            result = self.result,
            webhook = given(self.webhook),
            uid = given(&self.uid),
            operation = given(self.operation),
            namespace = given(&self.namespace),
            kind = given(&self.kind),
            name = given(&self.name),
            owner = given(&self.owner),
            findings = given(&self.findings),
            count = repeated,
            "{what}{again}"
        );
    }
}

/// An absent value writes no field.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// As many findings as fit, and how many more there are.
fn joined(findings: &[String]) -> String {
    let mut text = String::new();
    for (at, finding) in findings.iter().enumerate() {
        if at > 0 && text.len() + finding.len() > FINDINGS_BYTES {
            // Writing to a string does not fail.
            let _ = write!(text, "; and {} more", findings.len() - at);
            return text;
        }
        if at > 0 {
            text.push_str("; ");
        }
        text.push_str(&cut(finding));
    }
    text
}

/// A value that fits a line whatever its length.
fn cut(text: &str) -> String {
    match text.char_indices().nth(256) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_a_line_are_bounded_and_say_how_many_are_left_out() {
        let text = joined(&vec!["x".repeat(100); 5000]);
        assert!(text.len() < FINDINGS_BYTES + 64, "{}", text.len());
        assert!(text.ends_with("; and 4995 more"), "{text}");
    }
}
