//! Every workload of the corpus through the running server, with each shipped policy: the server does what `check` says.
#![allow(unreachable_pub)]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

#[path = "support/api_server.rs"]
#[allow(dead_code, reason = "shared with the tests of the webhook")]
mod api_server;
#[path = "webhook/client.rs"]
#[allow(dead_code, reason = "shared with the tests of the webhook")]
mod client;
#[path = "support/corpus.rs"]
mod corpus;
#[path = "webhook/process.rs"]
#[allow(dead_code, reason = "shared with the tests of the webhook")]
mod process;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64_simd::STANDARD;
use jiff::{Timestamp, tz::TimeZone};
use secretfence::fence::policy::{Mode, Policy, PolicySet, Templates};
use secretfence::fence::workload::BUILT_IN;
use secretfence::fence::{Evaluation, Facts, Finding, Judgement, ObjectError, Outcome, Question, evaluate};
use secretfence::{manifest, policy_dir};
use serde_json::{Value, json};

use api_server::{ApiServer, State};
use client::Connection;
use corpus::Corpus;
use process::{Server, eventually};

const MOUNT_ENV: &str = "
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: mount-env}
spec:
  rules: [{name: mount, on: [env], action: mount}]
";

/// What no shipped policy says: whole Secrets are swapped too, which takes entries away from lists.
const WHOLE_SECRETS: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: whole-secrets}
spec:
  rules: [{name: mount, on: [env], action: mount, mount: {keys: {"*": [username, password]}, unsafe: warn}}]
"#;

/// Nothing names the files: every swapped entry is taken away.
const NO_VARIABLE: &str = r#"
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: no-variable}
spec:
  rules: [{name: mount, on: [secretKeyRef], action: mount, mount: {variable: "", besideEnvFrom: swap}}]
"#;

#[test]
fn the_server_does_what_check_says() {
    let Some(corpus) = Corpus::find("every workload through the server, with each shipped policy") else { return };
    let workloads = workloads(&corpus, &["real", "peers"]);
    assert!(workloads.len() > 500, "only {} workloads", workloads.len());
    let mut policies = shipped();
    assert!(policies.len() >= 15, "{policies:?}");
    let folder = tempfile::tempdir().unwrap();
    for (name, yaml) in [("whole-secrets.yaml", WHOLE_SECRETS), ("no-variable.yaml", NO_VARIABLE)] {
        std::fs::write(folder.path().join(name), yaml).unwrap();
        policies.push(folder.path().join(name));
    }
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(policy) = policies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counts = Bench::new(policy).judge_all(&workloads);
                    let name = policy.strip_prefix(repository()).unwrap_or(policy.file_name().unwrap().as_ref());
                    rows.lock().unwrap().insert(name, counts);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    println!("{} workloads, each as a pod; references by what becomes of them", workloads.len());
    println!("{}", Counts::HEADER);
    rows.iter().for_each(|(policy, counts)| println!("{}", counts.row(&policy.display().to_string())));
    let total = |count: fn(&Counts) -> usize| rows.values().map(count).sum::<usize>();
    for (what, count) in [
        ("swapped", total(|counts| counts.swapped)),
        ("denied", total(|counts| counts.denied)),
        ("unsafe", total(|counts| counts.not_safe)),
        ("warned", total(|counts| counts.warned)),
        ("in dry run", total(|counts| counts.dry_run)),
        ("broken", total(|counts| counts.broken)),
        ("said of templates", total(|counts| counts.of_templates)),
    ] {
        assert!(count > 0, "nothing is {what}: the comparison shows nothing");
    }
}

