//! Bytes of a review in, bytes of a review out.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::message;
use super::name::{Shown, acts_on_a_terminal};
use super::pod::PodSpec;
use super::policy::{Mode, PolicySet, Templates};
use super::ratchet::{Forgiven, any_denied};
use super::reference::Reference;
use super::review::{Object, Request, Response, ReviewError, Status};
use super::swap::patch;
use super::swap::plan::Pod;
use super::verdict::{Decision, Judged, Note, Outcome, Place, Reads, Stage, UNWRITTEN_RULE, Verdict, judge};
use super::workload::{Shape, Workload};

/// A denial names at most so many findings, within so many bytes.
const DENIAL_FINDINGS: usize = 20;
const DENIAL_BYTES: usize = 4096;
/// The API server sends warnings on as headers: longer ones are cut there, and from some length on all are dropped.
const WARNING_BYTES: usize = 256;
const WARNINGS_BYTES: usize = 4096;
/// What one audit annotation holds.
const AUDIT_BYTES: usize = 2048;

/// Which webhook is called, and on which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Which webhook.
    pub gate: Gate,
    /// Below `/dry-run`: everything is reported, nothing is denied or changed.
    pub dry_run: bool,
}

/// One of the two webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Swaps, and never rejects.
    Mutate,
    /// Judges the final object.
    Validate,
}

/// The answer to a review.
#[derive(Debug)]
pub struct Answer {
    /// An AdmissionReview, as JSON.
    pub body: Vec<u8>,
    /// What logs and metrics say of it.
    pub record: Record,
}

/// What logs and metrics say of a review. Every string is safe to print, and none holds a value of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Of the review.
    pub uid: String,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, or `OTHER`.
    pub operation: &'static str,
    /// Of the request.
    pub namespace: String,
    /// Of the object.
    pub kind: String,
    /// Of the object, or its `generateName`.
    pub name: String,
    /// Who controls the object, as `Kind/name`; empty where nobody does.
    pub owner: String,
    /// What the review came to.
    pub result: ReviewResult,
    /// How often each rule decided.
    pub verdicts: Vec<VerdictCount>,
    /// The first findings that are denied, swapped or warned of, or would be.
    pub findings: Vec<String>,
}

/// What a review came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReviewResult {
    /// Let through unchanged.
    #[default]
    Allowed,
    /// Refused.
    Denied,
    /// Patched.
    Swapped,
    /// Would have been refused, but for the dry run.
    WouldDeny,
    /// Would have been patched, but for the dry run.
    WouldSwap,
    /// Nothing for us to judge: another kind, operation or subresource.
    NotOurs,
    /// The object could not be read.
    Undecodable,
}

impl ReviewResult {
    /// Every result, for counters that shall exist from the start.
    pub const ALL: [ReviewResult; 7] = [
        ReviewResult::Allowed,
        ReviewResult::Denied,
        ReviewResult::Swapped,
        ReviewResult::WouldDeny,
        ReviewResult::WouldSwap,
        ReviewResult::NotOurs,
        ReviewResult::Undecodable,
    ];

    /// The label in logs and metrics.
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

/// How often a rule decided in one review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictCount {
    /// Index into the set's policies.
    pub policy: u32,
    /// Index into the policy's rules.
    pub rule: u32,
    /// The rule's action.
    pub action: &'static str,
    /// `enforce` or `dryRun`.
    pub mode: &'static str,
    /// How many references.
    pub count: u32,
}

/// Answers a review.
///
/// `/mutate` never rejects; `/validate` judges the final object; below `/dry-run` every answer allows.
///
/// # Errors
/// Where the body is no review that could be answered: the sentence for an HTTP 400.
///
/// ```
/// use jiff::civil::date;
/// use secretfence::fence::policy::PolicyDocument;
/// use secretfence::fence::{Endpoint, Facts, Gate, PolicySet, answer};
///
/// let policy = serde_json::json!({
///     "apiVersion": "secretfence.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "files-only"},
///     "spec": {"rules": [{"name": "no-env", "on": ["env"], "action": "deny"}]},
/// });
/// let policies = PolicySet::compile(&[PolicyDocument { source: 0, value: policy }]).unwrap();
/// let review = br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
///     "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
///     "object": {"spec": {"containers": [{"name": "api", "image": "api",
///         "envFrom": [{"secretRef": {"name": "db"}}]}]}}}}"#;
/// let validate = Endpoint { gate: Gate::Validate, dry_run: false };
///
/// let answer = answer(review, validate, &policies, &Facts::on(date(2026, 11, 21))).unwrap();
/// let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
/// assert_eq!(body["response"]["allowed"], false);
/// assert_eq!(body["response"]["status"]["code"], 403);
/// ```
pub fn answer(body: &[u8], endpoint: Endpoint, policies: &PolicySet, facts: &Facts) -> Result<Answer, ReviewError> {
    let request = Request::read(body, policies)?;
    let mut case = Case { endpoint, policies, facts, record: Record::of(&request), response: Response::default() };
    case.response.uid = request.uid.as_str();
    case.response.allowed = true;
    case.hear(&request);
    case.record.result = case.result();
    Ok(Answer { body: case.response.to_bytes(), record: case.record })
}

