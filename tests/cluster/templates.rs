//! Workloads: told at the apply, and their pods are what is judged.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::api::path;
use crate::cluster::{Cluster, shown};
use crate::objects::{self, api, is_swapped, postgres, workload};

/// Each kind whose controller makes a pod at once. The controllers' own patches of pods (a Job's finalizer) come along.
const KINDS: [&str; 5] = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"];

#[test]
fn the_pods_that_controllers_make_are_swapped() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("controllers", Some("enforce"));
    a_node(cluster);
    for kind in KINDS {
        let name = kind.to_lowercase();
        let reply = cluster.api.create(&workload(kind, &namespace, &name, json!([postgres()])), "");
        assert!(
            reply.warnings.iter().any(|warning| warning.contains("becomes the file /run/secretfence/db/password")),
            "{kind}: {reply:#?}"
        );
        let made = reply.done();
        let template = &made["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(*template, postgres()["env"], "a template is never changed");
    }
    let pods = cluster.pods(&namespace, |pods| pods.len() >= KINDS.len());
    for pod in &pods {
        assert!(is_swapped(pod), "{pod:#}");
    }
    let mut owners: Vec<&str> = pods.iter().map(|pod| pod["metadata"]["labels"]["app"].as_str().unwrap()).collect();
    owners.sort_unstable();
    assert_eq!(owners, ["daemonset", "deployment", "job", "replicaset", "statefulset"]);
}

/// Its controller is told that it missed a minute, so that nobody here has to wait for the next.
#[test]
fn the_pods_of_a_cron_job_are_swapped() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("cron", Some("enforce"));
    let reply = cluster.api.create(&workload("CronJob", &namespace, "nightly", json!([postgres()])), "");
    assert_eq!(reply.warnings.len(), 1, "{reply:#?}");
    let status = format!("{}/status", path(&reply.done()));
    let missed = json!({"status": {"lastScheduleTime": (Timestamp::now() - 3.minutes()).to_string()}});
    cluster.api.merge(&status, &missed).done();
    let pods = cluster.pods(&namespace, |pods| !pods.is_empty());
    assert!(is_swapped(&pods[0]), "{:#}", pods[0]);
    // As somebody starts it by hand.
    let arguments = ["create", "job", "now", "--from=cronjob/nightly", "-n", &namespace];
    let output = cluster.kubectl(&arguments, "");
    assert!(output.status.success(), "{}", shown(&output));
    let by_hand = |pod: &Value| pod["metadata"]["labels"]["job-name"] == "now";
    let pods = cluster.pods(&namespace, |pods| pods.iter().any(by_hand));
    assert!(is_swapped(pods.iter().find(|pod| by_hand(pod)).unwrap()));
}

#[test]
fn each_kind_is_warned_at_the_apply_as_kubectl_shows_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("warned-kinds", Some("enforce"));
    let apply = |kind: &str| {
        let manifest = workload(kind, &namespace, &kind.to_lowercase(), json!([postgres(), api()]));
        shown(&cluster.kubectl(&["apply", "-f", "-"], &manifest.to_string()))
    };
    let said = ["StatefulSet", "DaemonSet", "Job", "CronJob"].map(apply).concat();
    insta::assert_snapshot!(said, @r#"
    exit: 0
    --- stdout
    statefulset.apps/statefulset created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES… [secrets-as-files/images-that-read-files]
    Warning: its pods will be denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/template/spec/containers/1/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    exit: 0
    --- stdout
    daemonset.apps/daemonset created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES… [secrets-as-files/images-that-read-files]
    Warning: its pods will be denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/template/spec/containers/1/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    exit: 0
    --- stdout
    job.batch/job created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES… [secrets-as-files/images-that-read-files]
    Warning: its pods will be denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/template/spec/containers/1/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    exit: 0
    --- stdout
    cronjob.batch/cronjob created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/jobTemplate/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, … [secrets-as-files/images-that-read-files]
    Warning: its pods will be denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/jobTemplate/spec/template/spec/containers/1/env/0): mount the Secret as a read-only volume, and let the program re… [secrets-as-files/nothing-else-in-env]
    "#);
}

