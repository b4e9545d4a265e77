//! Objects as small as the API server takes them.

use serde_json::{Value, json};

/// A pod with these containers.
pub fn pod(namespace: &str, name: &str, containers: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": containers},
    })
}

/// A pod that the shipped policy lets alone.
pub fn clean(namespace: &str) -> Value {
    pod(namespace, "clean", json!([{"name": "api", "image": API}]))
}

/// A pod that the shipped policy denies.
pub fn denied(namespace: &str) -> Value {
    pod(namespace, "denied", json!([api()]))
}

/// A pod that the shipped policy swaps.
pub fn swapped(namespace: &str) -> Value {
    pod(namespace, "swapped", json!([postgres()]))
}

pub const API: &str = "registry.example.com/shop/api:1";

/// A container whose image reads no files, with a variable from a Secret.
pub fn api() -> Value {
    json!({"name": "api", "image": API, "env": [secret_env("DB_PASSWORD")]})
}

/// A container whose image reads the file of its variable.
pub fn postgres() -> Value {
    json!({"name": "postgres", "image": "postgres:17", "env": [secret_env("POSTGRES_PASSWORD")]})
}

/// A variable from Secret `db`, key `password`.
pub fn secret_env(variable: &str) -> Value {
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}})
}

/// A Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob of one pod of these containers.
pub fn workload(kind: &str, namespace: &str, name: &str, containers: Value) -> Value {
    let labels = json!({"app": name});
    let mut template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    let selector = json!({"matchLabels": labels});
    let (api_version, spec) = match kind {
        "Deployment" | "ReplicaSet" => ("apps/v1", json!({"replicas": 1, "selector": selector, "template": template})),
        "StatefulSet" => {
            ("apps/v1", json!({"replicas": 1, "serviceName": name, "selector": selector, "template": template}))
        }
        "DaemonSet" => ("apps/v1", json!({"selector": selector, "template": template})),
        "Job" | "CronJob" => {
            template["spec"]["restartPolicy"] = json!("Never");
            let job = json!({"template": template});
            (
                "batch/v1",
                if kind == "Job" { job } else { json!({"schedule": "* * * * *", "jobTemplate": {"spec": job}}) },
            )
        }
        _ => panic!("{kind} is no kind of workload here"),
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// Whether the pod of [`postgres`] was swapped, and nothing of it is left.
pub fn is_swapped(pod: &Value) -> bool {
    let container = &pod["spec"]["containers"][0];
    let file = json!({"name": "POSTGRES_PASSWORD_FILE", "value": "/run/secretfence/db/password"});
    container["env"] == json!([file])
        && container["volumeMounts"].as_array().is_some_and(|mounts| {
            mounts.iter().any(|mount| mount["mountPath"] == "/run/secretfence" && mount["readOnly"] == true)
        })
        && pod["metadata"]["annotations"]["secretfence.dev/swapped"].is_string()
}
