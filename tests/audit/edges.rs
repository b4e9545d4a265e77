//! The edges of the command line: what is asked for and is not there, is misspelt, or does not fit together.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, program, shop, spec, workload};

fn owners(audit: &Value) -> Vec<[&str; 3]> {
    audit["owners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|its| ["kind", "name", "template"].map(|key| its[key].as_str().unwrap()))
        .collect()
}

/// A Deployment, a ReplicaSet of it and a pod, of which the pod alone has the label; another Deployment has it; a third
/// neither has it nor pods.
fn labelled() -> Cluster {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let mut of_itself = workload("shop", "of-itself", None, &spec);
    of_itself["metadata"]["labels"] = json!({"app": "web"});
    let mut other = workload("shop", "other", None, &spec);
    other["metadata"]["labels"] = json!({"app": "api"});
    let mut set = workload("shop", "by-pods-1", Some(["apps/v1", "Deployment", "by-pods"]), &spec);
    set["metadata"]["labels"] = json!({"app": "api"});
    Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("deployments", json!([workload("shop", "by-pods", None, &spec), of_itself, other])),
        ("replicasets", json!([set])),
        // As the API server would choose them.
        ("pods", json!([pod("shop", "by-pods-1-a", Some(["apps/v1", "ReplicaSet", "by-pods-1"]), &spec)])),
    ])
}

#[test]
fn a_selector_takes_what_makes_pods_that_it_chooses_by_its_template() {
    let audit = labelled().json(&["-l", "app in (web, www)"]);
    assert_eq!(
        owners(&audit),
        [["Deployment", "by-pods", "judged"], ["Deployment", "of-itself", "judged"]],
        "{audit:#}"
    );
    assert_eq!(audit["summary"]["owners"], 2);
    assert_eq!(audit["owners"][0]["findings"][0]["pointer"], "/spec/template/spec/containers/0/env/0");
}

#[test]
fn what_a_selector_leaves_out_and_cannot_be_judged_is_no_error_of_it() {
    let cluster = labelled();
    cluster.api.change(|state| {
        let deployments = state.lists.get_mut("deployments").unwrap();
        deployments[2]["spec"]["template"]["spec"]["containers"] = json!("hunter2");
    });
    assert_eq!(cluster.json(&["-l", "app=web"])["errors"], json!([]));
    assert_eq!(cluster.json(&["-l", "app=api"])["errors"].as_array().unwrap().len(), 1);
}

