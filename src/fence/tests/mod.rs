//! The core held against the typed Kubernetes API, against a model of the kubelet, and against whatever bytes may come.
//!
//! ```text
//! guard.rs            the typed API, field by field: a new field does not compile until someone has classified it
//! typed.rs            the inventory once more, written against the typed API
//! explain.rs          what is told of a judgement is what was judged
//! generate.rs         pods and policies
//! inventory.rs        the borrowed walk finds what the typed one finds
//! kubelet.rs          how the kubelet makes a container's environment of a pod
//! swap_properties.rs  what every swap must hold
//! hostile.rs          arbitrary bytes, broken reviews, pods made to be slow
//! ```

mod explain;
mod generate;
mod guard;
mod hostile;
mod inventory;
mod kubelet;
mod swap_properties;
mod typed;

use base64_simd::STANDARD;
use proptest::prelude::ProptestConfig;
use serde_json::{Value, json};

use super::policy::PolicyDocument;
use super::{Answer, Endpoint, Facts, Gate, PolicySet, answer};

const MUTATE: Endpoint = Endpoint { gate: Gate::Mutate, dry_run: false };
const VALIDATE: Endpoint = Endpoint { gate: Gate::Validate, dry_run: false };

/// So many cases, or as many as `PROPTEST_CASES` says. What fails is kept as a test of its own and not as a seed.
fn cases(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn facts() -> Facts {
    Facts::on(jiff::civil::date(2026, 11, 21))
}

/// A set of policies, each given as its name and its `spec`.
fn policies(specs: impl IntoIterator<Item = (String, Value)>) -> PolicySet {
    let document = |(name, spec): (String, Value)| PolicyDocument {
        source: 0,
        value: json!({
            "apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": name}, "spec": spec,
        }),
    };
    PolicySet::compile(&specs.into_iter().map(document).collect::<Vec<_>>()).unwrap()
}

/// One policy of one rule.
fn rule(on: &[&str], action: &str, mount: Value) -> PolicySet {
    let mut rule = json!({"name": "rule", "on": on, "action": action});
    if !mount.is_null() {
        rule["mount"] = mount;
    }
    policies([("policy".to_owned(), json!({"rules": [rule]}))])
}

/// A review of the creation of an object in core or in another group.
fn review(kind: &str, object: &str) -> Vec<u8> {
    let group = if kind == "Pod" { "" } else { "apps" };
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u-1","kind":
        {{"group":"{group}","version":"v1","kind":"{kind}"}},"operation":"CREATE","namespace":"shop","name":"",
        "object":{object}}}}}"#
    )
    .into_bytes()
}

/// The `response` of an answer, with its patch in clear.
struct Heard {
    response: Value,
    patch: Option<String>,
    answer: Answer,
}

fn ask(body: &[u8], endpoint: Endpoint, policies: &PolicySet) -> Heard {
    let answer = answer(body, endpoint, policies, &facts()).unwrap();
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    let response = body["response"].take();
    let patch = response.get("patch").map(|patch| {
        let bytes = STANDARD.decode_to_vec(patch.as_str().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    });
    assert_eq!(patch.is_some(), response.get("patchType").is_some());
    Heard { response, patch, answer }
}

/// The pod after `/mutate`, by `json-patch`; the patch must apply.
fn mutated(pod: &Value, policies: &PolicySet) -> Option<Value> {
    let heard = ask(&review("Pod", &go_encoded(pod)), MUTATE, policies);
    assert_eq!(heard.response["allowed"], true);
    let patch: json_patch::Patch = serde_json::from_str(&heard.patch?).unwrap();
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch).unwrap_or_else(|error| panic!("{error}: {patch:?} on {pod}"));
    Some(after)
}

/// JSON as Go's encoder writes it, and so the API server: with `&`, `<`, `>` and the line separators escaped.
fn go_encoded(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        match character {
            '&' => text.push_str("\\u0026"),
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            _ => text.push(character),
        }
    }
    text
}
