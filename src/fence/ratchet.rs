//! UPDATE ratchets on verdicts: what was refused before may stay, nothing new may come.

use std::collections::HashSet;

use super::kind::Kind;
use super::pod::PodSpec;
use super::reference::{ContainerList, Keys, Reference};
use super::verdict::{Decision, Judged, Outcome};

/// The same finding, before and after: indices never count, names do, so that a move or a rename is new.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Identity<'t> {
    container: Option<(ContainerList, &'t str)>,
    kind: Kind,
    variable: Option<&'t str>,
    secret: Option<&'t str>,
    keys: Keys<'t>,
    detail: &'t str,
}

impl<'t> Identity<'t> {
    fn of(reference: &Reference<'t>, spec: &'t PodSpec<'t>) -> Identity<'t> {
        let container = reference.site.container().map(|at| {
            let name = at.of(spec).map_or("", |container| container.name.as_str());
            (at.list, name)
        });
        let Reference { kind, variable, secret, keys, detail, .. } = reference.clone();
        Identity { container, kind, variable, secret, keys, detail }
    }
}

/// What the old object would be refused for, under the same policies and facts.
#[derive(Debug, Default)]
pub struct Forgiven<'t> {
    enforced: HashSet<Identity<'t>>,
    dry_run: HashSet<Identity<'t>>,
}

impl<'t> Forgiven<'t> {
    /// Adds what one pod of the old object would be refused for.
    pub fn add(&mut self, judged: &[Judged<'t, '_>], spec: &'t PodSpec<'t>) {
        for its in judged {
            if is_denied(its.enforced.as_ref()) {
                self.enforced.insert(Identity::of(&its.reference, spec));
            }
            if is_denied(its.dry_run.as_ref()) {
                self.dry_run.insert(Identity::of(&its.reference, spec));
            }
        }
    }

    /// Lets through what the old object had, too.
    pub fn forgive(&self, judged: &mut [Judged<'_, '_>], spec: &PodSpec<'_>) {
        for its in judged {
            let Judged { reference, enforced, dry_run } = its;
            for (decision, forgiven) in [(enforced, &self.enforced), (dry_run, &self.dry_run)] {
                if is_denied(decision.as_ref()) && holds(forgiven, &Identity::of(reference, spec)) {
                    *decision = None;
                }
            }
        }
    }
}

/// For lifetimes only: both sides borrow from objects that live as long as the shorter one.
fn holds<'s>(forgiven: &HashSet<Identity<'s>>, identity: &Identity<'s>) -> bool {
    forgiven.contains(identity)
}

/// Whether anything would be refused.
pub fn any_denied(judged: &[Judged<'_, '_>]) -> bool {
    judged.iter().any(|its| is_denied(its.enforced.as_ref()) || is_denied(its.dry_run.as_ref()))
}

fn is_denied(decision: Option<&Decision<'_>>) -> bool {
    decision.is_some_and(|decision| decision.outcome == Outcome::Denied)
}
