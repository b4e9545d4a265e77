//! `audit --publish` on a real API server: reports are there where something is to do, and nowhere else; those of others stay.

#[path = "audit_conflicts.rs"]
mod conflicts;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, path};
use crate::binaries::{Program, skipped};
use crate::cluster::{from_yaml, shown};
use crate::control_plane::{ADMIN, ControlPlane, eventually};
use crate::objects::{API, api, secret_env, workload};

/// The APIs for reports, as their projects ship them.
pub const APIS: [(&str, &str, &str, &str); 2] = [
    ("wgpolicyk8s.io/v1alpha2", "PolicyReport", "policyreports", include_str!("../fixtures/reports/wgpolicyk8s.yaml")),
    ("openreports.io/v1alpha1", "Report", "reports", include_str!("../fixtures/reports/openreports.yaml")),
];

const PAGE: &str = include_str!("../../docs/audit.md");

/// A cluster in which nobody makes pods, and nothing ends.
struct Published {
    control_plane: ControlPlane,
    api: Api,
    folder: TempDir,
    version: &'static str,
    kind: &'static str,
    resource: &'static str,
}

impl Published {
    fn start() -> Option<Published> {
        if skipped() {
            return None;
        }
        let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
        control_plane.stop_controllers();
        let (api, folder) = (control_plane.api(ADMIN), TempDir::new().unwrap());
        Some(Published { control_plane, api, folder, version: "", kind: "", resource: "" })
    }

    fn install(&mut self, (version, kind, resource, definition): (&'static str, &'static str, &'static str, &str)) {
        (self.version, self.kind, self.resource) = (version, kind, resource);
        self.api.create(&from_yaml(definition).remove(0), "").done();
        let list = format!("/apis/{version}/{resource}");
        let is_served = || {
            let resources = self.api.get(&format!("/apis/{version}")).body;
            (self.api.get(&list).status == 200 && resources["resources"].is_array()).then_some(())
        };
        assert!(eventually(is_served).is_some(), "{resource}");
    }

    fn namespace(&self, name: &str) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.api.create(&namespace, "").done();
    }

    fn deploy(&self, namespace: &str) {
        self.api.create(&workload("Deployment", namespace, "web", json!([api()])), "").done();
    }

    /// As the administrator, by the built-in policy, which denies.
    fn audit(&self, more: &[&str]) -> Output {
        self.audit_by(&self.control_plane.path("admin.kubeconfig"), more)
    }

    fn audit_by(&self, kubeconfig: &str, more: &[&str]) -> Output {
        let always = ["audit", "--kubeconfig", kubeconfig, "--publish"];
        Command::new(env!("CARGO_BIN_EXE_secretfence")).args(always).args(more).output().unwrap()
    }

    /// Of these policies, as an audit says it.
    fn revision(&self, more: &[&str]) -> String {
        let kubeconfig = self.control_plane.path("admin.kubeconfig");
        let always = ["audit", "--kubeconfig", &kubeconfig, "--format", "json"];
        let output = Command::new(env!("CARGO_BIN_EXE_secretfence")).args(always).args(more).output().unwrap();
        let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
        audit["policies"]["revision"].as_str().unwrap().to_owned()
    }

    /// Policies that deny what is in namespaces of such a name.
    fn policies(&self, namespaces: &str) -> String {
        let file = self.folder.path().join(format!("{}.yaml", namespaces.replace('*', "")));
        let text = format!(
            "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: some}}\n\
             spec: {{match: {{namespaces: [\"{namespaces}\"]}}, rules: [{{name: deny, on: [env], action: deny}}]}}\n"
        );
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// A kubeconfig of a ServiceAccount without rights.
    fn account(&self, name: &str) -> PathBuf {
        let metadata = json!({"namespace": "default", "name": name});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        self.api.create(&account, "").done();
        let file = self.folder.path().join(name);
        std::fs::write(&file, self.control_plane.kubeconfig_of_account("default", name)).unwrap();
        file
    }

    fn object(&self, namespace: &str, name: &str, by: &str) -> Value {
        let labels = json!({"app.kubernetes.io/managed-by": by});
        json!({
            "apiVersion": self.version, "kind": self.kind, "results": [{"policy": "theirs", "result": "pass"}],
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
        })
    }

    fn place(&self, namespace: &str) -> String {
        format!("/apis/{}/namespaces/{namespace}/{}/secretfence", self.version, self.resource)
    }

    /// Where there are reports, `namespace/name`.
    fn all(&self) -> Vec<String> {
        let list = self.api.get(&format!("/apis/{}/{}", self.version, self.resource)).done();
        let name = |its: &Value| format!("{}/{}", its["metadata"]["namespace"], its["metadata"]["name"]);
        let mut all: Vec<String> =
            list["items"].as_array().unwrap().iter().map(|its| name(its).replace('"', "")).collect();
        all.sort();
        all
    }
}

fn role(name: &str, rules: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

/// A ClusterRole to the account `tenant`.
fn bound(kind: &str, metadata: Value) -> Value {
    let rbac = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": format!("{rbac}/v1"), "kind": kind, "metadata": metadata,
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "tenant"}],
    })
}