#[test]
fn a_deployment_is_warned_at_the_apply_as_kubectl_shows_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("warned", Some("enforce"));
    let manifest = workload("Deployment", &namespace, "web", json!([postgres(), api()])).to_string();
    let output = cluster.kubectl(&["apply", "-f", "-"], &manifest);
    insta::assert_snapshot!(shown(&output), @r#"
    exit: 0
    --- stdout
    deployment.apps/web created
    --- stderr
    Warning: its pods will be swapped: container "postgres" takes Secret "db" key "password" as env POSTGRES_PASSWORD (/spec/template/spec/containers/0/env/0): becomes the file /run/secretfence/db/password, named by POSTGRES… [secrets-as-files/images-that-read-files]
    Warning: its pods will be denied: container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/template/spec/containers/1/env/0): mount the Secret as a read-only volume, and let the program read the file [secrets-as-files/nothing-else-in-env]
    "#);
    // The ReplicaSet is made, and says why it has no pods.
    let sets = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
    let said = cluster.eventually(|| cluster.api.get(&sets), |reply| condition(reply.body["items"].get(0)).is_some());
    let message = condition(said.body["items"].get(0)).unwrap();
    assert!(message.contains("admission webhook \"validate.secretfence.dev\" denied the request"), "{message}");
}

#[test]
fn a_template_under_enforce_is_denied_only_for_what_would_be_denied() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("own-policy-templates", Some("enforce"));
    let reply = cluster.api.create(&workload("Deployment", &namespace, "swaps", json!([postgres()])), "");
    assert!(reply.warnings.iter().all(|warning| !warning.contains("denied")), "{reply:#?}");
    reply.done();
    let reply = cluster.api.create(&workload("Deployment", &namespace, "denies", json!([api()])), "");
    insta::assert_snapshot!(reply.denied(), @r#"
    1 reference denied:
    - container "api" takes Secret "db" key "password" as env DB_PASSWORD (/spec/template/spec/containers/0/env/0): mount it as a file [templates/deny]
    "#);
    let pods = cluster.pods(&namespace, |pods| !pods.is_empty());
    assert!(is_swapped(&pods[0]), "{:#}", pods[0]);
}

/// Its ReplicaSet was made before there was a policy, and is scaled and annotated by the Deployment's controller.
#[test]
fn a_rollout_older_than_the_policy_is_not_stuck_by_its_replica_set() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace("own-policy-templates-old", Some("off"));
    let deployment = workload("Deployment", &namespace, "web", json!([api()]));
    cluster.api.create(&deployment, "").done();
    cluster.pods(&namespace, |pods| pods.len() == 1);
    let label = json!({"metadata": {"labels": {"secretfence.dev/mode": "enforce"}}});
    cluster.api.merge(&format!("/api/v1/namespaces/{namespace}"), &label).done();
    let denied = || cluster.api.create(&objects::denied(&namespace), "?dryRun=All");
    cluster.eventually(denied, |reply| reply.status == 403);
    // A new revision takes the Secret as a file.
    let mounted = json!([{"name": "api", "image": objects::API, "volumeMounts": [{"name": "db", "mountPath": "/db"}]}]);
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
    let volumes = json!([{"name": "db", "secret": {"secretName": "db"}}]);
    let changed = json!({"spec": {"template": {"spec": {"containers": mounted, "volumes": volumes}}}});
    cluster.api.merge(&path, &changed).done();
    let is_new = |pod: &Value| pod["spec"]["containers"][0].get("env").is_none();
    let pods = cluster.pods(&namespace, |pods| pods.iter().any(is_new));
    // Its pods will be ready: that scales the old ReplicaSet down, and nothing of ours is in the way.
    let new = pods.iter().find(|pod| is_new(pod)).unwrap();
    let name = new["metadata"]["name"].as_str().unwrap();
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    cluster.api.merge(&format!("/api/v1/namespaces/{namespace}/pods/{name}/status"), &ready).done();
    cluster.pods(&namespace, |pods| pods.len() == 1 && is_new(&pods[0]));
}

/// The message of the first condition.
fn condition(set: Option<&Value>) -> Option<&str> {
    set?["status"]["conditions"][0]["message"].as_str()
}

/// A DaemonSet makes a pod for each node.
fn a_node(cluster: &Cluster) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}});
    cluster.api.create(&node, "").done();
    // A new Node is tainted until its kubelet says that it is ready, and there is none.
    cluster.api.merge("/api/v1/nodes/node", &json!({"spec": {"taints": null}})).done();
}
