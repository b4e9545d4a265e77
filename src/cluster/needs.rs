//! What the rules of a policy set need to know of the cluster.

use std::collections::BTreeSet;

use crate::fence::access::ObjectKind;
use crate::fence::kind::{Kind, KindSet};
use crate::fence::policy::{Policy, PolicySet, Rule, Scope};
use crate::fence::rules::copies::CustomMark;

/// What the rules of a policy set need to know of the cluster: nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The labels of Namespaces that some `namespaceSelector` asks for.
    pub namespaces: Option<BTreeSet<String>>,
    /// Roles, bindings and ServiceAccounts, for `reach`.
    pub access: bool,
    /// The metadata of Secrets, for `copied`, with the policies' own marks.
    pub secrets: Option<Vec<CustomMark>>,
    /// SecretProviderClasses, for the paths of `storePath`.
    pub provider_classes: bool,
    /// SharedSecrets, for the origin of `sharedSecret`.
    pub shared_secrets: bool,
}

/// One thing to know, with all that decides what is kept for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// These labels of Namespaces.
    Namespaces(BTreeSet<String>),
    /// Who may do what.
    Access,
    /// Which Secrets are copies, by the marks of the table and by these.
    Secrets(Vec<CustomMark>),
    /// The paths of SecretProviderClasses.
    ProviderClasses,
    /// The origins of SharedSecrets.
    SharedSecrets,
}

/// A resource of the API that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Of the core.
    Namespaces,
    /// Of the core; their metadata alone.
    Secrets,
    /// Of the core.
    ServiceAccounts,
    /// `rbac.authorization.k8s.io`
    ClusterRoleBindings,
    /// `rbac.authorization.k8s.io`
    ClusterRoles,
    /// `rbac.authorization.k8s.io`
    RoleBindings,
    /// `rbac.authorization.k8s.io`
    Roles,
    /// `secrets-store.csi.x-k8s.io`; may not be installed.
    SecretProviderClasses,
    /// `sharedresource.openshift.io`; may not be installed.
    SharedSecrets,
}

impl Needs {
    /// Of a policy set, those in dry run included.
    pub fn of(set: &PolicySet) -> Needs {
        let labels: Option<BTreeSet<String>> = set
            .policies()
            .iter()
            .flat_map(|policy| [&policy.matches, &policy.exclude])
            .filter_map(asked_labels)
            .reduce(|all, more| &all | &more);
        let rules: Vec<&Rule> = set.policies().iter().flat_map(|policy: &Policy| &policy.rules).collect();
        let some = |needs: fn(&Rule) -> bool| rules.iter().any(|rule| needs(rule));
        Needs {
            namespaces: labels,
            access: some(|rule| rule.on.contains(Kind::Reach)),
            secrets: some(|rule| rule.on.contains(Kind::Copied)).then(|| set.copy_marks().to_vec()),
            provider_classes: some(needs_provider_classes),
            shared_secrets: some(|rule| rule.on.contains(Kind::SharedSecret) && rule.selects.from.is_some()),
        }
    }

    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        *self == Needs::default()
    }

    /// One by one.
    pub fn topics(&self) -> Vec<Topic> {
        let Needs { namespaces, access, secrets, provider_classes, shared_secrets } = self;
        let topics = [
            namespaces.clone().map(Topic::Namespaces),
            access.then_some(Topic::Access),
            secrets.clone().map(Topic::Secrets),
            provider_classes.then_some(Topic::ProviderClasses),
            shared_secrets.then_some(Topic::SharedSecrets),
        ];
        topics.into_iter().flatten().collect()
    }

    /// What is watched for it, sorted.
    pub fn resources(&self) -> BTreeSet<Resource> {
        self.topics().iter().flat_map(|topic| topic.resources()).copied().collect()
    }
}

