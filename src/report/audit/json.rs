//! JSON for machines, and for a later audit to be compared with: an interface, versioned by `formatVersion`.

use std::io::{self, Write};

use serde::Serialize;

use super::{Audit, ExceptionUse, NamespaceLine, Owner, Row, Totals};
use crate::report::json::write_harmless;
use crate::report::{Gone, mode_name, state_name};

/// The version of the format. It changes when a field is removed or changes its meaning, not when one is added.
pub const FORMAT_VERSION: u8 = 1;

/// Writes the audit as one JSON object and a newline.
///
/// # Errors
/// Where the writer fails.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    write_harmless(&Document::from(audit), out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format_version: u8,
    tool: Tool,
    policies: Policies<'a>,
    as_of: String,
    registration: &'static str,
    summary: Numbers,
    owners: Vec<OwnerRow<'a>>,
    namespaces: Vec<NamespaceRow<'a>>,
    exceptions: Vec<ExceptionRow<'a>>,
    left_out: Vec<LeftOutRow<'a>>,
    not_judged: &'a [String],
    errors: &'a [String],
    compared: Option<ComparedRow<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Policies<'a> {
    revision: &'a str,
    count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Numbers {
    owners: usize,
    pods: usize,
    denied: usize,
    warned: usize,
    swapped: usize,
    dry_run: usize,
    reads_files: usize,
    must_be_told: usize,
    #[serde(rename = "unsafe")]
    not_safe: usize,
    missed: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerRow<'a> {
    namespace: &'a str,
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    template: &'static str,
    pods: usize,
    missed: usize,
    findings: Vec<FindingRow<'a>>,
}

/// Every key is always there, null where it does not apply.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingRow<'a> {
    pointer: &'a str,
    kind: &'a str,
    container: Option<&'a str>,
    secret: Option<&'a str>,
    key: Option<&'a str>,
    variable: Option<&'a str>,
    action: Option<&'a str>,
    outcome: &'a str,
    reads: Option<&'a str>,
    reason: Option<&'a str>,
    policy: Option<&'a str>,
    rule: Option<&'a str>,
    mode: Option<&'a str>,
    message: &'a str,
    help: Option<&'a str>,
    change: Option<String>,
    path: Option<&'a str>,
    from: Option<&'a str>,
    chain: Option<&'a str>,
    notes: &'a [String],
    in_template: bool,
    pods: usize,
    missed: usize,
    known: bool,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct NamespaceRow<'a> {
    name: &'a str,
    label: &'a str,
    fence: &'static str,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Serialize)]
struct ExceptionRow<'a> {
    policy: &'a str,
    rule: &'a str,
    expires: String,
    state: &'static str,
    references: usize,
    owners: usize,
}

#[derive(Serialize)]
struct LeftOutRow<'a> {
    namespace: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct ComparedRow<'a> {
    known: usize,
    new: usize,
    gone: Vec<GoneRow<'a>>,
}

#[derive(Serialize)]
struct GoneRow<'a> {
    namespace: &'a str,
    kind: &'a str,
    name: &'a str,
    message: &'a str,
    fingerprint: &'a str,
}

impl<'a> From<&'a Audit> for Document<'a> {
    fn from(audit: &'a Audit) -> Document<'a> {
        // Whole, so that what is added to the type is thought of here. The rules are SARIF's.
        let Audit {
            policies,
            today,
            rules: _,
            totals,
            owners,
            namespaces,
            exceptions,
            registration,
            left_out,
            is_whole: _,
            not_judged,
            errors,
            compared,
        } = audit;
        let left_out = left_out.iter().map(|its| LeftOutRow { namespace: &its.namespace, why: &its.why });
        Document {
            format_version: FORMAT_VERSION,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            policies: Policies { revision: &policies.revision, count: policies.count },
            as_of: today.to_string(),
            registration: registration.name(),
            summary: totals.into(),
            owners: owners.iter().map(OwnerRow::from).collect(),
            namespaces: namespaces.iter().map(NamespaceRow::from).collect(),
            exceptions: exceptions.iter().map(ExceptionRow::from).collect(),
            left_out: left_out.collect(),
            not_judged,
            errors,
            compared: compared.as_ref().map(|compared| ComparedRow {
                known: compared.known,
                new: compared.new,
                gone: compared.gone.iter().map(GoneRow::from).collect(),
            }),
        }
    }
}

impl From<&Totals> for Numbers {
    fn from(totals: &Totals) -> Numbers {
        let Totals { owners, pods, denied, warned, swapped, dry_run, reads_files, must_be_told, not_safe, missed } =
            *totals;
        Numbers { owners, pods, denied, warned, swapped, dry_run, reads_files, must_be_told, not_safe, missed }
    }
}

impl<'a> From<&'a Owner> for OwnerRow<'a> {
    fn from(owner: &'a Owner) -> OwnerRow<'a> {
        let Owner { namespace, api_version, kind, name, template, pods, missed, rows } = owner;
        OwnerRow {
            namespace,
            api_version,
            kind,
            name,
            template: template.name(),
            pods: *pods,
            missed: *missed,
            findings: rows.iter().map(FindingRow::from).collect(),
        }
    }
}

impl<'a> From<&'a Row> for FindingRow<'a> {
    fn from(row: &'a Row) -> FindingRow<'a> {
        let finding = &row.finding;
        FindingRow {
            pointer: &finding.pointer,
            kind: finding.kind,
            container: finding.container.as_deref(),
            secret: finding.secret.as_deref(),
            key: finding.key.as_deref(),
            variable: finding.variable.as_deref(),
            action: finding.action,
            outcome: finding.outcome.name(),
            reads: finding.reads,
            reason: finding.reason.as_deref(),
            policy: finding.policy.as_deref(),
            rule: finding.rule.as_deref(),
            mode: finding.mode.map(mode_name),
            message: &finding.message,
            help: finding.help.as_deref(),
            change: row.change(),
            path: finding.path.as_deref(),
            from: finding.from.as_deref(),
            chain: finding.chain.as_deref(),
            notes: &finding.notes,
            in_template: row.in_template,
            pods: row.pods,
            missed: row.missed(),
            known: row.known,
            fingerprint: &finding.fingerprint,
        }
    }
}

impl<'a> From<&'a NamespaceLine> for NamespaceRow<'a> {
    fn from(line: &'a NamespaceLine) -> NamespaceRow<'a> {
        let NamespaceLine { name, label, fence, totals } = line;
        NamespaceRow { name, label: label.text(), fence: fence.name(), numbers: totals.into() }
    }
}

impl<'a> From<&'a ExceptionUse> for ExceptionRow<'a> {
    fn from(exception: &'a ExceptionUse) -> ExceptionRow<'a> {
        let ExceptionUse { policy, rule, expires, state, references, owners } = exception;
        ExceptionRow {
            policy,
            rule,
            expires: expires.to_string(),
            state: state_name(*state),
            references: *references,
            owners: *owners,
        }
    }
}

impl<'a> From<&'a Gone> for GoneRow<'a> {
    fn from(gone: &'a Gone) -> GoneRow<'a> {
        let Gone { file: _, kind, namespace, name, message, fingerprint } = gone;
        GoneRow { namespace, kind, name, message, fingerprint }
    }
}
