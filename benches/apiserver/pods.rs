//! The pods of the reviews in `benches/bodies`, as somebody creates them.

use serde_json::{Value, json};

use crate::support;

/// Name and review.
pub const BODIES: [(&str, &[u8]); 3] =
    [("4 KB", support::SMALL), ("13 KB", support::TYPICAL), ("225 KB", support::BIG)];

/// The pod of a review, without what the API server and controllers put in.
pub fn taking_secrets(review: &[u8], namespace: &str) -> Value {
    let mut review: Value = serde_json::from_slice(review).expect("a review");
    let mut pod = review["request"]["object"].take();
    let metadata = pod["metadata"].as_object_mut().expect("metadata");
    for name in ["creationTimestamp", "managedFields", "ownerReferences"] {
        metadata.remove(name);
    }
    metadata.insert("namespace".to_owned(), json!(namespace));
    let spec = pod["spec"].as_object_mut().expect("a spec");
    // The ServiceAccount that every namespace has.
    for name in ["serviceAccount", "serviceAccountName"] {
        spec.remove(name);
    }
    pod
}

/// The same pod, with a value of that length wherever a variable comes from a Secret.
pub fn clean(review: &[u8], namespace: &str) -> Value {
    let mut pod = taking_secrets(review, namespace);
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"][list].as_array_mut().into_iter().flatten();
        for variable in containers.flat_map(|container| container["env"].as_array_mut().into_iter().flatten()) {
            if variable["valueFrom"]["secretKeyRef"].is_object() {
                let length = variable["valueFrom"].to_string().len();
                *variable = json!({"name": variable["name"], "value": "x".repeat(length)});
            }
        }
    }
    pod
}
