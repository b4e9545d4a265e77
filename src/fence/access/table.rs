//! What counts as reach: rights by which a pod's ServiceAccount gets at Secrets, each with its reason.
//!
//! A right stands here when one request with it, or that right and what its holder has anyway, ends in the material of a
//! Secret. Not here, though they are rights to watch: `create` of Secrets (answers only what was sent), `pods/log` (a
//! program that logs its Secrets), `scale`, `status` and `eviction` (start or stop what is there already), `podtemplates`
//! and `controllerrevisions` (nothing runs them as written), roles without `escalate` (nobody can write into one what they
//! do not hold), `mutatingadmissionpolicybindings` (they put in force what is written already), certificates (`approve` takes two
//! rights more, `sign` the CA's key). `docs/across-namespaces.md` gives the reasons to users.
//!
//! Sources: the verb of a request, and when it has a name, is `RequestInfoFactory.NewRequestInfo`
//! (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go).

use std::fmt;
use std::sync::LazyLock;

/// A right that counts as reach. There is one table of them, [`ROWS`].
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// The subresource, or empty.
    pub subresource: &'static str,
    /// The verb as RBAC knows it.
    pub verb: &'static str,
    /// Which sort of way it is.
    pub way: Way,
    /// Where the right is asked for.
    pub place: Place,
    /// Why it counts, as the end of "it can".
    pub reason: &'static str,
}

/// Which sort of way to Secrets a right is, the most direct first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The API answers with the Secret, sends it to a webhook, or puts another in its place.
    Read,
    /// A program of the account's choice runs with any Secret of the namespace.
    Run,
    /// Into a container that has its Secrets already, or to what it serves.
    Enter,
    /// As somebody else, who may more.
    Become,
    /// The rights can be had.
    Grant,
}

/// Where a right is asked for. It decides which bindings give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a namespace: a RoleBinding there gives it, and a ClusterRoleBinding.
    Namespace,
    /// In none: only a ClusterRoleBinding gives it.
    Cluster,
}

/// Whether the name of the object is known when a request is authorized: what `resourceNames` can restrict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It is in the path.
    Always,
    /// By `fieldSelector=metadata.name=…`; a request without it has an empty name.
    Selector,
    /// Never: the request goes to the collection.
    Never,
}

impl Row {
    /// What `resourceNames` can restrict this right to.
    pub fn naming(&self) -> Naming {
        match self.verb {
            "list" | "watch" => Naming::Selector,
            "deletecollection" => Naming::Never,
            // An object that is applied or put where it is not yet is created by its name, which takes `patch` or `update` of
            // that name: rows of their own.
            "create" if self.subresource.is_empty() => Naming::Never,
            _ => Naming::Always,
        }
    }

    /// Its place in [`ROWS`].
    pub fn index(&self) -> usize {
        ROWS.iter().position(|row| row == self).unwrap_or(ROWS.len())
    }
}

impl Place {
    /// The rows that are asked for there.
    pub(super) fn rows(self) -> RowSet {
        static NAMESPACED: LazyLock<RowSet> = LazyLock::new(|| RowSet::of(|row| row.place == Place::Namespace));
        match self {
            Place::Namespace => *NAMESPACED,
            Place::Cluster => RowSet::ALL.without(*NAMESPACED),
        }
    }
}

impl Naming {
    /// The rows of which the name is known so.
    pub(super) fn rows(self) -> RowSet {
        static ROWS_OF: LazyLock<[RowSet; 3]> = LazyLock::new(|| {
            [Naming::Always, Naming::Selector, Naming::Never].map(|naming| RowSet::of(|row| row.naming() == naming))
        });
        ROWS_OF[self as usize]
    }
}

/// As in "get secrets" or "create pods/exec", with the group where there is one.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        Ok(())
    }
}

const CORE: &str = "";
const APPS: &str = "apps";
const BATCH: &str = "batch";
const RBAC: &str = "rbac.authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

