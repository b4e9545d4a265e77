//! One small file for each way in which a pod takes a Secret as env, and for each place where a pod stands.

use serde_json::{Value, json};

/// A file with one workload that takes a Secret as env in one way.
pub struct Way {
    /// In words.
    pub name: &'static str,
    pub file: String,
    pub content: String,
}

const ENV: &str = "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: password}}}]";
const ENV_FROM: &str = "envFrom: [{secretRef: {name: database}}]";

pub fn all() -> Vec<Way> {
    let list = |list, take| format!("{}{list}: [{{name: second, image: second, {take}}}]", pod("ports: []"));
    vec![
        way("env", &workload("apps/v1", "Deployment", &pod(ENV))),
        way("envFrom", &workload("apps/v1", "Deployment", &pod(ENV_FROM))),
        way("init container: env", &workload("apps/v1", "Deployment", &list("initContainers", ENV))),
        way("init container: envFrom", &workload("apps/v1", "Deployment", &list("initContainers", ENV_FROM))),
        way("ephemeral container: env", &bare(&list("ephemeralContainers", ENV))),
        way("ephemeral container: envFrom", &bare(&list("ephemeralContainers", ENV_FROM))),
        way("Pod", &bare(&pod(ENV))),
        way("StatefulSet", &workload("apps/v1", "StatefulSet", &pod(ENV))),
        way("DaemonSet", &workload("apps/v1", "DaemonSet", &pod(ENV))),
        way("ReplicaSet", &workload("apps/v1", "ReplicaSet", &pod(ENV))),
        way("Job", &workload("batch/v1", "Job", &pod(ENV))),
        way("CronJob", &cron_job()),
        way("ReplicationController", &workload("v1", "ReplicationController", &pod(ENV))),
        way("PodTemplate", &format!("{}template:\n  spec:\n{}", head("v1", "PodTemplate"), indented(4, &pod(ENV)))),
        way("List", &list_of(&bare(&pod(ENV)))),
        way("second document", &format!("{}---\n{}", head("v1", "ConfigMap"), bare(&pod(ENV)))),
        way(
            "anchor and alias",
            &bare(&pod("env: &env [{name: A, valueFrom: &from {secretKeyRef: {name: a, key: a}}}]")),
        ),
        way("merge key", &merged()),
        as_json(),
        way("custom resource with a pod template", &workload("argoproj.io/v1alpha1", "Rollout", &pod(ENV))),
    ]
}

fn way(name: &'static str, content: &str) -> Way {
    let file = name.replace([' ', ':'], "-").to_lowercase();
    Way { name, file: format!("{file}.yaml"), content: content.to_owned() }
}

fn head(version: &str, kind: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: shop}}\n")
}

fn pod(take: &str) -> String {
    format!("containers:\n- name: first\n  image: first\n  {take}\n")
}

fn bare(pod: &str) -> String {
    format!("{}spec:\n{}", head("v1", "Pod"), indented(2, pod))
}

fn workload(version: &str, kind: &str, pod: &str) -> String {
    let spec = indented(6, pod);
    let labels = "metadata: {labels: {app: shop}}";
    let head = head(version, kind);
    format!("{head}spec:\n  selector: {{matchLabels: {{app: shop}}}}\n  template:\n    {labels}\n    spec:\n{spec}")
}

fn cron_job() -> String {
    let (head, spec) = (head("batch/v1", "CronJob"), indented(10, &pod(ENV)));
    format!("{head}spec:\n  schedule: '@daily'\n  jobTemplate:\n    spec:\n      template:\n        spec:\n{spec}")
}

fn list_of(object: &str) -> String {
    let item = indented(2, object);
    format!("apiVersion: v1\nkind: List\nitems:\n-{}", item.get(1..).unwrap_or_default())
}

fn merged() -> String {
    let base = "x-base: &base\n  valueFrom: {secretKeyRef: {name: database, key: password}}\n";
    format!("{base}{}", bare(&pod("env: [{name: PASSWORD, <<: *base}]")))
}

fn as_json() -> Way {
    let take = json!({"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}});
    let container = json!({"name": "first", "image": "first", "env": [take]});
    let pod: Value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"},
                            "spec": {"containers": [container]}});
    Way { name: "JSON", file: "json.json".to_owned(), content: format!("{pod:#}\n") }
}

fn indented(columns: usize, text: &str) -> String {
    text.lines().map(|line| format!("{:columns$}{line}\n", "")).collect()
}
