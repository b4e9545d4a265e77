//! Two audits: what the earlier one knows is not new, what slipped in since then is, and what is there no more is named.

mod earlier;
mod size;

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::fence::name::Shown;
use crate::fence::policy::Mode;
use crate::report::Gone;
use crate::report::audit::{Audit, Compared, Fence, Owner, Row};
pub(super) use earlier::Earlier;
use earlier::Identity;
pub(super) use size::Readable;

/// How many namespaces are named that the earlier audit did not look at.
const NAMED: usize = 10;

/// What was met again.
struct Met {
    /// By finding of the earlier audit, whether it is left.
    is_left: Vec<bool>,
    /// By finding of this one, in order: how many pods were missed then, where it is known.
    missed: Vec<Option<usize>>,
}

impl Earlier {
    /// Marks what is known and which pods slipped in, and names what is gone: as far as this audit has looked.
    pub(super) fn apply(&self, audit: &mut Audit) {
        let other_revision = self.revision.as_ref().is_some_and(|revision| *revision != audit.policies.revision);
        let other_policies = other_revision || self.as_enforced != (audit.policies.as_enforced > 0);
        let Met { is_left, missed } = self.meet(audit);
        self.mark_what_slipped_in(audit, &missed, other_policies);
        let known = missed.iter().flatten().count();
        let gone = self.gone(audit, &is_left);
        let slipped = audit.owners.iter().map(|owner| owner.slipped).sum();
        self.say_what_it_cannot_know(audit, other_policies);
        let (as_of, new) = (self.as_of, missed.len() - known);
        audit.compared = Some(Compared { as_of, other_policies, known, new, slipped, gone });
    }

    /// Marks what is known. Each finding of the earlier audit stands for one.
    fn meet(&self, audit: &mut Audit) -> Met {
        let mut left: HashMap<&Identity, Vec<usize>> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate().rev() {
            left.entry(&entry.identity).or_default().push(index);
        }
        let mut met = Met { is_left: vec![true; self.entries.len()], missed: Vec::new() };
        for row in audit.owners.iter_mut().flat_map(|owner| &mut owner.rows) {
            let finding = &row.finding;
            let is_dry = finding.mode == Some(Mode::DryRun);
            let identity = (finding.fingerprint.clone(), finding.outcome.name().to_owned(), is_dry);
            let index = left.get_mut(&identity).and_then(Vec::pop);
            row.known = index.is_some();
            met.missed.push(index.and_then(|index| {
                met.is_left[index] = false;
                self.entries.get(index).map(|entry| entry.missed)
            }));
        }
        met
    }

    /// Marks the pods that slipped in: they are missed, and more than were, where there is a fence or was one. Where nobody
    /// is asked a Deployment that grows is no news. Pods are told by their number alone, so that an audit need not keep
    /// their names: of three that were missed and three that are, none slipped in, though they may be others.
    fn mark_what_slipped_in(&self, audit: &mut Audit, missed: &[Option<usize>], other_policies: bool) {
        let Audit { owners, namespaces, scope, .. } = audit;
        let fences: HashMap<&str, Fence> = namespaces.iter().map(|line| (&*line.name, line.fence)).collect();
        let mut before: HashMap<&str, usize> = HashMap::new();
        for entry in &self.entries {
            let all = before.entry(&entry.gone.fingerprint).or_default();
            *all = all.saturating_add(entry.missed);
        }
        let is_alike = !other_policies && self.other_selector(scope.selector.as_deref()).is_none();
        let mut missed = missed;
        for owner in owners {
            let (its_missed, others) = missed.split_at(owner.rows.len().min(missed.len()));
            missed = others;
            let namespace = &*owner.namespace;
            let is_fenced = fences.get(namespace).is_none_or(|fence| !fence.lets_in()) || self.has_fenced(namespace);
            if !is_fenced {
                continue;
            }
            // What the earlier audit was not made to see may have been there.
            let has_seen = is_alike && self.has_looked_at(namespace);
            mark(&mut owner.rows, its_missed, &before, has_seen);
            let most = owner.rows.iter().map(|row| row.slipped).max().unwrap_or(0);
            if most > 0 {
                let more = if has_seen { owner.missed.saturating_sub(self.missed(owner)) } else { 0 };
                owner.slipped = most.max(more);
            }
        }
    }

