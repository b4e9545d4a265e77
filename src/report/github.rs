//! Annotations of GitHub Actions: commands that a step prints, and its runner shows at the line.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::path::{STANDARD_INPUT, tidy};
use super::text::{GoneLine, IgnoredLine, Path, Summary};
use super::{Fault, Level, LocatedFinding, Report};
use crate::fence::policy::ExceptionState;

/// Writes a command for each finding and each fault, then the rest as a group of lines.
///
/// # Errors
/// Where the writer fails.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    // A runner shows the first ten of each sort of a step: the worst come first.
    report.faults.iter().try_for_each(|fault| write_fault("error", "cannot be judged", fault, out))?;
    for level in [Level::Error, Level::Warning, Level::Note] {
        let findings = report.findings.iter().filter(|located| located.level() == level && !located.known);
        findings.into_iter().try_for_each(|located| write_finding(located, out))?;
    }
    report.warnings.iter().try_for_each(|fault| write_fault("warning", "a comment sets nothing aside", fault, out))?;
    write_summary(report, out)
}

fn write_finding(located: &LocatedFinding, out: &mut dyn Write) -> io::Result<()> {
    let LocatedFinding { file, line, column, end_column, object, finding, .. } = located;
    let command = match located.level() {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note | Level::None => "notice",
    };
    let title = format!("{} {}/{}: {}", object.kind, object.namespace, object.name, finding.kind);
    let title = Property(&title);
    write!(out, "::{command} ")?;
    if let Some(file) = place(file) {
        write!(out, "file={},line={line},col={column},endLine={line},", Property(&file))?;
        if let Some(end) = end_column {
            // A runner's columns are inclusive.
            write!(out, "endColumn={},", end.saturating_sub(1).max(*column))?;
        }
    }
    writeln!(out, "title={title}::{}", Data(&located.sentence()))
}

fn write_fault(command: &str, title: &str, fault: &Fault, out: &mut dyn Write) -> io::Result<()> {
    let Fault { file, place: at, message, .. } = fault;
    write!(out, "::{command} ")?;
    if let Some(file) = place(file) {
        write!(out, "file={},", Property(&file))?;
        if let Some((line, column)) = at {
            write!(out, "line={line},col={column},endLine={line},")?;
        }
    }
    // The file may be one that the runner has not got, and then nobody would know which.
    writeln!(out, "title={title}::{}: {}", Data(&Path(file).to_string()), Data(message))
}

fn write_summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "::group::secretfence: {}", Data(&Summary::of(report).to_string()))?;
    // What somebody has set aside is nobody's to look at again: no annotation.
    for ignored in &report.ignored {
        writeln!(out, "ignored: {}", Plain(&IgnoredLine(ignored).to_string()))?;
    }
    for line in report.exceptions.iter().filter(|line| line.state != ExceptionState::Active) {
        let verb = if line.state == ExceptionState::Ending { "ends" } else { "ended" };
        writeln!(out, "exception {}/{} {verb} on {}", Plain(&line.policy), Plain(&line.rule), line.expires)?;
    }
    for sentence in &report.not_judged {
        writeln!(out, "not judged: {}", Plain(sentence))?;
    }
    if let Some(compared) = &report.baseline {
        let label = compared.gone_label();
        compared.gone.iter().try_for_each(|gone| writeln!(out, "{label}: {}", Plain(&GoneLine(gone).to_string())))?;
    }
    writeln!(out, "::endgroup::")
}

/// The file for the runner, which knows no standard input.
fn place(file: &str) -> Option<String> {
    (file != STANDARD_INPUT).then(|| tidy(file).into_owned())
}

/// The part of a command behind `::`: what the runner unescapes (actions/toolkit, `command.ts`), and nothing that acts on
/// a terminal.
struct Data<'t>(&'t str);

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Path(self.0).to_string().chars().try_for_each(|character| match character {
            '%' => f.write_str("%25"),
            '\r' => f.write_str("%0D"),
            '\n' => f.write_str("%0A"),
            _ => f.write_char(character),
        })
    }
}

/// The value of a command's property.
struct Property<'t>(&'t str);

impl fmt::Display for Property<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Data(self.0).to_string().chars().try_for_each(|character| match character {
            ':' => f.write_str("%3A"),
            ',' => f.write_str("%2C"),
            _ => f.write_char(character),
        })
    }
}

/// Text of a line that is no command. The runner takes `##[` for one wherever it stands; `::` only where a line begins,
/// which is with words of ours.
struct Plain<'t>(&'t str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Path(&self.0.replace("##[", "# #[")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_reads_is_escaped_as_it_unescapes() {
        assert_eq!(Data("100%: a,b").to_string(), "100%25: a,b");
        assert_eq!(Property("100%: a,b").to_string(), "100%25%3A a%2Cb");
        assert_eq!(Data("a\r\n::error::b\u{1b}\u{202e}").to_string(), "a\\u{d}\\u{a}::error::b\\u{1b}\\u{202e}");
    }

    #[test]
    fn no_line_of_the_summary_is_a_command() {
        assert_eq!(Plain("a ##[error]b\n::error::c").to_string(), "a # #[error]b\\u{a}::error::c");
    }
}
