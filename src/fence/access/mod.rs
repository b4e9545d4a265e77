//! Who reaches whose Secrets through the API: RBAC, evaluated in memory as the API server does.
//!
//! [`Store`] holds objects as they come, [`Access`] is the index compiled from them, [`Reach`] what one ServiceAccount
//! reaches, [`ROWS`] the table of what counts.

mod aggregate;
mod binding;
mod index;
mod names;
mod reach;
mod role;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod token;

use serde::Deserialize;

pub use binding::{ClusterRoleBinding, RoleBinding, ServiceAccount};
pub use index::Access;
pub use reach::{Chain, Group, Names, Reach, Reached, Scope};
pub use role::{ClusterRole, Role};
pub use store::{Dangling, Store};
pub use table::{Naming, Place, ROWS, Row, Way};
pub use token::holds_token;

use super::name::Text;

/// An object that says what ServiceAccounts may do, or whether their pods hold a token.
#[derive(Clone, Debug)]
pub enum Object {
    /// `rbac.authorization.k8s.io`, ClusterRole
    ClusterRole(ClusterRole),
    /// `rbac.authorization.k8s.io`, ClusterRoleBinding
    ClusterRoleBinding(ClusterRoleBinding),
    /// `rbac.authorization.k8s.io`, Role
    Role(Role),
    /// `rbac.authorization.k8s.io`, RoleBinding
    RoleBinding(RoleBinding),
    /// Of the core, ServiceAccount
    ServiceAccount(ServiceAccount),
}

/// Which sort of [`Object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A [`ClusterRole`].
    ClusterRole,
    /// A [`ClusterRoleBinding`].
    ClusterRoleBinding,
    /// A [`Role`].
    Role,
    /// A [`RoleBinding`].
    RoleBinding,
    /// A [`ServiceAccount`].
    ServiceAccount,
}

/// An object of these kinds that is not as the API server would take it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}: correct it as the API reference of {} says", .kind.name(), .kind.name())]
pub struct ObjectError {
    /// The kind that the object says it is.
    pub kind: ObjectKind,
    /// What is wrong, and where in the JSON.
    pub source: serde_json::Error,
}

impl ObjectError {
    /// What is wrong, and where in the object. Reads it once more, slowly.
    pub fn locate(&self, json: &[u8]) -> crate::fence::ObjectError {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let again = match self.kind {
            ObjectKind::ClusterRole => ClusterRole::deserialize(tracked).map(drop),
            ObjectKind::ClusterRoleBinding => ClusterRoleBinding::deserialize(tracked).map(drop),
            ObjectKind::Role => Role::deserialize(tracked).map(drop),
            ObjectKind::RoleBinding => RoleBinding::deserialize(tracked).map(drop),
            ObjectKind::ServiceAccount => ServiceAccount::deserialize(tracked).map(drop),
        };
        let mut error = crate::fence::ObjectError::at(&track.path(), again.as_ref().err().unwrap_or(&self.source));
        match &*error.expected {
            "a sequence" => error.expected = "a list".to_owned(),
            expected if expected.starts_with("struct ") => error.expected = "an object".to_owned(),
            _ => {}
        }
        error
    }
}

impl ObjectKind {
    /// The kind as the object writes it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::ClusterRole => "ClusterRole",
            ObjectKind::ClusterRoleBinding => "ClusterRoleBinding",
            ObjectKind::Role => "Role",
            ObjectKind::RoleBinding => "RoleBinding",
            ObjectKind::ServiceAccount => "ServiceAccount",
        }
    }

    /// The kind of an object, where it is one of these. Any version: older ones read the same.
    pub fn of(api_version: &str, kind: &str) -> Option<ObjectKind> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            ("rbac.authorization.k8s.io", "ClusterRole") => Some(ObjectKind::ClusterRole),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding") => Some(ObjectKind::ClusterRoleBinding),
            ("rbac.authorization.k8s.io", "Role") => Some(ObjectKind::Role),
            ("rbac.authorization.k8s.io", "RoleBinding") => Some(ObjectKind::RoleBinding),
            ("", "ServiceAccount") => Some(ObjectKind::ServiceAccount),
            _ => None,
        }
    }
}

