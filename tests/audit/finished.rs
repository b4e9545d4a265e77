//! Pods that have ended run nothing any more.

use serde_json::{Value, json};

use crate::{Cluster, env, namespace, pod, spec, workload};

fn with_phase(mut pod: Value, phase: &str) -> Value {
    pod["status"] = json!({"phase": phase});
    pod
}

fn audit(phase: &str, condition: (&str, &str)) -> Value {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let mut job = workload("shop", "migrate", None, &spec);
    job["status"] = json!({"conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"},
        {"type": condition.0, "status": condition.1}
    ]});
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

const ENDED: &str = "1 Job that has ended: it makes no pods any more";

#[test]
fn a_pod_that_has_ended_is_neither_judged_nor_missed_and_a_job_that_has_is_counted() {
    for (phase, condition) in [("Succeeded", "Complete"), ("Failed", "Failed")] {
        let audit = audit(phase, (condition, "True"));
        let summary = &audit["summary"];
        let numbers = json!([summary["owners"], summary["pods"], summary["missed"], summary["denied"]]);
        assert_eq!(numbers, json!([0, 0, 0, 0]), "{phase}: {audit:#}");
        assert_eq!(json!([audit["owners"], audit["notJudged"]]), json!([[], [ENDED]]), "{phase}: {audit:#}");
    }
}

#[test]
fn a_job_that_goes_on_or_is_suspended_is_judged() {
    for condition in [("Suspended", "True"), ("Complete", "False"), ("Failed", "Unknown"), ("FailureTarget", "True")] {
        let audit = audit("Succeeded", condition);
        let [job] = &audit["owners"].as_array().unwrap()[..] else { panic!("{audit:#}") };
        let seen = json!([job["kind"], job["pods"], job["template"], audit["summary"]["denied"]]);
        assert_eq!(seen, json!(["Job", 0, "judged", 1]), "{condition:?}: {audit:#}");
        assert_eq!(audit["notJudged"], json!([]), "{condition:?}");
    }
}

#[test]
fn jobs_that_have_ended_are_counted_where_they_are_asked_for() {
    let spec = spec("api", "api:1", &[env("KEY", "other")]);
    let jobs: Vec<Value> = (0..5)
        .map(|number| {
            let owner = (number == 4).then_some(["batch/v1", "CronJob", "nightly"]);
            let mut job = workload("shop", &format!("migrate-{number}"), owner, &spec);
            job["metadata"]["labels"] = json!({"app": if number < 2 { "web" } else { "api" }});
            job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
            job
        })
        .collect();
    let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)])), ("jobs", json!(jobs))]);
    // That of a CronJob is not judged in any case.
    assert_eq!(cluster.json(&[])["notJudged"], json!(["4 Jobs that have ended: they make no pods any more"]));
    let chosen = &cluster.json(&["-l", "app=web"])["notJudged"];
    assert!(
        chosen.as_array().unwrap().contains(&json!("2 Jobs that have ended: they make no pods any more")),
        "{chosen}"
    );
}

#[test]
fn a_pod_that_has_not_ended_is_judged_and_missed() {
    for phase in ["Running", "Pending", "Unknown"] {
        let audit = audit(phase, ("Complete", "False"));
        assert_eq!(json!([audit["summary"]["pods"], audit["summary"]["missed"]]), json!([3, 3]), "{phase}: {audit:#}");
    }
}
