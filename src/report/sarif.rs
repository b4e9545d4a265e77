//! SARIF 2.1.0 (OASIS), as code scanning services take it.
//!
//! A rule of SARIF is a rule of a policy, `<policy>/<rule>`: it decides how much a finding matters and what to do, and it
//! is what a comment in a manifest names. All rules are listed, not only those that found something, so that two reports
//! by the same policies differ in their results alone.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::{Each, write_harmless};
use super::path::uri;
use super::text::GoneLine;
use super::{Fault, Ignored, Level, LocatedFinding, Policies, Report, RuleLine, mode_name};
use crate::fence::policy::{ExceptionState, Mode};
use crate::fence::{Kind, Outcome};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The rule of references that no rule is about. A policy's rule has a slash in its name.
const NO_RULE: &str = "no-rule";
/// Behind the name of a rule: what it guesses.
pub(super) const GUESS: &str = "/guess";
/// Ours. The name that GitHub knows, `primaryLocationLineHash`, is left to what uploads the file: it computes that itself,
/// and warns of every other value.
pub(super) const FINGERPRINT: &str = "secretfence/v1";

/// What a run has to say.
pub(super) struct Run<'r, R> {
    /// All of them, as [`rules`] makes them.
    pub(super) rules: Vec<Value>,
    /// The policies.
    pub(super) policies: &'r Policies,
    /// Whether all could be read and judged.
    pub(super) successful: bool,
    pub(super) exit_code: u8,
    pub(super) notifications: Vec<Value>,
    /// A list of what [`result`] and its like make.
    pub(super) results: R,
}

/// The order of keys is that of the alphabet.
#[derive(Serialize)]
struct Log<'r, R> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [RunRow<'r, R>; 1],
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunRow<'r, R> {
    column_kind: &'static str,
    invocations: Value,
    results: &'r R,
    tool: Value,
}

/// Writes the report as one SARIF log with one run, which ends with an exit code.
///
/// # Errors
/// Where the writer fails.
pub fn write(report: &Report, exit_code: u8, out: &mut dyn Write) -> io::Result<()> {
    let unruled = report.findings.iter().any(|located| located.decided_by().is_none());
    let rules = rules(&report.rules, unruled);
    let ids = ids(&rules);
    let compared = report.baseline.is_some();
    let suppresses = !report.ignored.is_empty() || report.findings.iter().any(|located| located.known);
    let result = |located, ignored| {
        let mut result = result(located, ignored, &ids, compared);
        if suppresses {
            tell_if_not_suppressed(&mut result);
        }
        result
    };
    let findings = report.findings.iter().map(|located| result(located, None));
    let ignored = report.ignored.iter().map(|ignored| result(&ignored.finding, Some(ignored)));
    let run = Run {
        policies: &report.policies,
        successful: report.faults.is_empty(),
        exit_code,
        notifications: notifications(report),
        results: Each(findings.chain(ignored)),
        rules,
    };
    write_log(run, out)
}

/// All rules; and what they guess, as rules of their own.
pub(super) fn rules(lines: &[RuleLine], unruled: bool) -> Vec<Value> {
    let mut rules: Vec<Value> = lines.iter().map(|line| rule(line, false)).collect();
    rules.extend(lines.iter().filter(|line| guesses(line)).map(|line| rule(line, true)));
    rules.extend(unruled.then(no_rule));
    rules
}

/// Where each rule is among them.
pub(super) fn ids(rules: &[Value]) -> HashMap<String, usize> {
    let id = |rule: &Value| rule["id"].as_str().map(str::to_owned);
    rules.iter().enumerate().filter_map(|(index, rule)| Some((id(rule)?, index))).collect()
}