// DELETE answers with the object where it is not gone at once (`propagationPolicy=Foreground`), and a deleted collection with
// its items: Store.Delete and DeleteCollection, k8s.io/apiserver/pkg/registry/generic/registry/store.go.
const READ: &str = "read Secrets";
const LIST: &str = "read all Secrets";
const ANSWERED: &str = "read the Secret in the answer to an empty patch";
// A PUT answers with what was sent: it reads nothing, but the namespace's pods take what it writes for theirs.
const REPLACE: &str = "replace the Secret that pods trust";
const ANSWERED_DELETE: &str = "read the Secret in the answer to its foreground deletion";
const ANSWERED_COLLECTION: &str = "read all Secrets in the answer to their deletion";
// A pod may name any Secret of its namespace: nothing checks that its author may read it.
// https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation
const RUN: &str = "run a pod with any Secret";
// Of a pod only the image may change: it runs with the Secrets that the pod has (ValidatePodUpdate,
// pkg/apis/core/validation/validation.go).
const OTHER_IMAGE: &str = "run another image with the Secrets of a pod";
// Both verbs: a WebSocket begins with a GET, and servers before 1.35 asked for no more (kubernetes/kubernetes#133515).
const EXEC: &str = "run a command beside the Secrets of a pod";
const ATTACH: &str = "attach to a process that holds the Secrets of a pod";
const EPHEMERAL: &str = "put a container into a pod, beside its Secrets";
const FORWARD: &str = "reach any port of a pod, those of its loopback too";
const POD_PROXY: &str = "reach what a pod serves, past its network policies";
const SERVICE_PROXY: &str = "reach what the pods of a Service serve, past their network policies";
// The kubelet's API: exec too, even with `get` alone, by WebSocket. Its verbs are those of HTTP
// (pkg/kubelet/server/auth.go).
const NODE_PROXY: &str = "run commands in every pod of a node, through its kubelet";
const TOKEN: &str = "take a token of any ServiceAccount";
// Username, groups and ServiceAccounts are asked for one by one, users and groups without a namespace:
// k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go.
const BE_USER: &str = "act as another user";
const BE_GROUP: &str = "act as a member of any group";
const BE_ACCOUNT: &str = "act as a ServiceAccount";
// KEP-5284, on by default since 1.36; what may be done so takes `impersonate-on:…` too.
const BE_NODE: &str = "act as a node, which reads the Secrets of its pods";
const ESCALATE: &str = "write rights into a role that it does not hold itself";
const BIND: &str = "hand out roles whose rights it does not hold itself";
const WRITE_BINDING: &str = "hand out its own rights, and the roles it may bind";
const WRITE_CLUSTER_BINDING: &str = "hand out its own rights, and the roles it may bind";

// An API server sends a webhook the objects that it writes, whole: Secrets too (`rules` may name any resource).
// https://kubernetes.io/docs/concepts/security/rbac-good-practices/#control-admission-webhooks
const WEBHOOK: &str = "be sent every Secret that is written";
const MUTATING_WEBHOOK: &str = "be sent every Secret that is written, and change every pod";
// By a Variable or a patch of its own, a container or a volume in every pod (KEP-3962). To be in force it takes a binding, which may be there.
const MUTATING_POLICY: &str = "change every pod, to run with any Secret";
// A directory of the node, or a device, as `hostPath` or `local`; a claim and a pod of its own namespace then read it. Its source is
// immutable, so `update` and `patch` are none (ValidatePersistentVolumeUpdate, pkg/apis/core/validation/validation.go).
// https://kubernetes.io/docs/concepts/security/rbac-good-practices/#persistent-volume-creation
const NODE_VOLUME: &str = "make a volume of a node's directories, where the Secrets of its pods lie";