fn writes() -> Value {
    json!([{"apiGroups": ["openreports.io"], "resources": ["reports"], "verbs": ["create", "patch", "delete"]}])
}

#[test]
fn reports_move_to_the_api_that_comes_later_and_stay_where_somebody_has_no_right() {
    let Some(mut cluster) = Published::start() else { return };
    cluster.namespace("shop");
    cluster.deploy("shop");
    cluster.install(APIS[0]);
    assert!(
        shown(&cluster.audit(&[])).ends_with("published: 1 namespace in policyreports of wgpolicyk8s.io, 0 removed\n")
    );
    let before = cluster.place("shop");
    cluster.api.create(&cluster.object("shop", "theirs", "kyverno"), "").done();

    cluster.install(APIS[1]);
    // Who may not look there has none there.
    let tenant = cluster.account("tenant");
    let reads = ["", "apps", "batch", "admissionregistration.k8s.io", "openreports.io"];
    for object in [
        role("reads-one", json!([{"apiGroups": reads, "resources": ["*"], "verbs": ["list"]}])),
        role("writes-one", writes()),
        bound("ClusterRoleBinding", json!({"name": "reads-one"})),
        bound("ClusterRoleBinding", json!({"name": "writes-one"})),
    ] {
        cluster.api.create(&object, "").done();
    }
    let published = "published: 1 namespace in reports of openreports.io, 0 removed\n";
    let by_tenant = || shown(&cluster.audit_by(tenant.to_str().unwrap(), &[]));
    assert!(eventually(|| by_tenant().ends_with(published).then_some(())).is_some(), "{}", by_tenant());
    let said = by_tenant();
    assert!(said.starts_with("exit: 1\n"), "{said}");
    assert_eq!(cluster.api.get(&before).status, 200);

    let said = shown(&cluster.audit(&[]));
    assert!(said.ends_with("published: 1 namespace in reports of openreports.io, 1 removed\n"), "{said}");
    assert_eq!(cluster.all(), ["shop/secretfence"]);
    assert_eq!(cluster.api.get(&before).status, 404);
    assert_eq!(cluster.api.get(&before.replace("/secretfence", "/theirs")).status, 200, "what others have is theirs");
}

