//! The smallest ClusterRole for a policy set.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::needs::{Needs, Resource};

/// The name of the ClusterRole, its binding, the ServiceAccount and its namespace.
const NAME: &str = "secretfence";

/// A ClusterRole with what these needs take and nothing more, and its binding for the ServiceAccount of the shipped
/// manifests, as YAML. Only a comment where nothing is needed.
pub fn cluster_role(needs: &Needs) -> String {
    if needs.is_empty() {
        return "# These policies need no access to the cluster: no ClusterRole.\n".to_owned();
    }
    let mut text = format!(
        "# What these policies need to read, and nothing more. A Deployment whose certificate is not its own making has no token\n\
         # and no way to the API server: the kustomize component manifests/cluster-access gives it both.\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: {NAME}\nrules:\n"
    );
    // One rule for each need: a reader sees what goes when a policy goes.
    let mut rules: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for resource in needs.resources() {
        rules.entry((resource.needed_for(), resource.group())).or_default().push(resource.name());
    }
    for ((needed_for, group), resources) in rules {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# {needed_for}");
        if resources == [Resource::Secrets.name()] {
            text += "# RBAC knows no right to metadata alone: this one allows to read every Secret's data, too.\n";
        }
        let _ = writeln!(
            text,
            "- apiGroups: [\"{group}\"]\n  resources: [{}]\n  verbs: [list, watch]",
            resources.join(", ")
        );
    }
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {NAME}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {NAME}\nsubjects:\n\
         - kind: ServiceAccount\n  name: {NAME}\n  namespace: {NAME}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rules(needs: &Needs) -> Value {
        let text = cluster_role(needs);
        let manifest = crate::manifest::parse(text.as_bytes());
        assert!(manifest.errors.is_empty(), "{:?}\n{text}", manifest.errors);
        let objects: Vec<Value> = manifest
            .documents
            .into_iter()
            .map(|document| serde_json::from_slice(&document.with_words().json().unwrap()).unwrap())
            .collect();
        assert_eq!([&objects[0]["kind"], &objects[1]["kind"]], ["ClusterRole", "ClusterRoleBinding"]);
        assert_eq!(objects[1]["roleRef"]["name"], objects[0]["metadata"]["name"]);
        let subject = json!({"kind": "ServiceAccount", "name": "secretfence", "namespace": "secretfence"});
        assert_eq!(objects[1]["subjects"], json!([subject]));
        objects[0]["rules"].clone()
    }

    fn rule(group: &str, resources: &[&str]) -> Value {
        json!({"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]})
    }

    #[test]
    fn no_need_is_no_role() {
        let text = cluster_role(&Needs::default());
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    }

    #[test]
    fn each_need_is_one_right() {
        let none = Needs::default;
        let namespaces = Needs { namespaces: Some(["tier".to_owned()].into()), ..none() };
        assert_eq!(rules(&namespaces), json!([rule("", &["namespaces"])]));
        let secrets = Needs { secrets: Some(Vec::new()), ..none() };
        assert_eq!(rules(&secrets), json!([rule("", &["secrets"])]));
        let classes = Needs { provider_classes: true, ..none() };
        assert_eq!(rules(&classes), json!([rule("secrets-store.csi.x-k8s.io", &["secretproviderclasses"])]));
        let shared = Needs { shared_secrets: true, ..none() };
        assert_eq!(rules(&shared), json!([rule("sharedresource.openshift.io", &["sharedsecrets"])]));
        let roles = ["clusterrolebindings", "clusterroles", "rolebindings", "roles"];
        let access = Needs { access: true, ..none() };
        let expected = json!([rule("", &["serviceaccounts"]), rule("rbac.authorization.k8s.io", &roles)]);
        assert_eq!(rules(&access), expected);
    }

    #[test]
    fn only_copies_take_a_right_to_secrets() {
        let needs = Needs {
            namespaces: Some(["tier".to_owned()].into()),
            access: true,
            secrets: None,
            provider_classes: true,
            shared_secrets: true,
        };
        assert!(!rules(&needs).to_string().contains("\"secrets\""));
        let all = rules(&Needs { secrets: Some(Vec::new()), ..needs });
        assert_eq!(all.as_array().map(Vec::len), Some(6));
    }
}
