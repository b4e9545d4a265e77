//! Lines of the source around a finding, with everything masked that is not known to be a name.
//!
//! A line of YAML in flow style, or of JSON, can hold a whole pod with every literal value in it. So lines are not copied
//! and then censored: they are put together from the tokens of the reference itself (fields that we know, the names it
//! is made of) and from punctuation between them. Whatever else stands on the line becomes `…`.

use std::ops::Range;

use crate::fence::name::acts_on_a_terminal;
use crate::manifest::{Document, Position, Style};

/// The longest that a token is shown, in characters.
const TOKEN_CHARACTERS: usize = 64;
/// The deepest that a line is shown indented, and the longest run of punctuation.
const GAP_CHARACTERS: usize = 60;
/// The most lines that one finding shows.
const MAX_LINES: usize = 8;

/// Some lines of a file. Safe to show, and without any value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// In order, not necessarily one after the other.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// 1-based.
    pub number: usize,
    /// What is shown of it.
    pub text: String,
    /// The characters of `text` that are the finding's place: on one of the lines.
    pub marked: Option<Range<usize>>,
}

impl Excerpt {
    /// The lines of a reference: of a kind, at a pointer of the document, which is at a position of the file.
    pub fn of(document: &Document<'_>, source: &[u8], kind: &str, pointer: &str, at: Position) -> Excerpt {
        let tokens = tokens(document, source, kind, pointer);
        if tokens.is_empty() {
            return Excerpt { lines: vec![Line::hidden(at, 0)] };
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut rest = tokens.as_slice();
        while let Some(first) = rest.first() {
            let whole = line_around(source, first.start);
            let on_line = rest.iter().take_while(|token| token.start < whole.end).count();
            let (own, more) = rest.split_at(on_line);
            rest = more;
            lines.push(Line::masked(source, whole, own, at));
        }
        // Of a credential within a value of several lines, its own line.
        if kind == "literal" && lines.iter().all(|line| line.number != at.line) {
            lines.iter_mut().for_each(|line| line.marked = None);
            let index = lines.partition_point(|line| line.number < at.line);
            lines.insert(index, Line::hidden(at, at.column.saturating_sub(1).min(GAP_CHARACTERS)));
        }
        // Aliases can spread a reference over the file: what stands at its place counts.
        let place = lines.iter().position(|line| line.marked.is_some()).unwrap_or(0);
        lines.iter_mut().skip(place + 1).for_each(|line| line.marked = None);
        if let Some(line) = lines.get_mut(place).filter(|line| line.marked.is_none() && line.text.ends_with('…')) {
            // Of the place only the key in front of it may be shown: what hides the rest is the mark's.
            let end = line.text.chars().count();
            line.marked = Some(end - 1..end);
        }
        lines.drain(..place.min(lines.len().saturating_sub(MAX_LINES)));
        lines.truncate(MAX_LINES);
        Excerpt { lines }
    }
}

impl Line {
    /// A line of which nothing is known to be harmless.
    fn hidden(at: Position, indentation: usize) -> Line {
        let text = format!("{}…", " ".repeat(indentation));
        Line { number: at.line, text, marked: Some(indentation..indentation + 1) }
    }

    /// The tokens of a line, from the place on marked.
    fn masked(source: &[u8], whole: Range<usize>, tokens: &[Range<usize>], at: Position) -> Line {
        let mut text = String::new();
        let mut cursor = whole.start;
        let mut marked = None;
        for token in tokens {
            write_gap(&mut text, &source[cursor..token.start]);
            if text.ends_with('…') {
                text.push(' ');
            }
            let start = text.chars().count();
            write_token(&mut text, &source[token.clone()]);
            cursor = token.end;
            if token.start >= at.offset {
                let first = marked.map_or(start, |marked: Range<usize>| marked.start);
                marked = Some(first..text.chars().count());
            }
        }
        write_gap(&mut text, source[cursor..whole.end].trim_ascii_end());
        Line { number: line_number(source, whole.start, at), text, marked }
    }
}

/// Where each part of a reference stands below its pointer. The fields are shown, and with `true` their values, too:
/// only such as are names. The empty path is the member at the pointer itself.
type Parts = &'static [(&'static str, bool)];

