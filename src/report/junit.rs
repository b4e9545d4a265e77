//! JUnit XML, as CI systems read it: what Jenkins' xUnit plugin takes (its `junit-10.xsd`) and GitLab shows.
//!
//! A suite is a file, a case a reference. A file of which nothing is said has one case that passes, so that a report
//! without findings is not mistaken for one of a check that did not run.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::path::tidy;
use super::text::{Path, Summary};
use super::{Fault, Ignored, Level, LocatedFinding, Report};
use crate::fence::name::{ShownPointer, acts_on_a_terminal};

/// Writes the report as one XML document.
///
/// # Errors
/// Where the writer fails.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let suites = suites(report);
    let all = Numbers::of(suites.iter().flat_map(|suite| &suite.cases));
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let (name, Numbers { tests, failures, errors, .. }) = (env!("CARGO_PKG_NAME"), all);
    writeln!(out, "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">")?;
    suites.iter().try_for_each(|suite| write_suite(suite, out))?;
    write_remarks(report, out)?;
    writeln!(out, "</testsuites>")
}

/// The cases of a file.
struct Suite<'r> {
    file: &'r str,
    cases: Vec<Case<'r>>,
}

enum Case<'r> {
    Finding(&'r LocatedFinding),
    Ignored(&'r Ignored),
    Fault(&'r Fault),
    Nothing,
}

/// Of the files in their order, those that could not be found behind them.
fn suites(report: &Report) -> Vec<Suite<'_>> {
    let mut suites: Vec<Suite<'_>> = report.files.iter().map(|file| Suite { file, cases: Vec::new() }).collect();
    let mut places: std::collections::HashMap<&str, usize> =
        suites.iter().enumerate().map(|(index, suite)| (suite.file, index)).collect();
    let findings = report.findings.iter().map(|located| (&*located.file, Case::Finding(located)));
    let ignored = report.ignored.iter().map(|ignored| (&*ignored.finding.file, Case::Ignored(ignored)));
    let faults = report.faults.iter().map(|fault| (&*fault.file, Case::Fault(fault)));
    for (file, case) in findings.chain(ignored).chain(faults) {
        let index = *places.entry(file).or_insert_with(|| {
            suites.push(Suite { file, cases: Vec::new() });
            suites.len() - 1
        });
        suites[index].cases.push(case);
    }
    suites.iter_mut().filter(|suite| suite.cases.is_empty()).for_each(|suite| suite.cases.push(Case::Nothing));
    suites
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Numbers {
    fn of<'c>(cases: impl IntoIterator<Item = &'c Case<'c>>) -> Numbers {
        let mut numbers = Numbers::default();
        for case in cases {
            numbers.tests += 1;
            match case {
                Case::Fault(_) => numbers.errors += 1,
                Case::Ignored(_) => numbers.skipped += 1,
                Case::Finding(located) if located.known => numbers.skipped += 1,
                Case::Finding(located) if located.level() == Level::Error => numbers.failures += 1,
                Case::Finding(_) | Case::Nothing => {}
            }
        }
        numbers
    }
}

fn write_suite(suite: &Suite<'_>, out: &mut dyn Write) -> io::Result<()> {
    let file = tidy(suite.file);
    let Numbers { tests, failures, errors, skipped } = Numbers::of(&suite.cases);
    writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
        Xml(&file)
    )?;
    suite.cases.iter().try_for_each(|case| write_case(&file, case, out))?;
    writeln!(out, "  </testsuite>")
}

fn write_case(file: &str, case: &Case<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (name, body) = match case {
        Case::Nothing => ("nothing to say".to_owned(), None),
        Case::Fault(fault) => {
            let document = fault.document.as_ref().map_or(String::new(), |document| format!("document {document} "));
            (format!("{document}can be judged"), Some(("error", "error", place(file, fault.place), &fault.message)))
        }
        Case::Finding(located) => return write_finding(file, located, None, out),
        Case::Ignored(Ignored { finding, reason, .. }) => return write_finding(file, finding, Some(reason), out),
    };
    write!(out, "    <testcase classname=\"{}\" name=\"{}\"", Xml(file), Xml(&name))?;
    let Some((element, kind, place, message)) = body else { return writeln!(out, "/>") };
    writeln!(out, ">")?;
    write_body(element, Some(kind), &place, message, out)?;
    writeln!(out, "    </testcase>")
}

