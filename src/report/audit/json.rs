//! JSON for machines, and for a later audit to be compared with: an interface, versioned by `formatVersion`.

use std::io::{self, Write};
use std::iter::Map;
use std::slice;

use serde::Serialize;

use super::fold::OwnerName;
use super::{Audit, ExceptionUse, NamespaceLine, Owner, Row, Totals, WouldBe};
use crate::report::json::{Each, FindingKeys, write_harmless, write_harmless_line};
use crate::report::{Gone, state_name};

/// The version of the format. It changes when a field is removed or changes its meaning, not when one is added.
pub const FORMAT_VERSION: u8 = 1;

/// Writes the audit as one JSON object and a newline.
///
/// # Errors
/// Where the writer fails.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    write_harmless(&Document::from(audit), out)
}

/// The same on one line: two thirds as long, for a file that nobody reads but a later audit.
///
/// # Errors
/// Where the writer fails.
pub fn write_line(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    write_harmless_line(&Document::from(audit), out)
}

/// Rows that are made as they are written.
type Rows<'a, T, R> = Each<Map<slice::Iter<'a, T>, fn(&'a T) -> R>>;

fn rows<'a, T, R: From<&'a T>>(of: &'a [T]) -> Rows<'a, T, R> {
    Each(of.iter().map(R::from))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format_version: u8,
    tool: Tool,
    policies: Policies<'a>,
    as_of: String,
    cluster: ClusterRow<'a>,
    scope: ScopeRow<'a>,
    registration: &'static str,
    summary: Numbers,
    owners: Rows<'a, Owner, OwnerRow<'a>>,
    namespaces: Rows<'a, NamespaceLine, NamespaceRow<'a>>,
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
#[serde(rename_all = "camelCase")]
struct Policies<'a> {
    revision: &'a str,
    count: usize,
    as_enforced: usize,
}

#[derive(Serialize)]
struct ClusterRow<'a> {
    context: Option<&'a str>,
    server: &'a str,
}

#[derive(Serialize)]
struct ScopeRow<'a> {
    namespaces: &'a [String],
    selector: Option<&'a str>,
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
    would_be: WouldBeRow,
    reads_files: usize,
    must_be_told: usize,
    #[serde(rename = "unsafe")]
    not_safe: usize,
    missed: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WouldBeRow {
    denied: usize,
    warned: usize,
    swapped: usize,
    reads_files: usize,
    must_be_told: usize,
    #[serde(rename = "unsafe")]
    not_safe: usize,
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
    slipped: usize,
    findings: Rows<'a, Row, FindingRow<'a>>,
}

/// A finding, and how much of its owner has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingRow<'a> {
    #[serde(flatten)]
    finding: FindingKeys<'a>,
    change: Option<String>,
    in_template: bool,
    pods: usize,
    missed: usize,
    slipped: usize,
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
#[serde(rename_all = "camelCase")]
struct ExceptionRow<'a> {
    policy: &'a str,
    rule: &'a str,
    expires: String,
    state: &'static str,
    references: usize,
    owners: usize,
    used_by: Vec<UserRow<'a>>,
}

#[derive(Serialize)]
struct UserRow<'a> {
    namespace: &'a str,
    kind: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct LeftOutRow<'a> {
    namespace: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComparedRow<'a> {
    as_of: Option<String>,
    known: usize,
    new: usize,
    slipped: usize,
    gone: Rows<'a, Gone, GoneRow<'a>>,
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
            cluster,
            scope,
            not_judged,
            errors,
            compared,
        } = audit;
        let left_out = left_out.iter().map(|its| LeftOutRow { namespace: &its.namespace, why: &its.why });
        Document {
            format_version: FORMAT_VERSION,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            policies: Policies {
                revision: &policies.revision,
                count: policies.count,
                as_enforced: policies.as_enforced,
            },
            as_of: today.to_string(),
            cluster: ClusterRow { context: cluster.context.as_deref(), server: &cluster.server },
            scope: ScopeRow { namespaces: &scope.namespaces, selector: scope.selector.as_deref() },
            registration: registration.name(),
            summary: totals.into(),
            owners: rows(owners),
            namespaces: rows(namespaces),
            exceptions: exceptions.iter().map(ExceptionRow::from).collect(),
            left_out: left_out.collect(),
            not_judged,
            errors,
            compared: compared.as_ref().map(|compared| ComparedRow {
                as_of: compared.as_of.map(|day| day.to_string()),
                known: compared.known,
                new: compared.new,
                slipped: compared.slipped,
                gone: rows(&compared.gone),
            }),
        }
    }
}

impl From<&Totals> for Numbers {
    fn from(totals: &Totals) -> Numbers {
        let Totals { owners, pods, denied, warned, swapped, dry_run, would_be, missed, .. } = *totals;
        let Totals { reads_files, must_be_told, not_safe, .. } = *totals;
        let would_be = would_be.into();
        Numbers {
            owners,
            pods,
            denied,
            warned,
            swapped,
            dry_run,
            would_be,
            reads_files,
            must_be_told,
            not_safe,
            missed,
        }
    }
}

impl From<WouldBe> for WouldBeRow {
    fn from(would_be: WouldBe) -> WouldBeRow {
        let WouldBe { denied, warned, swapped, reads_files, must_be_told, not_safe } = would_be;
        WouldBeRow { denied, warned, swapped, reads_files, must_be_told, not_safe }
    }
}

impl<'a> From<&'a Owner> for OwnerRow<'a> {
    fn from(owner: &'a Owner) -> OwnerRow<'a> {
        let Owner { namespace, api_version, kind, name, template, pods, missed, slipped, rows } = owner;
        OwnerRow {
            namespace,
            api_version,
            kind,
            name,
            template: template.name(),
            pods: *pods,
            missed: *missed,
            slipped: *slipped,
            findings: self::rows(rows),
        }
    }
}

impl<'a> From<&'a Row> for FindingRow<'a> {
    fn from(row: &'a Row) -> FindingRow<'a> {
        FindingRow {
            finding: FindingKeys::of(&row.finding, row.known),
            change: row.change(),
            in_template: row.in_template,
            pods: row.pods,
            missed: row.missed(),
            slipped: row.slipped,
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
        let ExceptionUse { policy, rule, expires, state, references, owners, used_by, of_pods: _ } = exception;
        ExceptionRow {
            policy,
            rule,
            expires: expires.to_string(),
            state: state_name(*state),
            references: *references,
            owners: *owners,
            used_by: used_by.iter().map(UserRow::from).collect(),
        }
    }
}

impl<'a> From<&'a OwnerName> for UserRow<'a> {
    fn from(owner: &'a OwnerName) -> UserRow<'a> {
        let OwnerName { namespace, kind, name, api_version: _ } = owner;
        UserRow { namespace, kind, name }
    }
}

impl<'a> From<&'a Gone> for GoneRow<'a> {
    fn from(gone: &'a Gone) -> GoneRow<'a> {
        let Gone { file: _, kind, namespace, name, message, fingerprint } = gone;
        GoneRow { namespace, kind, name, message, fingerprint }
    }
}