impl Record {
    fn of(request: &Request<'_>) -> Record {
        let operation = match request.operation.as_str() {
            "CREATE" => "CREATE",
            "UPDATE" => "UPDATE",
            "DELETE" => "DELETE",
            "CONNECT" => "CONNECT",
            _ => "OTHER",
        };
        Record {
            uid: Shown(request.uid.as_str()).to_text(),
            operation,
            namespace: Shown(request.namespace.as_str()).to_text(),
            kind: Shown(request.kind.kind.as_str()).to_text(),
            name: Shown(request.name.as_str()).to_text(),
            ..Record::default()
        }
    }
}

/// One review on its way to an answer.
struct Case<'c> {
    endpoint: Endpoint,
    policies: &'c PolicySet,
    facts: &'c Facts,
    record: Record,
    response: Response<'c>,
}

impl<'c> Case<'c> {
    fn hear(&mut self, request: &Request<'_>) {
        let Some(shape) = self.is_ours(request) else {
            self.record.result = ReviewResult::NotOurs;
            return;
        };
        let workload = match &request.object {
            Object::Read(workload) => workload,
            Object::Broken(error) => return self.refuse_broken(&error.to_string()),
            Object::None | Object::Raw(_) => return self.refuse_broken("the review holds no object"),
        };
        if self.record.name.is_empty() {
            self.record.name = Shown(workload.name()).to_text();
        }
        if let Some(owner) = workload.metadata.as_ref().and_then(|metadata| metadata.controller()) {
            Shown(owner.kind.as_str()).push_to(&mut self.record.owner);
            self.record.owner.push('/');
            Shown(owner.name.as_str()).push_to(&mut self.record.owner);
        }
        if !shape.is_pod() && workload.is_controlled() {
            // Its pods are judged.
            return;
        }
        match self.endpoint.gate {
            Gate::Mutate => self.mutate(request, workload),
            Gate::Validate => self.validate(request, shape, workload),
        }
    }

