//! Objects as big as an API server takes them, which anybody may write who may write a Deployment.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Cluster, namespace, program};

/// Of one object: what has its place in 1.5 MiB, the most that etcd takes.
const REFERENCES: usize = 40_000;
const OBJECTS: usize = 6;

#[cfg(target_os = "linux")]
#[test]
fn objects_of_many_references_leave_an_audit_within_the_memory_that_its_job_has() {
    let references: Vec<Value> =
        (0..REFERENCES).map(|number| json!({"secretRef": {"name": format!("a{number}")}})).collect();
    let container = json!({"name": "a", "image": "a", "envFrom": references});
    let deployment = |number: usize| {
        let template = json!({"spec": {"containers": [container]}});
        json!({"metadata": {"namespace": "shop", "name": format!("web-{number}"), "uid": format!("{number:032x}")},
            "spec": {"replicas": 0, "template": template}})
    };
    assert!(deployment(0).to_string().len() < 3 << 19);
    let deployments = (0..OBJECTS).map(deployment).collect::<Vec<_>>();
    let cluster = Cluster::new([("namespaces", json!([namespace("shop", None)])), ("deployments", json!(deployments))]);
    let arguments = cluster.arguments(&["--format", "json", "--metrics-file", "audit.prom"]);
    let mut command = program::command(cluster.folder.path(), &arguments);
    let mut audit = command.stdout(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{}/status", audit.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let held = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
        most = most.max(held.unwrap_or_default() >> 10);
        match audit.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // As manifests/audit has it.
    println!("{most} MiB");
    assert!((1..256).contains(&most), "{most} MiB");
    assert_eq!(status.code(), Some(1));
    let numbers = fs::read_to_string(cluster.folder.path().join("audit.prom")).unwrap();
    let denied = format!("secretfence_audit_findings{{outcome=\"denied\"}} {}\n", REFERENCES * OBJECTS);
    assert!(numbers.contains(&denied), "{numbers}");
}