    /// What is there no more, in the order of the earlier audit.
    fn gone(&self, audit: &mut Audit, is_left: &[bool]) -> Vec<Gone> {
        let why_not = match (&audit.scope.selector, &audit.errors[..]) {
            (Some(_), _) => "of a part that labels choose (--selector)",
            (None, [_, ..]) => "while something could not be read",
            (None, []) => {
                let looked: HashSet<&str> = audit.namespaces.iter().map(|line| &*line.name).collect();
                let left_out: HashSet<&str> = audit.left_out.iter().map(|its| &*its.namespace).collect();
                // A namespace that is no more is one where everything is gone.
                let is_judged = |gone: &Gone| {
                    let namespace = gone.namespace.as_str();
                    looked.contains(namespace) || (audit.scope.is_whole() && !left_out.contains(namespace))
                };
                let left = self.entries.iter().zip(is_left).filter(|(entry, left)| **left && is_judged(&entry.gone));
                return left.map(|(entry, _)| entry.gone.clone()).collect();
            }
        };
        audit.not_judged.push(format!("what is gone of the earlier audit: nobody can say {why_not}"));
        Vec::new()
    }

    /// Why what is called new may be old.
    fn say_what_it_cannot_know(&self, audit: &mut Audit, other_policies: bool) {
        let mut sentences = Vec::new();
        if other_policies && self.as_enforced != (audit.policies.as_enforced > 0) {
            let (one, other) = if self.as_enforced { ("the earlier", "this") } else { ("this", "the earlier") };
            sentences.push(format!(
                "{one} audit took policies in dry run as if they enforced (--as-enforced), and {other} one did not: what is \
                 called new may be old"
            ));
        }
        let revision = self.revision.as_ref().filter(|revision| **revision != audit.policies.revision);
        if let Some(revision) = revision {
            sentences.push(format!(
                "the earlier audit is of other policies (revision {}, and these are {}), which may find something else: make \
                 it anew",
                Shown(revision),
                audit.policies.revision
            ));
        }
        if let Some(server) = self.server.as_ref().filter(|server| **server != audit.cluster.server) {
            sentences.push(format!(
                "whether it is the same cluster: the earlier audit asked {}, and this one {}, which may be two addresses of one",
                Shown(server),
                audit.cluster.server
            ));
        }
        let has_news = |owner: &&Owner| owner.slipped > 0 || owner.rows.iter().any(|row| !row.known);
        let news: BTreeSet<&str> = audit.owners.iter().filter(has_news).map(|owner| &*owner.namespace).collect();
        let not_seen: Vec<&str> = news.iter().copied().filter(|namespace| !self.has_looked_at(namespace)).collect();
        if !not_seen.is_empty() {
            let named = not_seen.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = match not_seen.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            sentences.push(format!("whether it is new in {named}{more}: the earlier audit did not look there"));
        }
        if !news.is_empty() {
            let selector = self.other_selector(audit.scope.selector.as_deref());
            let by_labels = selector.map(|labels| format!("looked at what has the labels \"{}\" alone", Shown(labels)));
            let by_errors = (self.errors > 0).then(|| "could not read or judge everything".to_owned());
            let by_age = self.scope.is_none().then(|| "does not say what it was asked for".to_owned());
            let why = by_labels.into_iter().chain(by_errors).chain(by_age);
            sentences.extend(why.map(|why| format!("whether what is new was there before: the earlier audit {why}")));
        }
        audit.not_judged.append(&mut sentences);
    }
}

/// Marks the rows of an owner that more pods have than had. `before`: by fingerprint, how many were missed. `has_seen`: what
/// the earlier audit does not know was not there.
fn mark(rows: &mut [Row], missed: &[Option<usize>], before: &HashMap<&str, usize>, has_seen: bool) {
    let mut now: HashMap<String, usize> = HashMap::new();
    for row in &*rows {
        *now.entry(row.finding.fingerprint.clone()).or_default() += row.missed();
    }
    for (row, missed) in rows.iter_mut().zip(missed) {
        let missed = match missed {
            Some(missed) => *missed,
            None if has_seen => 0,
            None => continue,
        };
        // A pod may have gone from one row to another of the same reference, as where its image is read by another rule.
        let fingerprint = &*row.finding.fingerprint;
        let all = now.get(fingerprint).copied().unwrap_or(0);
        let more = all.saturating_sub(before.get(fingerprint).copied().unwrap_or(0));
        row.slipped = row.missed().saturating_sub(missed).min(more);
    }
}