#[test]
fn reports_are_where_something_is_to_do_and_go_when_it_is_done() {
    let Some(mut cluster) = Published::start() else { return };
    for name in ["first", "second", "clean"] {
        cluster.namespace(name);
    }
    ["first", "second"].iter().for_each(|name| cluster.deploy(name));
    let said = shown(&cluster.audit(&[]));
    assert!(
        said.starts_with("exit: 2\n--- stderr\nerror: --publish: the cluster has neither reports of openreports.io"),
        "{said}"
    );
    assert!(said.contains("install the CustomResourceDefinitions of https://"), "{said}");

    // With both installed, the second is the one, and what was left in the first goes.
    for (left, definition) in APIS.into_iter().enumerate() {
        cluster.install(definition);
        let in_words = format!("{} of {}", cluster.resource, cluster.version.split('/').next().unwrap());
        let output = cluster.audit(&[]);
        let said = shown(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.ends_with(&format!("published: 2 namespaces in {in_words}, {left} removed\n")), "{said}");
        assert_eq!(cluster.all(), ["first/secretfence", "second/secretfence"]);
        let report = cluster.api.get(&cluster.place("first")).done();
        is_whole(&report, &cluster.revision(&[]));

        // The same again is no change, and who only reports does not fail.
        let output = cluster.audit(&["--exit-zero"]);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        assert_eq!(cluster.api.get(&cluster.place("first")).done(), report);

        // What others hang on it stays, and what is ours comes back.
        let note = json!({"metadata": {"annotations": {"theirs": "1"}}, "results": [], "summary": {"fail": 7}});
        cluster.api.merge(&cluster.place("first"), &note).done();
        cluster.audit(&["-n", "first"]);
        let mended = cluster.api.get(&cluster.place("first")).done();
        assert_eq!((&mended["results"], &mended["summary"]), (&report["results"], &report["summary"]));
        assert_eq!(mended["metadata"]["annotations"], json!({"theirs": "1"}));

        // Theirs, by another name or another's label, stay in a clean namespace, too.
        for (name, by) in [("other", "secretfence"), ("secretfence", "kyverno")] {
            cluster.api.create(&cluster.object("clean", name, by), "").done();
        }
        // Mended: a look at another namespace does not tell.
        let deployment = "/apis/apps/v1/namespaces/second/deployments/web";
        let clean = json!([{"op": "replace", "path": "/spec/template/spec/containers", "value": [{"name": "api", "image": API}]}]);
        cluster.api.request("PATCH", deployment, "application/json-patch+json", &clean).done();
        cluster.audit(&["-n", "first"]);
        assert_eq!(cluster.all(), ["clean/other", "clean/secretfence", "first/secretfence", "second/secretfence"]);
        let said = shown(&cluster.audit(&[]));
        assert!(said.ends_with(&format!("published: 1 namespace in {in_words}, 1 removed\n")), "{said}");
        assert_eq!(cluster.all(), ["clean/other", "clean/secretfence", "first/secretfence"]);

        // Where ours should be, theirs is named, and stays as it is.
        cluster.deploy("clean");
        let theirs = cluster.api.get(&cluster.place("clean")).done();
        let output = cluster.audit(&["--exit-zero"]);
        let said = shown(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let error = format!(
            "there is one of the {in_words} with the name \"secretfence\" in namespace \"clean\" that is not ours"
        );
        assert!(said.contains(&error), "{said}");
        assert_eq!(cluster.api.get(&cluster.place("clean")).done(), theirs);
        // The page tells how to find it.
        let command =
            PAGE.lines().find_map(|line| line.trim().strip_prefix("kubectl get reports.openreports.io -A --field"));
        let command = command.expect("a command on the page").replace('\'', "");
        let which = format!("{}.{}", cluster.resource, cluster.version.split('/').next().unwrap());
        let mut kubectl = Program::find("kubectl").unwrap_or_else(|error| panic!("{error}")).command();
        kubectl.args(["--kubeconfig", &cluster.control_plane.path("admin.kubeconfig"), "get", &which, "-A"]);
        let found = shown(&kubectl.args(format!("--field{command}").split_whitespace()).output().unwrap());
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines.len() == 4 && lines[3].starts_with("clean "), "one, beneath a head: {found}");
        assert!(lines[3].ends_with("app.kubernetes.io/managed-by=kyverno"), "{found}");

        // As it was before.
        for object in
            [workload("Deployment", "clean", "web", json!([])), workload("Deployment", "second", "web", json!([]))]
        {
            cluster.api.delete(&path(&object)).done();
        }
        cluster.api.delete(&cluster.place("clean")).done();
        cluster.deploy("second");
    }
    // One that ends takes nothing new, and is no error.
    cluster.namespace("ending");
    cluster.deploy("ending");
    let ending = cluster.api.delete("/api/v1/namespaces/ending").done();
    assert_eq!(ending["status"]["phase"], "Terminating");
    let output = cluster.audit(&["--exit-zero"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_eq!(cluster.all(), ["clean/other", "first/secretfence", "second/secretfence"]);
}

/// Nothing of it was left out by the schema of the cluster.
fn is_whole(report: &Value, revision: &str) {
    let labels = json!({"app.kubernetes.io/managed-by": "secretfence", "secretfence.dev/policy-revision": revision});
    assert_eq!(report["metadata"]["labels"], labels);
    assert_eq!(report["summary"], json!({"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}));
    let [result] = &report["results"].as_array().unwrap()[..] else { panic!("{report:#}") };
    let said = ["source", "category", "policy", "rule", "result", "severity", "scored"].map(|field| &result[field]);
    assert_eq!(json!(said), json!(["secretfence", "Secrets", "baseline", result["rule"], "fail", "high", true]));
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "first", "name": "web"});
    assert_eq!(result["resources"], json!([owner]));
    assert_eq!(result["properties"]["variable"], "DB_PASSWORD");
}

#[test]
fn a_right_to_reports_that_is_missing_is_named_once() {
    let Some(mut cluster) = Published::start() else { return };
    cluster.install(APIS[1]);
    for name in ["first", "second", "third"] {
        cluster.namespace(name);
        cluster.deploy(name);
    }
    let kubeconfig = cluster.account("publisher");
    let kubeconfig = kubeconfig.to_str().unwrap();
    let mut blocks = PAGE.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let role = from_yaml(blocks.next().unwrap()).remove(0);
    let rule = blocks.next().expect("the rights of --publish");
    let rule = from_yaml(rule).remove(0)[0].clone();
    cluster.api.create(&role, "").done();
    let name = role["metadata"]["name"].clone();
    let binding = json!({
        "apiVersion": role["apiVersion"], "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "publisher"}],
    });
    cluster.api.create(&binding, "").done();
    let verbs: Vec<&str> = rule["verbs"].as_array().unwrap().iter().map(|verb| verb.as_str().unwrap()).collect();
    assert_eq!(verbs, ["list", "create", "patch", "delete"], "in the order in which they are needed below");
    let give = |verbs: &[&str]| {
        let mut rule = rule.clone();
        rule["verbs"] = json!(verbs);
        let mut rules = role["rules"].as_array().unwrap().clone();
        rules.extend((!verbs.is_empty()).then_some(rule));
        cluster.api.merge(&path(&role), &json!({"rules": rules})).done();
    };
    // Each right lets it come one step further: what is published, then changed, then removed.
    for (count, verb) in verbs.iter().enumerate() {
        give(&verbs[..count]);
        if *verb == "delete" {
            let object = workload("Deployment", "third", "web", json!([]));
            cluster.api.delete(&path(&object)).done();
        }
        let places = match *verb {
            "list" => "",
            "delete" => " in namespace \"third\"",
            _ => " in namespaces \"first\", \"second\", \"third\"",
        };
        let error = format!(
            "error: may not {verb} reports of openreports.io{places}: give the right to {verb} reports (group openreports.io)\n"
        );
        let is_named = || shown(&cluster.audit_by(kubeconfig, &[])).contains(&error).then_some(());
        assert!(eventually(is_named).is_some(), "{}", shown(&cluster.audit_by(kubeconfig, &[])));
        let said = shown(&cluster.audit_by(kubeconfig, &[]));
        assert!(said.starts_with("exit: 2\n") && said.matches("error: ").count() == 1, "{said}");
    }
    give(&verbs);
    let is_done = || (cluster.audit_by(kubeconfig, &[]).status.code() == Some(1)).then_some(());
    assert!(eventually(is_done).is_some(), "{}", shown(&cluster.audit_by(kubeconfig, &[])));
    assert_eq!(cluster.all(), ["first/secretfence", "second/secretfence"]);

    // While something cannot be read, what is there says so, and nobody can say that a namespace is mended.
    let jobs = role["rules"].as_array().unwrap().iter().position(|rule| rule["apiGroups"] == json!(["batch"])).unwrap();
    let mut less = vec![rule.clone()];
    less.extend(
        role["rules"].as_array().unwrap().iter().enumerate().filter(|(at, _)| *at != jobs).map(|its| its.1.clone()),
    );
    cluster.api.merge(&path(&role), &json!({"rules": less})).done();
    cluster.api.delete(&path(&workload("Deployment", "second", "web", json!([])))).done();
    let is_less = || (cluster.audit_by(kubeconfig, &[]).status.code() == Some(2)).then_some(());
    // The API server hears of it a moment later: what is mended meanwhile is gone, or not.
    assert!(eventually(is_less).is_some());
    let first = cluster.api.get(&cluster.place("first")).done();
    assert_eq!((&first["summary"]["error"], &first["results"][1]["result"]), (&json!(1), &json!("error")));
    cluster.deploy("third");
    let said = shown(&cluster.audit_by(kubeconfig, &[]));
    assert!(said.contains("may not list jobs") && said.contains(", 0 removed\n"), "{said}");
    cluster.api.delete(&path(&workload("Deployment", "third", "web", json!([])))).done();
    cluster.audit_by(kubeconfig, &[]);
    assert!(cluster.all().contains(&"third/secretfence".to_owned()), "{:?}", cluster.all());
    give(&verbs);
    let is_gone = || {
        cluster.audit_by(kubeconfig, &[]);
        (cluster.all() == ["first/secretfence"]).then_some(())
    };
    assert!(eventually(is_gone).is_some(), "{:?}", cluster.all());
    assert_eq!(cluster.api.get(&cluster.place("first")).done()["summary"]["error"], 0);
}

#[test]
fn what_one_namespace_refuses_stops_no_other_and_is_told_apart_from_a_right() {
    let Some(mut cluster) = Published::start() else { return };
    cluster.install(APIS[1]);
    let names = ["aaa-quota", "aab-forbidden", "aac-invalid", "shop", "zeta"];
    for name in names {
        cluster.namespace(name);
        cluster.deploy(name);
    }
    // As its controller would have it.
    let count = json!({"count/reports.openreports.io": "0"});
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"namespace": "aaa-quota", "name": "none"},
        "spec": {"hard": count},
    });
    cluster.api.create(&quota, "").done();
    cluster.api.merge(&format!("{}/status", path(&quota)), &json!({"status": {"hard": count, "used": count}})).done();
    let validation = |namespace: &str, reason: &str| {
        json!({
            "expression": format!("object.metadata.namespace != '{namespace}'"), "reason": reason,
            "messageExpression": "'no \\u001b[2J in ' + object.metadata.namespace",
        })
    };
    let rule = json!({
        "apiGroups": ["openreports.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["reports"],
    });
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-reports"},
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
            "validations": [validation("aab-forbidden", "Forbidden"), validation("aac-invalid", "Invalid")],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-reports"}, "spec": {"policyName": "no-reports", "validationActions": ["Deny"]},
    });
    [&policy, &binding].iter().for_each(|object| drop(cluster.api.create(object, "").done()));
    // The API server hears of each a moment later.
    let dry = |namespace: &str| cluster.api.create(&cluster.object(namespace, "probe", "nobody"), "?dryRun=All").status;
    let is_refused = || (names.map(dry) == [403, 403, 422, 201, 201]).then_some(());
    assert!(eventually(is_refused).is_some(), "{:?}", names.map(dry));

    let output = cluster.audit(&["--exit-zero"]);
    let said = shown(&output);
    assert_eq!((output.status.code(), said.matches("error: ").count()), (Some(2), 3), "{said}");
    assert!(said.contains("published: 2 namespaces in reports of openreports.io, 0 removed\n"), "{said}");
    assert!(!said.contains("give the right") && !said.contains('\u{1b}'), "{said}");
    let refused = |namespace: &str, words: &str| {
        format!(
            "error: reports of openreports.io in namespace \"{namespace}\" could not be written: no right is missing, but a \
             quota or an admission refuses: \"{words}"
        )
    };
    let of_policy = "ValidatingAdmissionPolicy 'no-reports' with binding 'no-reports' denied request: no \\u{1b}[2J in";
    assert!(said.contains(&refused("aaa-quota", "exceeded quota: none, requested: count/reports")), "{said}");
    assert!(said.contains(&refused("aab-forbidden", &format!("{of_policy} aab-forbidden\"\n"))), "{said}");
    assert!(said.contains(&refused("aac-invalid", &format!("{of_policy} aac-invalid\"\n"))), "{said}");
    assert_eq!(cluster.all(), ["shop/secretfence", "zeta/secretfence"]);

    // A right that a RoleBinding gives in one namespace: there it is used, and of all others said that it is missing.
    for object in [&binding, &policy, &quota] {
        cluster.api.delete(&path(object)).done();
    }
    for namespace in ["shop", "zeta"] {
        cluster.api.delete(&cluster.place(namespace)).done();
    }
    let kubeconfig = cluster.account("tenant");
    let kubeconfig = kubeconfig.to_str().unwrap();
    for object in [
        role("reads-all", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}])),
        role("writes-one", writes()),
        bound("ClusterRoleBinding", json!({"name": "reads-all"})),
        bound("RoleBinding", json!({"name": "writes-one", "namespace": "shop"})),
    ] {
        cluster.api.create(&object, "").done();
    }
    let error = "error: may not create reports of openreports.io in namespaces \"aaa-quota\", \"aab-forbidden\", \
                 \"aac-invalid\", \"zeta\": give the right to create reports (group openreports.io)\n";
    let is_told = || shown(&cluster.audit_by(kubeconfig, &[])).contains(error).then_some(());
    assert!(eventually(is_told).is_some(), "{}", shown(&cluster.audit_by(kubeconfig, &[])));
    let said = shown(&cluster.audit_by(kubeconfig, &[]));
    assert!(said.starts_with("exit: 2\n") && said.matches("error: ").count() == 1, "{said}");
    assert!(said.contains("published: 1 namespace in"), "{said}");
    assert_eq!(cluster.all(), ["shop/secretfence"]);
}