impl Topic {
    /// What is watched for it.
    pub fn resources(&self) -> &'static [Resource] {
        match self {
            Topic::Namespaces(_) => &[Resource::Namespaces],
            Topic::Access => &[
                Resource::ServiceAccounts,
                Resource::ClusterRoleBindings,
                Resource::ClusterRoles,
                Resource::RoleBindings,
                Resource::Roles,
            ],
            Topic::Secrets(_) => &[Resource::Secrets],
            Topic::ProviderClasses => &[Resource::SecretProviderClasses],
            Topic::SharedSecrets => &[Resource::SharedSecrets],
        }
    }

    /// The kinds of reference of which nobody can say without it what a rule makes of them: for
    /// [`Facts::not_told`](crate::fence::Facts::not_told). Labels of Namespaces are no kind's: a Namespace whose labels are
    /// not known counts as one that a policy is about.
    pub fn kinds(&self) -> KindSet {
        match self {
            Topic::Namespaces(_) => KindSet::NONE,
            Topic::Access => KindSet::NONE.with(Kind::Reach),
            Topic::Secrets(_) => KindSet::NONE.with(Kind::Copied),
            Topic::ProviderClasses => KindSet::NONE.with(Kind::StorePath),
            Topic::SharedSecrets => KindSet::NONE.with(Kind::SharedSecret),
        }
    }
}

impl Resource {
    /// Each.
    pub const ALL: [Resource; 9] = [
        Resource::Namespaces,
        Resource::Secrets,
        Resource::ServiceAccounts,
        Resource::ClusterRoleBindings,
        Resource::ClusterRoles,
        Resource::RoleBindings,
        Resource::Roles,
        Resource::SecretProviderClasses,
        Resource::SharedSecrets,
    ];

    /// The plural name, by which RBAC and the API's paths speak of it.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Namespaces => "namespaces",
            Resource::Secrets => "secrets",
            Resource::ServiceAccounts => "serviceaccounts",
            Resource::ClusterRoleBindings => "clusterrolebindings",
            Resource::ClusterRoles => "clusterroles",
            Resource::RoleBindings => "rolebindings",
            Resource::Roles => "roles",
            Resource::SecretProviderClasses => "secretproviderclasses",
            Resource::SharedSecrets => "sharedsecrets",
        }
    }

    /// The API group; empty for the core.
    pub fn group(self) -> &'static str {
        match self {
            Resource::Namespaces | Resource::Secrets | Resource::ServiceAccounts => "",
            Resource::ClusterRoleBindings | Resource::ClusterRoles | Resource::RoleBindings | Resource::Roles => {
                "rbac.authorization.k8s.io"
            }
            Resource::SecretProviderClasses => "secrets-store.csi.x-k8s.io",
            Resource::SharedSecrets => "sharedresource.openshift.io",
        }
    }

    /// The `apiVersion` of its objects, as we ask for them.
    pub fn api_version(self) -> &'static str {
        match self {
            Resource::Namespaces | Resource::Secrets | Resource::ServiceAccounts => "v1",
            Resource::ClusterRoleBindings | Resource::ClusterRoles | Resource::RoleBindings | Resource::Roles => {
                "rbac.authorization.k8s.io/v1"
            }
            Resource::SecretProviderClasses => "secrets-store.csi.x-k8s.io/v1",
            Resource::SharedSecrets => "sharedresource.openshift.io/v1alpha1",
        }
    }

    /// The kind, for those of `reach`.
    pub(super) fn access_kind(self) -> Option<ObjectKind> {
        match self {
            Resource::ServiceAccounts => Some(ObjectKind::ServiceAccount),
            Resource::ClusterRoleBindings => Some(ObjectKind::ClusterRoleBinding),
            Resource::ClusterRoles => Some(ObjectKind::ClusterRole),
            Resource::RoleBindings => Some(ObjectKind::RoleBinding),
            Resource::Roles => Some(ObjectKind::Role),
            _ => None,
        }
    }

    /// Whether a cluster without it is as good as one with none of its objects.
    pub(super) fn is_optional(self) -> bool {
        matches!(self, Resource::SecretProviderClasses | Resource::SharedSecrets)
    }

    /// Whether its metadata is all that is asked for.
    pub(super) fn is_metadata(self) -> bool {
        matches!(self, Resource::Namespaces | Resource::Secrets)
    }

    /// The kind of rule that needs it.
    pub fn needed_for(self) -> &'static str {
        match self {
            Resource::Namespaces => "namespaceSelector",
            Resource::Secrets => "copied",
            Resource::SecretProviderClasses => "storePath",
            Resource::SharedSecrets => "sharedSecret with where.from",
            _ => "reach",
        }
    }
}

