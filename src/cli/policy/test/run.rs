//! One document of tests: its policies, then each case by the engine that `check` uses.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Report;
use super::difference;
use super::files::TestDocument;
use crate::cli::check::{facts, files::Input};
use crate::cli::today;
use crate::fence::policy::test_file::{Case, Expected};
use crate::fence::policy::{Action, Mode};
use crate::fence::{Evaluation, Facts, Finding, Outcome, PolicySet, Question, evaluate, explain};
use crate::manifest::{self, Object};
use crate::policy_dir;
use crate::report::text::Path as ShownPath;

/// A rule of a policy, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RuleName {
    pub(super) policy: String,
    pub(super) rule: String,
}

/// Runs the cases of a document, and adds what came of them.
pub(super) fn document(document: &TestDocument<'_>, report: &mut Report) {
    let spec = &document.test.spec;
    let here = document.path.parent().unwrap_or(Path::new(""));
    let paths: Vec<PathBuf> = spec.policies.iter().map(|path| here.join(path)).collect();
    let set = match policy_dir::load(&paths) {
        Ok(loaded) => loaded.set,
        Err(error) => {
            report.faults.push(format!("{}: the policies cannot be used:\n{error}", document.place("/spec/policies")));
            return;
        }
    };
    let today = spec.as_of.map_or_else(today, |day| day.0);
    for policy in set.policies() {
        // What is past its date is reached by nothing.
        let rules = policy.rules.iter().filter(|rule| match &rule.action {
            Action::Allow(Some(exception)) => exception.holds(today),
            _ => true,
        });
        report.rules.extend(rules.map(|rule| RuleName { policy: policy.name.clone(), rule: rule.name.clone() }));
    }
    let name = &document.test.metadata.name;
    for (index, case) in spec.cases.iter().enumerate() {
        let at = format!("/spec/cases/{index}");
        let field = |name: &str| document.whole.pointer(&format!("{at}/{name}"));
        let runner = Runner { case, here, policies: &set, today, patched: field("patched") };
        match runner.run(field("object"), field("facts/objects")) {
            Err(fault) => {
                report.faults.push(format!("{}: {}: {fault}", document.place(&at), ShownPath(&case.name)));
            }
            Ok(ran) => {
                report.cases += 1;
                report.reached.extend(ran.reached);
                if !ran.differences.is_empty() {
                    let place = document.place(&at);
                    let said = ran.differences.join("\n");
                    report.failures.push(format!("failed: {place}: {name}: {}\n{said}", ShownPath(&case.name)));
                }
            }
        }
    }
}

/// What came of a case that could be run.
struct Ran {
    reached: Vec<RuleName>,
    /// Empty where it passed.
    differences: Vec<String>,
}

struct Runner<'r> {
    case: &'r Case,
    here: &'r Path,
    policies: &'r PolicySet,
    today: jiff::civil::Date,
    /// As kubectl reads it, like the object.
    patched: Option<&'r Value>,
}

impl Runner<'_> {
    fn run(&self, object: Option<&Value>, given: Option<&Value>) -> Result<Ran, String> {
        let namespace = self.case.namespace.as_deref().unwrap_or("default");
        let mut inputs = Vec::new();
        if let Some(objects) = given {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            inputs.push(Input::held("facts", list.to_string().into_bytes()));
        }
        let object = match (object, &self.case.file) {
            (Some(object), _) => parsed(object.to_string().as_bytes())?.into_iter().next(),
            (None, Some(file)) => {
                let path = self.here.join(file);
                let shown = ShownPath(&path.to_string_lossy()).to_string();
                let bytes = std::fs::read(&path).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
                let objects = parsed(&bytes).map_err(|error| format!("{shown}: {error}"))?;
                inputs.push(Input::held("file", bytes));
                Some(self.only_one(objects, namespace).map_err(|why| format!("{shown}: {why}"))?)
            }
            (None, None) => None,
        };
        let object = object.ok_or("the object has no apiVersion and kind")?;
        let mut facts = Facts::on(self.today);
        facts::add(&mut facts, None, self.policies, namespace, &inputs);
        self.judge(&object, namespace, &facts)
    }

    /// The workload; in a file without one, the Secret or ConfigMap.
    fn only_one(&self, objects: Vec<Object>, namespace: &str) -> Result<Object, String> {
        let facts = Facts::on(self.today);
        let (mut workloads, mut data) = (Vec::new(), Vec::new());
        for object in objects {
            match evaluate(&object.json, &question(&object, namespace), self.policies, &facts) {
                Ok(Evaluation::NotAWorkload | Evaluation::Owned) => {}
                Ok(Evaluation::Data(_)) => data.push(object),
                // What cannot be judged is told with its own words.
                Ok(Evaluation::Judged(_)) | Err(_) => workloads.push(object),
            }
        }
        let (mut judged, noun) =
            if workloads.is_empty() { (data, "Secrets and ConfigMaps") } else { (workloads, "workloads") };
        match (judged.pop(), judged.len()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err("there is no workload in it".to_owned()),
            (Some(_), more) => Err(format!("there are {} {noun} in it: a case has one", more + 1)),
        }
    }

    fn judge(&self, object: &Object, namespace: &str, facts: &Facts) -> Result<Ran, String> {
        let question = question(object, namespace);
        let judged =
            evaluate(&object.json, &question, self.policies, facts).map_err(|error| format!("object: {error}"))?;
        let (Evaluation::Judged(judgement) | Evaluation::Data(judgement)) = judged else {
            return Err(
                "the object is no workload that is judged: another one makes it, or no table names its kind".into()
            );
        };
        let explained = explain(&object.json, &question, self.policies, facts).ok().flatten().unwrap_or_default();
        let reached = explained
            .reached()
            .map(|(policy, rule)| RuleName { policy: policy.to_owned(), rule: rule.to_owned() })
            .collect();
        let mut differences = Vec::new();
        if let Some(expected) = &self.case.expect {
            differences.extend(compare(expected, &judgement.findings));
        }
        if let Some(expected) = self.patched {
            let (before, after) = patched(&object.json, &judgement.patch)?;
            differences.extend(difference::of(&before, expected, &after));
        }
        Ok(Ran { reached, differences })
    }
}

