//! STUB of this branch: replaced by the engine.
#![allow(missing_docs)]

use super::Facts;
use super::policy::PolicySet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub gate: Gate,
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Mutate,
    Validate,
}

#[derive(Debug)]
pub struct Answer {
    pub body: Vec<u8>,
    pub record: Record,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub uid: String,
    pub operation: &'static str,
    pub namespace: String,
    pub kind: String,
    pub name: String,
    pub owner: String,
    pub result: ReviewResult,
    pub verdicts: Vec<VerdictCount>,
    pub findings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewResult {
    Allowed,
    Denied,
    Swapped,
    WouldDeny,
    WouldSwap,
    NotOurs,
    Undecodable,
}

impl ReviewResult {
    pub fn name(self) -> &'static str {
        match self {
            ReviewResult::Allowed => "allowed",
            ReviewResult::Denied => "denied",
            ReviewResult::Swapped => "swapped",
            ReviewResult::WouldDeny => "would_deny",
            ReviewResult::WouldSwap => "would_swap",
            ReviewResult::NotOurs => "not_ours",
            ReviewResult::Undecodable => "undecodable",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct VerdictCount {
    pub policy: u32,
    pub rule: u32,
    pub action: &'static str,
    pub mode: &'static str,
    pub count: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("the body is no AdmissionReview of admission.k8s.io/v1: {0}")]
pub struct ReviewError(String);

pub fn answer(body: &[u8], endpoint: Endpoint, policies: &PolicySet, _facts: &Facts) -> Result<Answer, ReviewError> {
    let review: serde_json::Value = serde_json::from_slice(body).map_err(|error| ReviewError(error.to_string()))?;
    let request = &review["request"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let uid = text(&request["uid"]);
    if uid.is_empty() {
        return Err(ReviewError("request.uid is empty".into()));
    }
    let denied = endpoint.gate == Gate::Validate && body.windows(12).any(|window| window == b"secretKeyRef");
    let result = match (denied, endpoint.dry_run) {
        (true, true) => ReviewResult::WouldDeny,
        (true, false) => ReviewResult::Denied,
        (false, _) => ReviewResult::Allowed,
    };
    let answer = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": result != ReviewResult::Denied, "auditAnnotations": {"revision": policies.revision()}},
    });
    Ok(Answer {
        body: answer.to_string().into_bytes(),
        record: Record {
            uid: safe(uid),
            operation: match request["operation"].as_str() {
                Some("UPDATE") => "UPDATE",
                _ => "CREATE",
            },
            namespace: safe(text(&request["namespace"])),
            kind: text(&request["kind"]["kind"]),
            name: safe(text(&request["name"])),
            owner: String::new(),
            result,
            verdicts: Vec::new(),
            findings: if denied { vec!["/spec/containers/0/env/0: secretKeyRef".into()] } else { Vec::new() },
        },
    })
}

fn safe(text: String) -> String {
    super::name::Shown(&text).to_string()
}
