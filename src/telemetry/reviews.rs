//! One log line per denial, swap or warning; repeated ones of the same owner and findings are folded.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hash, Hasher};
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    /// A table of their own, of as many lines as there are kinds: whatever reviews come and whatever they say, nobody
    /// silences the lines about refusals, and no kind those of another one.
    refusals: Mutex<Folding<Line>>,
    hashes: RandomState,
}

/// A request that is not answered with a review.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Where it was posted.
    pub webhook: Webhook,
    /// What lines are folded by.
    pub kind: &'static str,
    /// What the client is told, which may hold text of his. The first one stands for all of a kind, as the next two do.
    pub why: &'a str,
    /// Of the review, where that was read.
    pub uid: Option<&'a str>,
    /// Who posted it.
    pub peer: IpAddr,
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
    peer: Option<IpAddr>,
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

    /// Writes why a request was not answered with a review, unless the same was written in the last minute.
    pub fn refused(&self, refused: &Refused<'_>) {
        let Refused { webhook, kind, why, uid, peer } = *refused;
        self.fold_refusal("request refused", webhook.name(), kind, || Line {
            uid: uid.map(cut).unwrap_or_default(),
            peer: Some(peer),
            ..Line::refusal(Level::INFO, "request refused", webhook.name(), why)
        });
    }

    /// Writes why a client was not let in, unless the same was written in the last minute.
    pub fn handshake_refused(&self, why: &'static str, peer: IpAddr) {
        self.fold_refusal("connection refused", "", why, || Line {
            peer: Some(peer),
            ..Line::refusal(Level::WARN, "connection refused", "", why)
        });
    }

    /// Writes that connections were closed for others, unless the same was written in the last minute.
    pub fn crowded(&self, what: &'static str) {
        self.fold_refusal("connections closed", "", what, || {
            Line::refusal(Level::WARN, "connections closed", "", what)
        });
    }

    /// Writes that the system accepts no connections for a listener, unless the same was written in the last minute.
    pub fn not_accepted(&self, listener: &'static str, error: &io::Error) {
        const WHAT: &str = "cannot accept connections for the moment";
        self.fold_refusal(WHAT, "", listener, || {
            Line::refusal(Level::ERROR, WHAT, "", &format!("{listener}: {error}"))
        });
    }

    /// Writes the counts that are due. To be called every few seconds.
    pub fn write_due(&self, now: Instant) {
        let Folded { repeated, unseen, mut others } = lock(&self.folding).due(now);
        // Of refusals none is ever unseen.
        let refused = lock(&self.refusals).due(now).repeated;
        for (line, count) in repeated.into_iter().chain(refused) {
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
        let line = lock(&self.folding).is_new(key, group, Instant::now(), || Line::of(webhook, record)).cloned();
        if let Some(line) = line {
            line.write(None);
        }
    }

    fn fold_refusal(&self, what: &'static str, webhook: &'static str, kind: &'static str, line: impl FnOnce() -> Line) {
        let key = self.hashes.hash_one((what, webhook, kind));
        let line = lock(&self.refusals).is_new(key, kind, Instant::now(), line).cloned();
        if let Some(line) = line {
            line.write(None);
        }
    }
}

fn lock(folding: &Mutex<Folding<Line>>) -> MutexGuard<'_, Folding<Line>> {
    folding.lock().unwrap_or_else(PoisonError::into_inner)
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
            peer: None,
        }
    }

    fn refusal(level: Level, what: &'static str, webhook: &'static str, why: &str) -> Line {
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
            peer: None,
        }
    }

    fn write(&self, repeated: Option<u64>) {
        let again = if repeated.is_some() { ", again within the last minute" } else { "" };
        let what = self.what;
        let peer = self.peer.map(|peer| peer.to_canonical().to_string());
        let peer = peer.as_deref();
        match self.level {
            Level::ERROR => tracing::error!(why = &*self.findings, count = repeated, "{what}{again}"),
            Level::WARN => {
                tracing::warn!(result = self.result, why = &*self.findings, peer, count = repeated, "{what}{again}");
            }
            _ => self.write_info(peer, repeated, again),
        }
    }

    fn write_info(&self, peer: Option<&str>, repeated: Option<u64>, again: &str) {
        let what = self.what;
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
            peer,
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
    use crate::telemetry::folding::WINDOW;
    use std::sync::Arc;

    /// The lines that are written meanwhile.
    fn lines_of(write: impl FnOnce()) -> Vec<String> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || Sink(Arc::clone(&sink))).finish();
        tracing::subscriber::with_default(subscriber, write);
        let bytes = written.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn refuse(log: &ReviewLog, kind: &'static str, at: usize) {
        let (why, uid) = (format!("why-{at}"), format!("u-{at}"));
        let peer = IpAddr::from([192, 0, 2, u8::try_from(at % 256).unwrap()]);
        log.refused(&Refused { webhook: Webhook::Validate, kind, why: &why, uid: Some(&uid), peer });
    }

    #[test]
    fn refusals_fold_by_kind_and_not_by_text_and_the_first_says_who() {
        let log = ReviewLog::default();
        let lines = lines_of(|| (0..1000).for_each(|at| refuse(&log, "malformed", at)));
        assert_eq!(lines.len(), 1, "{lines:#?}");
        for part in ["why-0", "uid=\"u-0\"", "peer=\"192.0.2.0\"", "webhook=\"validate\""] {
            assert!(lines[0].contains(part), "{part} in {lines:#?}");
        }
        let lines = lines_of(|| log.write_due(Instant::now() + WINDOW));
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("count=999") && !lines[0].contains("namespace"), "{lines:#?}");
    }

    /// With as many namespaces as are told apart, each with more lines than it may have; and one named like a line.
    #[test]
    fn no_flood_of_reviews_or_of_other_refusals_silences_a_refusal() {
        let log = ReviewLog::default();
        let flood = || {
            for at in 0..20_000 {
                let namespace = if at < 200 { "request refused".to_owned() } else { format!("n-{}", at % 2000) };
                let name = format!("p-{at}");
                let result = ReviewResult::Denied;
                log.review(Webhook::Validate, &Record { namespace, name, result, ..Record::default() });
                refuse(&log, "malformed", at);
            }
        };
        assert!(lines_of(flood).len() > 1000);
        let peer = IpAddr::from([192, 0, 2, 1]);
        let lines = lines_of(|| {
            refuse(&log, "no room", 7);
            log.handshake_refused("no trust", peer);
            log.crowded("all places are taken");
            log.not_accepted("--listen", &io::Error::other("no files"));
        });
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines[1].contains("no trust") && lines[1].contains("peer=\"192.0.2.1\""), "{lines:#?}");
        assert!(lines[3].contains("ERROR") && lines[3].contains("--listen: no files"), "{lines:#?}");
    }

    #[test]
    fn a_peer_of_ipv4_is_one_whatever_the_listener() {
        let peer = IpAddr::from(std::net::Ipv4Addr::new(192, 0, 2, 9).to_ipv6_mapped());
        let lines = lines_of(|| ReviewLog::default().handshake_refused("no trust", peer));
        assert!(lines[0].contains("peer=\"192.0.2.9\""), "{lines:#?}");
    }

    #[test]
    fn findings_of_a_line_are_bounded_and_say_how_many_are_left_out() {
        let text = joined(&vec!["x".repeat(100); 5000]);
        assert!(text.len() < FINDINGS_BYTES + 64, "{}", text.len());
        assert!(text.ends_with("; and 4995 more"), "{text}");
    }
}
