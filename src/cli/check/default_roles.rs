//! The roles that every cluster has from its start: manifests bind them and do not hold them.

use crate::fence::access::{Object, ObjectKind};

/// Those of an API server 1.36 (plugin/pkg/auth/authorizer/rbac/bootstrappolicy), with the rules that may count and, in the place
/// of others, empty ones: a finding names a rule by its number. What is new since is in no input either, and named as missing.
const TEXT: &str = include_str!("default_roles.json");

/// The default ClusterRoles, and the default Roles of `kube-system` and `kube-public`.
pub fn default_roles() -> Vec<Object> {
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_str(TEXT).unwrap_or_default();
    let kind = |text: &str| if text.contains(r#""kind":"Role""#) { ObjectKind::Role } else { ObjectKind::ClusterRole };
    items.into_iter().filter_map(|item| Object::parse_as(kind(item.get()), item.get().as_bytes()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fence::access::{Access, Place, ROWS};

    fn parsed(value: &Value) -> Object {
        Object::parse(value.to_string().as_bytes()).unwrap().unwrap()
    }

    /// What each role of a list lets an account do that it is bound to, with the rules; and the names of all.
    fn told(kind: &str, roles: impl Fn() -> Vec<Object>, names: &[(String, String)]) -> Vec<String> {
        let version = "rbac.authorization.k8s.io/v1";
        let subjects = json!([{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}]);
        let of = |(namespace, name): &(String, String)| {
            let role = json!({"kind": kind, "name": name});
            let binding = match kind {
                "Role" => json!({"apiVersion": version, "kind": "RoleBinding", "roleRef": role, "subjects": subjects,
                    "metadata": {"namespace": namespace, "name": "give"}}),
                _ => json!({"apiVersion": version, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects,
                    "metadata": {"name": "give"}}),
            };
            let access = Access::of(roles().into_iter().chain([parsed(&binding)]));
            access.reach("shop", "web").iter().map(|reached| format!("{name}: {reached} {}", reached.chain)).collect()
        };
        names.iter().flat_map(|name| -> Vec<String> { of(name) }).collect()
    }

    #[test]
    fn the_default_roles_are_those_of_an_api_server() {
        let fixtures = [
            ("ClusterRole", include_str!("../../../tests/fixtures/rbac/clusterroles.json")),
            ("Role", include_str!("../../../tests/fixtures/rbac/roles.json")),
        ];
        let ours: Vec<Value> = serde_json::from_str(TEXT).unwrap();
        assert_eq!(default_roles().len(), ours.len());
        let name = |role: &Value| {
            let text = |field: &str| role["metadata"][field].as_str().unwrap_or_default().to_owned();
            (text("namespace"), text("name"))
        };
        for (kind, fixture) in fixtures {
            let mut fixture: Vec<Value> = serde_json::from_str(fixture).unwrap();
            for role in &mut fixture {
                role["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
                role["kind"] = json!(kind);
            }
            let names: Vec<_> = fixture.iter().map(name).collect();
            let own: Vec<_> = ours.iter().filter(|role| role["kind"] == kind).map(name).collect();
            assert_eq!(own, names);
            let theirs = told(kind, || fixture.iter().map(parsed).collect(), &names);
            assert_eq!(told(kind, default_roles, &names), theirs);
            assert!(kind == "Role" || theirs.len() > ROWS.iter().filter(|row| row.place == Place::Cluster).count());
        }
    }
}
