//! JSON for machines: an interface, versioned by `formatVersion`.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::{ExceptionLine, Fault, Gone, Ignored, LocatedFinding, Report, mode_name, state_name};
use crate::fence::Finding;
use crate::fence::name::acts_on_a_terminal;

/// The version of the format. It changes when a field is removed or changes its meaning, not when one is added.
pub const FORMAT_VERSION: u8 = 1;

/// Writes the report as one JSON object and a newline.
///
/// # Errors
/// Where the writer fails.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    write_harmless(&Document::from(report), out)
}

/// Writes any JSON and a newline, with nothing in it that acts on a terminal.
pub(super) fn write_harmless(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(Harmless(&mut *out), document)?;
    out.write_all(b"\n")
}

/// The same on one line.
pub(super) fn write_harmless_line(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(Harmless(&mut *out), document)?;
    out.write_all(b"\n")
}

/// A list whose items are made as they are written, one by one: all at once, and as text, they take more memory than
/// everything that they are made of.
pub(super) struct Each<I>(pub(super) I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// Escapes what may not reach a terminal. Such characters stand only within strings: serde_json has escaped the controls
/// of ASCII, and what it writes between strings is plain.
struct Harmless<'w>(&'w mut dyn Write);

impl Write for Harmless<'_> {
    /// Takes whole characters, which is how serde_json writes: it cuts strings only where it escapes something of ASCII.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        let acts = |character: char| character != '\n' && acts_on_a_terminal(character);
        let mut units = [0; 2];
        let mut written = 0;
        for (at, character) in text.char_indices().filter(|(_, character)| acts(*character)) {
            self.0.write_all(&bytes[written..at])?;
            character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(self.0, "\\u{unit:04x}"))?;
            written = at + character.len_utf8();
        }
        self.0.write_all(&bytes[written..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'r> {
    format_version: u8,
    tool: Tool,
    policies: Policies<'r>,
    summary: Summary<'r>,
    findings: Vec<FindingRow<'r>>,
    exceptions: Vec<ExceptionRow<'r>>,
    ignored: Vec<IgnoredRow<'r>>,
    gone: Vec<GoneRow<'r>>,
    errors: Vec<ErrorRow<'r>>,
    warnings: Vec<ErrorRow<'r>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Policies<'r> {
    revision: &'r str,
    count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'r> {
    files: usize,
    documents: usize,
    workloads: usize,
    denied: usize,
    warned: usize,
    swapped: usize,
    allowed: usize,
    dry_run: usize,
    ignored: usize,
    baseline: usize,
    errors: usize,
    not_judged: &'r [String],
    cluster: Option<&'r [&'static str]>,
}

/// A finding, and where it stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingRow<'r> {
    file: &'r str,
    document: &'r str,
    line: usize,
    column: usize,
    end_column: Option<usize>,
    object: ObjectRow<'r>,
    #[serde(flatten)]
    finding: FindingKeys<'r>,
}

/// What is said of a finding wherever it stands: of a manifest and of a cluster the same, in the same order. Every key is
/// always there, null where it does not apply.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingKeys<'r> {
    pointer: &'r str,
    kind: &'r str,
    container: Option<&'r str>,
    secret: Option<&'r str>,
    key: Option<&'r str>,
    variable: Option<&'r str>,
    format: Option<&'r str>,
    guess: bool,
    action: Option<&'r str>,
    outcome: &'r str,
    reads: Option<&'r str>,
    reason: Option<&'r str>,
    policy: Option<&'r str>,
    rule: Option<&'r str>,
    mode: Option<&'r str>,
    message: &'r str,
    help: Option<&'r str>,
    path: Option<&'r str>,
    from: Option<&'r str>,
    chain: Option<&'r str>,
    expires: Option<String>,
    notes: &'r [String],
    fingerprint: &'r str,
    known: bool,
}

#[derive(Serialize)]
struct GoneRow<'r> {
    file: &'r str,
    object: GoneObjectRow<'r>,
    message: &'r str,
    fingerprint: &'r str,
}

#[derive(Serialize)]
struct GoneObjectRow<'r> {
    kind: &'r str,
    namespace: &'r str,
    name: &'r str,
}

/// A finding, and the comment that sets it aside.
#[derive(Serialize)]
struct IgnoredRow<'r> {
    #[serde(flatten)]
    finding: FindingRow<'r>,
    comment: CommentRow<'r>,
}

#[derive(Serialize)]
struct CommentRow<'r> {
    line: usize,
    reason: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRow<'r> {
    api_version: &'r str,
    kind: &'r str,
    namespace: &'r str,
    name: &'r str,
}

#[derive(Serialize)]
struct ExceptionRow<'r> {
    policy: &'r str,
    rule: &'r str,
    expires: String,
    state: &'r str,
}