/// Writes the log of one run.
pub(super) fn write_log<R: Serialize>(run: Run<'_, R>, out: &mut dyn Write) -> io::Result<()> {
    let mut properties = json!({"policyRevision": run.policies.revision});
    if run.policies.as_enforced > 0 {
        properties["dryRunPoliciesAsEnforced"] = run.policies.as_enforced.into();
    }
    let tool = json!({"driver": {
        "name": env!("CARGO_PKG_NAME"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "shortDescription": message(env!("CARGO_PKG_DESCRIPTION")),
        "rules": run.rules,
        "properties": properties,
    }});
    let invocations = json!([{
        "executionSuccessful": run.successful,
        "exitCode": run.exit_code,
        "toolExecutionNotifications": run.notifications,
    }]);
    let run = RunRow { column_kind: "unicodeCodePoints", invocations, results: &run.results, tool };
    write_harmless(&Log { schema: SCHEMA, runs: [run], version: "2.1.0" }, out)
}

/// Where one result is suppressed, all others say that they are not (SARIF 3.27.23).
pub(super) fn tell_if_not_suppressed(result: &mut Value) {
    if let Some(fields) = result.as_object_mut() {
        fields.entry("suppressions").or_insert_with(|| json!([]));
    }
}

/// Whether the rule may be about what only a name tells.
fn guesses(line: &RuleLine) -> bool {
    line.kinds.iter().any(|(kind, _)| *kind == Kind::Literal.name())
}

/// A rule; or what it guesses, as a rule of its own: how far to trust a finding is said by rule.
fn rule(line: &RuleLine, guess: bool) -> Value {
    let id = format!("{}/{}{}", line.policy, line.rule, if guess { GUESS } else { "" });
    let kinds: Vec<&str> = line.kinds.iter().map(|(kind, _)| *kind).collect();
    let dry_run = if line.mode == Mode::DryRun { ", in dry run" } else { "" };
    let kinds = if guess { vec![Kind::Literal.name()] } else { kinds };
    let about = if guess {
        format!("what may be a credential, by its name{dry_run}")
    } else {
        format!("{}: {}{dry_run}", line.action, kinds.join(", "))
    };
    let level = match level_of_rule(line) {
        Level::Error if guess => Level::Warning,
        level => level,
    };
    let mut rule = json!({
        "id": id,
        "name": id,
        "shortDescription": message(&format!("{id} ({about})")),
        "fullDescription": message(&format!("Rule {} of policy {}: {about}", line.rule, line.policy)),
        "help": help(line, &about),
        "defaultConfiguration": {"level": level_name(level)},
        "properties": {
            "tags": ["security", "kubernetes", "secrets"],
            "precision": if guess { "medium" } else { "very-high" },
            "security-severity": severity(level),
            "kinds": kinds,
        },
    });
    let link = line.message.as_deref().and_then(link);
    if let (Some(fields), Some(link)) = (rule.as_object_mut(), link) {
        fields.insert("helpUri".to_owned(), link.into());
    }
    rule
}

fn no_rule() -> Value {
    let text = "A reference that no rule of any policy is about: it is let through";
    json!({
        "id": NO_RULE,
        "name": NO_RULE,
        "shortDescription": message(text),
        "fullDescription": message(text),
        "help": message(text),
        "defaultConfiguration": {"level": "none"},
    })
}

/// The way out: in the rule's own words, else kind by kind.
fn help(line: &RuleLine, about: &str) -> Value {
    let name = format!("{}/{}", line.policy, line.rule);
    let (mut text, mut markdown) = (String::new(), format!("`{name}` ({about})\n\n"));
    match &line.message {
        Some(own) => {
            text.push_str(own);
            markdown.push_str(own);
        }
        None => {
            markdown.push_str("| kind | what to do |\n| --- | --- |\n");
            for (kind, way_out) in &line.kinds {
                text.push_str(&format!("{kind}: {way_out}\n"));
                markdown.push_str(&format!("| `{kind}` | {way_out} |\n"));
            }
        }
    }
    json!({"text": braced(text.trim_end()), "markdown": braced(markdown.trim_end())})
}

/// A result; where there is a baseline all of them say what they are to it (SARIF 3.27.24).
fn result(located: &LocatedFinding, ignored: Option<&Ignored>, ids: &HashMap<String, usize>, compared: bool) -> Value {
    let LocatedFinding { object, finding, known, .. } = located;
    let guess = if finding.guess { GUESS } else { "" };
    let id = located.decided_by().map_or_else(|| NO_RULE.to_owned(), |id| id + guess);
    let object_name = format!("{}/{}/{}", object.namespace, object.kind, object.name);
    let mut result = json!({
        "ruleId": id,
        "kind": if finding.outcome == Outcome::Allowed { "pass" } else { "fail" },
        "level": level_name(located.level()),
        "message": message(&located.sentence()),
        "locations": [{
            "physicalLocation": physical(&located.file, Some((located.line, located.column, located.end_column))),
            "logicalLocations": [{"name": object.name, "fullyQualifiedName": object_name, "kind": "resource"}],
        }],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {
            "kind": finding.kind,
            "outcome": finding.outcome.name(),
            "mode": finding.mode.map(mode_name),
            "document": &*located.document,
            "pointer": finding.pointer,
            "notes": finding.notes,
        },
    });
    if let Some(fields) = result.as_object_mut() {
        if let Some(index) = ids.get(&id) {
            fields.insert("ruleIndex".to_owned(), (*index).into());
        }
        let external =
            known.then(|| json!({"kind": "external", "status": "accepted", "justification": "the baseline has it"}));
        let in_source = ignored.map(|Ignored { line, reason, .. }| {
            let mut place = physical(&located.file, None);
            place["region"] = json!({"startLine": line});
            json!({
                "kind": "inSource", "status": "accepted", "justification": reason,
                "location": {"physicalLocation": place},
            })
        });
        let suppressions: Vec<Value> = external.into_iter().chain(in_source).collect();
        if !suppressions.is_empty() {
            fields.insert("suppressions".to_owned(), suppressions.into());
        }
        if compared {
            fields.insert("baselineState".to_owned(), if *known { "unchanged" } else { "new" }.into());
        }
    }
    result
}

fn physical(file: &str, place: Option<(usize, usize, Option<usize>)>) -> Value {
    let mut physical = Map::new();
    physical.insert("artifactLocation".to_owned(), json!({"uri": uri(file)}));
    if let Some((line, column, end)) = place {
        // One line: a service shows an alert in a pull request only where all of its lines are in the change.
        let mut region = json!({"startLine": line, "startColumn": column, "endLine": line});
        // Without one it is the end of the line (SARIF 3.30.8).
        if let Some(end) = end {
            region["endColumn"] = end.into();
        }
        physical.insert("region".to_owned(), region);
    }
    physical.into()
}

/// What could not be judged, what was left out, what is gone of the baseline, and which exceptions end.
fn notifications(report: &Report) -> Vec<Value> {
    let fault = |level: &'static str| {
        move |fault: &Fault| {
            let Fault { file, place, message: text, .. } = fault;
            let place = place.map(|(line, column)| (line, column, Some(column + 1)));
            json!({
                "level": level,
                "message": message(text),
                "locations": [{"physicalLocation": physical(file, place)}],
            })
        }
    };
    let faults = report.faults.iter().map(fault("error")).chain(report.warnings.iter().map(fault("warning")));
    let not_judged = report
        .not_judged
        .iter()
        .map(|sentence| json!({"level": "note", "message": message(&format!("not judged: {sentence}"))}));
    // A service takes every result for one that is there.
    let gone = report.baseline.iter().flat_map(|compared| &compared.gone);
    let gone = gone.map(|gone| json!({"level": "note", "message": message(&format!("gone: {}", GoneLine(gone)))}));
    let exceptions = report.exceptions.iter().filter(|line| line.state != ExceptionState::Active).map(|line| {
        let verb = if line.state == ExceptionState::Ending { "ends" } else { "ended" };
        let text = format!("exception {}/{} {verb} on {}", line.policy, line.rule, line.expires);
        json!({"level": "warning", "message": message(&text)})
    });
    faults.chain(not_judged).chain(gone).chain(exceptions).collect()
}