fn asked_labels(scope: &Scope) -> Option<BTreeSet<String>> {
    let selector = scope.namespace_selector.as_ref()?;
    Some(selector.requirements.iter().map(|requirement| requirement.key.clone()).collect())
}

/// A rule on `any` that asks for no paths decides the same whichever they are, and shall need no rights for it.
fn needs_provider_classes(rule: &Rule) -> bool {
    let asks = rule.selects.paths.as_ref().is_some_and(|paths| paths.globs.is_some());
    let is_any = KindSet::any().iter().all(|kind| rule.on.contains(kind));
    rule.on.contains(Kind::StorePath) && (asks || !is_any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_dir;

    fn needs(spec: &str) -> Needs {
        let text =
            format!("apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: a}}\nspec: {spec}\n");
        Needs::of(&policy_dir::compile(&[("a.yaml".into(), text.into_bytes())]).unwrap().set)
    }

    fn of_rule(rule: &str) -> Vec<&'static str> {
        needs(&format!("{{rules: [{{name: a, {rule}}}]}}")).resources().into_iter().map(Resource::name).collect()
    }

    #[test]
    fn the_built_in_policy_needs_nothing() {
        assert!(Needs::of(&policy_dir::built_in()).is_empty());
    }

    #[test]
    fn a_namespace_selector_needs_the_labels_that_it_names() {
        let needs = needs(
            "{match: {namespaceSelector: {matchLabels: {tier: prod}}}, exclude: {namespaceSelector: \
             {matchExpressions: [{key: app, operator: Exists}]}}, rules: [{name: a, on: [env], action: deny}]}",
        );
        let labels = ["app".to_owned(), "tier".to_owned()].into();
        assert_eq!(needs, Needs { namespaces: Some(labels), ..Needs::default() });
    }

    #[test]
    fn an_object_selector_needs_nothing() {
        let needs = needs(
            "{match: {objectSelector: {matchLabels: {tier: prod}}, namespaces: [a]}, rules: [{name: a, on: [env], \
             action: deny}]}",
        );
        assert!(needs.is_empty());
    }

    #[test]
    fn reach_needs_who_may_do_what() {
        let access = ["serviceaccounts", "clusterrolebindings", "clusterroles", "rolebindings", "roles"];
        assert_eq!(of_rule("on: [reach], action: deny"), access);
    }

    #[test]
    fn copied_needs_secrets_and_the_marks_of_the_policies() {
        let needs = needs("{copyMarks: [{label: x}], rules: [{name: a, on: [copied], action: deny}]}");
        let Some(marks) = &needs.secrets else { panic!("{needs:?}") };
        assert_eq!((marks.len(), needs.resources().len()), (1, 1));
    }

    #[test]
    fn across_namespaces_needs_all_but_what_where_alone_asks_for() {
        let needs = needs("{rules: [{name: a, on: [crossNamespace], action: deny}]}");
        assert!(needs.access && needs.secrets.is_some() && needs.provider_classes && !needs.shared_secrets);
    }

    #[test]
    fn everything_needs_nothing_of_the_cluster() {
        assert!(of_rule("on: [any], action: deny").is_empty());
        assert!(of_rule("on: [any], where: {secrets: [a], namespaces: [\"!b\"]}, action: deny").is_empty());
        assert_eq!(of_rule("on: [any], where: {paths: [a]}, action: deny"), ["secretproviderclasses"]);
    }

    #[test]
    fn a_shared_secret_needs_its_origin_where_a_rule_asks_for_it() {
        assert!(of_rule("on: [sharedSecret], action: deny").is_empty());
        assert_eq!(of_rule("on: [sharedSecret], where: {from: [a]}, action: deny"), ["sharedsecrets"]);
    }

    #[test]
    fn a_store_path_needs_provider_classes() {
        assert_eq!(of_rule("on: [storePath], action: deny"), ["secretproviderclasses"]);
        assert!(of_rule("on: [nodeAccess], where: {paths: [\"/a\"]}, action: deny").is_empty());
    }

    #[test]
    fn a_policy_that_is_off_needs_nothing_and_one_in_dry_run_the_same_as_enforced() {
        let of = |mode| needs(&format!("{{mode: {mode}, rules: [{{name: a, on: [reach], action: deny}}]}}"));
        assert!(of("off").is_empty());
        assert_eq!(of("dryRun"), of("enforce"));
    }
}