    /// The shape of what is judged here: creations and updates of pods and templates, the ephemeral containers of a pod.
    fn is_ours(&self, request: &Request<'_>) -> Option<Shape<'c>> {
        let shape = request.shape(self.policies)?;
        let creates = request.operation.as_str() == "CREATE";
        let ours = match (self.endpoint.gate, request.sub_resource.as_str()) {
            (Gate::Mutate, sub_resource) => shape.is_pod() && creates && sub_resource.is_empty(),
            (Gate::Validate, "") => creates || request.operation.as_str() == "UPDATE",
            (Gate::Validate, "ephemeralcontainers") => shape.is_pod() && request.operation.as_str() == "UPDATE",
            _ => false,
        };
        ours.then_some(shape)
    }

    /// An object that cannot be read cannot be judged: the gate stays shut, everything else lets it through.
    fn refuse_broken(&mut self, what: &str) {
        self.record.result = ReviewResult::Undecodable;
        let mut text = format!("secretfence cannot read the object: {what}");
        self.record.findings.push(text.clone());
        if self.endpoint.gate == Gate::Validate && !self.endpoint.dry_run {
            self.deny(text);
        } else {
            message::cut(&mut text, WARNING_BYTES);
            self.response.warnings.push(text);
        }
        if self.endpoint.gate == Gate::Validate {
            self.audit("verdict", ReviewResult::Undecodable.name().to_owned());
        }
    }

    fn mutate(&mut self, request: &Request<'_>, workload: &Workload<'_>) {
        let place = self.place(request, &["Pod"], true, Stage::Mutate);
        let Some((template, pod)) = workload.pods().next() else { return };
        let verdict = judge(pod, &place, self.policies, self.facts, false);
        if let Some((candidates, plan)) = &verdict.foretold {
            self.record.result = ReviewResult::WouldSwap;
            self.foretell(&patch::write(pod, template, candidates, plan));
        }
        let mode = if verdict.plan.swapped.is_empty() { Mode::DryRun } else { Mode::Enforce };
        let mut said = say(&verdict.judged, pod.spec, template);
        said.retain(|its| its.mode == mode && its.decision.outcome == Outcome::Swapped);
        self.note_findings(&said);
        if verdict.plan.swapped.is_empty() {
            return;
        }
        self.count(&said);
        self.record.result = ReviewResult::Swapped;
        self.response.patch = Some(patch::write(pod, template, &verdict.candidates, &verdict.plan));
        // Only the person who creates a pod by hand reads this; for the others there is the log and the annotation.
        self.warn_each(said.iter().map(|its| {
            let told = its.decision.reads == Some(Reads::MustBeTold);
            (its, (told && its.decision.policy.1.warnings).then_some("swapped: "))
        }));
    }

    fn validate(&mut self, request: &Request<'_>, shape: Shape<'_>, workload: &Workload<'_>) {
        let is_pod = shape.is_pod();
        // A template is judged by the policies that are about it; those about pods alone wait for its pods.
        let kinds = [request.kind.kind.as_str()];
        let place = self.place(request, &kinds, is_pod, if is_pod { Stage::Final } else { Stage::Foretold });
        let mut judged: Vec<(&str, Pod<'_>, Verdict<'_, '_>)> = workload
            .pods()
            .map(|(template, pod)| (template, pod, judge(pod, &place, self.policies, self.facts, false)))
            .collect();
        let denied = judged.iter().any(|(_, _, verdict)| any_denied(&verdict.judged));
        let old = request.old_object.filter(|_| denied).and_then(|old| {
            // An old object that cannot be read forgives nothing.
            Workload::parse(old.get(), shape).ok()
        });
        let mut forgiven_here = Vec::new();
        if let Some(old) = &old {
            let before: Vec<_> =
                old.pods().map(|(_, pod)| (judge(pod, &place, self.policies, self.facts, false), pod.spec)).collect();
            let mut forgiven = Forgiven::default();
            before.iter().for_each(|(verdict, spec)| forgiven.add(&verdict.judged, spec));
            for (at, (_, pod, verdict)) in judged.iter_mut().enumerate() {
                forgiven_here.extend(forgiven.forgive(&mut verdict.judged, pod.spec).into_iter().map(|its| (at, its)));
            }
        }
        let said: Vec<Said<'_>> =
            judged.iter().flat_map(|(template, pod, verdict)| say(&verdict.judged, pod.spec, template)).collect();
        let mut denials = Denials::default();
        for its in said.iter().filter(|its| its.denies(is_pod)) {
            denials.add(its);
        }
        self.count(&said);
        // The template may stay, but its next pods are new: a restart of all of them is an update, too.
        let stays: Vec<Said<'_>> = forgiven_here
            .iter()
            .filter(|_| !is_pod)
            .filter_map(|(at, (reference, mode, decision))| {
                let (template, pod, verdict) = judged.get(*at)?;
                let reference = &verdict.judged.get(*reference)?.reference;
                Some(Said { mode: *mode, decision, reference, spec: pod.spec, template, text: OnceCell::new() })
            })
            .collect();
        let warned = said.iter().map(|its| (its, its.warning(is_pod)));
        self.warn_each(warned.chain(stays.iter().map(|its| (its, its.warning_of_pods()))));
        self.note_findings(&said);
        self.audit_verdict(&said, &denials);
        if denials.count > 0 {
            self.deny(denials.message());
        }
    }

    fn place<'s>(&self, request: &'s Request<'_>, kinds: &'s [&'s str], is_pod: bool, stage: Stage) -> Place<'s> {
        let (namespace, dry_run) = (request.namespace.as_str(), self.endpoint.dry_run);
        Place { namespace, kinds, is_pod, stage, dry_run, set_aside: &[] }
    }

    fn deny(&mut self, message: String) {
        self.response.allowed = false;
        self.response.status = Some(Status { code: 403, reason: "Forbidden", message });
    }

    fn result(&self) -> ReviewResult {
        if !self.response.allowed && self.record.result != ReviewResult::Undecodable {
            return ReviewResult::Denied;
        }
        self.record.result
    }

    fn count(&mut self, said: &[Said<'_>]) {
        for Said { mode, decision, .. } in said {
            let (policy, rule) = (decision.policy.0, decision.rule.0);
            if rule == UNWRITTEN_RULE {
                continue;
            }
            let mode = match mode {
                Mode::Enforce => "enforce",
                Mode::DryRun => "dryRun",
            };
            let same = |its: &&mut VerdictCount| its.policy == policy && its.rule == rule && its.mode == mode;
            match self.record.verdicts.iter_mut().find(same) {
                Some(its) => its.count += 1,
                None => {
                    let action = decision.rule.1.action.name();
                    self.record.verdicts.push(VerdictCount { policy, rule, action, mode, count: 1 });
                }
            }
            if mode == "dryRun" && self.record.result != ReviewResult::WouldDeny {
                self.record.result = match decision.outcome {
                    Outcome::Denied => ReviewResult::WouldDeny,
                    Outcome::Swapped => ReviewResult::WouldSwap,
                    Outcome::Allowed | Outcome::Warned => continue,
                };
            }
        }
    }

    /// The first that are not simply allowed, for the log.
    fn note_findings(&mut self, said: &[Said<'_>]) {
        let reported = said.iter().filter(|its| its.decision.outcome != Outcome::Allowed);
        self.record.findings.extend(reported.take(DENIAL_FINDINGS).map(|its| its.marked().into_owned()));
    }

    /// Each with how it is said to the client, if it is.
    fn warn_each<'s, 'v: 's>(&mut self, said: impl Iterator<Item = (&'s Said<'v>, Option<&'static str>)>) {
        let mut left = WARNINGS_BYTES;
        let mut more = 0;
        for (its, prefix) in said {
            let Some(prefix) = prefix else { continue };
            // Room is kept for the line that counts the rest.
            if left < WARNING_BYTES + 32 {
                more += 1;
                continue;
            }
            let mut text = prefix.to_owned();
            text.push_str(its.text());
            message::cut_finding(&mut text, WARNING_BYTES);
            left -= text.len();
            self.response.warnings.push(text);
        }
        if more > 0 {
            self.response.warnings.push(format!("(+{more} more)"));
        }
    }

    fn audit(&mut self, key: &str, mut value: String) {
        message::cut(&mut value, AUDIT_BYTES);
        self.response.audit_annotations.push((key.to_owned(), value));
    }

    /// Only `/validate` writes these: a second call of `/mutate` could not overwrite them.
    fn audit_verdict(&mut self, said: &[Said<'_>], denials: &Denials) {
        let word = if denials.count > 0 { ReviewResult::Denied.name() } else { self.record.result.name() };
        self.audit("verdict", word.to_owned());
        self.audit("revision", self.policies.revision().to_owned());
        let mut policies: Vec<&str> = Vec::new();
        let mut findings = Bounded::new(AUDIT_BYTES);
        for its in said {
            let name = its.decision.policy.1.name.as_str();
            if !policies.contains(&name) {
                policies.push(name);
            }
            if its.decision.outcome != Outcome::Allowed {
                findings.add("\n", || its.marked());
            }
        }
        if !policies.is_empty() {
            policies.sort_unstable();
            let mut names = Bounded::new(AUDIT_BYTES);
            policies.into_iter().for_each(|name| names.add(",", || name.into()));
            self.audit("policies", names.finish());
        }
        if findings.count > 0 {
            self.audit("findings", findings.finish());
        }
    }

    /// The patch that would have been made: whole, or what tells it from another.
    fn foretell(&mut self, patch: &[u8]) {
        let hash: String = Sha256::digest(patch).iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("patch-{}", &hash[..10]);
        let whole = without_marks(&String::from_utf8_lossy(patch));
        if whole.len() <= AUDIT_BYTES {
            return self.audit(&key, whole);
        }
        let mut text = Bounded::new(AUDIT_BYTES);
        let length = format!("{} bytes, sha256 {hash}, at", patch.len());
        text.add("", || length.into());
        let paths = whole.split("{\"op\":\"").skip(1).filter_map(|operation| operation.split('"').nth(4));
        paths.for_each(|path| text.add(" ", || path.into()));
        self.audit(&key, text.finish());
    }
}

/// JSON with the characters escaped that act on a terminal: they can only stand within strings.
fn without_marks(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if acts_on_a_terminal(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text
}

/// One decision, and its text, written when it is first asked for: logs, warnings and audit say the same.
struct Said<'v> {
    mode: Mode,
    decision: &'v Decision<'v>,
    reference: &'v Reference<'v>,
    spec: &'v PodSpec<'v>,
    template: &'v str,
    text: OnceCell<String>,
}

/// Every decision of a verdict.
fn say<'v>(judged: &'v [Judged<'v, 'v>], spec: &'v PodSpec<'v>, template: &'v str) -> Vec<Said<'v>> {
    let mut said = Vec::with_capacity(judged.len());
    for its in judged {
        for (mode, decision) in [(Mode::Enforce, &its.enforced), (Mode::DryRun, &its.dry_run)] {
            let Some(decision) = decision else { continue };
            said.push(Said { mode, decision, reference: &its.reference, spec, template, text: OnceCell::new() });
        }
    }
    said
}

impl Said<'_> {
    fn text(&self) -> &str {
        self.text.get_or_init(|| message::finding(self.reference, self.decision, self.spec, self.template))
    }

    /// The text, for those who read findings of both modes side by side.
    fn marked(&self) -> Cow<'_, str> {
        match self.mode {
            Mode::Enforce => Cow::Borrowed(self.text()),
            Mode::DryRun => Cow::Owned(format!("dry run: {}", self.text())),
        }
    }

    /// Whether the decision refuses the object: of a template, only where its policy enforces on templates.
    fn denies(&self, is_pod: bool) -> bool {
        let of_the_object = is_pod || self.decision.policy.1.templates == Templates::Enforce;
        self.mode == Mode::Enforce && self.decision.outcome == Outcome::Denied && of_the_object
    }

    /// How it is said to the client at `/validate`, if it is.
    fn warning(&self, is_pod: bool) -> Option<&'static str> {
        let policy = self.decision.policy.1;
        if !policy.warnings {
            return None;
        }
        let softened = !is_pod && policy.templates == Templates::Warn;
        match (self.mode, self.decision.outcome) {
            (_, Outcome::Allowed) => self.decision.notes.iter().any(Note::is_ending).then_some("exception ends soon: "),
            (Mode::DryRun, Outcome::Denied) => Some("dry run: would be denied: "),
            (Mode::DryRun, Outcome::Swapped) => Some("dry run: would be swapped: "),
            (Mode::DryRun, Outcome::Warned) => Some("dry run: would warn: "),
            (Mode::Enforce, Outcome::Warned) => Some(""),
            (Mode::Enforce, Outcome::Denied) if softened => Some("its pods will be denied: "),
            (Mode::Enforce, Outcome::Swapped) if softened => Some("its pods will be swapped: "),
            (Mode::Enforce, Outcome::Denied | Outcome::Swapped) => None,
        }
    }

    /// The same of a template's finding that its update is forgiven: nobody forgives it to its pods.
    fn warning_of_pods(&self) -> Option<&'static str> {
        self.decision.policy.1.warnings.then_some(match self.mode {
            Mode::Enforce => "its pods will be denied: ",
            Mode::DryRun => "dry run: its pods would be denied: ",
        })
    }
}