#[test]
fn policies_that_are_about_nothing_remove_no_report_of_other_policies() {
    let Some(mut cluster) = Published::start() else { return };
    cluster.install(APIS[1]);
    for name in ["first", "second"] {
        cluster.namespace(name);
        cluster.deploy(name);
    }
    let run = |namespaces: &str| shown(&cluster.audit(&["--exit-zero", "-p", &cluster.policies(namespaces)]));
    let revision = |namespace: &str| {
        let report = cluster.api.get(&cluster.place(namespace)).done();
        report["metadata"]["labels"]["secretfence.dev/policy-revision"].as_str().unwrap().to_owned()
    };
    let both = ["first/secretfence", "second/secretfence"];
    assert!(run("*").starts_with("exit: 0\n"), "{}", run("*"));
    assert_eq!(cluster.all(), both);
    assert_eq!(revision("first"), cluster.revision(&["-p", &cluster.policies("*")]));

    // A misspelt glob.
    let said = run("frist");
    assert!(said.starts_with("exit: 2\n"), "{said}");
    let error = "error: reports of openreports.io in namespaces \"first\", \"second\" were not removed: they are by other \
                 policies than these, of which none is about anything that was judged. ";
    assert!(
        said.contains(error) && said.contains("published: 0 namespaces in reports of openreports.io, 0 removed\n"),
        "{said}"
    );
    assert_eq!(cluster.all(), both);

    // One that is about something knows what is to do; and by it the report is another.
    let before = revision("first");
    let said = run("f*");
    assert!(
        said.starts_with("exit: 0\n")
            && said.contains("published: 1 namespace in reports of openreports.io, 1 removed\n"),
        "{said}"
    );
    assert_eq!(cluster.all(), ["first/secretfence"]);
    assert_ne!(revision("first"), before);
    // By the same policies, that nothing is there any more is what they say.
    cluster.api.delete(&path(&workload("Deployment", "first", "web", json!([])))).done();
    let said = run("f*");
    assert!(
        said.starts_with("exit: 0\n")
            && said.contains("published: 0 namespaces in reports of openreports.io, 1 removed\n"),
        "{said}"
    );

    // Those of a version before this one say nothing of it; and the command that is named removes them.
    cluster.api.create(&cluster.object("first", "secretfence", "secretfence"), "").done();
    let said = run("frist");
    let command = said.split("where they are meant so: ").nth(1).unwrap().split('\n').next().unwrap();
    assert_eq!(cluster.all(), ["first/secretfence"]);
    let mut kubectl = Program::find("kubectl").unwrap_or_else(|error| panic!("{error}")).command();
    kubectl.args(["--kubeconfig", &cluster.control_plane.path("admin.kubeconfig")]);
    let output = kubectl.args(command.split_whitespace().skip(1)).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    assert!(cluster.all().is_empty() && run("frist").starts_with("exit: 0\n"));
}