#[test]
fn the_swap_is_not_timid() {
    let Some(corpus) = Corpus::find("how much of real/ one rule of action mount swaps") else { return };
    let policies = compile(MOUNT_ENV);
    let workloads = workloads(&corpus, &["real"]);
    let (mut swapped, mut told, mut references) = (0, 0, 0);
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for workload in &workloads {
        let judged = judge(&workload.object, "default", &policies).unwrap();
        let Evaluation::Judged(judgement) = judged else { continue };
        for finding in judgement.findings.iter().filter(|finding| finding.kind == "secretKeyRef") {
            references += 1;
            if finding.outcome == Outcome::Swapped {
                swapped += 1;
                told += usize::from(finding.reads == Some("mustBeTold"));
                continue;
            }
            let reason = finding.reason.clone().unwrap();
            let place = format!("{} [{}] {}", workload.file, workload.document, finding.pointer);
            left.entry(class(&reason)).or_default().push(format!("{place}\t{reason}"));
        }
    }
    let mut text = format!("{swapped} of {references} secretKeyRef of real/ are swapped ({told} must be told)\n");
    for (class, places) in &left {
        writeln!(text, "\n{} not: {class}", places.len()).unwrap();
        places.iter().for_each(|place| writeln!(text, "  {place}").unwrap());
    }
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("swap-coverage.txt");
    std::fs::write(&list, &text).unwrap();
    println!("{text}\nalso in {}", list.display());
    assert_eq!(references, 268, "secretKeyRef of real/, in built-in workloads");
    assert!(swapped >= 145, "only {swapped} are swapped: see {}", list.display());
}

