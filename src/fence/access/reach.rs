//! What one ServiceAccount reaches, and by which chain.

use std::collections::HashSet;
use std::fmt;

use super::binding::{Binding, RoleRef, Subject};
use super::index::Entry;
use super::role::Grant;
use super::table::{Place, ROWS, Row, RowSet};
use crate::fence::name::Shown;

/// How many of the names that a right is for are shown.
const SHOWN_NAMES: usize = 3;

/// What a ServiceAccount reaches in other namespaces than its own.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    namespace: &'a str,
    /// By its name, by the group of its namespace, by the groups of all: the shortest chains first.
    segments: [&'a [Entry]; 3],
}

/// One right in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached<'a> {
    /// Which namespaces it reaches.
    pub namespaces: Scope<'a>,
    /// The right.
    pub row: &'static Row,
    /// Which objects.
    pub names: Names<'a>,
    /// How the account comes by it.
    pub chain: Chain<'a>,
}

/// Which namespaces a right reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope<'a> {
    /// All, those too that are not yet there.
    Cluster,
    /// This one.
    Namespace(&'a str),
}

/// Which objects a right is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    /// All.
    All,
    /// Those of a rule's `resourceNames`, sorted. Never empty.
    Only(&'a [Box<str>]),
}

/// How a ServiceAccount comes by a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain<'a> {
    /// The group that it is bound by; none where it is bound by its own name.
    pub group: Option<Group<'a>>,
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub binding_kind: &'static str,
    /// The namespace of a RoleBinding.
    pub binding_namespace: Option<&'a str>,
    /// The name of the binding.
    pub binding: &'a str,
    /// `Role` or `ClusterRole`.
    pub role_kind: &'static str,
    /// The name of the role that the binding names. A Role is in the binding's namespace.
    pub role: &'a str,
    /// The ClusterRole that holds the rule, where an aggregated `role` has it from there.
    pub aggregated_from: Option<&'a str>,
    /// The index of the rule in the role that holds it.
    pub rule: u32,
}

/// A group that ServiceAccounts are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group<'a> {
    /// `system:serviceaccounts:<namespace>`
    AccountsOf(&'a str),
    /// `system:serviceaccounts`
    Accounts,
    /// `system:authenticated`
    Authenticated,
}

impl<'a> Reach<'a> {
    pub(super) fn new(namespace: &'a str, segments: [&'a [Entry]; 3]) -> Reach<'a> {
        Reach { namespace, segments }
    }

    /// Whether nothing is reached.
    pub fn is_empty(&self) -> bool {
        self.strongest_of_each_place().is_empty()
    }

    /// All that is reached, each right in each place once: in the order of the table, direct reads of Secrets first; of the
    /// same right the shortest chain first, then what is cluster-wide, then by namespace. Rights that a cluster-wide one of the same
    /// row holds already are left out. Lazy: the first costs little.
    ///
    /// A right that only a name in `resourceNames` allows, for requests that have no name, is no right: `create` of top-level
    /// objects, `deletecollection`.
    pub fn iter(&self) -> impl Iterator<Item = Reached<'a>> + use<'a> {
        let reach = *self;
        let some =
            self.segments.into_iter().flatten().fold(RowSet::default(), |some, entry| some.union(entry.grants.any));
        some.iter().flat_map(move |row| reach.of_row(row))
    }

    /// The most direct right in each place that is reached, by its shortest chain: the most direct first. What is cluster-wide
    /// for all names is not named again for each namespace.
    ///
    /// For each place it looks at a few bindings and rules, at most one of each for every row of the table, however many there are:
    /// whoever may write roles in one namespace must not choose how long every pod waits.
    pub fn strongest_of_each_place(&self) -> Vec<Reached<'a>> {
        let cluster_wide = self.segments.map(|segment| of_namespace(segment, None));
        let mut found: Vec<_> = self.strongest(cluster_wide, RowSet::ALL).into_iter().collect();
        let everywhere = cluster_wide.map(|entries| Rows::of(entries).all);
        let among = everywhere.into_iter().fold(Place::Namespace.rows(), RowSet::without);
        let mut rest = [0, 1, 2].map(|level| &self.segments[level][cluster_wide[level].len()..]);
        while !among.is_empty() {
            let first = |segment: &&'a [Entry]| segment.first()?.binding.namespace.as_deref();
            let Some(namespace) = rest.iter().filter_map(first).min() else { break };
            let here = rest.map(|segment| of_namespace(segment, Some(namespace)));
            rest = [0, 1, 2].map(|level| &rest[level][here[level].len()..]);
            if namespace != self.namespace {
                found.extend(self.strongest(here, among));
            }
        }
        // Stable: by namespace where they are alike.
        found.sort_by_key(|(row, level, _)| (*row, *level));
        found.into_iter().map(|(_, _, reached)| reached).collect()
    }

    /// What the API server answers to a SubjectAccessReview for this right: in a namespace or, with none, cluster-wide; for an
    /// object of this name or, with an empty one, for the collection. The own namespace is one like others here.
    pub fn allows(&self, row: &Row, namespace: Option<&str>, name: &str) -> bool {
        let row = row.index();
        let entries = self.segments.into_iter().flatten();
        let mut here = entries
            .filter(|entry| entry.binding.namespace.is_none() || entry.binding.namespace.as_deref() == namespace);
        here.any(|entry| entry.grants.of(row).any(|grant| grant.allows(name)))
    }

    fn of_row(self, row: usize) -> Vec<Reached<'a>> {
        let cluster_wide = self.segments.map(|segment| Rows::of(of_namespace(segment, None)));
        let everywhere = cluster_wide.iter().any(|rows| rows.all.contains(row));
        let counts = |entry: &Entry| match entry.binding.namespace.as_deref() {
            None => true,
            Some(namespace) => !everywhere && namespace != self.namespace && ROWS[row].place == Place::Namespace,
        };
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for (level, segment) in self.segments.into_iter().enumerate() {
            for entry in segment.iter().filter(|entry| counts(entry)) {
                let place = entry.binding.namespace.as_deref();
                for grant in entry.grants.of(row) {
                    // Whether an earlier binding of the same place gives this right too.
                    if !seen.contains(&(place, None)) && seen.insert((place, grant.names.as_deref())) {
                        found.extend(self.reached(row, level, entry, grant));
                    }
                }
            }
        }
        found
    }

    /// The most direct right among these in one place, by its shortest chain; with its row and how it is bound.
    fn strongest(self, place: [&'a [Entry]; 3], among: RowSet) -> Option<(usize, usize, Reached<'a>)> {
        let levels = place.map(|entries| Rows::of(entries).reached.both(among));
        let row = levels.into_iter().fold(RowSet::default(), RowSet::union).first()?;
        let level = levels.iter().position(|rows| rows.contains(row))?;
        let mut entries = place[level].iter().inspect(|_| step());
        let entry = entries.find(|entry| entry.grants.reached.contains(row))?;
        let mut grants = entry.grants.of(row).inspect(|_| step());
        Some((row, level, grants.find_map(|grant| self.reached(row, level, entry, grant))?))
    }

    fn reached(&self, row: usize, level: usize, entry: &'a Entry, grant: &'a Grant) -> Option<Reached<'a>> {
        let row = &ROWS[row];
        let names = grant.names(row.naming())?;
        let namespaces = entry.binding.namespace.as_deref().map_or(Scope::Cluster, Scope::Namespace);
        let group = match level {
            0 => None,
            1 => Some(Group::AccountsOf(self.namespace)),
            _ if entry.binding.subjects.binary_search(&Subject::Accounts).is_ok() => Some(Group::Accounts),
            _ => Some(Group::Authenticated),
        };
        Some(Reached { namespaces, row, names, chain: Chain::new(group, &entry.binding, grant) })
    }
}

