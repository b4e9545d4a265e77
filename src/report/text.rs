//! Text for people: each finding with its lines of the source, then what else there is to say.

use std::fmt;
use std::io::{self, Write};

use super::excerpt::{Excerpt, Line};
use super::{Counts, ExceptionLine, Fault, Gone, Ignored, LocatedFinding, Report};
use crate::fence::name::{ShownPointer, acts_on_a_terminal};
use crate::fence::policy::{ExceptionState, Mode};
use crate::fence::{Finding, Outcome};

/// The findings, in their order. Escape codes for colour are written: the writer drops them where there is none.
///
/// # Errors
/// Where the writer fails.
pub fn write_findings(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    report.findings.iter().filter(|located| !located.known).try_for_each(|located| write_finding(located, out))
}

/// What could not be read or judged.
///
/// # Errors
/// Where the writer fails.
pub fn write_faults(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    report.faults.iter().try_for_each(|fault| writeln!(out, "{RED}error{RESET}: {}", FaultLine(fault)))
}

/// What is to be said of the policies and of the whole.
///
/// # Errors
/// Where the writer fails.
pub fn write_summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for ignored in &report.ignored {
        writeln!(out, "{GREEN}ignored{RESET}: {}", IgnoredLine(ignored))?;
    }
    report.warnings.iter().try_for_each(|warning| writeln!(out, "{YELLOW}warning{RESET}: {}", FaultLine(warning)))?;
    for exception in &report.exceptions {
        write_exception(exception, out)?;
    }
    for sentence in &report.not_judged {
        writeln!(out, "not judged: {sentence}")?;
    }
    match report.cluster.as_deref() {
        None => {}
        Some([]) => writeln!(out, "cluster: asked for nothing, since no policy asks about it")?,
        Some(resources) => writeln!(out, "cluster: read {}", resources.join(", "))?,
    }
    if let Some(compared) = &report.baseline {
        let label = compared.gone_label();
        compared.gone.iter().try_for_each(|gone| writeln!(out, "{GREEN}{label}{RESET}: {}", GoneLine(gone)))?;
    }
    writeln!(out, "{}", Summary::of(report))
}

pub(super) const RESET: &str = "\x1b[0m";
pub(super) const RED: &str = "\x1b[1;31m";
pub(super) const YELLOW: &str = "\x1b[1;33m";
pub(super) const GREEN: &str = "\x1b[1;32m";
const CYAN: &str = "\x1b[1;36m";
const BLUE: &str = "\x1b[1;34m";
pub(super) const BOLD: &str = "\x1b[1m";

fn write_finding(located: &LocatedFinding, out: &mut dyn Write) -> io::Result<()> {
    let LocatedFinding { file, line, column, object, finding, excerpt, .. } = located;
    let (kind, namespace, name) = (&object.kind, &object.namespace, &object.name);
    writeln!(out, "{BOLD}{}:{line}:{column}{RESET}: {kind} {namespace}/{name}", Path(file))?;
    let margin = excerpt.lines.last().map_or(1, |line| line.number.to_string().len());
    write_excerpt(excerpt, margin, colour(finding.outcome), out)?;
    let edge = format!("{:margin$} {BLUE}={RESET}", "");
    let dry_run = if finding.mode == Some(Mode::DryRun) { " (dry run)" } else { "" };
    let outcome = finding.outcome.name();
    writeln!(out, "{edge} {}{outcome}{dry_run}{RESET}: {}", colour(finding.outcome), finding.message)?;
    if let Some(help) = help_beyond_message(finding) {
        writeln!(out, "{edge} help: {help}")?;
    }
    for note in finding.notes.iter().filter(|note| !finding.message.contains(&**note)) {
        writeln!(out, "{edge} note: {note}")?;
    }
    writeln!(out)
}

fn write_excerpt(excerpt: &Excerpt, margin: usize, colour: &str, out: &mut dyn Write) -> io::Result<()> {
    if excerpt.lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "{:margin$} {BLUE}|{RESET}", "")?;
    for Line { number, text, marked } in &excerpt.lines {
        writeln!(out, "{BLUE}{number:margin$} |{RESET} {text}")?;
        if let Some(marked) = marked {
            let (start, width) = (marked.start, marked.len());
            writeln!(out, "{:margin$} {BLUE}|{RESET} {:start$}{colour}{:^>width$}{RESET}", "", "", "")?;
        }
    }
    writeln!(out, "{:margin$} {BLUE}|{RESET}", "")
}

