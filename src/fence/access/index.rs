//! From a ServiceAccount to the bindings that speak of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::binding::{Binding, ServiceAccount, Subject};
use super::names::Name;
use super::reach::Reach;
use super::role::Grants;
use super::table::RowSet;

/// What ServiceAccounts may do that counts as reach: an immutable index, to be compiled off the hot path and shared.
#[derive(Clone, Debug, Default)]
pub struct Access {
    namespaces: HashMap<Name, Namespace>,
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
    name: Name,
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

/// An index that is being made: one flat list, since many small ones would leave their holes behind in memory.
pub(super) struct Builder {
    /// By namespace, and account; none for the group of the namespace's accounts.
    facts: Vec<(Name, Option<Name>, Fact)>,
    everyone: Vec<Entry>,
}

enum Fact {
    Automount(Option<bool>),
    Bound(Entry),
}

impl Builder {
    /// For so many accounts and subjects of bindings together: a list that grows leaves holes too.
    pub(super) fn with_capacity(facts: usize) -> Builder {
        Builder { facts: Vec::with_capacity(facts), everyone: Vec::new() }
    }

    pub(super) fn account(&mut self, account: &ServiceAccount) {
        let fact = Fact::Automount(account.automount);
        self.facts.push((account.namespace.clone(), Some(account.name.clone()), fact));
    }

    pub(super) fn bind(&mut self, entry: &Entry) {
        for subject in &*entry.binding.subjects {
            let (namespace, account) = match subject {
                Subject::Accounts | Subject::Authenticated => {
                    self.everyone.push(entry.clone());
                    continue;
                }
                Subject::AccountsOf(namespace) => (namespace, None),
                Subject::Account { namespace, name } => {
                    let Some(namespace) = namespace.as_ref().or(entry.binding.namespace.as_ref()) else { continue };
                    (namespace, Some(name.clone()))
                }
            };
            self.facts.push((namespace.clone(), account, Fact::Bound(entry.clone())));
        }
    }

    pub(super) fn build(mut self, has_rbac: bool) -> Access {
        self.facts.sort_unstable_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let namespaces = self.facts.chunk_by(|a, b| a.0 == b.0).map(|facts| {
            let (group, accounts) = facts.split_at(facts.partition_point(|(_, account, _)| account.is_none()));
            let mut list = Vec::with_capacity(accounts.chunk_by(|a, b| a.1 == b.1).count());
            list.extend(accounts.chunk_by(|a, b| a.1 == b.1).filter_map(|facts| {
                let automount = facts.iter().find_map(|(_, _, fact)| match fact {
                    Fact::Automount(automount) => *automount,
                    Fact::Bound(_) => None,
                });
                Some(Account { name: facts[0].1.clone()?, own: segment(bound(facts)), automount })
            }));
            (facts[0].0.clone(), Namespace { group: segment(bound(group)), accounts: list.into() })
        });
        Access { namespaces: namespaces.collect(), everyone: segment(self.everyone), has_rbac }
    }
}

fn bound(facts: &[(Name, Option<Name>, Fact)]) -> Vec<Entry> {
    let entry = |(_, _, fact): &(Name, Option<Name>, Fact)| match fact {
        Fact::Bound(entry) => Some(entry.clone()),
        Fact::Automount(_) => None,
    };
    facts.iter().filter_map(entry).collect()
}

/// Sorts, and leaves out what adds nothing: however many bindings there are in one namespace, those that give a right for all
/// names are at most as many as the rights, and come first; then those by which a right is had at all that none before gives.
fn segment(mut entries: Vec<Entry>) -> Segment {
    fn place(entry: &Entry) -> (Option<&str>, &str) {
        (entry.binding.namespace.as_deref(), &entry.binding.name)
    }
    entries.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
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
        let mut reached = add.iter().fold(all, |reached, entry| reached.union(entry.grants.reached));
        let (more, rest): (Vec<&Entry>, Vec<&Entry>) = rest.partition(|entry| {
            let adds = !entry.grants.reached.without(reached).is_empty();
            reached = reached.union(entry.grants.reached);
            adds
        });
        kept.extend(add.into_iter().chain(more).chain(rest).cloned());
    }
    kept.into()
}
