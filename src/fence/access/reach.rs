//! What one ServiceAccount reaches, and by which chain.

use std::fmt;

use super::binding::{Binding, RoleRef, Subject};
use super::index::Entry;
use super::role::Grant;
use super::table::{Naming, Place, ROWS, Row, RowSet};
use crate::fence::name::Shown;

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
        self.iter().next().is_none()
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
        (0..ROWS.len()).filter(move |row| some.contains(*row)).flat_map(move |row| reach.of_row(row))
    }

    /// What the API server answers to a SubjectAccessReview for this right: in a namespace or, with none, cluster-wide; for an
    /// object of this name or, with an empty one, for the collection. The own namespace is one like others here.
    pub fn allows(&self, row: &Row, namespace: Option<&str>, name: &str) -> bool {
        let row = row.index();
        let entries = self.segments.into_iter().flatten();
        let mut here = entries
            .filter(|entry| entry.binding.namespace.is_none() || entry.binding.namespace.as_deref() == namespace);
        here.any(|entry| entry.grants.of(row).iter().any(|grant| grant.allows(name)))
    }

    fn of_row(self, row: usize) -> impl Iterator<Item = Reached<'a>> + use<'a> {
        let cluster_wide = self.segments.into_iter().flat_map(|segment| of_namespace(segment, None));
        let everywhere = cluster_wide.into_iter().any(|entry| entry.grants.all.contains(row));
        let levels = self.segments.into_iter().enumerate();
        levels.flat_map(move |(level, segment)| {
            let counts = move |entry: &Entry| match entry.binding.namespace.as_deref() {
                None => true,
                Some(namespace) => !everywhere && namespace != self.namespace && ROWS[row].place == Place::Namespace,
            };
            let entries =
                segment.iter().enumerate().filter(move |(_, entry)| entry.grants.any.contains(row) && counts(entry));
            entries.flat_map(move |(index, entry)| {
                let new = move |grant: &&Grant| !self.has_already(row, level, index, grant);
                let grants = entry.grants.of(row).iter().filter(new);
                grants.filter_map(move |grant| self.reached(row, level, entry, grant))
            })
        })
    }

    fn reached(&self, row: usize, level: usize, entry: &'a Entry, grant: &'a Grant) -> Option<Reached<'a>> {
        let row = &ROWS[row];
        let names = names(row.naming(), grant)?;
        let namespaces = entry.binding.namespace.as_deref().map_or(Scope::Cluster, Scope::Namespace);
        let group = match level {
            0 => None,
            1 => Some(Group::AccountsOf(self.namespace)),
            _ if entry.binding.subjects.contains(&Subject::Accounts) => Some(Group::Accounts),
            _ => Some(Group::Authenticated),
        };
        Some(Reached { namespaces, row, names, chain: Chain::new(group, &entry.binding, grant) })
    }

    /// Whether an earlier binding of the same place gives this right too.
    fn has_already(&self, row: usize, level: usize, index: usize, grant: &Grant) -> bool {
        let place = self.segments[level][index].binding.namespace.as_deref();
        let shorter = self.segments[..level].iter().map(|segment| of_namespace(segment, place));
        let same = of_namespace(&self.segments[level][..index], place);
        shorter.chain([same]).any(|earlier| {
            // Those that give a right for all names come first, and are few. To miss one of the others, among very many, is to
            // name a right twice.
            let (first, rest) = earlier.split_at(earlier.len().min(ROWS.len()));
            let last = &rest[rest.len().saturating_sub(ROWS.len())..];
            first.iter().chain(last).any(|entry| {
                let mut grants = entry.grants.of(row).iter();
                grants.any(|other| other.names.is_none() || other.names == grant.names)
            })
        })
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

/// The part of a sorted segment that is of one place.
fn of_namespace<'a>(segment: &'a [Entry], namespace: Option<&str>) -> &'a [Entry] {
    let begin = segment.partition_point(|entry| entry.binding.namespace.as_deref() < namespace);
    let length = segment[begin..].partition_point(|entry| entry.binding.namespace.as_deref() == namespace);
    &segment[begin..begin + length]
}

/// Which objects requests for this right may be about, if there are such requests at all.
fn names(naming: Naming, grant: &Grant) -> Option<Names<'_>> {
    let Some(names) = &grant.names else { return Some(Names::All) };
    match naming {
        Naming::Selector | Naming::Never if names.empty => Some(Names::All),
        Naming::Never => None,
        Naming::Always | Naming::Selector => (!names.names.is_empty()).then_some(Names::Only(&names.names)),
    }
}
