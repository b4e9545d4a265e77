//! The line of a credential within a value of several lines: the one to open, where the value begins far above it.

use crate::fence::Finding;
use crate::fence::kind::Kind;
use crate::fence::rules::credential::{self, Credential};
use crate::manifest::{Document, Position};

/// The most lines that are looked at.
const MOST_LINES: usize = 1 << 12;

/// Where the line begins on which the credential does. None where it is no credential, its value stands on one line, or
/// nobody can say: then the place of the reference is as good.
pub fn position(document: &Document<'_>, source: &[u8], finding: &Finding, pointer: &str) -> Option<Position> {
    if finding.kind != Kind::Literal.name() {
        return None;
    }
    let value = format!("{pointer}/value");
    let at = if document.span(&value).is_some() { &value } else { pointer };
    let span = document.span(at)?;
    let text = std::str::from_utf8(source.get(span.bytes.clone())?).ok()?;
    if !text.contains('\n') || text.starts_with(['{', '[']) {
        return None;
    }
    let lines: Vec<&str> = text.lines().map(str::trim).take(MOST_LINES).collect();
    let name = finding.variable.as_deref().or(finding.key.as_deref()).unwrap_or_default();
    let is_word = at == pointer && finding.key.is_none() && finding.container.is_some();
    let holds = |lines: &[&str]| {
        let text = lines.join("\n");
        let found = if is_word { credential::in_word(None, &text) } else { credential::in_value(name, &text) };
        found.is_some_and(|found| is_that(&found, finding))
    };
    if !holds(&lines) {
        return None;
    }
    // The fewest lines from the first on that hold it; of those, the fewest up to the last.
    let (mut without, mut with) = (0, lines.len());
    while with - without > 1 {
        let middle = without.midpoint(with);
        if holds(&lines[..middle]) { with = middle } else { without = middle }
    }
    let first = (0..with).rev().find(|first| holds(&lines[*first..with]))?;
    // A name tells it of the whole value as of each of its lines.
    if finding.guess && !is_word {
        return None;
    }
    let start = span.bytes.start + text.split_inclusive('\n').take(first).map(str::len).sum::<usize>();
    let rest = source.get(start..)?;
    let indentation = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let above = memchr::memchr_iter(b'\n', source.get(..start)?).count();
    Some(Position { line: above + 1, column: indentation + 1, offset: start + indentation })
}

fn is_that(found: &Credential<'_>, finding: &Finding) -> bool {
    found.guess == finding.guess && finding.format.as_deref().is_none_or(|format| format == found.what)
}
