//! A line for each finding, for spreadsheets (RFC 4180).

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Audit, Owner, Row};
use crate::fence::name::{ShownPointer, acts_on_a_terminal};
use crate::report::mode_name;

const HEADER: [&str; 23] = [
    "namespace",
    "kind",
    "name",
    "pods",
    "container",
    "reference",
    "secret",
    "key",
    "variable",
    "outcome",
    "reads",
    "mode",
    "policy",
    "rule",
    "missed",
    "inTemplate",
    "change",
    "reason",
    "message",
    "pointer",
    "known",
    "fingerprint",
    "slipped",
];

/// Writes the findings, after a line with the names of the columns.
///
/// # Errors
/// Where the writer fails.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    write_line(HEADER.map(Cow::Borrowed), out)?;
    audit.rows().try_for_each(|(owner, row)| write_line(cells(owner, row), out))
}

fn cells<'a>(owner: &'a Owner, row: &'a Row) -> [Cow<'a, str>; 23] {
    let finding = &row.finding;
    let text = |text: &'a Option<String>| Cow::Borrowed(text.as_deref().unwrap_or(""));
    let number = |number: usize| Cow::Owned(number.to_string());
    let word = |word: Option<&'static str>| Cow::Borrowed(word.unwrap_or(""));
    let flag = |flag: bool| Cow::Borrowed(if flag { "true" } else { "false" });
    [
        Cow::Borrowed(&owner.namespace),
        Cow::Borrowed(&owner.kind),
        Cow::Borrowed(&owner.name),
        number(owner.pods),
        text(&finding.container),
        Cow::Borrowed(finding.kind),
        text(&finding.secret),
        text(&finding.key),
        text(&finding.variable),
        Cow::Borrowed(finding.outcome.name()),
        word(finding.reads),
        word(finding.mode.map(mode_name)),
        text(&finding.policy),
        text(&finding.rule),
        number(row.missed()),
        flag(row.in_template),
        row.change().map_or(Cow::Borrowed(""), Cow::Owned),
        text(&finding.reason),
        Cow::Borrowed(&finding.message),
        ShownPointer(&finding.pointer).text(),
        flag(row.known),
        Cow::Borrowed(&finding.fingerprint),
        number(row.slipped),
    ]
}

fn write_line<const N: usize>(cells: [Cow<'_, str>; N], out: &mut dyn Write) -> io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(written(cell).as_bytes())?;
    }
    out.write_all(b"\r\n")
}

/// In quotes where it has to be. A program that opens the file shall not take a name for a formula: a tenant chooses it.
fn written(cell: &str) -> Cow<'_, str> {
    let is_formula = cell.starts_with(['=', '+', '-', '@']);
    let is_quoted = cell.contains(['"', ',', '\'', ';']) || cell.contains(acts_on_a_terminal);
    if !is_formula && !is_quoted {
        return Cow::Borrowed(cell);
    }
    let safe = |character: char| if acts_on_a_terminal(character) { ' ' } else { character };
    let text: String = cell.chars().map(safe).collect();
    let text = text.replace('"', "\"\"");
    Cow::Owned(format!("\"{}{text}\"", if is_formula { "'" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_ends_where_it_ends() {
        for (cell, expected) in [
            ("web", "web"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("=cmd()", "\"'=cmd()\""),
            ("-1", "\"'-1\""),
            ("a\r\nb", "\"a  b\""),
        ] {
            assert_eq!(written(cell), expected);
        }
    }
}
