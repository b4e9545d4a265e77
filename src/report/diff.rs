//! A unified diff of a file before and after an edit, with everything masked that is not known to be a name.
//!
//! As in an excerpt, lines are put together from tokens: keys, the values of fields that hold names, and what the edit
//! wrote. So it is there to be read, and not for `patch`.

use std::io::{self, Write};
use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use super::excerpt::{write_gap, write_token};
use super::text::Path;
use crate::manifest::edit::Edited;
use crate::manifest::parse;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Fields that hold names and other harmless things, by what holds them: a Secret's data may have a `key` and a `name`, too.
const NAMES: [(&[&str], &[&str]); 6] = [
    (&["", "items"], &["apiVersion", "kind"]),
    (&["metadata"], &["name", "namespace"]),
    (&["containers", "initContainers", "ephemeralContainers"], &["name", "image"]),
    (&["secretKeyRef", "configMapKeyRef", "secretRef", "configMapRef"], &["name", "key", "optional"]),
    (&["env", "volumes", "volumeMounts"], &["name", "mountPath", "readOnly"]),
    (&["secret"], &["secretName", "name"]),
];

/// Writes the hunks of a file under its name.
///
/// # Errors
/// Where the writer fails.
pub fn write(name: &str, before: &[u8], edited: &Edited, out: &mut dyn Write) -> io::Result<()> {
    let old = Side::of(before, &[]);
    let new = Side::of(&edited.source, &edited.inserted);
    let hunks = group_diff_ops(capture_diff_slices(Algorithm::Myers, &old.lines(), &new.lines()), CONTEXT);
    if hunks.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}--- {0}\n+++ {0}{RESET}", Path(name))?;
    hunks.iter().try_for_each(|hunk| write_hunk(hunk, &old, &new, out))
}

/// Whether a field holds a name or another harmless thing, by the field that holds its object.
pub fn holds_a_name(holder: &str, key: &str) -> bool {
    NAMES.iter().any(|(holders, keys)| holders.contains(&holder) && keys.contains(&key))
}

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";

fn write_hunk(hunk: &[DiffOp], old: &Side<'_>, new: &Side<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return Ok(()) };
    let header = |range: Range<usize>| {
        let start = range.start + usize::from(!range.is_empty());
        if range.len() == 1 { start.to_string() } else { format!("{start},{}", range.len()) }
    };
    let (was, is) =
        (header(first.old_range().start..last.old_range().end), header(first.new_range().start..last.new_range().end));
    writeln!(out, "{CYAN}@@ -{was} +{is} @@{RESET}")?;
    for part in hunk {
        if part.tag() == DiffTag::Equal {
            // Of two equal lines both know the same.
            part.old_range().try_for_each(|line| old.write_line(' ', "", line, out))?;
            continue;
        }
        part.old_range().try_for_each(|line| old.write_line('-', RED, line, out))?;
        part.new_range().try_for_each(|line| new.write_line('+', GREEN, line, out))?;
    }
    Ok(())
}

/// The file before or after.
struct Side<'s> {
    bytes: &'s [u8],
    /// Each line with its line break.
    lines: Vec<Range<usize>>,
    /// What may be shown, in order.
    tokens: Vec<Range<usize>>,
}

impl<'s> Side<'s> {
    fn of(bytes: &'s [u8], inserted: &[Range<usize>]) -> Side<'s> {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            lines.push(start..start + line.len());
            start += line.len();
        }
        let is_new = |range: &Range<usize>| {
            let after = inserted.partition_point(|new| new.end < range.end);
            inserted.get(after).is_some_and(|new| new.start <= range.start)
        };
        let documents = parse(bytes).documents;
        let shows = |holder: &str, key: &str, range: &Range<usize>| holds_a_name(holder, key) || is_new(range);
        let tokens = documents.iter().flat_map(|document| document.tokens(shows)).collect();
        Side { bytes, lines, tokens }
    }

    fn lines(&self) -> Vec<&'s [u8]> {
        self.lines.iter().map(|line| &self.bytes[line.clone()]).collect()
    }

    fn write_line(&self, sign: char, colour: &str, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let Some(line) = self.lines.get(index).cloned() else { return Ok(()) };
        let content = self.bytes[line.clone()].trim_ascii_end().len();
        let end = line.start + content;
        let first = self.tokens.partition_point(|token| token.start < line.start);
        let tokens = self.tokens[first..].iter().take_while(|token| token.end <= end);
        let mut text = String::new();
        let mut cursor = line.start;
        for token in tokens {
            write_gap(&mut text, &self.bytes[cursor..token.start]);
            if text.ends_with('…') {
                text.push(' ');
            }
            write_token(&mut text, &self.bytes[token.clone()]);
            cursor = token.end;
        }
        write_gap(&mut text, &self.bytes[cursor..end]);
        writeln!(out, "{colour}{sign}{text}{}", if colour.is_empty() { "" } else { RESET })
    }
}
