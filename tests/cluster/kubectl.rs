//! What people do with `kubectl`.

use serde_json::json;

use crate::cluster::{Cluster, shown};
use crate::objects::{self, clean, is_swapped, postgres, workload};

#[test]
fn a_deployment_applied_twice_is_unchanged_and_differs_in_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("apply", Some("enforce"));
    let manifest = workload("Deployment", &namespace, "db", json!([postgres()])).to_string();
    let run = |arguments: &[&str]| shown(&cluster.kubectl(&[arguments, &["-f", "-"]].concat(), &manifest));
    insta::assert_snapshot!(run(&["apply"]), @r#"
    exit: 0
    --- stdout
    deployment.apps/db created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES… [secrets-as-files/images-that-read-files]
    "#);
    let pods = cluster.pods(&namespace, |pods| !pods.is_empty());
    assert!(is_swapped(&pods[0]), "{:#}", pods[0]);
    insta::assert_snapshot!(run(&["apply"]), @r"
    exit: 0
    --- stdout
    deployment.apps/db unchanged
    ");
    insta::assert_snapshot!(run(&["diff"]), @"exit: 0");
    let mut applied = workload("Deployment", &namespace, "db", json!([postgres()]));
    for _ in 0..2 {
        applied = workload("Deployment", &namespace, "db", applied["spec"]["template"]["spec"]["containers"].clone());
        let answer = cluster.api.apply(&applied, "person").done();
        assert_eq!(answer["metadata"]["generation"], 1);
    }
}

/// A limit: a pod of nobody's is not the pod that its manifest says, and the API server lets no pod's variables change.
#[test]
fn a_bare_pod_that_was_swapped_cannot_be_applied_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("bare", Some("enforce"));
    let pod = objects::swapped(&namespace);
    let apply = || cluster.kubectl(&["apply", "-f", "-"], &pod.to_string());
    insta::assert_snapshot!(shown(&apply()), @r"
    exit: 0
    --- stdout
    pod/swapped created
    ");
    let again = shown(&apply());
    assert!(
        again.starts_with("exit: 1\n--- stderr\nThe Pod \"swapped\" is invalid: spec: Forbidden: pod updates"),
        "{again}"
    );
    assert!(!again.contains("admission webhook"), "{again}");
    // A diff, which asks the server the same, is told the same.
    let diff = shown(&cluster.kubectl(&["diff", "-f", "-"], &pod.to_string()));
    assert!(
        diff.starts_with("exit: 2\n--- stderr\nThe Pod \"swapped\" is invalid: spec: Forbidden: pod updates"),
        "{diff}"
    );
    // One way out is to make it anew.
    let anew = cluster.kubectl(&["replace", "--force", "--grace-period=0", "-f", "-"], &pod.to_string());
    assert!(anew.status.success(), "{}", shown(&anew));
    assert!(is_swapped(&cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods/swapped")).done()));
    let mut other = objects::swapped(&namespace);
    other["metadata"]["name"] = json!("server-side");
    assert!(is_swapped(&cluster.api.apply(&other, "person").done()));
    assert_eq!(cluster.api.apply(&other, "person").status, 422);
}

/// The other way out: the manifest itself says what the swap would make of it.
#[test]
fn a_bare_pod_that_takes_the_file_itself_is_applied_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("bare", Some("enforce"));
    let mut pod = objects::swapped(&namespace);
    let container = &mut pod["spec"]["containers"][0];
    container["env"] = json!([{"name": "POSTGRES_PASSWORD_FILE", "value": "/run/credentials/password"}]);
    container["volumeMounts"] = json!([{"name": "db", "mountPath": "/run/credentials", "readOnly": true}]);
    pod["spec"]["volumes"] = json!([{"name": "db", "secret": {"secretName": "db"}}]);
    let run = |command: &str| shown(&cluster.kubectl(&[command, "-f", "-"], &pod.to_string()));
    let stored = || cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods/swapped")).body;
    assert!(run("apply").starts_with("exit: 0\n"));
    let made = stored();
    assert_eq!(made["spec"]["containers"][0]["env"], pod["spec"]["containers"][0]["env"]);
    let again = run("apply");
    assert!(again.starts_with("exit: 0\n"), "{again}");
    assert_eq!(stored()["spec"], made["spec"]);
    insta::assert_snapshot!(run("diff"), @"exit: 0");
}

#[test]
fn run_in_a_servers_dry_run_is_answered_as_if_it_were_none() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("dry", Some("enforce"));
    let overrides = json!({"spec": {"containers": [objects::api()]}}).to_string();
    let arguments =
        ["run", "api", "--image", objects::API, "-n", &namespace, "--dry-run=server", "--overrides", &overrides];
    insta::assert_snapshot!(shown(&cluster.kubectl(&arguments, "")), @r#"
    exit: 1
    --- stderr
    Error from server (Forbidden): admission webhook "validate.secretfence.dev" denied the request: 1 reference denied:
    - container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/containers/0/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
    let overrides = json!({"spec": {"containers": [postgres()]}}).to_string();
    let arguments =
        ["run", "db", "--image", "postgres:17", "-n", &namespace, "--dry-run=server", "--overrides", &overrides];
    let output = cluster.kubectl(&[&arguments[..], &["-o", "json"]].concat(), "");
    let made = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
    assert!(is_swapped(&made), "{made:#}");
}

#[test]
fn debug_adds_a_container_and_a_copy_of_a_pod_is_judged() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("debug", Some("enforce"));
    cluster.api.create(&clean(&namespace), "").done();
    let arguments = ["debug", "clean", "-n", &namespace, "--image=busybox:1", "--container=shell", "--profile=general"];
    let output = cluster.kubectl(&arguments, "");
    assert!(output.status.success(), "{}", shown(&output));
    let arguments = [&arguments[..], &["--env=LEVEL=debug", "--copy-to=copy"]].concat();
    let output = cluster.kubectl(&arguments, "");
    assert!(output.status.success(), "{}", shown(&output));
    let copy = cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods/copy")).done();
    assert_eq!(copy["spec"]["containers"][1]["name"], "shell");
    // A profile of one's own may take a Secret, and does not get it.
    let profile = cluster.control_plane.path("profile.json");
    std::fs::write(&profile, json!({"env": [objects::secret_env("DB_PASSWORD")]}).to_string()).unwrap();
    let custom = format!("--custom={profile}");
    for copy in [&[][..], &["--copy-to=other"]] {
        let arguments = [
            "debug",
            "clean",
            "-n",
            &namespace,
            "--image=busybox:1",
            "--container=taker",
            "--profile=general",
            &custom,
        ];
        let output = shown(&cluster.kubectl(&[&arguments[..], copy].concat(), ""));
        let denied = "admission webhook \"validate.secretfence.dev\" denied the request: 1 reference denied";
        assert!(output.starts_with("exit: 1\n") && output.contains(denied), "{output}");
    }
}

#[test]
fn a_swapped_pod_that_comes_again_is_unchanged() {
    let Some(cluster) = Cluster::shared() else { return };
    let [first, second] = [(); 2].map(|()| cluster.namespace("restored", Some("enforce")));
    let mut backup = cluster.api.create(&objects::swapped(&first), "").done();
    // As a restore does it: what the server set is dropped.
    backup["metadata"] = json!({
        "name": "swapped", "namespace": second, "annotations": backup["metadata"]["annotations"],
    });
    backup.as_object_mut().unwrap().remove("status");
    let restored = cluster.api.create(&backup, "").done();
    assert_eq!(restored["spec"], backup["spec"]);
    assert_eq!(restored["metadata"]["annotations"], backup["metadata"]["annotations"]);
}