impl Object {
    /// Reads an object of JSON. None: it is of another kind.
    ///
    /// # Errors
    /// When it is of one of these kinds and its fields are not.
    pub fn parse(json: &[u8]) -> Result<Option<Object>, ObjectError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head<'a> {
            #[serde(borrow)]
            api_version: Text<'a>,
            #[serde(borrow)]
            kind: Text<'a>,
        }
        let Ok(head) = serde_json::from_slice::<Head<'_>>(json) else { return Ok(None) };
        let kind = ObjectKind::of(head.api_version.as_str(), head.kind.as_str());
        kind.map(|kind| Object::parse_as(kind, json)).transpose()
    }

    /// Reads an object of a kind that is known from elsewhere: the items of a list do not say it.
    ///
    /// # Errors
    /// When its fields are not of that kind.
    pub fn parse_as(kind: ObjectKind, json: &[u8]) -> Result<Object, ObjectError> {
        let object = match kind {
            ObjectKind::ClusterRole => serde_json::from_slice(json).map(Object::ClusterRole),
            ObjectKind::ClusterRoleBinding => serde_json::from_slice(json).map(Object::ClusterRoleBinding),
            ObjectKind::Role => serde_json::from_slice(json).map(Object::Role),
            ObjectKind::RoleBinding => serde_json::from_slice(json).map(Object::RoleBinding),
            ObjectKind::ServiceAccount => serde_json::from_slice(json).map(Object::ServiceAccount),
        };
        object.map_err(|source| ObjectError { kind, source })
    }

    /// The object, in this namespace where it belongs in one and names none.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Object {
        let own = match &mut self {
            Object::ClusterRole(_) | Object::ClusterRoleBinding(_) => None,
            Object::Role(role) => Some(&mut role.namespace),
            Object::RoleBinding(binding) => binding.0.namespace.as_mut(),
            Object::ServiceAccount(account) => Some(&mut account.namespace),
        };
        if let Some(own) = own.filter(|own| own.is_empty()) {
            *own = namespace.into();
        }
        self
    }
}

impl Access {
    /// What these objects let ServiceAccounts do. Of two of one kind, namespace and name the later counts.
    ///
    /// ```
    /// use secretfence::fence::access::{Access, Object, Scope};
    ///
    /// let view = br#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"},
    ///     "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}"#;
    /// let binding = br#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
    ///     "metadata": {"name": "read", "namespace": "billing"}, "roleRef": {"kind": "ClusterRole", "name": "reader"},
    ///     "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}]}"#;
    /// let objects = [view.as_slice(), binding].map(|json| Object::parse(json).unwrap().unwrap());
    /// let access = Access::of(objects);
    ///
    /// let reached = access.reach("shop", "web").iter().next().unwrap();
    /// assert_eq!(reached.row.to_string(), "get secrets");
    /// assert_eq!(reached.namespaces, Scope::Namespace("billing"));
    /// assert_eq!(reached.chain.to_string(), r#"RoleBinding "billing/read", ClusterRole "reader", rule 0"#);
    /// // In its own namespace it is no reach.
    /// assert!(access.reach("billing", "web").is_empty());
    /// ```
    pub fn of(objects: impl IntoIterator<Item = impl Into<Object>>) -> Access {
        let mut store = Store::new();
        store.extend(objects);
        store.access()
    }
}

impl From<ClusterRole> for Object {
    fn from(role: ClusterRole) -> Object {
        Object::ClusterRole(role)
    }
}

impl From<ClusterRoleBinding> for Object {
    fn from(binding: ClusterRoleBinding) -> Object {
        Object::ClusterRoleBinding(binding)
    }
}

impl From<Role> for Object {
    fn from(role: Role) -> Object {
        Object::Role(role)
    }
}

impl From<RoleBinding> for Object {
    fn from(binding: RoleBinding) -> Object {
        Object::RoleBinding(binding)
    }
}

impl From<ServiceAccount> for Object {
    fn from(account: ServiceAccount) -> Object {
        Object::ServiceAccount(account)
    }
}
