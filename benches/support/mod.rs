//! What every bench judges: three bodies, one full of escapes, and sets of policies.
#![allow(dead_code, missing_docs, clippy::panic, reason = "each bench uses its part, and may fail loudly")]

use jiff::civil::date;
use secretfence::fence::policy::PolicyDocument;
use secretfence::fence::{Endpoint, Facts, Gate, PolicySet};
use serde_json::{Value, json};

pub const SMALL: &[u8] = include_bytes!("../bodies/small.json");
pub const TYPICAL: &[u8] = include_bytes!("../bodies/typical.json");
pub const BIG: &[u8] = include_bytes!("../bodies/big.json");

/// Three workloads as people write them.
pub const MANIFESTS: &str = include_str!("../bodies/manifests.yaml");

pub const MUTATE: Endpoint = Endpoint { gate: Gate::Mutate, dry_run: false };
pub const VALIDATE: Endpoint = Endpoint { gate: Gate::Validate, dry_run: false };

/// Name and bytes of each body.
pub fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    vec![("4KB", SMALL.to_vec()), ("13KB", TYPICAL.to_vec()), ("225KB", BIG.to_vec()), ("13KB-escaped", escaped())]
}

/// The typical body with every slash of a URL as the API server writes `&`, `<` and `>`: no string with one is borrowed.
pub fn escaped() -> Vec<u8> {
    let text = String::from_utf8_lossy(TYPICAL);
    text.replace("/v1?x=", "\\u0026\\u003cv1\\u003e\\u0026x=").replace("--", "\\u0026\\u0026").into_bytes()
}

/// [`ten_policies`], compiled.
pub fn ten() -> PolicySet {
    compile(ten_policies())
}

/// [`thousand_policies`], compiled.
pub fn thousand() -> PolicySet {
    compile(thousand_policies())
}

/// Ten policies that match every body: one swaps, one limits volumes, the others look at names that are not there.
pub fn ten_policies() -> Vec<Value> {
    (0..10).map(matching).collect()
}

/// The same ten among 990 that are about other namespaces.
pub fn thousand_policies() -> Vec<Value> {
    (0..10).map(matching).chain((0..990).map(other)).collect()
}

pub fn facts() -> Facts {
    Facts::on(date(2026, 11, 21))
}

fn matching(index: usize) -> Value {
    let rules = match index {
        0 => json!([
            {"name": "vendor", "on": ["secretKeyRef"], "action": "allow", "reason": "T-1", "expires": "2027-12-31",
             "where": {"secrets": ["vendor-*"], "images": ["registry.example.com/vendor/*"]}},
            {"name": "to-files", "on": ["secretKeyRef"], "action": "mount", "mount": {"besideEnvFrom": "swap"}},
            {"name": "rest", "on": ["env"], "action": "deny"},
        ]),
        1 => json!([{"name": "volumes", "on": ["file"], "action": "deny", "where": {"secrets": ["root-*"]}}]),
        2 => json!([{"name": "pull", "on": ["imagePull"], "action": "warn", "where": {"secrets": ["!pull-*"]}}]),
        _ => json!([
            {"name": "one", "on": ["env"], "action": "deny", "where": {"secrets": [format!("owned-by-{index}-*")]}},
            {"name": "two", "on": ["env"], "action": "warn", "where": {"variables": [format!("*_TOKEN_{index}")]}},
        ]),
    };
    policy(&format!("matching-{index}"), json!({"namespaces": ["*", "!kube-*"]}), rules)
}

fn other(index: usize) -> Value {
    let rules = json!([{"name": "no-env", "on": ["env"], "action": "deny"}]);
    policy(&format!("other-{index}"), json!({"namespaces": [format!("team-{index}-*")]}), rules)
}

fn policy(name: &str, matches: Value, rules: Value) -> Value {
    json!({"apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": name},
           "spec": {"match": matches, "rules": rules}})
}

pub fn compile(documents: Vec<Value>) -> PolicySet {
    let documents: Vec<_> =
        documents.into_iter().enumerate().map(|(source, value)| PolicyDocument { source, value }).collect();
    match PolicySet::compile(&documents) {
        Ok(set) => set,
        Err(errors) => panic!("{errors:?}"),
    }
}