const SECRET_KEY_REF: Parts = &[
    ("/name", true),
    ("/valueFrom", false),
    ("/valueFrom/secretKeyRef", false),
    ("/valueFrom/secretKeyRef/name", true),
    ("/valueFrom/secretKeyRef/key", true),
];
const ENV_FROM: Parts = &[("/prefix", true), ("/secretRef", false), ("/secretRef/name", true)];
const FILE_KEY_REF: Parts = &[
    ("/name", true),
    ("/valueFrom", false),
    ("/valueFrom/fileKeyRef", false),
    ("/valueFrom/fileKeyRef/volumeName", true),
    ("/valueFrom/fileKeyRef/path", true),
    ("/valueFrom/fileKeyRef/key", true),
];
const UNKNOWN_SOURCE: Parts = &[("", false), ("/name", true), ("/valueFrom", false)];
const VOLUME: Parts = &[("", false), ("/secretName", true), ("/secret", false), ("/secret/name", true)];
const CSI: Parts = &[("", false), ("/driver", true), ("/name", true)];
const LEGACY_VOLUME: Parts = &[("", true), ("/name", true)];
const IMAGE_PULL: Parts = &[("/name", true)];
/// A path is in the value, and may be a key of the store or a password beside it.
const ENV_VALUE: Parts = &[("/name", true), ("/value", false)];
const MEMBER: Parts = &[("", false)];
/// What a driver takes its secrets by: the name of another object.
const CSI_ATTRIBUTE: Parts = &[
    ("", false),
    ("/driver", true),
    ("/volumeAttributes", false),
    ("/volumeAttributes/secretProviderClass", true),
    ("/volumeAttributes/sharedSecret", true),
];
/// The path of a hostPath; or a word that can be nothing but `true`.
const NODE_ACCESS: Parts = &[("", true), ("/path", true)];
const SERVICE_ACCOUNT: Parts = &[("", true)];
/// The credential itself is the value, and never shown; nor the text around it.
const LITERAL: Parts = &[
    ("", false),
    ("/name", true),
    ("/value", false),
    ("/valueFrom", false),
    ("/valueFrom/fieldRef", false),
    ("/valueFrom/fieldRef/fieldPath", true),
];

/// What may be shown of a reference of a kind, at a pointer.
fn parts(kind: &str, pointer: &str) -> Parts {
    match kind {
        "secretKeyRef" => SECRET_KEY_REF,
        "envFrom" => ENV_FROM,
        "fileKeyRef" => FILE_KEY_REF,
        "unknownSource" => UNKNOWN_SOURCE,
        "volume" => VOLUME,
        "csi" => CSI,
        "legacyVolume" => LEGACY_VOLUME,
        "imagePull" => IMAGE_PULL,
        "externalEnv" => ENV_VALUE,
        "injected" => MEMBER,
        "nodeAccess" => NODE_ACCESS,
        "sharedSecret" => CSI_ATTRIBUTE,
        "reach" => SERVICE_ACCOUNT,
        "storePath" => match last_two(pointer) {
            ("annotations", _) => MEMBER,
            ("env", _) => ENV_VALUE,
            _ => CSI_ATTRIBUTE,
        },
        // It stands where the Secret is named.
        "copied" => match last_two(pointer) {
            ("env", _) => SECRET_KEY_REF,
            ("envFrom", _) => ENV_FROM,
            ("imagePullSecrets", _) => IMAGE_PULL,
            ("sources", _) | (_, "secret") => VOLUME,
            ("csi", _) | (_, "csi") => CSI,
            _ => LEGACY_VOLUME,
        },
        "literal" => LITERAL,
        "rawSecret" => MEMBER,
        _ => &[],
    }
}

fn last_two(pointer: &str) -> (&str, &str) {
    let mut tokens = pointer.rsplit('/');
    let last = tokens.next().unwrap_or("");
    (tokens.next().unwrap_or(""), last)
}

/// The pointer of the nearest ancestor that exists.
pub fn nearest<'p>(document: &Document<'_>, pointer: &'p str) -> Option<&'p str> {
    let ancestors = std::iter::successors(pointer.rsplit_once('/'), |(parent, _)| parent.rsplit_once('/'));
    ancestors.map(|(parent, _)| parent).find(|parent| document.locate(parent).is_some())
}