/// A reason without its names and indices.
fn class(reason: &str) -> String {
    let words = reason.split(' ').map(|word| {
        let is_upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let name = word != "DNS" && (word.starts_with(['"', '$', '/']) || word.bytes().all(is_upper));
        if name { "…" } else { word.split('[').next().unwrap() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// An object of the corpus that is a pod or makes pods.
struct Workload {
    file: String,
    document: String,
    object: Value,
    /// The only pod template of a built-in kind; the object itself where it is a pod.
    template: Value,
}

fn workloads(corpus: &Corpus, folders: &[&str]) -> Vec<Workload> {
    let mut found = Vec::new();
    for file in folders.iter().flat_map(|folder| corpus.files(folder)) {
        let bytes = std::fs::read(corpus.root.join(&file)).unwrap();
        for document in &manifest::parse(&bytes).documents {
            // What kubectl could not read has no way to an API server.
            for object in document.objects().unwrap_or_default() {
                let (group, _) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
                let row = BUILT_IN.iter().find(|(its_group, kind, _)| *its_group == group && *kind == object.kind);
                let Some((_, _, path)) = row else { continue };
                let value: Value = serde_json::from_slice(&object.json).unwrap();
                let template = path.iter().fold(&value, |at, step| &at[*step]).clone();
                found.push(Workload { file: file.clone(), document: object.address, object: value, template });
            }
        }
    }
    found
}

impl Workload {
    /// The pod that comes of it, in a namespace.
    fn pod(&self, namespace: &str) -> Value {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod"});
        for field in ["metadata", "spec"] {
            if let Some(value) = self.template.get(field) {
                pod[field] = value.clone();
            }
        }
        if !pod["metadata"].is_object() {
            pod["metadata"] = json!({});
        }
        pod["metadata"]["name"] = json!("pod");
        pod["metadata"]["namespace"] = json!(namespace);
        pod
    }

    /// The object that makes pods, in a namespace.
    fn maker(&self, namespace: &str) -> Option<Value> {
        let mut object = self.object.clone();
        object["metadata"].is_object().then(|| object["metadata"]["namespace"] = json!(namespace));
        (object["kind"] != "Pod").then_some(object)
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> Vec<PathBuf> {
    let entries = |folder| std::fs::read_dir(repository().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files = entries("policies").chain(entries("policies/examples"));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// A namespace that the policy is about.
fn namespace_for(policy: &Path) -> &'static str {
    match policy.file_stem().unwrap().to_str().unwrap() {
        "allow-list" => "shop-web",
        "beside-env-from" => "web-shop",
        "mount-everything" => "files-shop",
        "volumes" => "edge-proxy",
        _ => "team-shop",
    }
}

fn compile(yaml: &str) -> PolicySet {
    policy_dir::compile(&[(PathBuf::from("policy.yaml"), yaml.as_bytes().to_vec())]).unwrap().set
}

fn judge(object: &Value, namespace: &str, policies: &PolicySet) -> Result<Evaluation, ObjectError> {
    let question = Question {
        api_version: object["apiVersion"].as_str().unwrap(),
        kind: object["kind"].as_str().unwrap(),
        namespace,
        all: true,
        patch: true,
    };
    // As the server: by the clock.
    let facts = Facts::on(Timestamp::now().to_zoned(TimeZone::UTC).date());
    evaluate(&serde_json::to_vec(object).unwrap(), &question, policies, &facts)
}

/// One policy file, loaded twice: here, and by a server.
struct Bench {
    policies: PolicySet,
    namespace: &'static str,
    connection: Connection,
    counts: Counts,
    _server: Server,
}

#[derive(Default)]
struct Counts {
    references: usize,
    swapped: usize,
    told: usize,
    denied: usize,
    warned: usize,
    not_safe: usize,
    dry_run: usize,
    broken: usize,
    of_templates: usize,
}

impl Counts {
    const HEADER: &str =
        "policy                                   references  swapped (must be told)  denied (unsafe)  warned  dry run";

    fn row(&self, policy: &str) -> String {
        let Counts { references, swapped, told, denied, warned, not_safe, dry_run, .. } = self;
        format!(
            "{policy:<40} {references:>10}  {swapped:>7} {told:>14}  {denied:>6} {not_safe:>8}  {warned:>6}  {dry_run:>7}"
        )
    }

    fn take(&mut self, judgement: &Judgement) {
        self.references += judgement.references;
        for finding in &judgement.findings {
            if finding.mode == Some(Mode::DryRun) {
                self.dry_run += usize::from(finding.outcome != Outcome::Allowed);
                continue;
            }
            self.not_safe += usize::from(finding.reads == Some("unsafe"));
            self.told += usize::from(finding.reads == Some("mustBeTold"));
            match finding.outcome {
                Outcome::Allowed => {}
                Outcome::Warned => self.warned += 1,
                Outcome::Swapped => self.swapped += 1,
                Outcome::Denied => self.denied += 1,
            }
        }
    }
}

impl Bench {
    fn new(policy: &Path) -> Bench {
        let policies = policy_dir::load(&[policy.to_path_buf()]).unwrap().set;
        // A cluster of which nothing is known, as to check without a Namespace, a role or a Secret in its input.
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, ApiServer::start(State::default()).kubeconfig()).unwrap();
        let server =
            Server::self_signed(&["-p", policy.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
        assert!(eventually(|| (server.admin_get("/readyz").0 == 200).then_some(())).is_some(), "{policy:?}");
        let connection = server.connect();
        let namespace = namespace_for(policy);
        Bench { policies, namespace, connection, counts: Counts::default(), _server: server }
    }

    fn judge_all(mut self, workloads: &[Workload]) -> Counts {
        for workload in workloads {
            let policy = &self.policies.policies().first().unwrap().name;
            let about = format!("{} [{}] by {policy}", workload.file, workload.document);
            self.pod(&workload.pod(self.namespace), &about);
            if let Some(object) = workload.maker(self.namespace) {
                self.template(&object, &about);
            }
        }
        self.counts
    }

    /// A pod, as it is created: mutated, mutated again, and validated as it has become.
    fn pod(&mut self, pod: &Value, about: &str) {
        let check = judge(pod, self.namespace, &self.policies);
        let first = self.send("/mutate", pod);
        let Ok(check) = check else {
            self.counts.broken += 1;
            assert!(first.allowed && first.patch.is_none() && first.warnings.len() == 1, "{about}");
            let gate = self.send("/validate", pod);
            let error = check.unwrap_err().to_string();
            assert!(!gate.allowed && gate.message.contains(&error), "{about}: {} for {error}", gate.message);
            return;
        };
        let Evaluation::Judged(check) = check else { panic!("{about}: a pod is judged") };
        self.counts.take(&check);
        let foretold: Option<Value> = (!check.patch.is_empty()).then(|| serde_json::from_slice(&check.patch).unwrap());
        assert_eq!(first.patch, foretold, "{about}: the patch is the one that check makes");
        let swapped = enforced(&check, Outcome::Swapped);
        assert_eq!(first.patch.is_some(), !swapped.is_empty(), "{about}: what check calls swapped is");
        let mut patched = pod.clone();
        if let Some(patch) = &first.patch {
            let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
            json_patch::patch(&mut patched, &patch).unwrap_or_else(|error| panic!("{about}: {error}"));
            assert_eq!(env_references(&patched), without(env_references(pod), &swapped), "{about}: nothing else goes");
        }
        let second = self.send("/mutate", &patched);
        assert_eq!(second.patch, None, "{about}: a second call changes nothing more");
        let gate = self.send("/validate", &patched);
        let moved = first.patch.as_ref().is_some_and(removes_entries);
        let denied: Vec<String> =
            enforced(&check, Outcome::Denied).iter().map(|finding| finding.message.clone()).collect();
        gate.assert_denies(&denied, moved, about);
        let warned = check.findings.iter().filter_map(|finding| self.warning(finding, true));
        gate.assert_warns(&warned.collect::<Vec<_>>(), moved, about);
    }

    /// What makes pods: never changed, and judged as `templates` says.
    fn template(&mut self, object: &Value, about: &str) {
        let mutated = self.send("/mutate", object);
        assert!(mutated.allowed && mutated.patch.is_none() && mutated.warnings.is_empty(), "{about}: pods only");
        let gate = self.send("/validate", object);
        let check = match judge(object, self.namespace, &self.policies) {
            // Made by a controller, whatever that is: its pods are judged. `check`, which may never see them, passes by
            // only what another workload of a known kind makes.
            Ok(_) if is_controlled(object) => {
                gate.assert_denies(&[], false, about);
                return gate.assert_warns(&[], false, about);
            }
            Ok(Evaluation::Judged(check)) => check,
            Ok(other) => panic!("{about}: {other:?}"),
            Err(error) => return assert!(!gate.allowed && gate.message.contains(&error.to_string()), "{about}"),
        };
        let kind = object["kind"].as_str().unwrap();
        // `check` judges the pods along with what makes them; here a policy on other kinds alone says nothing.
        let about_kind = |finding: &&Finding| {
            let kinds = self.policy(finding).and_then(|policy| policy.matches.kinds.as_ref());
            kinds.is_none_or(|kinds| kinds.iter().any(|its| its == kind))
        };
        let findings: Vec<&Finding> = check.findings.iter().filter(about_kind).collect();
        let denied = findings.iter().filter(|finding| {
            let templates = self.policy(finding).map(|policy| policy.templates);
            finding.mode == Some(Mode::Enforce)
                && finding.outcome == Outcome::Denied
                && templates == Some(Templates::Enforce)
        });
        let denied: Vec<String> = denied.map(|finding| finding.message.clone()).collect();
        gate.assert_denies(&denied, false, about);
        let warned: Vec<String> = findings.iter().filter_map(|finding| self.warning(finding, false)).collect();
        gate.assert_warns(&warned, false, about);
        self.counts.of_templates += denied.len() + warned.len();
    }

    fn policy(&self, finding: &Finding) -> Option<&Policy> {
        let name = finding.policy.as_deref()?;
        self.policies.policies().iter().find(|policy| policy.name == name)
    }

    /// How `/validate` says a finding of `check` to the client, if it does.
    fn warning(&self, finding: &Finding, is_pod: bool) -> Option<String> {
        let policy = self.policy(finding).filter(|policy| policy.warnings)?;
        let softened = !is_pod && policy.templates == Templates::Warn;
        let prefix = match (finding.mode?, finding.outcome) {
            (Mode::DryRun, Outcome::Denied) => "dry run: would be denied: ",
            (Mode::DryRun, Outcome::Swapped) => "dry run: would be swapped: ",
            (Mode::DryRun, Outcome::Warned) => "dry run: would warn: ",
            (Mode::Enforce, Outcome::Warned) => "",
            (Mode::Enforce, Outcome::Denied) if softened => "its pods will be denied: ",
            (Mode::Enforce, Outcome::Swapped) if softened => "its pods will be swapped: ",
            _ => return None,
        };
        Some(format!("{prefix}{}", finding.message))
    }

    fn send(&mut self, path: &str, object: &Value) -> Answer {
        let (group, version) = {
            let api_version = object["apiVersion"].as_str().unwrap();
            api_version.split_once('/').unwrap_or(("", api_version))
        };
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": group, "version": version, "kind": object["kind"]},
                "name": object["metadata"]["name"],
                "namespace": self.namespace,
                "operation": "CREATE",
                "object": object,
            },
        });
        let answer = self.connection.post(path, &review.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        Answer::read(&answer.json()["response"])
    }
}

/// What the server says.
struct Answer {
    allowed: bool,
    message: String,
    warnings: Vec<String>,
    patch: Option<Value>,
}

impl Answer {
    fn read(response: &Value) -> Answer {
        let patch = |text: &str| serde_json::from_slice(&STANDARD.decode_to_vec(text).unwrap()).unwrap();
        Answer {
            allowed: response["allowed"].as_bool().unwrap(),
            message: response["status"]["message"].as_str().unwrap_or_default().to_owned(),
            warnings: serde_json::from_value(response["warnings"].clone()).unwrap_or_default(),
            patch: response["patch"].as_str().map(patch),
        }
    }

    /// Denies exactly these; where entries moved, wherever they are now.
    fn assert_denies(&self, expected: &[String], moved: bool, about: &str) {
        assert_eq!(self.allowed, expected.is_empty(), "{about}: {}\n{expected:#?}", self.message);
        if self.allowed {
            return;
        }
        let mut lines = self.message.lines();
        let count: usize = lines.next().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(count, expected.len(), "{about}: {}\n{expected:#?}", self.message);
        let named: Vec<&str> = lines.filter_map(|line| line.strip_prefix("- ")).collect();
        assert!(!named.is_empty() && (named.len() == count || self.message.ends_with("more)")), "{}", self.message);
        for (named, expected) in named.iter().zip(expected) {
            assert_eq!(placeless(named, moved), placeless(expected, moved), "{about}");
        }
    }

    /// Warns of exactly these, each cut to what the API server passes on.
    fn assert_warns(&self, expected: &[String], moved: bool, about: &str) {
        let more = self.warnings.last().and_then(|last| last.strip_prefix("(+")?.strip_suffix(" more)"));
        let (named, left_out) = match more {
            Some(more) => (&self.warnings[..self.warnings.len() - 1], more.parse().unwrap()),
            None => (&self.warnings[..], 0),
        };
        assert_eq!(named.len() + left_out, expected.len(), "{about}: {:#?}\n{expected:#?}", self.warnings);
        for (named, expected) in named.iter().zip(expected) {
            let (named, expected) = (placeless(named, moved), placeless(expected, moved));
            let whole = named
                .rsplit_once('…')
                .map_or(named == expected, |(start, rule)| expected.starts_with(start) && expected.ends_with(rule));
            assert!(whole, "{about}:\n{named}\n{expected}");
        }
    }
}

fn is_controlled(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["controller"] == true)
}

/// A message, without its pointer where that may have changed.
fn placeless(message: &str, moved: bool) -> String {
    match (moved, message.split_once(" (/")) {
        (true, Some((before, after))) => format!("{before}{}", after.split_once(')').map_or("", |(_, rest)| rest)),
        _ => message.to_owned(),
    }
}

fn removes_entries(patch: &Value) -> bool {
    patch.as_array().unwrap().iter().any(|operation| operation["op"] == "remove")
}

fn enforced(judgement: &Judgement, outcome: Outcome) -> Vec<&Finding> {
    let of = |finding: &&Finding| finding.mode == Some(Mode::Enforce) && finding.outcome == outcome;
    judgement.findings.iter().filter(of).collect()
}

/// The references by which Secrets are in the environment of a pod, without their places.
fn env_references(pod: &Value) -> Vec<String> {
    let Evaluation::Judged(all) = judge(pod, "any", &PolicySet::default()).unwrap() else { panic!("a pod is judged") };
    let of_env =
        all.findings.iter().filter(|finding| ["secretKeyRef", "envFrom", "fileKeyRef"].contains(&finding.kind));
    let mut names: Vec<String> = of_env.map(identity).collect();
    names.sort();
    names
}

fn without(mut names: Vec<String>, swapped: &[&Finding]) -> Vec<String> {
    for finding in swapped {
        let gone = identity(finding);
        let at = names.iter().position(|name| *name == gone).expect("swapped references were there");
        names.remove(at);
    }
    names
}

fn identity(finding: &Finding) -> String {
    let Finding { kind, container, variable, secret, key, .. } = finding;
    format!("{kind} {container:?} {variable:?} {secret:?} {key:?}")
}