/// A message ends with the way out, unless it had to say something else there.
fn help_beyond_message(finding: &Finding) -> Option<&str> {
    let help = finding.help.as_deref()?;
    let said = finding.outcome == Outcome::Swapped || finding.message.contains(help);
    Some(help).filter(|_| !said)
}

fn write_exception(exception: &ExceptionLine, out: &mut dyn Write) -> io::Result<()> {
    let ExceptionLine { policy, rule, expires, state } = exception;
    match state {
        ExceptionState::Active => Ok(()),
        ExceptionState::Ending => {
            writeln!(out, "{YELLOW}exception{RESET} {policy}/{rule} ends on {expires}: end the need, or renew it")
        }
        ExceptionState::Expired => {
            writeln!(out, "{YELLOW}exception{RESET} {policy}/{rule} ended on {expires}: it allows nothing any more")
        }
    }
}

pub(super) fn colour(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Denied => RED,
        Outcome::Warned => YELLOW,
        Outcome::Swapped => CYAN,
        Outcome::Allowed => GREEN,
    }
}

/// A fault on one line: `path:line:column: what is wrong`.
pub struct FaultLine<'f>(pub &'f Fault);

impl fmt::Display for FaultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { file, place, message, .. } = self.0;
        write!(f, "{}", Path(file))?;
        if let Some((line, column)) = place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {message}")
    }
}

/// A path, without anything that acts on a terminal.
pub struct Path<'p>(pub &'p str);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if acts_on_a_terminal(character) {
                write!(f, "{}", character.escape_unicode())
            } else {
                write!(f, "{character}")
            }
        })
    }
}

/// What a comment sets aside: `path:line: policy/rule (pointer): why`.
pub(super) struct IgnoredLine<'i>(pub(super) &'i Ignored);

impl fmt::Display for IgnoredLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ignored { finding: located, line, reason } = self.0;
        let rule = located.decided_by().unwrap_or_default();
        let pointer = ShownPointer(&located.finding.pointer).text();
        write!(f, "{}:{line}: {rule} ({pointer}): {reason}", Path(&located.file))
    }
}

/// What is there no more: `path: object: what it was`.
pub(super) struct GoneLine<'g>(pub(super) &'g Gone);

impl fmt::Display for GoneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gone { file, kind, namespace, name, message, fingerprint: _ } = self.0;
        // An audit's are of no file.
        if !file.is_empty() {
            write!(f, "{}: ", Path(file))?;
        }
        write!(f, "{} {}/{}: {}", Path(kind), Path(namespace), Path(name), Path(message))
    }
}

/// The numbers in a sentence.
pub(super) struct Summary<'c> {
    counts: &'c Counts,
    errors: usize,
    baseline: Option<(usize, usize, &'static str)>,
}

impl Summary<'_> {
    pub(super) fn of(report: &Report) -> Summary<'_> {
        Summary {
            counts: &report.counts,
            errors: report.faults.len(),
            baseline: report
                .baseline
                .as_ref()
                .map(|compared| (compared.known, compared.gone.len(), compared.gone_label())),
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { files, workloads, denied, warned, swapped, allowed, dry_run, ignored, .. } = *self.counts;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{files} file{}, {workloads} workload{}: ", plural(files), plural(workloads))?;
        write!(f, "{denied} denied, {warned} warned, {swapped} swapped, {allowed} allowed")?;
        if dry_run > 0 {
            write!(f, "; {dry_run} finding{} in dry run", plural(dry_run))?;
        }
        if ignored > 0 {
            write!(f, "; {ignored} ignored")?;
        }
        if let Some((known, gone, label)) = self.baseline {
            write!(f, "; {known} in the baseline, {gone} {label}")?;
        }
        if self.errors > 0 {
            write!(f, "; {} error{}", self.errors, plural(self.errors))?;
        }
        Ok(())
    }
}
