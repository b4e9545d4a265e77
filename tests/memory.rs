//! What is kept of the cluster, in bytes. The only test of its process: it looks at all that the process holds.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the figure is printed, and a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use secretfence::fence::facts::{ByNamespace, Labels};
use secretfence::manifest::known;
use serde_json::{Value, json};

const COUNT: usize = 200_000;

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn bytes(metadata: Value) -> Vec<u8> {
    json!({"metadata": metadata}).to_string().into_bytes()
}

#[test]
fn a_secret_takes_at_most_400_bytes_and_a_namespace_300() {
    let before = resident();
    let mut secrets = ByNamespace::default();
    for number in 0..COUNT {
        let (namespace, name) = (format!("namespace-of-a-team-{}", number / 50), format!("a-secret-{number:06}-abcde"));
        let annotations = json!({"reflector.v1.k8s.emberstack.com/reflects": "billing-of-a-team/database"});
        let labels = json!({"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "a-program"});
        let metadata = json!({"namespace": namespace, "name": name, "annotations": annotations, "labels": labels});
        let secret = known::secret(&bytes(metadata), "", &[]).unwrap();
        assert!(secret.origin.is_some());
        secrets.insert(&secret.namespace, &secret.name, secret.origin);
    }
    secrets.shrink();
    assert_eq!(secrets.len(), COUNT);
    let each = (resident() - before) / COUNT;
    println!("{each} bytes a Secret");
    assert!(each <= 400, "{each}");

    let before = resident();
    let tier: Arc<str> = "tier".into();
    let mut namespaces: HashMap<Arc<str>, Labels> = HashMap::new();
    for number in 0..COUNT {
        let labels = json!({"tier": "production", "team": "a-team", "another.example.com/label": "x"});
        let metadata = json!({"name": format!("namespace-of-a-team-{number:06}"), "labels": labels});
        let (name, labels) = known::namespace_labels(&bytes(metadata), |key| key == "tier").unwrap();
        let labels = labels.iter().map(|(_, value)| (Arc::clone(&tier), Arc::from(value)));
        namespaces.insert(name.into(), labels.collect::<Labels>());
    }
    namespaces.shrink_to_fit();
    let each = (resident() - before) / COUNT;
    println!("{each} bytes a Namespace");
    assert!(each <= 300, "{each}");
}