#[derive(Serialize)]
struct ErrorRow<'r> {
    file: &'r str,
    document: Option<&'r str>,
    line: Option<usize>,
    column: Option<usize>,
    message: &'r str,
}

impl<'r> From<&'r Report> for Document<'r> {
    fn from(report: &'r Report) -> Document<'r> {
        let counts = &report.counts;
        Document {
            format_version: FORMAT_VERSION,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            policies: Policies { revision: &report.policies.revision, count: report.policies.count },
            summary: Summary {
                files: counts.files,
                documents: counts.documents,
                workloads: counts.workloads,
                denied: counts.denied,
                warned: counts.warned,
                swapped: counts.swapped,
                allowed: counts.allowed,
                dry_run: counts.dry_run,
                ignored: counts.ignored,
                baseline: report.baseline.as_ref().map_or(0, |compared| compared.known),
                errors: report.faults.len(),
                not_judged: &report.not_judged,
                cluster: report.cluster.as_deref(),
            },
            findings: report.findings.iter().map(FindingRow::from).collect(),
            exceptions: report.exceptions.iter().map(ExceptionRow::from).collect(),
            ignored: report.ignored.iter().map(IgnoredRow::from).collect(),
            gone: report.baseline.iter().flat_map(|compared| &compared.gone).map(GoneRow::from).collect(),
            errors: report.faults.iter().map(ErrorRow::from).collect(),
            warnings: report.warnings.iter().map(ErrorRow::from).collect(),
        }
    }
}

impl<'r> From<&'r LocatedFinding> for FindingRow<'r> {
    fn from(located: &'r LocatedFinding) -> FindingRow<'r> {
        let LocatedFinding { file, document, line, column, end_column, object, finding, excerpt: _, known } = located;
        FindingRow {
            file,
            document,
            line: *line,
            column: *column,
            end_column: *end_column,
            object: ObjectRow {
                api_version: &object.api_version,
                kind: &object.kind,
                namespace: &object.namespace,
                name: &object.name,
            },
            finding: FindingKeys::of(finding, *known),
        }
    }
}

impl<'r> FindingKeys<'r> {
    /// `known`: an earlier report has it.
    pub(super) fn of(finding: &'r Finding, known: bool) -> FindingKeys<'r> {
        FindingKeys {
            pointer: &finding.pointer,
            kind: finding.kind,
            container: finding.container.as_deref(),
            secret: finding.secret.as_deref(),
            key: finding.key.as_deref(),
            variable: finding.variable.as_deref(),
            format: finding.format.as_deref(),
            guess: finding.guess,
            action: finding.action,
            outcome: finding.outcome.name(),
            reads: finding.reads,
            reason: finding.reason.as_deref(),
            policy: finding.policy.as_deref(),
            rule: finding.rule.as_deref(),
            mode: finding.mode.map(mode_name),
            message: &finding.message,
            help: finding.help.as_deref(),
            path: finding.path.as_deref(),
            from: finding.from.as_deref(),
            chain: finding.chain.as_deref(),
            expires: finding.expires.map(|day| day.to_string()),
            notes: &finding.notes,
            fingerprint: &finding.fingerprint,
            known,
        }
    }
}

impl<'r> From<&'r Ignored> for IgnoredRow<'r> {
    fn from(ignored: &'r Ignored) -> IgnoredRow<'r> {
        let Ignored { finding, line, reason } = ignored;
        IgnoredRow { finding: finding.into(), comment: CommentRow { line: *line, reason } }
    }
}

impl<'r> From<&'r Gone> for GoneRow<'r> {
    fn from(gone: &'r Gone) -> GoneRow<'r> {
        let Gone { file, kind, namespace, name, message, fingerprint } = gone;
        GoneRow { file, object: GoneObjectRow { kind, namespace, name }, message, fingerprint }
    }
}

impl<'r> From<&'r ExceptionLine> for ExceptionRow<'r> {
    fn from(line: &'r ExceptionLine) -> ExceptionRow<'r> {
        let ExceptionLine { policy, rule, expires, state } = line;
        ExceptionRow { policy, rule, expires: expires.to_string(), state: state_name(*state) }
    }
}

impl<'r> From<&'r Fault> for ErrorRow<'r> {
    fn from(fault: &'r Fault) -> ErrorRow<'r> {
        ErrorRow {
            file: &fault.file,
            document: fault.document.as_deref(),
            line: fault.place.map(|(line, _)| line),
            column: fault.place.map(|(_, column)| column),
            message: &fault.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_reads_back_the_same() {
        let hostile = "a\u{202e}b\u{9b}c\u{7f}d\u{e0001}\u{1b}";
        let mut text = Vec::new();
        write_harmless(&[hostile], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.is_ascii(), "{text}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [hostile]);
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
