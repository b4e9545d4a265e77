//! What the tests of the engine share: a minimal pod, ways to change one thing in it, and reviews through the engine.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use base64_simd::STANDARD;
use jiff::civil::{Date, date};
use secretfence::fence::policy::PolicyDocument;
use secretfence::fence::{
    Endpoint, Evaluation, Facts, Finding, Gate, Judgement, Outcome, PolicySet, Question, answer, evaluate,
};
use secretfence::manifest;
use serde_json::{Value, json};

/// The day of every test that does not name another.
pub fn today() -> Date {
    date(2026, 11, 21)
}

pub fn facts() -> Facts {
    Facts::on(today())
}

/// The smallest pod, without any reference.
pub fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "api", "image": "registry.example.com/shop/api:1"}]},
    })
}

/// The smallest pod, with one variable from a Secret.
pub fn pod_with_secret() -> Value {
    with(pod(), "/spec/containers/0/env", json!([db_password()]))
}

/// `DB_PASSWORD` from Secret `db`, key `password`.
pub fn db_password() -> Value {
    secret_env("DB_PASSWORD", "db", "password")
}

pub fn secret_env(variable: &str, secret: &str, key: &str) -> Value {
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

/// The same with `optional: true`.
pub fn optional_env(variable: &str, secret: &str, key: &str) -> Value {
    json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": true}}})
}

/// Sets what stands at a pointer. Objects on the way are made, `-` appends to a list.
pub fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    let mut at = &mut base;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step == "-" && at.is_null() {
            *at = json!([]);
        } else if at.is_null() {
            *at = json!({});
        }
        at = match at {
            Value::Array(items) => {
                let index = step.parse().unwrap_or(items.len());
                items.resize(items.len().max(index + 1), Value::Null);
                &mut items[index]
            }
            Value::Object(fields) => fields.entry(step).or_insert(Value::Null),
            _ => panic!("{pointer} leads through a scalar"),
        };
    }
    *at = value;
    base
}

/// Compiles policies from YAML.
pub fn policies(yaml: &str) -> PolicySet {
    try_policies(yaml).unwrap_or_else(|errors| panic!("{errors:#?}\n{yaml}"))
}

/// Compiles policies from YAML, or says what is wrong with them.
pub fn try_policies(yaml: &str) -> Result<PolicySet, Vec<String>> {
    let manifest = manifest::parse(yaml.as_bytes());
    assert!(manifest.errors.is_empty(), "{:?}\n{yaml}", manifest.errors);
    let documents: Vec<PolicyDocument> = manifest
        .documents
        .iter()
        .map(|document| PolicyDocument {
            source: document.index,
            value: serde_json::from_slice(&document.clone().with_words().json().unwrap()).unwrap(),
        })
        .collect();
    PolicySet::compile(&documents).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// One policy in YAML, given its `spec` as a flow mapping or block.
pub fn policy(name: &str, spec: &str) -> String {
    let spec: String = spec.trim_matches('\n').lines().map(|line| format!("  {line}\n")).collect();
    format!("---\napiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}

/// One policy with these rules, one a line, each a flow mapping.
pub fn rules(rules: &[&str]) -> PolicySet {
    policies(&policy_of_rules("files-only", rules))
}

pub fn policy_of_rules(name: &str, rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
    policy(name, &format!("rules:\n{rules}"))
}

/// `on: [env], action: deny`.
pub fn deny_env() -> PolicySet {
    rules(&["{name: no-env, on: [env], action: deny}"])
}

/// `on: [env], action: mount`, with the defaults.
pub fn mount_env() -> PolicySet {
    rules(&["{name: files, on: [env], action: mount}"])
}

/// `on: [env], action: mount`, with these fields of `mount`.
pub fn mount_with(fields: &str) -> PolicySet {
    rules(&[&format!("{{name: files, on: [env], action: mount, mount: {fields}}}")])
}

pub const MUTATE: Endpoint = Endpoint { gate: Gate::Mutate, dry_run: false };
pub const VALIDATE: Endpoint = Endpoint { gate: Gate::Validate, dry_run: false };
pub const DRY_MUTATE: Endpoint = Endpoint { gate: Gate::Mutate, dry_run: true };
pub const DRY_VALIDATE: Endpoint = Endpoint { gate: Gate::Validate, dry_run: true };
pub const ENDPOINTS: [Endpoint; 4] = [MUTATE, VALIDATE, DRY_MUTATE, DRY_VALIDATE];

/// An AdmissionReview that creates the object, as an API server sends it.
pub fn create(object: &Value) -> Value {
    let (group, version) = group_version(object);
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": object["kind"]},
            "resource": {"group": group, "version": version, "resource": "irrelevant"},
            "name": object["metadata"]["name"].as_str().unwrap_or(""),
            "namespace": object["metadata"]["namespace"].as_str().unwrap_or("shop"),
            "operation": "CREATE",
            "userInfo": {"username": "someone"},
            "object": object,
            "oldObject": null,
            "dryRun": false,
        },
    })
}

/// An AdmissionReview that changes `old` into `new`.
pub fn update(old: &Value, new: &Value) -> Value {
    let review = with(create(new), "/request/operation", json!("UPDATE"));
    with(review, "/request/oldObject", old.clone())
}