const fn row(
    (group, resource, subresource): (&'static str, &'static str, &'static str),
    verb: &'static str,
    way: Way,
    reason: &'static str,
) -> Row {
    Row { group, resource, subresource, verb, way, place: Place::Namespace, reason }
}

const fn cluster(
    (group, resource, subresource): (&'static str, &'static str, &'static str),
    verb: &'static str,
    way: Way,
    reason: &'static str,
) -> Row {
    Row { group, resource, subresource, verb, way, place: Place::Cluster, reason }
}

const SECRETS: (&str, &str, &str) = (CORE, "secrets", "");
const PODS: (&str, &str, &str) = (CORE, "pods", "");
const CONTROLLERS: (&str, &str, &str) = (CORE, "replicationcontrollers", "");
const DEPLOYMENTS: (&str, &str, &str) = (APPS, "deployments", "");
const REPLICA_SETS: (&str, &str, &str) = (APPS, "replicasets", "");
const STATEFUL_SETS: (&str, &str, &str) = (APPS, "statefulsets", "");
const DAEMON_SETS: (&str, &str, &str) = (APPS, "daemonsets", "");
const JOBS: (&str, &str, &str) = (BATCH, "jobs", "");
const CRON_JOBS: (&str, &str, &str) = (BATCH, "cronjobs", "");
const POD_PROXIES: (&str, &str, &str) = (CORE, "pods", "proxy");
const SERVICE_PROXIES: (&str, &str, &str) = (CORE, "services", "proxy");
const NODE_PROXIES: (&str, &str, &str) = (CORE, "nodes", "proxy");
const ADMISSION: &str = "admissionregistration.k8s.io";
const VALIDATING_WEBHOOKS: (&str, &str, &str) = (ADMISSION, "validatingwebhookconfigurations", "");
const MUTATING_WEBHOOKS: (&str, &str, &str) = (ADMISSION, "mutatingwebhookconfigurations", "");
const MUTATING_POLICIES: (&str, &str, &str) = (ADMISSION, "mutatingadmissionpolicies", "");
const ROLE_BINDINGS: (&str, &str, &str) = (RBAC, "rolebindings", "");
const CLUSTER_ROLE_BINDINGS: (&str, &str, &str) = (RBAC, "clusterrolebindings", "");

/// Every right that counts, the most direct first. At most 128.
pub static ROWS: [Row; 83] = [
    row(SECRETS, "get", Way::Read, READ),
    row(SECRETS, "list", Way::Read, LIST),
    row(SECRETS, "watch", Way::Read, LIST),
    row(SECRETS, "patch", Way::Read, ANSWERED),
    row(SECRETS, "delete", Way::Read, ANSWERED_DELETE),
    row(SECRETS, "deletecollection", Way::Read, ANSWERED_COLLECTION),
    row(SECRETS, "update", Way::Read, REPLACE),
    cluster(VALIDATING_WEBHOOKS, "create", Way::Read, WEBHOOK),
    cluster(VALIDATING_WEBHOOKS, "update", Way::Read, WEBHOOK),
    cluster(VALIDATING_WEBHOOKS, "patch", Way::Read, WEBHOOK),
    cluster(MUTATING_WEBHOOKS, "create", Way::Read, MUTATING_WEBHOOK),
    cluster(MUTATING_WEBHOOKS, "update", Way::Read, MUTATING_WEBHOOK),
    cluster(MUTATING_WEBHOOKS, "patch", Way::Read, MUTATING_WEBHOOK),
    row(PODS, "create", Way::Run, RUN),
    row(PODS, "update", Way::Run, OTHER_IMAGE),
    row(PODS, "patch", Way::Run, OTHER_IMAGE),
    row(CONTROLLERS, "create", Way::Run, RUN),
    row(CONTROLLERS, "update", Way::Run, RUN),
    row(CONTROLLERS, "patch", Way::Run, RUN),
    row(DEPLOYMENTS, "create", Way::Run, RUN),
    row(DEPLOYMENTS, "update", Way::Run, RUN),
    row(DEPLOYMENTS, "patch", Way::Run, RUN),
    row(REPLICA_SETS, "create", Way::Run, RUN),
    row(REPLICA_SETS, "update", Way::Run, RUN),
    row(REPLICA_SETS, "patch", Way::Run, RUN),
    row(STATEFUL_SETS, "create", Way::Run, RUN),
    row(STATEFUL_SETS, "update", Way::Run, RUN),
    row(STATEFUL_SETS, "patch", Way::Run, RUN),
    row(DAEMON_SETS, "create", Way::Run, RUN),
    row(DAEMON_SETS, "update", Way::Run, RUN),
    row(DAEMON_SETS, "patch", Way::Run, RUN),
    row(JOBS, "create", Way::Run, RUN),
    // Its template may change while it is suspended.
    row(JOBS, "update", Way::Run, RUN),
    row(JOBS, "patch", Way::Run, RUN),
    row(CRON_JOBS, "create", Way::Run, RUN),
    row(CRON_JOBS, "update", Way::Run, RUN),
    row(CRON_JOBS, "patch", Way::Run, RUN),
    cluster(MUTATING_POLICIES, "create", Way::Run, MUTATING_POLICY),
    cluster(MUTATING_POLICIES, "update", Way::Run, MUTATING_POLICY),
    cluster(MUTATING_POLICIES, "patch", Way::Run, MUTATING_POLICY),
    cluster((CORE, "persistentvolumes", ""), "create", Way::Run, NODE_VOLUME),
    row((CORE, "pods", "ephemeralcontainers"), "update", Way::Enter, EPHEMERAL),
    row((CORE, "pods", "ephemeralcontainers"), "patch", Way::Enter, EPHEMERAL),
    row((CORE, "pods", "exec"), "create", Way::Enter, EXEC),
    row((CORE, "pods", "exec"), "get", Way::Enter, EXEC),
    row((CORE, "pods", "attach"), "create", Way::Enter, ATTACH),
    row((CORE, "pods", "attach"), "get", Way::Enter, ATTACH),
    row((CORE, "pods", "portforward"), "create", Way::Enter, FORWARD),
    row((CORE, "pods", "portforward"), "get", Way::Enter, FORWARD),
    row(POD_PROXIES, "get", Way::Enter, POD_PROXY),
    row(POD_PROXIES, "create", Way::Enter, POD_PROXY),
    row(POD_PROXIES, "update", Way::Enter, POD_PROXY),
    row(POD_PROXIES, "patch", Way::Enter, POD_PROXY),
    row(POD_PROXIES, "delete", Way::Enter, POD_PROXY),
    row(SERVICE_PROXIES, "get", Way::Enter, SERVICE_PROXY),
    row(SERVICE_PROXIES, "create", Way::Enter, SERVICE_PROXY),
    row(SERVICE_PROXIES, "update", Way::Enter, SERVICE_PROXY),
    row(SERVICE_PROXIES, "patch", Way::Enter, SERVICE_PROXY),
    row(SERVICE_PROXIES, "delete", Way::Enter, SERVICE_PROXY),
    cluster(NODE_PROXIES, "get", Way::Enter, NODE_PROXY),
    cluster(NODE_PROXIES, "create", Way::Enter, NODE_PROXY),
    cluster(NODE_PROXIES, "update", Way::Enter, NODE_PROXY),
    cluster(NODE_PROXIES, "patch", Way::Enter, NODE_PROXY),
    cluster(NODE_PROXIES, "delete", Way::Enter, NODE_PROXY),
    row((CORE, "serviceaccounts", "token"), "create", Way::Become, TOKEN),
    row((CORE, "serviceaccounts", ""), "impersonate", Way::Become, BE_ACCOUNT),
    cluster((CORE, "users", ""), "impersonate", Way::Become, BE_USER),
    cluster((CORE, "groups", ""), "impersonate", Way::Become, BE_GROUP),
    row((AUTHENTICATION, "serviceaccounts", ""), "impersonate:serviceaccount", Way::Become, BE_ACCOUNT),
    cluster((AUTHENTICATION, "users", ""), "impersonate:user-info", Way::Become, BE_USER),
    cluster((AUTHENTICATION, "groups", ""), "impersonate:user-info", Way::Become, BE_GROUP),
    cluster((AUTHENTICATION, "nodes", ""), "impersonate:arbitrary-node", Way::Become, BE_NODE),
    cluster((AUTHENTICATION, "nodes", ""), "impersonate:associated-node", Way::Become, BE_NODE),
    row((RBAC, "roles", ""), "escalate", Way::Grant, ESCALATE),
    cluster((RBAC, "clusterroles", ""), "escalate", Way::Grant, ESCALATE),
    row((RBAC, "roles", ""), "bind", Way::Grant, BIND),
    // Asked for in the namespace of the binding: BindingAuthorized, pkg/registry/rbac/escalation_check.go.
    row((RBAC, "clusterroles", ""), "bind", Way::Grant, BIND),
    row(ROLE_BINDINGS, "create", Way::Grant, WRITE_BINDING),
    row(ROLE_BINDINGS, "update", Way::Grant, WRITE_BINDING),
    row(ROLE_BINDINGS, "patch", Way::Grant, WRITE_BINDING),
    cluster(CLUSTER_ROLE_BINDINGS, "create", Way::Grant, WRITE_CLUSTER_BINDING),
    cluster(CLUSTER_ROLE_BINDINGS, "update", Way::Grant, WRITE_CLUSTER_BINDING),
    cluster(CLUSTER_ROLE_BINDINGS, "patch", Way::Grant, WRITE_CLUSTER_BINDING),
];

/// A set of rows, by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowSet(u128);

const _: () = assert!(ROWS.len() <= 128);

impl RowSet {
    /// Every row.
    pub(super) const ALL: RowSet = RowSet(u128::MAX >> (128 - ROWS.len()));

    /// Those that are so.
    pub(super) fn of(is_it: impl Fn(&Row) -> bool) -> RowSet {
        let mut rows = RowSet::default();
        ROWS.iter().enumerate().filter(|(_, row)| is_it(row)).for_each(|(index, _)| rows.insert(index));
        rows
    }

    pub(super) fn insert(&mut self, row: usize) {
        self.0 |= 1 << row;
    }

    pub(super) fn contains(self, row: usize) -> bool {
        self.0 & (1 << row) != 0
    }

    pub(super) fn union(self, other: RowSet) -> RowSet {
        RowSet(self.0 | other.0)
    }

    /// What is in both.
    pub(super) fn both(self, other: RowSet) -> RowSet {
        RowSet(self.0 & other.0)
    }

    /// In the order of the table.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..ROWS.len()).filter(move |row| self.contains(*row))
    }

    /// The most direct one.
    pub(super) fn first(self) -> Option<usize> {
        self.iter().next()
    }

    /// What is here and not there.
    pub(super) fn without(self, other: RowSet) -> RowSet {
        RowSet(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_there_once_in_the_order_of_its_way() {
        assert!(ROWS.is_sorted_by_key(|row| row.way));
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.index(), index, "{row}");
        }
    }

    #[test]
    fn shows_a_right_as_kubectl_names_it() {
        let shown = |verb, resource| ROWS.iter().any(|row| row.to_string() == format!("{verb} {resource}"));
        assert!(shown("create", "pods/exec"));
        assert!(shown("bind", "clusterroles.rbac.authorization.k8s.io"));
    }

    #[test]
    fn a_name_is_known_where_the_path_or_a_selector_holds_it() {
        let naming = |shown: &str| ROWS.iter().find(|row| row.to_string() == shown).unwrap().naming();
        assert_eq!(naming("get secrets"), Naming::Always);
        assert_eq!(naming("list secrets"), Naming::Selector);
        assert_eq!(naming("deletecollection secrets"), Naming::Never);
        assert_eq!(naming("create pods"), Naming::Never);
        assert_eq!(naming("create pods/exec"), Naming::Always);
        assert_eq!(naming("impersonate users"), Naming::Always);
    }
}