/// The findings of a denial, within bounds.
#[derive(Default)]
struct Denials {
    count: usize,
    named: usize,
    full: bool,
    text: String,
}

impl Denials {
    fn add(&mut self, said: &Said<'_>) {
        self.count += 1;
        if self.full {
            return;
        }
        let finding = said.text();
        // Room for the count in front and for the line behind.
        if self.named == DENIAL_FINDINGS || self.text.len() + finding.len() > DENIAL_BYTES - 96 {
            self.full = true;
            return;
        }
        self.named += 1;
        self.text.push_str("\n- ");
        self.text.push_str(finding);
    }

    fn message(mut self) -> String {
        let noun = if self.count == 1 { "reference" } else { "references" };
        let mut message = format!("{} {noun} denied:", self.count);
        if self.count > self.named {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "\n(+{} more)", self.count - self.named);
        }
        message.push_str(&self.text);
        message
    }
}

/// A list that is cut with a count of what is missing.
struct Bounded {
    text: String,
    bytes: usize,
    count: usize,
    left_out: usize,
}

impl Bounded {
    fn new(bytes: usize) -> Bounded {
        Bounded { text: String::new(), bytes: bytes - 24, count: 0, left_out: 0 }
    }

    fn add<'i>(&mut self, separator: &str, item: impl FnOnce() -> Cow<'i, str>) {
        self.count += 1;
        if self.left_out > 0 {
            self.left_out += 1;
            return;
        }
        let item = item();
        if self.text.len() + separator.len() + item.len() > self.bytes {
            self.left_out += 1;
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str(separator);
        }
        self.text.push_str(&item);
    }

    fn finish(mut self) -> String {
        if self.left_out > 0 {
            let _ = write!(self.text, " (+{} more)", self.left_out);
        }
        self.text
    }
}
