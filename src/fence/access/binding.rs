//! Bindings, and the ServiceAccounts that they name.

use std::ops::{Deref, DerefMut};

use serde::Deserialize;

use super::names::Name;
use crate::fence::name::Text;

/// A RoleBinding, as far as it speaks of ServiceAccounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire<'_>")]
pub struct RoleBinding(pub(super) Binding);

/// A ClusterRoleBinding, as far as it speaks of ServiceAccounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire<'_>")]
pub struct ClusterRoleBinding(pub(super) Binding);

/// Either of them.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// Where it holds. None: everywhere.
    pub(super) namespace: Option<Name>,
    pub(super) name: Box<str>,
    pub(super) role: RoleRef,
    pub(super) subjects: Subjects,
}

/// Which role a binding gives.
#[derive(Clone, Debug)]
pub(super) enum RoleRef {
    ClusterRole(Name),
    /// In the binding's namespace.
    Role(Name),
    /// Of a kind that is none: it gives nothing.
    Unknown,
}

/// Whom a binding gives its role to, of those who can be ServiceAccounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// By its own name, or by its user name.
    /// Without a namespace it is that of the binding.
    Account { namespace: Option<Name>, name: Name },
    /// The group of a namespace's accounts.
    AccountsOf(Name),
    /// The group of all accounts.
    Accounts,
    /// The group of everybody who has shown who they are.
    Authenticated,
}

/// Nearly always one, which then lies in the binding itself.
#[derive(Clone, Debug)]
pub(super) enum Subjects {
    One(Subject),
    Many(Box<[Subject]>),
}

impl Deref for Subjects {
    type Target = [Subject];

    fn deref(&self) -> &[Subject] {
        match self {
            Subjects::One(subject) => std::slice::from_ref(subject),
            Subjects::Many(subjects) => subjects,
        }
    }
}

impl DerefMut for Subjects {
    fn deref_mut(&mut self) -> &mut [Subject] {
        match self {
            Subjects::One(subject) => std::slice::from_mut(subject),
            Subjects::Many(subjects) => subjects,
        }
    }
}

impl From<Vec<Subject>> for Subjects {
    fn from(subjects: Vec<Subject>) -> Subjects {
        match <[Subject; 1]>::try_from(subjects) {
            Ok([subject]) => Subjects::One(subject),
            Err(subjects) => Subjects::Many(subjects.into()),
        }
    }
}

const USER: &str = "system:serviceaccount:";
const GROUP: &str = "system:serviceaccounts";
const AUTHENTICATED: &str = "system:authenticated";

/// A ServiceAccount.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "WireAccount<'_>")]
pub struct ServiceAccount {
    pub(super) namespace: Name,
    pub(super) name: Name,
    pub(super) automount: Option<bool>,
}

impl Subject {
    /// `appliesToUser` (pkg/registry/rbac/validation/rule.go), turned round: who of the ServiceAccounts it can be. The API
    /// group is not looked at there either.
    fn of(wire: &WireSubject<'_>, is_namespaced: bool) -> Option<Subject> {
        let name = wire.name.as_str();
        match wire.kind.as_str() {
            "ServiceAccount" => {
                let namespace = Some(wire.namespace.as_str()).filter(|namespace| !namespace.is_empty());
                let is_some = namespace.is_some() || is_namespaced;
                is_some.then(|| Subject::Account { namespace: namespace.map(Name::from), name: name.into() })
            }
            "User" => {
                let (namespace, name) = name.strip_prefix(USER)?.split_once(':')?;
                Some(Subject::Account { namespace: Some(namespace.into()), name: name.into() })
            }
            "Group" => match name.strip_prefix(GROUP) {
                Some("") => Some(Subject::Accounts),
                Some(rest) => rest.strip_prefix(':').map(|namespace| Subject::AccountsOf(namespace.into())),
                None => (name == AUTHENTICATED).then_some(Subject::Authenticated),
            },
            _ => None,
        }
    }
}

impl From<Wire<'_>> for RoleBinding {
    fn from(wire: Wire<'_>) -> RoleBinding {
        RoleBinding(wire.binding(Some(wire.metadata.namespace.as_str())))
    }
}

impl From<Wire<'_>> for ClusterRoleBinding {
    fn from(wire: Wire<'_>) -> ClusterRoleBinding {
        ClusterRoleBinding(wire.binding(None))
    }
}

impl From<WireAccount<'_>> for ServiceAccount {
    fn from(wire: WireAccount<'_>) -> ServiceAccount {
        let Metadata { name, namespace } = wire.metadata;
        ServiceAccount {
            namespace: namespace.as_str().into(),
            name: name.as_str().into(),
            automount: wire.automount_service_account_token,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    role_ref: WireRoleRef<'a>,
    #[serde(borrow)]
    subjects: Option<Vec<WireSubject<'a>>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
}

#[derive(Deserialize)]
struct WireRoleRef<'a> {
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct WireSubject<'a> {
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAccount<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    automount_service_account_token: Option<bool>,
}

impl Wire<'_> {
    fn binding(&self, namespace: Option<&str>) -> Binding {
        let role = self.role_ref.name.as_str();
        let role = match (self.role_ref.kind.as_str(), namespace) {
            ("ClusterRole", _) => RoleRef::ClusterRole(role.into()),
            ("Role", Some(_)) => RoleRef::Role(role.into()),
            _ => RoleRef::Unknown,
        };
        let subjects = self.subjects.iter().flatten();
        let mut subjects: Vec<_> = subjects.filter_map(|subject| Subject::of(subject, namespace.is_some())).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let name = self.metadata.name.as_str().into();
        Binding { namespace: namespace.map(Name::from), name, role, subjects: subjects.into() }
    }
}
