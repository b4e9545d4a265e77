//! Pods that have ended run nothing any more.

use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, spec, workload};

fn with_phase(mut pod: Value, phase: &str) -> Value {
    pod["status"] = json!({"phase": phase});
    pod
}

fn audit(phase: &str) -> Value {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let mut job = workload("shop", "migrate", None, &spec);
    job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    let its_pod = pod("shop", "migrate-a", Some(["batch/v1", "Job", "migrate"]), &spec);
    let workflow = pod("shop", "flow-a", Some(["argoproj.io/v1alpha1", "Workflow", "flow"]), &spec);
    let cluster = Cluster::new([
        ("namespaces", json!([namespace("shop", None)])),
        ("jobs", json!([job])),
        (
            "pods",
            json!([
                with_phase(pod("shop", "bare", None, &spec), phase),
                with_phase(its_pod, phase),
                with_phase(workflow, phase)
            ]),
        ),
    ]);
    cluster.json(&[])
}

#[test]
fn a_pod_that_has_ended_is_neither_judged_nor_missed_and_the_template_of_its_job_is_judged() {
    for phase in ["Succeeded", "Failed"] {
        let audit = audit(phase);
        assert_eq!(json!([audit["summary"]["pods"], audit["summary"]["missed"]]), json!([0, 0]), "{phase}: {audit:#}");
        let [job] = &audit["owners"].as_array().unwrap()[..] else { panic!("{audit:#}") };
        assert_eq!(
            json!([job["kind"], job["pods"], job["template"]]),
            json!(["Job", 0, "judged"]),
            "{phase}: {audit:#}"
        );
    }
}

#[test]
fn a_pod_that_has_not_ended_is_judged_and_missed() {
    for phase in ["Running", "Pending", "Unknown"] {
        let audit = audit(phase);
        assert_eq!(json!([audit["summary"]["pods"], audit["summary"]["missed"]]), json!([3, 3]), "{phase}: {audit:#}");
    }
}
