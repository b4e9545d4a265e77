//! The objects that [`Access`] is made of, as a watch or a manifest hands them in one by one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::aggregate::aggregated;
use super::binding::{Binding, RoleRef, ServiceAccount, Subject};
use super::index::{Builder, Entry};
use super::role::{ClusterRole, Grants, Role};
use super::{Access, Object, ObjectKind};

/// Parsed objects by kind, namespace and name. A change is cheap; [`Store::access`] is not, so whoever watches waits a moment
/// for more changes before it asks for one.
#[derive(Clone, Debug, Default)]
pub struct Store {
    roles: Shelf<Role>,
    cluster_roles: Shelf<ClusterRole>,
    role_bindings: Shelf<Binding>,
    cluster_role_bindings: Shelf<Binding>,
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
        let names = &mut self.names;
        match object.into() {
            Object::Role(mut role) => {
                names.share(&mut role.name);
                self.roles.put(role);
            }
            Object::ClusterRole(mut role) => {
                names.share(&mut role.name);
                self.cluster_roles.put(role);
            }
            Object::RoleBinding(mut binding) => {
                binding.0.share(names);
                self.role_bindings.put(binding.0);
            }
            Object::ClusterRoleBinding(mut binding) => {
                binding.0.share(names);
                self.cluster_role_bindings.put(binding.0);
            }
            Object::ServiceAccount(mut account) => {
                names.share(&mut account.name);
                self.accounts.put(account);
            }
        }
    }

    /// Removes an object. The namespace of a cluster-scoped one is empty. Whether it was there.
    pub fn remove(&mut self, kind: ObjectKind, namespace: &str, name: &str) -> bool {
        match kind {
            ObjectKind::Role => self.roles.remove(namespace, name),
            ObjectKind::ClusterRole => self.cluster_roles.remove("", name),
            ObjectKind::RoleBinding => self.role_bindings.remove(namespace, name),
            ObjectKind::ClusterRoleBinding => self.cluster_role_bindings.remove("", name),
            ObjectKind::ServiceAccount => self.accounts.remove(namespace, name),
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
        let cluster_roles: Vec<&ClusterRole> = self.cluster_roles.iter().map(|role| &**role).collect();
        let aggregated = aggregated(&cluster_roles);
        let cluster_role = |name: &str| -> Option<&Arc<Grants>> {
            aggregated.get(name).or_else(|| self.cluster_roles.find("", name).map(|role| &role.grants))
        };
        let mut builder = Builder::default();
        for account in self.accounts.iter() {
            builder.account(account);
        }
        for binding in self.cluster_role_bindings.iter().chain(self.role_bindings.iter()) {
            let grants = match (&binding.role, &binding.namespace) {
                (RoleRef::ClusterRole(name), _) => cluster_role(name),
                (RoleRef::Role(name), Some(namespace)) => self.roles.find(namespace, name).map(|role| &role.grants),
                (RoleRef::Role(_), None) | (RoleRef::Unknown, _) => None,
            };
            // A role that is not there gives nothing, until it is.
            if let Some(grants) = grants.filter(|grants| !grants.is_empty()) {
                builder.bind(&Entry { binding: binding.clone(), grants: grants.clone() });
            }
        }
        builder.build(self.has_rbac())
    }

    fn has_rbac(&self) -> bool {
        let is_empty = self.roles.is_empty()
            && self.cluster_roles.is_empty()
            && self.role_bindings.is_empty()
            && self.cluster_role_bindings.is_empty();
        !is_empty
    }
}

/// An object that lies on a shelf: in a namespace, or in the empty one.
trait Placed {
    fn namespace(&mut self) -> Option<&mut Arc<str>>;
    fn name(&self) -> &str;
}

impl Placed for Role {
    fn namespace(&mut self) -> Option<&mut Arc<str>> {
        Some(&mut self.namespace)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Placed for ClusterRole {
    fn namespace(&mut self) -> Option<&mut Arc<str>> {
        None
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Placed for Binding {
    fn namespace(&mut self) -> Option<&mut Arc<str>> {
        self.namespace.as_mut()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Placed for ServiceAccount {
    fn namespace(&mut self) -> Option<&mut Arc<str>> {
        Some(&mut self.namespace)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Objects of one kind by namespace, sorted by name: no key is held twice, which is most of what 10,000 bindings cost.
#[derive(Clone, Debug)]
struct Shelf<T> {
    namespaces: BTreeMap<Arc<str>, Vec<Arc<T>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { namespaces: BTreeMap::new() }
    }
}

impl<T: Placed> Shelf<T> {
    fn put(&mut self, mut object: T) {
        let own = object.namespace();
        let namespace = own.as_deref().cloned().unwrap_or_default();
        if let (Some(own), Some((shared, _))) = (own, self.namespaces.get_key_value(&*namespace)) {
            *own = shared.clone();
        }
        let list = self.namespaces.entry(namespace).or_default();
        match list.binary_search_by(|other| other.name().cmp(object.name())) {
            Ok(index) => list[index] = Arc::new(object),
            Err(index) => list.insert(index, Arc::new(object)),
        }
    }

    fn remove(&mut self, namespace: &str, name: &str) -> bool {
        let Some(list) = self.namespaces.get_mut(namespace) else { return false };
        let Ok(index) = list.binary_search_by(|other| other.name().cmp(name)) else { return false };
        list.remove(index);
        if list.is_empty() {
            self.namespaces.remove(namespace);
        }
        true
    }

    fn find(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        let list = self.namespaces.get(namespace)?;
        list.binary_search_by(|other| other.name().cmp(name)).ok().map(|index| &list[index])
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.namespaces.values().flatten()
    }

    fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

impl Binding {
    fn share(&mut self, names: &mut Names) {
        if let RoleRef::ClusterRole(role) | RoleRef::Role(role) = &mut self.role {
            names.share(role);
        }
        for subject in &mut self.subjects {
            if let Subject::Account { namespace, name } = subject {
                namespace.iter_mut().for_each(|namespace| names.share(namespace));
                names.share(name);
            }
        }
    }
}

/// Names that many objects hold: each once in memory.
#[derive(Clone, Debug, Default)]
struct Names {
    all: HashSet<Arc<str>>,
    /// At this many the unused ones are dropped.
    limit: usize,
}

impl Names {
    fn share(&mut self, name: &mut Arc<str>) {
        if let Some(shared) = self.all.get(&**name) {
            *name = shared.clone();
            return;
        }
        if self.all.len() >= self.limit {
            self.all.retain(|name| Arc::strong_count(name) > 1);
            self.limit = 2 * self.all.len() + 1024;
        }
        self.all.insert(name.clone());
    }
}

/// What [`Access::of`] does.
impl<O: Into<Object>> Extend<O> for Store {
    fn extend<I: IntoIterator<Item = O>>(&mut self, objects: I) {
        objects.into_iter().for_each(|object| self.put(object));
    }
}