fn level_of_rule(line: &RuleLine) -> Level {
    match (line.mode, line.action) {
        (Mode::Enforce, "deny") => Level::Error,
        (Mode::Enforce, "warn") => Level::Warning,
        _ => Level::Note,
    }
}

pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
        Level::None => "none",
    }
}

/// On the scale of 0 to 10 by which services sort: high, medium, low.
fn severity(level: Level) -> &'static str {
    match level {
        Level::Error => "8.0",
        Level::Warning => "5.0",
        Level::Note | Level::None => "3.0",
    }
}

/// The first address in the words of a policy's author.
fn link(text: &str) -> Option<String> {
    let start = text.find("https://").or_else(|| text.find("http://"))?;
    let is_of_uri = |character: char| character.is_ascii_graphic() && !"\"<>\\^`{|}".contains(character);
    let link =
        text[start..].split(|character| !is_of_uri(character)).next()?.trim_end_matches(['.', ',', ';', ')', '\'']);
    (link.len() > "https://".len()).then(|| link.to_owned())
}

pub(super) fn message(text: &str) -> Value {
    json!({"text": unlinked(&braced(text))})
}

/// Braces stand for placeholders, unless they are doubled (SARIF 3.11.5).
fn braced(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A text in brackets with an address behind it would be a link (SARIF 3.11.6): names come from anybody.
fn unlinked(text: &str) -> String {
    if text.contains("](") { text.replace('[', "\\[").replace(']', "\\]") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_the_words_of_a_rule_is_the_page_of_help() {
        for (text, expected) in [
            ("mount it; see https://wiki.example.com/secrets.", Some("https://wiki.example.com/secrets")),
            ("(http://wiki/a?b=c#d) is the page", Some("http://wiki/a?b=c#d")),
            ("ask https://", None),
            ("mount it", None),
        ] {
            assert_eq!(link(text).as_deref(), expected);
        }
    }

    #[test]
    fn a_name_makes_no_placeholder_and_no_link() {
        assert_eq!(message("a {0}"), json!({"text": "a {{0}}"}));
        assert_eq!(message("[a](https://evil) [b/c]"), json!({"text": "\\[a\\](https://evil) \\[b/c\\]"}));
        assert_eq!(message("no [b/c]"), json!({"text": "no [b/c]"}));
    }
}