fn question<'o>(object: &'o Object, namespace: &'o str) -> Question<'o> {
    Question { api_version: &object.api_version, kind: &object.kind, namespace, all: true, patch: true }
}

fn parsed(bytes: &[u8]) -> Result<Vec<Object>, String> {
    let manifest = manifest::parse(bytes);
    let error = |error: &manifest::ManifestError| format!("{}:{}: {}", error.line, error.column, error.problem);
    if let Some(first) = manifest.errors.first() {
        return Err(error(first));
    }
    let mut objects = Vec::new();
    for document in &manifest.documents {
        objects.extend(document.objects().map_err(|its| error(&its))?);
    }
    Ok(objects)
}

/// The object before and after the swap.
fn patched(object: &[u8], patch: &[u8]) -> Result<(Value, Value), String> {
    let before: Value = serde_json::from_slice(object).map_err(|error| format!("object: {error}"))?;
    let mut after = before.clone();
    if !patch.is_empty() {
        let patch: json_patch::Patch = serde_json::from_slice(patch).map_err(|error| format!("patch: {error}"))?;
        json_patch::patch(&mut after, &patch).map_err(|error| format!("the patch does not apply: {error}"))?;
    }
    Ok((before, after))
}

/// What was expected and did not come, and what came and was not expected; of one place beside each other.
fn compare(expected: &[Expected], findings: &[Finding]) -> Vec<String> {
    let mut left: Vec<&Finding> = findings.iter().collect();
    let mut missing = Vec::new();
    for its in expected {
        match left.iter().position(|finding| fits(its, finding)) {
            Some(index) => {
                left.remove(index);
            }
            None => missing.push(its),
        }
    }
    let mut differences = Vec::new();
    for its in missing {
        differences.push(format!("  - expected: {}", expectation(its)));
        let there = |finding: &&Finding| finding.pointer == its.pointer;
        match left.iter().position(there) {
            Some(index) => differences.push(format!("  + actual:   {}", came(left.remove(index)))),
            None => differences.push("  + actual:   nothing is found there".to_owned()),
        }
    }
    for finding in left.into_iter().filter(|finding| finding.outcome != Outcome::Allowed) {
        differences.push("  - expected: nothing".to_owned());
        differences.push(format!("  + actual:   {}", came(finding)));
    }
    differences
}

fn fits(expected: &Expected, finding: &Finding) -> bool {
    let rule = |rule: &String| match rule.split_once('/') {
        Some((policy, rule)) => finding.policy.as_deref() == Some(policy) && finding.rule.as_deref() == Some(rule),
        None => finding.rule.as_deref() == Some(&**rule),
    };
    let mode = |mode: &crate::fence::policy::file::Mode| match mode {
        crate::fence::policy::file::Mode::Enforce => finding.mode == Some(Mode::Enforce),
        crate::fence::policy::file::Mode::DryRun => finding.mode == Some(Mode::DryRun),
        crate::fence::policy::file::Mode::Off => false,
    };
    expected.pointer == finding.pointer
        && expected.outcome.name() == finding.outcome.name()
        && expected.rule.as_ref().is_none_or(rule)
        && expected.reads.is_none_or(|reads| finding.reads == Some(reads.name()))
        && expected.kind.is_none_or(|kind| finding.kind == kind.0.name())
        && expected.mode.as_ref().is_none_or(mode)
}

fn expectation(expected: &Expected) -> String {
    let Expected { pointer, outcome, rule, reads, kind, mode } = expected;
    let mut text = format!("{}: {}", ShownPath(pointer), outcome.name());
    let more = [
        kind.map(|kind| format!(" as {}", kind.0)),
        rule.as_ref().map(|rule| format!(" by {}", ShownPath(rule))),
        reads.map(|reads| format!(", reads {}", reads.name())),
        mode.map(|mode| format!(", mode {}", mode_name(mode))),
    ];
    more.into_iter().flatten().for_each(|part| text.push_str(&part));
    text
}

fn came(finding: &Finding) -> String {
    let mut text = format!("{}: {} as {}", ShownPath(&finding.pointer), finding.outcome.name(), finding.kind);
    match (&finding.policy, &finding.rule) {
        (Some(policy), Some(rule)) => text.push_str(&format!(" by {policy}/{rule}")),
        _ => text.push_str(", no rule is about it"),
    }
    if let Some(reads) = finding.reads {
        text.push_str(&format!(", reads {reads}"));
    }
    if finding.mode == Some(Mode::DryRun) {
        text.push_str(", mode dryRun");
    }
    if let Some(reason) = &finding.reason {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

fn mode_name(mode: crate::fence::policy::file::Mode) -> &'static str {
    match mode {
        crate::fence::policy::file::Mode::Enforce => "enforce",
        crate::fence::policy::file::Mode::DryRun => "dryRun",
        crate::fence::policy::file::Mode::Off => "off",
    }
}
