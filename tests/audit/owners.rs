//! Whose a pod is.

use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, spec, workload};

const DRIVER: Option<[&str; 3]> = Some(["v1", "Pod", "pi-driver"]);

fn owners(audit: &Value) -> Vec<Value> {
    let owners = audit["owners"].as_array().unwrap().iter();
    owners
        .map(|its| json!([its["kind"], its["name"], its["template"], its["pods"], its["findings"][0]["key"]]))
        .collect()
}

/// With a variable from this key.
fn takes(key: &str) -> Value {
    let mut spec = spec("api", "api:1", &[env("KEY", "other")]);
    spec["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["key"] = json!(key);
    spec
}

#[test]
fn pods_of_a_pod_are_their_own_owners_in_whatever_order_they_come() {
    let driver = pod("shop", "pi-driver", None, &takes("driver"));
    let executors = ["pi-exec-1", "pi-exec-2"].map(|name| pod("shop", name, DRIVER, &takes("executor")));
    let itself = |name: &str, key: &str| json!(["Pod", name, "itself", 1, key]);
    let expected = [itself("pi-driver", "driver"), itself("pi-exec-1", "executor"), itself("pi-exec-2", "executor")];
    let [first, second] = executors;
    for pods in [[&driver, &first, &second], [&second, &driver, &first], [&second, &first, &driver]] {
        let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)])), ("pods", json!(pods))]);
        let audit = cluster.json(&[]);
        assert_eq!(owners(&audit), expected, "{audit:#}");
    }
}

#[test]
fn what_a_pod_makes_is_judged_by_its_own_template() {
    let set = workload("shop", "workers", DRIVER, &takes("set"));
    let job = workload("shop", "step", DRIVER, &takes("job"));
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("statefulsets", json!([set])),
        ("jobs", json!([job])),
        (
            "pods",
            json!([
                pod("shop", "pi-driver", None, &takes("driver")),
                pod("shop", "step-a", Some(["batch/v1", "Job", "step"]), &takes("job")),
                pod("shop", "workers-0", Some(["apps/v1", "StatefulSet", "workers"]), &takes("set")),
            ]),
        ),
    ]);
    let audit = cluster.json(&[]);
    let expected = [
        json!(["Job", "step", "judged", 1, "job"]),
        json!(["Pod", "pi-driver", "itself", 1, "driver"]),
        json!(["StatefulSet", "workers", "judged", 1, "set"]),
    ];
    assert_eq!(owners(&audit), expected, "{audit:#}");
}
