//! `manifests/audit` on a real API server: the pod is let in where Pod Security is restricted, and its rights are enough for
//! what its command does, and each of them is used.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, path};
use crate::audit_publish::APIS;
use crate::binaries::skipped;
use crate::cluster::{from_yaml, shown};
use crate::control_plane::{ADMIN, ControlPlane, eventually};
use crate::objects::{API, api, workload};

const USER: &str = "system:serviceaccount:secretfence:secretfence-audit";

/// What kustomize makes of the shipped opt-in with the component.
fn rendered(control_plane: &ControlPlane) -> Vec<Value> {
    // A kustomization has its bases by relative paths.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
        let to = folder.path().join("manifests").join(entry.path().strip_prefix(&from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    let text = "resources: [../manifests/opt-in]\ncomponents: [../manifests/audit]\n";
    fs::write(mine.join("kustomization.yaml"), text).unwrap();
    let output = control_plane.kubectl().arg("kustomize").arg(&mine).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    from_yaml(&String::from_utf8(output.stdout).unwrap())
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| {
        object["kind"] == kind && object["metadata"]["name"].as_str().is_some_and(|its| its.starts_with(name))
    };
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The command of the CronJob, with the policies in a folder and by its ServiceAccount.
fn run(cron_job: &Value, policies: &Path, kubeconfig: &Path) -> Output {
    let container = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let arguments = container["args"].as_array().unwrap().iter().map(|its| its.as_str().unwrap());
    let arguments = arguments.map(|its| its.replace(mounted, policies.to_str().unwrap()));
    Command::new(env!("CARGO_BIN_EXE_secretfence"))
        .args(arguments)
        .env("SECRETFENCE_KUBECONFIG", kubeconfig)
        .output()
        .unwrap()
}

/// What the user was let do: verb, group and resource. What is found by discovery is everybody's.
fn used(control_plane: &ControlPlane) -> BTreeSet<[String; 3]> {
    let log = fs::read_to_string(control_plane.audit_log()).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let its = events
        .filter(|event| event["user"]["username"] == USER && event["responseStatus"]["code"].as_u64() < Some(300));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let its = its.filter(|event| event["objectRef"]["resource"].is_string());
    its.map(|event| {
        let about = &event["objectRef"];
        [text(&event["verb"]), text(&about["apiGroup"]), text(&about["resource"])]
    })
    .collect()
}

fn given(role: &Value) -> BTreeSet<[String; 3]> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|its| its.as_str().unwrap().to_owned()).collect()
    };
    let mut given = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for verb in texts(&rule["verbs"]) {
            for group in texts(&rule["apiGroups"]) {
                given.extend(texts(&rule["resources"]).into_iter().map(|its| [verb.clone(), group.clone(), its]));
            }
        }
    }
    given
}

#[test]
fn the_shipped_job_may_do_what_it_does_and_nothing_more() {
    if skipped() {
        return;
    }
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    control_plane.stop_controllers();
    let cluster = control_plane.api(ADMIN);
    let objects = rendered(&control_plane);
    let (role, cron_job) =
        (find(&objects, "ClusterRole", "secretfence-audit"), find(&objects, "CronJob", "secretfence-audit"));
    cluster.create(find(&objects, "Namespace", "secretfence"), "").done();
    let policies = find(&objects, "ConfigMap", "secretfence-policies");
    let its = [
        ("ServiceAccount", "secretfence-audit"),
        ("ClusterRoleBinding", "secretfence-audit"),
        ("NetworkPolicy", "secretfence-audit"),
    ];
    let its = its.map(|(kind, name)| find(&objects, kind, name));
    for object in [&its[..], &[policies, role, cron_job]].concat() {
        cluster.create(object, "?fieldValidation=Strict").done();
    }
    the_pod_is_let_in(&cluster, cron_job, policies);

    let folder = TempDir::new().unwrap();
    let (kubeconfig, policy_folder) = (folder.path().join("kubeconfig"), folder.path().join("policies"));
    fs::create_dir(&policy_folder).unwrap();
    for (name, text) in policies["data"].as_object().unwrap() {
        fs::write(policy_folder.join(name), text.as_str().unwrap()).unwrap();
    }
    let account = find(&objects, "ServiceAccount", "secretfence-audit")["metadata"]["name"].as_str().unwrap();
    fs::write(&kubeconfig, control_plane.kubeconfig_of_account("secretfence", account)).unwrap();
    let audit = || run(cron_job, &policy_folder, &kubeconfig);

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    cluster.create(&namespace, "").done();
    let (dirty, clean) =
        (workload("Deployment", "shop", "web", json!([api()])), json!([{"name": "api", "image": API}]));
    for (version, _, resource, definition) in APIS {
        cluster.create(&from_yaml(definition).remove(0), "").done();
        cluster.create(&dirty, "").done();
        let report = format!("/apis/{version}/namespaces/shop/{resource}/secretfence");
        // Made, changed, and removed; and each time the job ends well, and has nothing to complain of.
        let published = |sentence: &str| {
            let is_it = |output: &Output| output.status.success() && shown(output).contains(sentence);
            let output = eventually(|| Some(audit()).filter(is_it));
            let said = shown(&output.unwrap_or_else(|| panic!("{sentence}: {}", shown(&audit()))));
            assert!(!said.contains("may not"), "{said}");
        };
        published("published: 1 namespace in");
        assert_eq!(cluster.get(&report).done()["summary"]["fail"], 1);
        cluster.merge(&report, &json!({"results": []})).done();
        published("published: 1 namespace in");
        assert_eq!(cluster.get(&report).done()["results"].as_array().unwrap().len(), 1);
        let mended = json!([{"op": "replace", "path": "/spec/template/spec/containers", "value": clean}]);
        cluster.request("PATCH", &path(&dirty), "application/json-patch+json", &mended).done();
        published("published: 0 namespaces in");
        assert_eq!(cluster.get(&report).status, 404);
        cluster.delete(&path(&dirty)).done();
    }
    let (used, given) = (used(&control_plane), given(role));
    assert_eq!(used, given, "left, what is used; right, what is given");
}

/// As the Job's controller would make it.
fn the_pod_is_let_in(cluster: &Api, cron_job: &Value, policies: &Value) {
    let template = &cron_job["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(template["spec"]["volumes"][0]["configMap"]["name"], policies["metadata"]["name"], "with its hash");
    assert_eq!(cron_job["spec"]["concurrencyPolicy"], "Forbid");
    let context = &template["spec"]["containers"][0]["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    let metadata = json!({"name": "audit", "namespace": "secretfence", "labels": template["metadata"]["labels"]});
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
    cluster.create(&pod, "?dryRun=All").done();
    // And it is Pod Security that was asked.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = cluster.create(&pod, "?dryRun=All");
    assert!(refused.status == 403 && refused.message().contains("PodSecurity"), "{refused:#?}");
}

/// What the page gives to a person is what is shipped, but for what `-n` asks.
#[test]
fn the_role_of_the_page_is_the_one_that_is_shipped() {
    let page = include_str!("../../docs/audit.md");
    let mut blocks = page.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut expected = given(&from_yaml(blocks.next().unwrap())[0]);
    expected.retain(|[verb, ..]| verb == "list");
    expected.extend(given(&json!({"rules": from_yaml(blocks.next().unwrap())[0]})));
    let shipped = from_yaml(include_str!("../../manifests/audit/rights.yaml"));
    let mut found = given(&shipped[0]);
    found.retain(|[_, group, _]| group != "wgpolicyk8s.io");
    assert_eq!(found, expected);
}