fn group_version(object: &Value) -> (&str, &str) {
    let api_version = object["apiVersion"].as_str().unwrap();
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// What came back, after the checks that hold for every answer.
pub struct Response(pub Value);

impl Response {
    pub fn allowed(&self) -> bool {
        self.0["allowed"].as_bool().unwrap()
    }

    pub fn message(&self) -> &str {
        self.0["status"]["message"].as_str().unwrap_or("")
    }

    pub fn warnings(&self) -> Vec<&str> {
        self.0["warnings"].as_array().into_iter().flatten().map(|warning| warning.as_str().unwrap()).collect()
    }

    pub fn patch(&self) -> Option<Value> {
        let patch = STANDARD.decode_to_vec(self.0.get("patch")?.as_str().unwrap()).unwrap();
        Some(serde_json::from_slice(&patch).unwrap())
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0["auditAnnotations"].get(key)?.as_str()
    }

    pub fn annotations(&self) -> Vec<(&str, &str)> {
        let annotations = self.0["auditAnnotations"].as_object();
        annotations.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect()
    }
}

/// Sends a review to an endpoint.
pub fn send(review: &Value, endpoint: Endpoint, policies: &PolicySet) -> Response {
    send_with(review, endpoint, policies, &facts())
}

pub fn send_with(review: &Value, endpoint: Endpoint, policies: &PolicySet, facts: &Facts) -> Response {
    let body = serde_json::to_vec(review).unwrap();
    let answer = answer(&body, endpoint, policies, facts).unwrap_or_else(|error| panic!("{error}"));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = Response(answer["response"].clone());
    assert_eq!(response.0["uid"], review["request"]["uid"], "an answer carries the uid of its request");
    assert_eq!(
        response.0.get("patch").is_some(),
        response.0.get("patchType").is_some(),
        "patch and patchType come together or not at all"
    );
    if endpoint != MUTATE {
        assert!(response.0.get("patch").is_none(), "only /mutate patches");
    }
    if endpoint != VALIDATE {
        assert!(response.allowed(), "only /validate denies");
    }
    if !response.allowed() {
        assert_eq!(response.0["status"]["code"], 403);
    }
    response
}

/// A creation, at `/validate`.
pub fn validate(object: &Value, policies: &PolicySet) -> Response {
    send(&create(object), VALIDATE, policies)
}

/// A creation, at `/mutate`.
pub fn mutate(object: &Value, policies: &PolicySet) -> Response {
    send(&create(object), MUTATE, policies)
}

/// Whether `/validate` lets the object be created.
pub fn admits(policies: &PolicySet, object: &Value) -> bool {
    validate(object, policies).allowed()
}

/// The object after `/mutate`. Its patch applies, and a second call changes nothing more.
pub fn swapped(object: &Value, policies: &PolicySet) -> Value {
    swapped_with(object, policies, &facts())
}

pub fn swapped_with(object: &Value, policies: &PolicySet, facts: &Facts) -> Value {
    let apply = |object: &Value| {
        let mut after = object.clone();
        if let Some(patch) = send_with(&create(object), MUTATE, policies, facts).patch() {
            let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
            json_patch::patch(&mut after, &patch).unwrap_or_else(|error| panic!("{error}: {object:#}"));
        }
        after
    };
    let once = apply(object);
    assert_eq!(apply(&once), once, "a second call changes nothing more");
    once
}

/// Whether `/mutate` changes the object.
pub fn swaps(object: &Value, policies: &PolicySet) -> bool {
    mutate(object, policies).patch().is_some()
}

/// What the engine says of an object offline.
pub fn judge(object: &Value, policies: &PolicySet) -> Judgement {
    judge_with(object, policies, &facts())
}

pub fn judge_with(object: &Value, policies: &PolicySet, facts: &Facts) -> Judgement {
    let question = Question {
        api_version: object["apiVersion"].as_str().unwrap(),
        kind: object["kind"].as_str().unwrap(),
        namespace: "shop",
        all: true,
        patch: true,
    };
    match evaluate(&serde_json::to_vec(object).unwrap(), &question, policies, facts).unwrap() {
        Evaluation::Judged(judgement) => judgement,
        other => panic!("not judged: {other:?}"),
    }
}

/// What the engine says offline of an object's only reference.
pub fn finding(object: &Value, policies: &PolicySet) -> Finding {
    finding_with(object, policies, &facts())
}

pub fn finding_with(object: &Value, policies: &PolicySet, facts: &Facts) -> Finding {
    let mut findings = judge_with(object, policies, facts).findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// The outcomes by pointer, in the order of the findings.
pub fn outcomes(object: &Value, policies: &PolicySet) -> Vec<(String, Outcome)> {
    let findings = judge(object, policies).findings;
    findings.into_iter().map(|finding| (finding.pointer, finding.outcome)).collect()
}

/// The kind and pointer of every reference.
pub fn references(object: &Value) -> Vec<(String, String)> {
    references_with(object, &PolicySet::default())
}

pub fn references_with(object: &Value, policies: &PolicySet) -> Vec<(String, String)> {
    let findings = judge(object, policies).findings;
    findings.into_iter().map(|finding| (finding.kind.to_owned(), finding.pointer)).collect()
}
