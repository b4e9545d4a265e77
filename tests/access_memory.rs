//! What is kept of RBAC, in bytes. The only test of its process: it looks at all that the process holds.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the figure is printed, and a test fails by panicking")]

use secretfence::fence::access::{Access, Object, Store};
use serde_json::{Value, json};

/// That of the program: how much is lost between small pieces is the allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clusters of this size, so many that pages and what the heap keeps free weigh nothing.
const CLUSTERS: usize = 20;
const ACCOUNTS: usize = 2_000;
const BINDINGS: usize = 10_000;
const NAMESPACES: usize = 100;

const VERSION: &str = "rbac.authorization.k8s.io/v1";

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn object(value: &Value) -> Object {
    Object::parse(value.to_string().as_bytes()).unwrap().unwrap()
}

/// Namespace and name.
fn account(number: usize) -> (String, String) {
    (format!("namespace-of-a-team-{:02}", number % NAMESPACES), format!("service-account-{number:04}"))
}

fn role(name: &str, resources: &Value) -> Object {
    let rules = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": resources}]);
    object(&json!({"apiVersion": VERSION, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}))
}

/// One of the five bindings that each account has, each in another namespace than its own.
fn binding(number: usize) -> Object {
    let (namespace, name) = account(number % ACCOUNTS);
    let there = format!("namespace-of-a-team-{:02}", (number + 1 + number / ACCOUNTS) % NAMESPACES);
    let role = if number.is_multiple_of(3) { "edit" } else { "reader" };
    object(&json!({
        "apiVersion": VERSION, "kind": "RoleBinding",
        "metadata": {"namespace": there, "name": format!("binding-of-some-team-{number:05}"), "labels": {"team": "a"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
    }))
}

/// As a watch keeps it: the objects, and the index made of them.
fn cluster() -> (Store, Access) {
    let mut store = Store::new();
    store.extend([role("edit", &json!(["*"])), role("reader", &json!(["secrets"]))]);
    for number in 0..ACCOUNTS {
        let (namespace, name) = account(number);
        store.put(object(
            &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}}),
        ));
    }
    store.extend((0..BINDINGS).map(binding));
    let access = store.access();
    (store, access)
}

#[test]
fn a_service_account_takes_at_most_1_kilobyte_with_its_five_bindings() {
    // It is kept: what it gave back would be there for the others.
    let first = cluster();
    let before = resident();
    let clusters: Vec<_> = (0..CLUSTERS).map(|_| cluster()).collect();
    let each = (resident() - before) / (CLUSTERS * ACCOUNTS);
    println!("{each} bytes a ServiceAccount");
    for (_, access) in clusters.iter().chain([&first]) {
        let (namespace, name) = account(7);
        let reached = access.reach(&namespace, &name);
        let mut places: Vec<_> = reached.iter().map(|reached| reached.namespaces).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), BINDINGS / ACCOUNTS);
    }
    assert!(each <= 1024, "{each}");
}
