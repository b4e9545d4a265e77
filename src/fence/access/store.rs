//! The objects that [`Access`] is made of, as a watch or a manifest hands them in one by one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::aggregate::aggregated;
use super::binding::{Binding, ClusterRoleBinding, RoleBinding, RoleRef, ServiceAccount, Subject};
use super::index::{Builder, Entry};
use super::names::{Name, Names};
use super::role::{ClusterRole, Grants, Role};
use super::{Access, Object, ObjectKind};
use crate::fence::name::Shown;

/// Parsed objects by kind, namespace and name. A change is cheap; [`Store::access`] is not, so whoever watches waits a moment
/// for more changes before it asks for one.
#[derive(Clone, Debug, Default)]
pub struct Store {
    roles: Shelf<Role>,
    cluster_roles: Shelf<ClusterRole>,
    role_bindings: Shelf<Arc<Binding>>,
    cluster_role_bindings: Shelf<Arc<Binding>>,
    accounts: Shelf<ServiceAccount>,
    names: Names,
}

impl Store {
    /// An empty one.
    pub fn new() -> Store {
        Store::default()
    }

    /// Adds an object, or replaces the one of its kind, namespace and name.
    pub fn put(&mut self, object: impl Into<Object>) {
        let mut object = object.into();
        self.share(&mut object);
        match object {
            Object::Role(role) => self.roles.put(role),
            Object::ClusterRole(role) => self.cluster_roles.put(role),
            Object::RoleBinding(binding) => self.role_bindings.put(Arc::new(binding.0)),
            Object::ClusterRoleBinding(binding) => self.cluster_role_bindings.put(Arc::new(binding.0)),
            Object::ServiceAccount(account) => self.accounts.put(account),
        }
    }

    /// Lets an object that is put in later hold the names that are here. A list is thousands of objects before its end comes.
    pub fn share(&mut self, object: &mut Object) {
        let names = &mut self.names;
        match object {
            Object::Role(role) => names.share(&mut role.namespace),
            Object::ClusterRole(_) => {}
            Object::RoleBinding(binding) => binding.0.share(names),
            Object::ClusterRoleBinding(binding) => binding.0.share(names),
            Object::ServiceAccount(account) => {
                names.share(&mut account.namespace);
                names.share(&mut account.name);
            }
        }
    }

    /// Removes an object. The namespace of a cluster-scoped one is not looked at. Whether it was there.
    pub fn remove(&mut self, kind: ObjectKind, namespace: &str, name: &str) -> bool {
        match kind {
            ObjectKind::Role => self.roles.remove(Some(namespace), name),
            ObjectKind::ClusterRole => self.cluster_roles.remove(None, name),
            ObjectKind::RoleBinding => self.role_bindings.remove(Some(namespace), name),
            ObjectKind::ClusterRoleBinding => self.cluster_role_bindings.remove(None, name),
            ObjectKind::ServiceAccount => self.accounts.remove(Some(namespace), name),
        }
    }

    /// Removes all objects of a kind, before they are put in anew from a list.
    pub fn clear(&mut self, kind: ObjectKind) {
        match kind {
            ObjectKind::Role => self.roles = Shelf::default(),
            ObjectKind::ClusterRole => self.cluster_roles = Shelf::default(),
            ObjectKind::RoleBinding => self.role_bindings = Shelf::default(),
            ObjectKind::ClusterRoleBinding => self.cluster_role_bindings = Shelf::default(),
            ObjectKind::ServiceAccount => self.accounts = Shelf::default(),
        }
    }

    /// What these objects let ServiceAccounts do. Linear in the bindings' subjects.
    pub fn access(&self) -> Access {
        let cluster_roles: Vec<&ClusterRole> = self.cluster_roles.iter().collect();
        let aggregated = aggregated(&cluster_roles);
        let cluster_role = |name: &str| -> Option<&Arc<Grants>> {
            aggregated.get(name).or_else(|| self.cluster_roles.find(None, name).map(|role| &role.grants))
        };
        let bindings = || self.cluster_role_bindings.iter().chain(self.role_bindings.iter());
        let subjects: usize = bindings().map(|binding| binding.subjects.len()).sum();
        let mut builder = Builder::with_capacity(self.accounts.iter().count() + subjects);
        for account in self.accounts.iter() {
            builder.account(account);
        }
        for binding in bindings() {
            let grants = match (&binding.role, &binding.namespace) {
                (RoleRef::ClusterRole(name), _) => cluster_role(name),
                (RoleRef::Role(name), Some(namespace)) => {
                    self.roles.find(Some(namespace), name).map(|role| &role.grants)
                }
                (RoleRef::Role(_), None) | (RoleRef::Unknown, _) => None,
            };
            // A role that is not there gives nothing, until it is.
            if let Some(grants) = grants.filter(|grants| !grants.is_empty()) {
                builder.bind(&Entry { binding: binding.clone(), grants: grants.clone() });
            }
        }
        builder.build(self.has_rbac())
    }

    /// Adds an object, unless one of its kind, namespace and name is there.
    pub fn put_unless_there(&mut self, object: Object) {
        let is_there = match &object {
            Object::Role(role) => self.roles.find(Some(&role.namespace), &role.name).is_some(),
            Object::ClusterRole(role) => self.cluster_roles.find(None, &role.name).is_some(),
            Object::RoleBinding(RoleBinding(binding)) => {
                self.role_bindings.find(binding.namespace.as_ref(), &binding.name).is_some()
            }
            Object::ClusterRoleBinding(ClusterRoleBinding(binding)) => {
                self.cluster_role_bindings.find(None, &binding.name).is_some()
            }
            Object::ServiceAccount(account) => self.accounts.find(Some(&account.namespace), &account.name).is_some(),
        };
        if !is_there {
            self.put(object);
        }
    }