#[test]
fn a_selector_that_nothing_fits_is_said() {
    let cluster = labelled();
    cluster.api.change(|state| drop(state.lists.insert("pods", Vec::new())));
    insta::assert_snapshot!(cluster.audit(&["-l", "app=wbe"]), @r#"
    exit: 0
    --- stdout
    1 namespace without findings, 1 of them without a fence

    exception files/vendor ends on 2026-12-01: nothing that was judged uses it: end the need, or renew it
    exception files/nobody until 2027-12-01: nothing that was judged uses it
    nothing is registered: nothing is denied or swapped yet, and no namespace is left out
    not judged: no pod and no workload has the labels "app=wbe" that --selector asks for: look at its spelling, and at --namespace
    cluster: context prod, https://prod.example.com:6443
    1 namespace, 0 owners, 0 pods: 0 denied, 0 warned, 0 swapped
    by 1 policy (revision 8702b18782b2)
    "#);
    // A table has no place for it.
    let csv = cluster.audit(&["-l", "app=wbe", "--format", "csv"]);
    assert!(csv.contains("--- stderr\nnot judged: no pod and no workload has the labels"), "{csv}");
    for format in ["json", "sarif", "html"] {
        let output = cluster.audit(&["-l", "app=wbe", "--format", format]);
        assert!(output.contains("no pod and no workload has the labels"), "{format}: {output}");
    }
    // Where something could not be read nobody can say.
    let cluster = cluster.change(|state| state.forbidden = vec!["/api/v1/pods"]);
    let output = cluster.audit(&["-l", "app=wbe"]);
    assert!(output.starts_with("exit: 2\n") && !output.contains("no pod and no workload"), "{output}");
}

#[test]
fn a_selector_that_is_none_is_refused_before_anything_is_asked() {
    let cluster = shop();
    for (selector, expected) in [
        ("app=a:b", "\"a:b\" is not the value of a label"),
        ("app=web,", "expected the key of a label, and not its end"),
        ("", "expected labels as kubectl takes them"),
    ] {
        let output = cluster.audit(&["-l", selector]);
        assert!(output.starts_with("exit: 2\n--- stderr\nerror: ") && output.contains(expected), "{output}");
    }
    assert_eq!(cluster.api.asked("/"), 0);
}

#[test]
fn numbers_of_a_part_and_a_file_that_nobody_reads_are_refused() {
    let cluster = shop();
    let output = cluster.audit(&["--metrics-file", "audit.prom", "-l", "app=web"]);
    assert!(
        output.starts_with("exit: 2\n") && output.contains("'--metrics-file <FILE>' cannot be used with"),
        "{output}"
    );
    for file in ["audit", "audit.prom.tmp", "audit.PROM"] {
        let output = cluster.audit(&["--metrics-file", file]);
        assert!(output.starts_with("exit: 2\n") && output.contains("ends in .prom"), "{output}");
        assert!(!cluster.folder.path().join(file).exists());
    }
}

#[test]
fn a_workload_is_named_as_kubectl_names_it() {
    for kind in ["deploy", "deployments", "Deployment", "deployments.apps"] {
        let output = shop().audit(&["--explain", &format!("shop/{kind}/web")]);
        assert!(output.starts_with("exit: 0\n--- stdout\nDeployment shop/web"), "{output}");
    }
    let output = shop().audit(&["--explain", "shop/svc/web"]);
    assert_eq!(
        output,
        "exit: 2\n--- stderr\nerror: \"svc\" is no kind of workload that these policies know: there are replicaset (rs), \
         job, deployment (deploy), statefulset (sts), daemonset (ds), cronjob (cj), replicationcontroller (rc), podtemplate, \
         pod (po)\n"
    );
}

#[test]
fn a_namespace_that_is_not_there_is_what_explain_says() {
    let cluster = shop().change(|state| {
        state.refuses.insert("deploy", (404, None, usize::MAX));
    });
    let output = cluster.audit(&["--explain", "deploy/web"]);
    assert_eq!(
        output,
        "exit: 2\n--- stderr\nerror: there is no namespace \"deploy\": --explain takes NAMESPACE/NAME or \
         NAMESPACE/KIND/NAME\n"
    );
}

#[test]
fn what_was_rolled_out_before_is_no_owner() {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let rollout = Some(["argoproj.io/v1alpha1", "Rollout", "web"]);
    let set = |name: &str, owner, replicas: Option<u32>| {
        let mut set = workload("shop", name, owner, &spec);
        if let Some(replicas) = replicas {
            set["spec"]["replicas"] = json!(replicas);
        }
        set
    };
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        (
            "replicasets",
            json!([
                set("web-1", rollout, Some(0)),
                set("web-2", rollout, Some(2)),
                set("web-3", rollout, None),
                set("asleep", None, Some(0))
            ]),
        ),
        // Scaled down, and of an operator: its template is what comes next all the same.
        ("deployments", json!([set("of-operator", Some(["example.com/v1", "App", "app"]), Some(0))])),
    ]);
    let audit = cluster.json(&[]);
    let names: Vec<&str> = owners(&audit).into_iter().map(|[_, name, _]| name).collect();
    assert_eq!(names, ["of-operator", "asleep", "web-2", "web-3"], "{audit:#}");
}

#[test]
fn what_a_deployment_config_rolled_out_before_is_no_owner() {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let config = Some(["apps.openshift.io/v1", "DeploymentConfig", "web"]);
    let controller = |name: &str, owner, replicas: u32| {
        let mut controller = workload("shop", name, owner, &spec);
        controller["spec"]["replicas"] = json!(replicas);
        controller
    };
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        (
            "replicationcontrollers",
            json!([controller("web-1", config, 0), controller("web-2", config, 2), controller("asleep", None, 0)]),
        ),
    ]);
    let audit = cluster.json(&[]);
    let kind = "ReplicationController";
    assert_eq!(owners(&audit), [[kind, "asleep", "judged"], [kind, "web-2", "judged"]], "{audit:#}");
}