/// The parts of the source that may be shown, in order, none twice.
fn tokens(document: &Document<'_>, source: &[u8], kind: &str, pointer: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if document.locate(pointer).is_none() {
        // A field that is not there has its value by default: the one that it would be in is shown.
        found.extend(nearest(document, pointer).and_then(|field| document.key_span(field)));
    }
    for (part, is_name) in parts(kind, pointer) {
        let pointer = format!("{pointer}{part}");
        found.extend(document.key_span(&pointer));
        if *is_name && let Some(span) = document.span(&pointer) {
            let scalar =
                matches!(span.style, Style::Plain | Style::SingleQuoted | Style::DoubleQuoted | Style::JsonToken);
            found.extend(Some(span.bytes).filter(|_| scalar));
        }
    }
    // A scalar over several lines is not worth the risk.
    found.retain(|range| source.get(range.clone()).is_some_and(|bytes| !bytes.is_empty() && !bytes.contains(&b'\n')));
    found.sort_by_key(|range| (range.start, range.end));
    let mut end = 0;
    found.retain(|range| {
        let follows = range.start >= end;
        end = end.max(range.end);
        follows
    });
    found
}

/// What stands at the pointer, from its place on, as far as its line goes; and no further than its end may be told: behind a
/// value that is masked every column would tell how long that is.
pub fn shown(document: &Document<'_>, source: &[u8], kind: &str, pointer: &str, at: Position) -> Option<Range<usize>> {
    if at.offset > source.len() {
        return None;
    }
    let line = line_around(source, at.offset);
    // An alias stands elsewhere than what it names; what is not there has no end.
    let Some(span) = document.span(pointer).filter(|span| span.bytes.start == at.offset) else {
        return Some(at.offset..at.offset);
    };
    let end = span.bytes.end.min(line.end);
    let mut told = at.offset;
    for token in tokens(document, source, kind, pointer) {
        if token.start < told || token.end > end {
            continue;
        }
        if !is_punctuation(&source[told..token.start]) {
            break;
        }
        told = token.end;
    }
    let rest = source[told..end].trim_ascii_end();
    let told = if is_punctuation(rest) { told + rest.len() } else { told };
    (told > at.offset).then_some(at.offset..told)
}

fn line_around(source: &[u8], at: usize) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &source[..at]).map_or(0, |newline| newline + 1);
    let end = memchr::memchr(b'\n', &source[at..]).map_or(source.len(), |newline| at + newline);
    start..end
}

fn line_number(source: &[u8], start: usize, at: Position) -> usize {
    let newlines = |range: Range<usize>| memchr::memchr_iter(b'\n', &source[range]).count();
    if start <= at.offset {
        at.line - newlines(start..at.offset).min(at.line - 1)
    } else {
        at.line + newlines(at.offset..start)
    }
}

/// Punctuation of YAML and JSON as it is; anything else is masked. Indentation stays either way, and what ends a token.
pub(super) fn write_gap(text: &mut String, gap: &[u8]) {
    if is_punctuation(gap) && gap.len() <= GAP_CHARACTERS {
        text.extend(gap.iter().map(|byte| char::from(*byte)));
        return;
    }
    if text.is_empty() {
        let indentation = gap.iter().take_while(|byte| **byte == b' ').count();
        text.extend(std::iter::repeat_n(' ', indentation.min(GAP_CHARACTERS)));
    } else {
        text.extend(gap.first().filter(|byte| b":,".contains(byte)).map(|byte| char::from(*byte)));
        text.push(' ');
    }
    text.push('…');
}

fn is_punctuation(text: &[u8]) -> bool {
    text.iter().all(|byte| b" -:{}[],".contains(byte))
}

pub(super) fn write_token(text: &mut String, token: &[u8]) {
    let token = String::from_utf8_lossy(token);
    for (count, character) in token.chars().enumerate() {
        if count == TOKEN_CHARACTERS {
            text.push('…');
            return;
        }
        if acts_on_a_terminal(character) {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
}
