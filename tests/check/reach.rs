//! What `check` says of the rights of a pod's account, where the input tells only part of them.

use insta::assert_snapshot;

use super::Folder;

const POD: &str = "
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {serviceAccountName: web, containers: [{name: api, image: api}]}
";

const SUBJECTS: &str = "subjects: [{kind: ServiceAccount, name: web, namespace: shop}]";

fn binding(namespace: &str, name: &str, role: &str) -> String {
    let (kind, namespace) = match namespace {
        "" => ("ClusterRoleBinding", String::new()),
        namespace => ("RoleBinding", format!(", namespace: {namespace}")),
    };
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}{namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, {role}}}\n{SUBJECTS}\n"
    )
}

fn folder(input: &str) -> Folder {
    Folder::with(&format!("{input}{POD}")).rules("[{name: no, on: [reach], action: deny}]")
}

/// The messages of the findings, and what is not judged.
fn told(input: &str) -> (Vec<String>, Vec<String>) {
    let report = folder(input).json(&["-p", "policy.yaml", "pod.yaml"]);
    let texts = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let messages = report["findings"].as_array().unwrap().iter().map(|finding| finding["message"].clone());
    assert!(report["errors"].as_array().unwrap().is_empty(), "{report}");
    (texts(&messages.collect()), texts(&report["summary"]["notJudged"]))
}

#[test]
fn the_default_roles_are_known_without_being_in_the_input() {
    let (messages, not_judged) = told(&binding("", "web-admin", "kind: ClusterRole, name: cluster-admin"));
    assert_eq!((messages.len(), not_judged.len()), (1, 0), "{not_judged:?}");
    assert!(
        messages[0]
            .contains("by ServiceAccount \"web\", ClusterRoleBinding \"web-admin\", ClusterRole \"cluster-admin\"")
    );
    let (messages, not_judged) = told(&binding("payments", "web-edit", "kind: ClusterRole, name: edit"));
    assert_eq!((messages.len(), not_judged.len()), (1, 0), "{not_judged:?}");
    assert!(messages[0].contains("in namespace \"payments\" (get secrets)"), "{messages:?}");
    for role in ["kind: ClusterRole, name: view", "kind: Role, name: extension-apiserver-authentication-reader"] {
        assert_eq!(told(&binding("kube-system", "web", role)), (vec![], vec![]), "{role}");
    }
}

#[test]
fn a_default_role_of_the_input_counts_instead() {
    let own = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: cluster-admin}\nrules: []\n";
    let input = format!("{own}{}", binding("", "web-admin", "kind: ClusterRole, name: cluster-admin"));
    assert_eq!(told(&input), (vec![], vec![]));
}

#[test]
fn default_roles_alone_do_not_judge_reach() {
    let (messages, not_judged) = told("");
    assert!(messages.is_empty() && not_judged[0].starts_with("reach: no role or binding is in the input"));
}

#[test]
fn a_role_that_nobody_has_told_of_is_named() {
    let input = [
        binding("", "mystery", "kind: ClusterRole, name: mystery"),
        binding("payments", "web", "kind: Role, name: reader"),
        binding("payments", "other", "kind: Role, name: reader")
            .replace("name: web, namespace: shop", "name: job, namespace: shop"),
        binding("infra", "group", "kind: ClusterRole, name: theirs").replace(
            "kind: ServiceAccount, name: web, namespace: shop",
            "kind: Group, name: 'system:serviceaccounts:shop'",
        ),
    ];
    let (messages, not_judged) = told(&input.concat());
    assert!(messages.is_empty());
    assert_snapshot!(not_judged.join("\n"), @r#"
    reach of ClusterRole "mystery", by ClusterRoleBinding "mystery": the role is not in the input
    reach of ClusterRole "theirs", by RoleBinding "infra/group": the role is not in the input
    reach of Role "payments/reader", by RoleBinding "payments/web": the role is not in the input
    "#);
}

#[test]
fn many_unknown_roles_are_counted() {
    let bindings: String =
        (0..25).map(|n| binding("", &format!("b{n:02}"), "kind: ClusterRole, name: mystery")).collect();
    let (_, not_judged) = told(&bindings);
    assert_eq!(not_judged.len(), 21);
    assert_eq!(not_judged[20], "reach of 5 more roles, by other bindings: they are not in the input");
}

#[test]
fn an_rbac_object_that_cannot_be_read_is_an_error_with_its_line() {
    let head = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: ca, namespace: infra}\n";
    let rules = "rules:\n- apiGroups: ['']\n  resources: [secrets]\n  verbs: get\n";
    let input = format!("{head}{rules}{}", binding("infra", "ca", "kind: Role, name: ca"));
    assert_snapshot!(folder(&input).check(&["pod.yaml"]), @r#"
    exit: 2
    --- stdout
    not judged: reach of Role "infra/ca", by RoleBinding "infra/ca": the role is not in the input
    1 file, 1 workload: 0 denied, 0 warned, 0 swapped, 0 allowed; 1 error
    --- stderr
    error: pod.yaml:8:10: this is no Role: /rules/0/verbs: expected a list
    "#);
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\nautomountServiceAccountToken: 'no'\n";
    let shown = folder(account).check(&["pod.yaml"]);
    assert!(shown.starts_with("exit: 2\n") && shown.contains("pod.yaml:4:31: this is no ServiceAccount"), "{shown}");
    // Who does not ask about rights is not told of them.
    let other = folder(&input).rules("[{name: no, on: [env], action: deny}]");
    assert!(other.check(&["pod.yaml"]).starts_with("exit: 0\n"));
}

const TOKEN: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: web-token, namespace: shop, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
---
apiVersion: v1
kind: Pod
metadata: {name: legacy, namespace: shop}
spec:
  automountServiceAccountToken: false
  containers: [{name: api, image: api ENV}]
  volumes: [{name: t, secret: {secretName: web-token ITEMS}}]
";

#[test]
fn a_token_in_a_secret_is_followed_to_its_account() {
    let bind = binding("", "robot", "kind: ClusterRole, name: cluster-admin").replace("name: web", "name: robot");
    let with = |env: &str, items: &str| {
        let (messages, not_judged) = told(&format!("{bind}{}", TOKEN.replace(" ENV", env).replace(" ITEMS", items)));
        assert!(not_judged.is_empty());
        messages
    };
    assert_snapshot!(with("", "").join("\n"), @r#"volume "t" holds a token, in Secret "web-token", that can read Secrets in every namespace (get secrets), by ServiceAccount "robot", ClusterRoleBinding "robot", ClusterRole "cluster-admin", rule 0 (/spec/volumes/0/secret): give it a ServiceAccount with fewer rights, or automountServiceAccountToken: false [test/no]"#);
    assert!(with("", ", items: [{key: ca.crt, path: ca}]").is_empty(), "the certificate alone is no token");
    let env = ", env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: web-token, key: token}}}]";
    assert_eq!(with(env, "").len(), 1, "told once");
    assert_snapshot!(with(env, ", items: [{key: ca.crt, path: ca}]").join("\n"), @r#"container "api" holds a token, in Secret "web-token", that can read Secrets in every namespace (get secrets), by ServiceAccount "robot", ClusterRoleBinding "robot", ClusterRole "cluster-admin", rule 0 (/spec/containers/0/env/0): give it a ServiceAccount with fewer rights, or automountServiceAccountToken: false [test/no]"#);
}