/// What is said by this `KUBECONFIG`.
fn by_kubeconfig(cluster: &Cluster, paths: &str, more: &[&str]) -> String {
    let arguments = [&["audit", "-p", "policies.yaml", "-n", "quiet"], more].concat();
    let mut command = program::command(cluster.folder.path(), &arguments);
    program::shown(&command.env("KUBECONFIG", paths).env("HOME", "/nowhere").output().unwrap())
}

#[test]
fn kubeconfigs_that_are_not_there_are_passed_over() {
    let cluster = shop();
    let without_current = fs::read_to_string(cluster.folder.path().join("kubeconfig")).unwrap();
    let without_current = without_current.replace("current-context: t", "current-context: \"\"");
    fs::write(cluster.folder.path().join("no-current"), without_current).unwrap();
    for paths in ["nowhere:kubeconfig", "kubeconfig:nowhere", ":kubeconfig:", "no-current:kubeconfig"] {
        let output = by_kubeconfig(&cluster, paths, &[]);
        assert!(
            output.starts_with("exit: 0\n") && output.contains("1 namespace without findings"),
            "{paths}: {output}"
        );
    }
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_named_once() {
    let cluster = shop();
    let folder = cluster.folder.path();
    let text = fs::read_to_string(folder.join("kubeconfig")).unwrap();
    fs::write(folder.join("no-current"), text.replace("current-context: t", "current-context: \"\"")).unwrap();
    fs::write(folder.join("stale"), text.replace("current-context: t", "current-context: gone")).unwrap();
    fs::write(folder.join("broken"), "users: [hunter2").unwrap();
    for (paths, more, expected) in [
        ("nowhere", &[][..], "KUBECONFIG nowhere: there is no such file"),
        ("nowhere:neither", &[], "KUBECONFIG nowhere:neither: none of these files is there"),
        (
            "kubeconfig:broken",
            &[],
            "KUBECONFIG kubeconfig:broken: broken: it is no YAML of a kubeconfig (line 1, column 8)",
        ),
        (
            ":",
            &[],
            "not in a cluster, and no kubeconfig can be used (~/.kube/config: there is no such file): give --kubeconfig FILE",
        ),
        ("no-current", &[], "the kubeconfig no-current has no current context: choose one by --context, of \"t\""),
        ("stale", &[], "no context \"gone\" in the kubeconfig stale: it has \"t\""),
        ("kubeconfig", &["--context", "prod"], "no context \"prod\" in the kubeconfig kubeconfig: it has \"t\""),
        ("kubeconfig", &["--kubeconfig", "nowhere"], "--kubeconfig nowhere: there is no such file"),
        ("kubeconfig", &["--kubeconfig", "."], "--kubeconfig .: cannot be read: Is a directory (os error 21)"),
    ] {
        let output = by_kubeconfig(&cluster, paths, more);
        assert_eq!(output, format!("exit: 2\n--- stderr\nerror: the cluster cannot be audited: {expected}\n"));
    }
}

#[test]
fn the_first_help_has_an_audit_in_it() {
    let output = program::run(shop().folder.path(), &["--help"]);
    assert!(output.contains("\n  secretfence audit -p my-policies/ "), "{output}");
}

/// By `script` of util-linux, which gives it one.
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_sees_how_far_it_is_and_a_file_does_not() {
    let cluster = shop();
    let command = cluster.arguments(&["--color", "never"]).join(" ");
    let command = format!("{} {command} >/dev/null", env!("CARGO_BIN_EXE_secretfence"));
    let mut script = Command::new("script");
    script.current_dir(cluster.folder.path()).args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let Ok(output) = script.env("TERM", "xterm").output() else {
        println!("left out, for want of `script`: how far an audit is, on a terminal");
        return;
    };
    let seen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{seen}");
    let last = seen.trim_end().rsplit('\r').next().unwrap();
    assert!(seen.contains("\r\x1b[2Kpods: 7\r"), "{seen:?}");
    assert_eq!(last, "\x1b[2K", "{seen:?}");
    let output = program::command(cluster.folder.path(), &cluster.arguments(&[])).output().unwrap();
    assert_eq!(output.stderr, b"");
}
