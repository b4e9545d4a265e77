//! What people do with `kubectl`.

use serde_json::json;

use crate::cluster::{Cluster, shown};
use crate::objects::{self, clean, is_swapped, postgres, workload};

#[test]
fn apply_twice_and_diff_after_the_swap_change_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("apply", Some("enforce"));
    let manifest = json!({"apiVersion": "v1", "kind": "List", "items": [
        objects::swapped(&namespace), workload("Deployment", &namespace, "db", json!([postgres()])),
    ]});
    let run = |arguments: &[&str]| shown(&cluster.kubectl(&[arguments, &["-f", "-"]].concat(), &manifest.to_string()));
    insta::assert_snapshot!(run(&["apply"]), @r#"
    exit: 0
    --- stdout
    pod/swapped created
    deployment.apps/db created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES_PASSWORD_FILE, which its image reads [sec…
    "#);
    insta::assert_snapshot!(run(&["apply"]), @r#"
    exit: 1
    --- stdout
    deployment.apps/db unchanged
    --- stderr
    The Pod "swapped" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
    @@ -154,6 +154,21 @@
        "Ports": null,
        "EnvFrom": null,
        "Env": [
    +    {
    +     "Name": "POSTGRES_PASSWORD",
    +     "Value": "",
    +     "ValueFrom": {
    +      "FieldRef": null,
    +      "ResourceFieldRef": null,
    +      "ConfigMapKeyRef": null,
    +      "SecretKeyRef": {
    +       "Name": "db",
    +       "Key": "password",
    +       "Optional": null
    +      },
    +      "FileKeyRef": null
    +     }
    +    },
         {
          "Name": "POSTGRES_PASSWORD_FILE",
          "Value": "/run/secretfence/db/password",
    "#);
    insta::assert_snapshot!(run(&["diff"]), @r#"
    exit: 2
    --- stderr
    The Pod "swapped" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
    @@ -154,6 +154,21 @@
        "Ports": null,
        "EnvFrom": null,
        "Env": [
    +    {
    +     "Name": "POSTGRES_PASSWORD",
    +     "Value": "",
    +     "ValueFrom": {
    +      "FieldRef": null,
    +      "ResourceFieldRef": null,
    +      "ConfigMapKeyRef": null,
    +      "SecretKeyRef": {
    +       "Name": "db",
    +       "Key": "password",
    +       "Optional": null
    +      },
    +      "FileKeyRef": null
    +     }
    +    },
         {
          "Name": "POSTGRES_PASSWORD_FILE",
          "Value": "/run/secretfence/db/password",
    "#);
    let stored = cluster.api.get(&format!("/api/v1/namespaces/{namespace}/pods/swapped")).done();
    assert!(is_swapped(&stored), "{stored:#}");
}

#[test]
fn server_side_apply_swaps_and_owns_nothing_of_ours() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("server-side", Some("enforce"));
    let apply = || cluster.api.apply(&objects::swapped(&namespace), "person");
    let made = apply().done();
    assert!(is_swapped(&made), "{made:#}");
    let again = apply();
    println!("{} {}", again.status, again.message());
    insta::assert_snapshot!(again.status, @"422");
    insta::assert_snapshot!(again.message().replace(&namespace, "NAMESPACE"), @r#"
    Pod "swapped" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
    @@ -158,6 +158,21 @@
          "Name": "POSTGRES_PASSWORD_FILE",
          "Value": "/run/secretfence/db/password",
          "ValueFrom": null
    +    },
    +    {
    +     "Name": "POSTGRES_PASSWORD",
    +     "Value": "",
    +     "ValueFrom": {
    +      "FieldRef": null,
    +      "ResourceFieldRef": null,
    +      "ConfigMapKeyRef": null,
    +      "SecretKeyRef": {
    +       "Name": "db",
    +       "Key": "password",
    +       "Optional": null
    +      },
    +      "FileKeyRef": null
    +     }
         }
        ],
        "Resources": {
    "#);
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