    /// The bindings that give ServiceAccounts a role which is not here.
    pub fn dangling(&self) -> Vec<Dangling> {
        let bindings = self.cluster_role_bindings.iter().chain(self.role_bindings.iter());
        let is_dangling = |binding: &&Arc<Binding>| match &binding.role {
            RoleRef::ClusterRole(name) => self.cluster_roles.find(None, name).is_none(),
            RoleRef::Role(name) => self.roles.find(binding.namespace.as_ref(), name).is_none(),
            RoleRef::Unknown => false,
        };
        bindings.filter(is_dangling).filter(|binding| !binding.subjects.is_empty()).cloned().map(Dangling).collect()
    }

    /// Whether there is any RBAC object: else nobody can say who may do what.
    pub fn has_rbac(&self) -> bool {
        let is_empty = self.roles.is_empty()
            && self.cluster_roles.is_empty()
            && self.role_bindings.is_empty()
            && self.cluster_role_bindings.is_empty();
        !is_empty
    }
}

/// A binding to a role that nobody has told of.
#[derive(Clone, Debug)]
pub struct Dangling(Arc<Binding>);

impl Dangling {
    /// Whether it speaks of this ServiceAccount, by its name or by a group.
    pub fn speaks_of(&self, namespace: &str, account: &str) -> bool {
        self.0.subjects.iter().any(|subject| match subject {
            Subject::Account { namespace: own, name } => {
                own.as_ref().or(self.0.namespace.as_ref()).is_some_and(|own| **own == *namespace) && **name == *account
            }
            Subject::AccountsOf(own) => **own == *namespace,
            Subject::Accounts | Subject::Authenticated => true,
        })
    }
}

/// As in `ClusterRole "x", by RoleBinding "billing/give"`.
impl fmt::Display for Dangling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.0.namespace.as_deref();
        match (&self.0.role, namespace) {
            (RoleRef::Role(name), Some(namespace)) => write!(f, "Role \"{}/{}\"", Shown(namespace), Shown(name))?,
            (RoleRef::Role(name) | RoleRef::ClusterRole(name), _) => write!(f, "ClusterRole \"{}\"", Shown(name))?,
            (RoleRef::Unknown, _) => f.write_str("a role")?,
        }
        match namespace {
            Some(namespace) => write!(f, ", by RoleBinding \"{}/{}\"", Shown(namespace), Shown(&self.0.name)),
            None => write!(f, ", by ClusterRoleBinding \"{}\"", Shown(&self.0.name)),
        }
    }
}

/// An object that lies on a shelf.
trait Placed {
    /// None: cluster-scoped.
    fn namespace(&self) -> Option<&Name>;
    fn name(&self) -> &str;
}

impl Placed for Role {
    fn namespace(&self) -> Option<&Name> {
        Some(&self.namespace)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Placed for ClusterRole {
    fn namespace(&self) -> Option<&Name> {
        None
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Placed for Arc<Binding> {
    fn namespace(&self) -> Option<&Name> {
        self.namespace.as_ref()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Placed for ServiceAccount {
    fn namespace(&self) -> Option<&Name> {
        Some(&self.namespace)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Objects of one kind by namespace, sorted by name: no key is held twice.
#[derive(Clone, Debug)]
struct Shelf<T> {
    namespaces: BTreeMap<Option<Name>, Vec<T>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { namespaces: BTreeMap::new() }
    }
}

impl<T: Placed> Shelf<T> {
    fn put(&mut self, object: T) {
        let list = self.namespaces.entry(object.namespace().cloned()).or_default();
        match list.binary_search_by(|other| other.name().cmp(object.name())) {
            Ok(index) => list[index] = object,
            Err(index) => {
                // By a quarter: doubled, half of it would be empty.
                if list.len() == list.capacity() {
                    list.reserve_exact(1 + list.len() / 4);
                }
                list.insert(index, object);
            }
        }
    }

    fn remove(&mut self, namespace: Option<&str>, name: &str) -> bool {
        let namespace = namespace.map(Name::from);
        let Some(list) = self.namespaces.get_mut(&namespace) else { return false };
        let Ok(index) = list.binary_search_by(|other| other.name().cmp(name)) else { return false };
        list.remove(index);
        if list.is_empty() {
            self.namespaces.remove(&namespace);
        }
        true
    }

    fn find(&self, namespace: Option<&Name>, name: &str) -> Option<&T> {
        // An Option of a reference is no key.
        let list = self.namespaces.get(&namespace.cloned())?;
        list.binary_search_by(|other| other.name().cmp(name)).ok().map(|index| &list[index])
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.namespaces.values().flatten()
    }

    fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

impl Binding {
    fn share(&mut self, names: &mut Names) {
        self.namespace.iter_mut().for_each(|namespace| names.share(namespace));
        if let RoleRef::ClusterRole(role) | RoleRef::Role(role) = &mut self.role {
            names.share(role);
        }
        for subject in &mut *self.subjects {
            if let Subject::Account { namespace, name } = subject {
                namespace.iter_mut().for_each(|namespace| names.share(namespace));
                names.share(name);
            }
        }
    }
}

/// What [`Access::of`] does.
impl<O: Into<Object>> Extend<O> for Store {
    fn extend<I: IntoIterator<Item = O>>(&mut self, objects: I) {
        objects.into_iter().for_each(|object| self.put(object));
    }
}