impl<'a> Chain<'a> {
    fn new(group: Option<Group<'a>>, binding: &'a Binding, grant: &'a Grant) -> Chain<'a> {
        let (role_kind, role) = match &binding.role {
            RoleRef::ClusterRole(name) => ("ClusterRole", &**name),
            RoleRef::Role(name) => ("Role", &**name),
            RoleRef::Unknown => ("", ""),
        };
        Chain {
            group,
            binding_kind: if binding.namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
            binding_namespace: binding.namespace.as_deref(),
            binding: &binding.name,
            role_kind,
            role,
            aggregated_from: grant.from.as_deref(),
            rule: grant.rule,
        }
    }
}

/// As in `get secrets, only "root-ca"`. A few of the names, cut: they are others' to choose.
impl fmt::Display for Reached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.row)?;
        let Names::Only(names) = self.names else { return Ok(()) };
        f.write_str(", only ")?;
        for (index, name) in names.iter().take(SHOWN_NAMES).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}\"{}\"", Shown(name))?;
        }
        match names.len().saturating_sub(SHOWN_NAMES) {
            0 => Ok(()),
            more => write!(f, " (+{more} more)"),
        }
    }
}

/// As in `RoleBinding "shop/read", ClusterRole "view", rule 3`.
impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = self.group {
            write!(f, "group {group}, ")?;
        }
        write!(f, "{} \"", self.binding_kind)?;
        if let Some(namespace) = self.binding_namespace {
            write!(f, "{}/", Shown(namespace))?;
        }
        write!(f, "{}\", {} {:?}", Shown(self.binding), self.role_kind, Shown(self.role))?;
        if let Some(from) = self.aggregated_from {
            write!(f, ", aggregated from {:?}", Shown(from))?;
        }
        write!(f, ", rule {}", self.rule)
    }
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group::AccountsOf(namespace) => write!(f, "system:serviceaccounts:{}", Shown(namespace)),
            Group::Accounts => f.write_str("system:serviceaccounts"),
            Group::Authenticated => f.write_str("system:authenticated"),
        }
    }
}

/// What the bindings of one place and subject give together.
#[derive(Clone, Copy, Debug, Default)]
struct Rows {
    all: RowSet,
    reached: RowSet,
}

impl Rows {
    /// Those that add something come first.
    fn of(entries: &[Entry]) -> Rows {
        let mut rows = Rows::default();
        for Entry { grants, .. } in entries.iter().inspect(|_| step()) {
            if grants.all.without(rows.all).is_empty() && grants.reached.without(rows.reached).is_empty() {
                break;
            }
            rows = Rows { all: rows.all.union(grants.all), reached: rows.reached.union(grants.reached) };
        }
        rows
    }
}

/// The part of a sorted segment that is of one place.
fn of_namespace<'a>(segment: &'a [Entry], namespace: Option<&str>) -> &'a [Entry] {
    let begin = segment.partition_point(|entry| entry.binding.namespace.as_deref() < namespace);
    let length = segment[begin..].partition_point(|entry| entry.binding.namespace.as_deref() == namespace);
    &segment[begin..begin + length]
}

/// Tests count what is looked at.
#[cfg(not(test))]
fn step() {}

#[cfg(test)]
fn step() {
    STEPS.set(STEPS.get() + 1);
}

#[cfg(test)]
thread_local! {
    /// How many bindings and rules this thread has looked at on the hot path.
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