fn write_finding(file: &str, located: &LocatedFinding, ignored: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let LocatedFinding { object, finding, .. } = located;
    let rule = located.decided_by().unwrap_or_else(|| "no rule".to_owned());
    let pointer = ShownPointer(&finding.pointer).text();
    let document = &located.document;
    let name =
        format!("{} {}/{} {pointer} [{rule}] in document {document}", object.kind, object.namespace, object.name);
    writeln!(out, "    <testcase classname=\"{}\" name=\"{}\">", Xml(file), Xml(&name))?;
    let sentence = located.sentence();
    let place = place(file, Some((located.line, located.column)));
    if let Some(reason) = ignored {
        write_body("skipped", None, &place, &format!("ignored ({reason}): {sentence}"), out)?;
        return writeln!(out, "    </testcase>");
    }
    match located.level() {
        _ if located.known => write_body("skipped", None, &place, &format!("in the baseline: {sentence}"), out)?,
        Level::Error => write_body("failure", Some(&rule), &place, &sentence, out)?,
        Level::Warning | Level::Note | Level::None => {
            writeln!(out, "      <system-out>{}: {}</system-out>", Xml(&place), Xml(&sentence))?;
        }
    }
    writeln!(out, "    </testcase>")
}

/// The message stands twice: some programs show the attribute, others the text.
fn write_body(element: &str, kind: Option<&str>, place: &str, message: &str, out: &mut dyn Write) -> io::Result<()> {
    let kind = kind.map_or(String::new(), |kind| format!(" type=\"{}\"", Xml(kind)));
    let (place, message) = (Xml(place), Xml(message));
    writeln!(out, "      <{element}{kind} message=\"{message}\">{place}: {message}</{element}>")
}

/// What is no case of a file: a suite of its own, without cases.
fn write_remarks(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {}", super::text::FaultLine(warning));
    }
    for sentence in &report.not_judged {
        let _ = writeln!(text, "not judged: {sentence}");
    }
    if let Some(compared) = &report.baseline {
        for gone in &compared.gone {
            let _ = writeln!(text, "{}: {}", compared.gone_label(), super::text::GoneLine(gone));
        }
    }
    let _ = write!(text, "{}", Summary::of(report));
    let name = "the check itself";
    writeln!(out, "  <testsuite name=\"{name}\" tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\">")?;
    let lines: Vec<String> = text.lines().map(|line| Xml(line).to_string()).collect();
    writeln!(out, "    <system-out>{}</system-out>\n  </testsuite>", lines.join("\n"))
}

fn place(file: &str, place: Option<(usize, usize)>) -> String {
    match place {
        Some((line, column)) => format!("{}:{line}:{column}", Path(file)),
        None => Path(file).to_string(),
    }
}

/// Text for an attribute or between elements. What acts on a terminal is spelt out: XML has no way at all to hold most of
/// it (XML 1.0, 2.2), and whoever prints the file is spared the rest.
struct Xml<'t>(&'t str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => write!(f, "{}", character.escape_unicode()),
            _ if acts_on_a_terminal(character) => write!(f, "{}", character.escape_unicode()),
            _ => f.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        let hostile = "]]><a b=\"c\">&amp;'\u{0}\n\u{1b}\u{202e}\u{ffff}";
        let expected = "]]&gt;&lt;a b=&quot;c&quot;&gt;&amp;amp;'\\u{0}\\u{a}\\u{1b}\\u{202e}\\u{ffff}";
        assert_eq!(Xml(hostile).to_string(), expected);
    }
}
