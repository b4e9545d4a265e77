//! From a ServiceAccount to the bindings that speak of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::binding::{Binding, ServiceAccount, Subject};
use super::reach::Reach;
use super::role::Grants;
use super::table::RowSet;

/// What ServiceAccounts may do that counts as reach: an immutable index, to be compiled off the hot path and shared.
#[derive(Clone, Debug, Default)]
pub struct Access {
    namespaces: HashMap<Arc<str>, Namespace>,
    /// By the groups of all accounts.
    everyone: Segment,
    has_rbac: bool,
}

/// A binding with the rights of its role, of which there are some.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) binding: Arc<Binding>,
    pub(super) grants: Arc<Grants>,
}

/// The bindings of one subject: the cluster-wide ones first, then by namespace. None is there whose rights others of the
/// same place have all together.
pub(super) type Segment = Box<[Entry]>;

#[derive(Clone, Debug, Default)]
struct Namespace {
    /// By the group of its accounts.
    group: Segment,
    /// Sorted by name.
    accounts: Box<[Account]>,
}

#[derive(Clone, Debug)]
struct Account {
    name: Arc<str>,
    /// By its own name.
    own: Segment,
    automount: Option<bool>,
}

impl Access {
    /// What a ServiceAccount reaches. It need not exist yet: groups and bindings speak of it all the same.
    pub fn reach<'a>(&'a self, namespace: &'a str, account: &str) -> Reach<'a> {
        let (own, group): (&[Entry], &[Entry]) = match self.namespaces.get(namespace) {
            Some(found) => (found.account(account).map_or(&[], |account| &account.own), &found.group),
            None => (&[], &[]),
        };
        Reach::new(namespace, [own, group, &self.everyone])
    }

    /// The `automountServiceAccountToken` of a ServiceAccount, where it is known and set.
    pub fn automount(&self, namespace: &str, account: &str) -> Option<bool> {
        self.namespaces.get(namespace)?.account(account)?.automount
    }

    /// Whether there is any RBAC object in it. Without one `reach` cannot be judged.
    pub fn has_rbac(&self) -> bool {
        self.has_rbac
    }
}

impl Namespace {
    fn account(&self, name: &str) -> Option<&Account> {
        let index = self.accounts.binary_search_by(|account| (*account.name).cmp(name)).ok()?;
        Some(&self.accounts[index])
    }
}

/// An index that is being made.
#[derive(Default)]
pub(super) struct Builder {
    namespaces: HashMap<Arc<str>, NamespaceBuilder>,
    everyone: Vec<Entry>,
}

#[derive(Default)]
struct NamespaceBuilder {
    group: Vec<Entry>,
    accounts: BTreeMap<Arc<str>, (Vec<Entry>, Option<bool>)>,
}

impl Builder {
    pub(super) fn account(&mut self, account: &ServiceAccount) {
        let namespace = self.namespaces.entry(account.namespace.clone()).or_default();
        namespace.accounts.entry(account.name.clone()).or_default().1 = account.automount;
    }

    pub(super) fn bind(&mut self, entry: &Entry) {
        for subject in &entry.binding.subjects {
            let list = match subject {
                Subject::Accounts | Subject::Authenticated => &mut self.everyone,
                Subject::AccountsOf(namespace) => &mut self.namespaces.entry(namespace.clone()).or_default().group,
                Subject::Account { namespace, name } => {
                    let Some(namespace) = namespace.as_ref().or(entry.binding.namespace.as_ref()) else { continue };
                    let namespace = self.namespaces.entry(namespace.clone()).or_default();
                    &mut namespace.accounts.entry(name.clone()).or_default().0
                }
            };
            list.push(entry.clone());
        }
    }

    pub(super) fn build(self, has_rbac: bool) -> Access {
        let namespaces = self.namespaces.into_iter().map(|(name, namespace)| {
            let accounts = namespace.accounts.into_iter();
            let accounts = accounts.map(|(name, (own, automount))| Account { name, own: segment(own), automount });
            (name, Namespace { group: segment(namespace.group), accounts: accounts.collect() })
        });
        Access { namespaces: namespaces.collect(), everyone: segment(self.everyone), has_rbac }
    }
}

/// Sorts, and leaves out what adds nothing: however many bindings there are in one namespace, those that give a right for all
/// names are at most as many as the rights, and come first.
fn segment(mut entries: Vec<Entry>) -> Segment {
    let place = |entry: &Entry| (entry.binding.namespace.clone(), entry.binding.name.clone());
    entries.sort_by_cached_key(place);
    entries.dedup_by(|a, b| Arc::ptr_eq(&a.binding, &b.binding));
    let mut kept = Vec::with_capacity(entries.len());
    for same_place in entries.chunk_by(|a, b| a.binding.namespace == b.binding.namespace) {
        let mut all = RowSet::default();
        let (add, rest): (Vec<&Entry>, Vec<&Entry>) = same_place.iter().partition(|entry| {
            let adds = !entry.grants.all.without(all).is_empty();
            all = all.union(entry.grants.all);
            adds
        });
        let rest = rest.into_iter().filter(|entry| !entry.grants.any.without(all).is_empty());
        kept.extend(add.into_iter().chain(rest).cloned());
    }
    kept.into()
}