/// Most that an audit may take for its reports: one of them, and not all.
#[cfg(target_os = "linux")]
#[test]
fn reports_are_built_one_after_the_other() {
    const NAMESPACES: usize = 120;
    const MOST: u64 = 20 << 20;
    let Some(mut cluster) = Published::start() else { return };
    cluster.install(APIS[1]);
    let env = json!((0..250).map(|number| secret_env(&format!("VARIABLE_{number}"))).collect::<Vec<_>>());
    for number in 0..NAMESPACES {
        let name = format!("crowd-{number:03}");
        cluster.namespace(&name);
        let containers = json!([{"name": "api", "image": API, "env": env}]);
        cluster.api.create(&workload("Deployment", &name, "web", containers), "").done();
    }
    let kubeconfig = cluster.control_plane.path("admin.kubeconfig");
    let peak = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
        let command = command.args(["audit", "--kubeconfig", &kubeconfig]).args(more);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = line.map_or(most, |line| line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10);
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    };
    let (text, published) = (peak(&[]), peak(&["--publish"]));
    println!("{} findings: {} MiB in words, {} MiB published", 250 * NAMESPACES, text >> 20, published >> 20);
    assert_eq!(cluster.all().len(), NAMESPACES);
    assert!(published < text + MOST, "{text} in words, {published} published");
}
