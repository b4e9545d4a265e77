//! UPDATE ratchets on verdicts: what was refused before may stay, nothing new may come.

use std::collections::{HashMap, HashSet};

use super::kind::Kind;
use super::pod::PodSpec;
use super::policy::Mode;
use super::reference::{ContainerAt, ContainerList, Keys, Known, Reference, Site};
use super::verdict::{Decision, Judged, Outcome};

/// The same finding, before and after: indices never count, names do, so that a move or a rename is new.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Identity<'t> {
    /// Its number among those of the old object.
    container: Option<usize>,
    kind: Kind,
    variable: Option<&'t str>,
    secret: Option<&'t str>,
    keys: Keys<'t>,
    detail: &'t str,
    /// Where it names no Secret, the volume is what tells it from another.
    volume: Option<&'t str>,
    /// Likewise the list of words that it stands in.
    list: Option<&'static str>,
    /// The path, where from, and what it gets at; who gets there and by which right: another ServiceAccount is another way. By
    /// which binding is no part of it.
    across: Option<[Option<Known>; 5]>,
}

impl<'t> Identity<'t> {
    fn of(reference: &Reference<'t>, container: Option<usize>) -> Identity<'t> {
        let Reference { kind, site, variable, secret, keys, detail, volume, across, .. } = reference.clone();
        let list = if let Site::Listed(_, list, _) = site { Some(list) } else { None };
        let volume = volume.filter(|_| secret.is_none());
        let across = across.map(|across| {
            let [reaches, account, right] =
                [across.reaches, across.account, across.right].map(|text| text.map(Known::As));
            [across.path, across.from, reaches, account, right]
        });
        Identity { container, kind, variable, secret, keys, detail, volume, list, across }
    }
}

/// What the old object would be refused for, under the same policies and facts.
#[derive(Debug, Default)]
pub struct Forgiven<'t> {
    /// The containers of the old object, numbered: a long name is compared once and not for each reference.
    containers: HashMap<(ContainerList, &'t str), usize>,
    enforced: HashSet<Identity<'t>>,
    dry_run: HashSet<Identity<'t>>,
}

impl<'t> Forgiven<'t> {
    /// Adds what one pod of the old object would be refused for.
    pub fn add(&mut self, judged: &[Judged<'t, '_>], spec: &'t PodSpec<'t>) {
        let mut last = None;
        for its in judged {
            let container = its.reference.site.container().map(|at| {
                let number = |(_, number)| number;
                last.filter(|(before, _)| *before == at).map_or_else(|| self.number(at, spec), number)
            });
            last = its.reference.site.container().zip(container);
            if is_denied(its.enforced.as_ref()) {
                self.enforced.insert(Identity::of(&its.reference, container));
            }
            if is_denied(its.dry_run.as_ref()) {
                self.dry_run.insert(Identity::of(&its.reference, container));
            }
        }
    }

    fn number(&mut self, at: ContainerAt, spec: &'t PodSpec<'t>) -> usize {
        let next = self.containers.len();
        *self.containers.entry(name(at, spec)).or_insert(next)
    }

    /// Lets through what the old object had, too: takes it out, with its place in `judged`.
    pub fn forgive<'p>(&self, judged: &mut [Judged<'_, 'p>], spec: &PodSpec<'_>) -> Vec<(usize, Mode, Decision<'p>)> {
        let mut taken = Vec::new();
        let mut last: Option<(ContainerAt, Option<usize>)> = None;
        for (at, its) in judged.iter_mut().enumerate() {
            let Judged { reference, enforced, dry_run } = its;
            let container = match reference.site.container() {
                None => None,
                Some(site) => {
                    let known = last.filter(|(before, _)| *before == site);
                    let number = known.map_or_else(|| find(&self.containers, name(site, spec)), |(_, number)| number);
                    last = Some((site, number));
                    // A new container, or one with a new name.
                    let Some(number) = number else { continue };
                    Some(number)
                }
            };
            for (mode, decision, forgiven) in
                [(Mode::Enforce, enforced, &self.enforced), (Mode::DryRun, dry_run, &self.dry_run)]
            {
                if is_denied(decision.as_ref()) && holds(forgiven, &Identity::of(reference, container)) {
                    taken.extend(decision.take().map(|decision| (at, mode, decision)));
                }
            }
        }
        taken
    }
}

fn name<'t>(at: ContainerAt, spec: &'t PodSpec<'_>) -> (ContainerList, &'t str) {
    (at.list, at.of(spec).map_or("", |container| container.name.as_str()))
}

/// As [`holds`].
fn find<'s>(containers: &HashMap<(ContainerList, &'s str), usize>, name: (ContainerList, &'s str)) -> Option<usize> {
    containers.get(&name).copied()
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
