//! What of pods and of replies is compared.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::Reply;
use crate::served_corpus::comparable;

/// Everything in an object that has containers as a pod or a template has, wherever it is: custom resources have no table here.
pub fn templates(object: &Value) -> Vec<&Value> {
    if object["spec"]["containers"].is_array() {
        return vec![object];
    }
    match object {
        Value::Object(members) => members.values().flat_map(templates).collect(),
        Value::Array(items) => items.iter().flat_map(templates).collect(),
        _ => Vec::new(),
    }
}

/// The references that are gone.
pub fn handled(before: &Value, after: &Value) -> BTreeSet<String> {
    references(before).difference(&references(after)).cloned().collect()
}

/// The Secrets in the environment of its pods, as our messages begin with them.
pub fn references(object: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for template in templates(object) {
        let lists = ["initContainers", "containers"].map(|list| template["spec"][list].as_array());
        for container in lists.into_iter().flatten().flatten() {
            let name = &container["name"];
            for entry in container["env"].as_array().into_iter().flatten() {
                if let Some(from) = entry["valueFrom"].get("secretKeyRef") {
                    let (secret, key, variable) = (&from["name"], &from["key"], entry["name"].as_str().unwrap());
                    found.insert(format!("container {name} takes Secret {secret} key {key} as env {variable} "));
                }
            }
            for entry in container["envFrom"].as_array().into_iter().flatten() {
                if let Some(from) = entry.get("secretRef") {
                    found.insert(format!("container {name} takes all keys of Secret {} as env ", from["name"]));
                }
            }
        }
    }
    found
}

/// Why the API server refuses, without indices, which move.
pub fn causes(reply: &Reply) -> Vec<String> {
    let causes = reply.body["details"]["causes"].as_array();
    let mut causes: Vec<String> = causes
        .into_iter()
        .flatten()
        .map(|cause| {
            let field: String =
                cause["field"].as_str().unwrap_or_default().split(|c: char| c.is_ascii_digit()).collect();
            format!("{} {field}", cause["reason"])
        })
        .collect();
    causes.push(reply.status.to_string());
    causes
}

/// The pod, its volumes and mounts in an order that does not tell who added them last: the API server adds the token's
/// before webhooks are called.
pub fn settled(pod: &Value) -> String {
    let mut pod = pod.clone();
    let sort = |list: &mut Value, by: &str| {
        if let Value::Array(items) = list {
            items.sort_by_key(|item| item[by].as_str().unwrap_or_default().to_owned());
        }
    };
    sort(&mut pod["spec"]["volumes"], "name");
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            sort(&mut container["volumeMounts"], "mountPath");
        }
    }
    comparable(&json!({"spec": pod["spec"], "metadata": {"annotations": pod["metadata"]["annotations"]}}))
}

/// The volumes or mounts of a pod without what the API server adds to each.
pub fn but_the_token(list: &Value) -> Value {
    let mut list = list.clone();
    let items = list.as_array_mut().unwrap();
    items.retain(|item| !item["name"].as_str().unwrap().starts_with("kube-api-access-"));
    list
}
