//! What holds of every edit: checked here from outside, with another library's patch and a comparison of lines.

use std::collections::BTreeSet;

use jiff::civil::date;
use secretfence::fence::policy::PolicyDocument;
use secretfence::fence::{Evaluation, Facts, Outcome, PolicySet, Question, evaluate};
use secretfence::manifest::edit::{Declined, ObjectPatch, edit};
use secretfence::manifest::{self, Document, Style};
use serde_json::Value;

pub fn policies(yaml: &str) -> PolicySet {
    let documents: Vec<PolicyDocument> = manifest::parse(yaml.as_bytes())
        .documents
        .iter()
        .map(|document| PolicyDocument {
            source: document.index,
            value: serde_json::from_slice(&document.clone().with_words().json().unwrap()).unwrap(),
        })
        .collect();
    PolicySet::compile(&documents).unwrap()
}

pub fn facts() -> Facts {
    Facts::on(date(2026, 11, 21))
}

/// The patches of a file, and how many references they swap.
pub fn patches(source: &[u8], policies: &PolicySet, facts: &Facts) -> (Vec<ObjectPatch>, usize) {
    let manifest = manifest::parse(source);
    let mut patches = Vec::new();
    let mut swapped = 0;
    for document in &manifest.documents {
        for object in document.objects().unwrap_or_default() {
            let (api_version, kind) = (&*object.api_version, &*object.kind);
            let question = Question { api_version, kind, namespace: "default", all: false, patch: true };
            let Ok(Evaluation::Judged(judgement)) = evaluate(&object.json, &question, policies, facts) else {
                continue;
            };
            swapped += judgement.findings.iter().filter(|finding| finding.outcome == Outcome::Swapped).count();
            if !judgement.patch.is_empty() {
                patches.push(ObjectPatch { document: document.index, pointer: object.pointer, patch: judgement.patch });
            }
        }
    }
    (patches, swapped)
}

/// Fixes a file, and checks everything that is promised of the result. `None` where there is nothing to do.
pub fn fix(source: &[u8], policies: &PolicySet, facts: &Facts) -> Result<Option<Vec<u8>>, Declined> {
    let (patches, _) = patches(source, policies, facts);
    if patches.is_empty() {
        return Ok(None);
    }
    let edited = edit(source, &patches)?;
    let (before, after) = (std::str::from_utf8(source).unwrap(), std::str::from_utf8(&edited.source).unwrap());
    let shown = || format!("--- before\n{before}\n--- after\n{after}");
    reads_as_patched(before, after, &patches);
    lines_stay(before, after, &patches);
    line_breaks_stay(before, after);
    assert_eq!(before.ends_with('\n'), after.ends_with('\n'), "the end of the file\n{}", shown());
    assert_eq!(before.starts_with('\u{feff}'), after.starts_with('\u{feff}'), "the byte order mark\n{}", shown());
    let mut comments: Vec<&str> = comments(before).collect();
    let mut kept: Vec<&str> = self::comments(after).collect();
    comments.sort_unstable();
    kept.sort_unstable();
    assert_eq!(comments, kept, "comments\n{}", shown());
    let (again, swapped) = self::patches(&edited.source, policies, facts);
    assert!(again.is_empty() && swapped == 0, "fixing twice\n{}", shown());
    let mut end = 0;
    for range in &edited.inserted {
        assert!(range.start >= end && range.end <= after.len());
        end = range.end;
    }
    Ok(Some(edited.source))
}

/// Every document is what the patch makes of it, or as it was.
fn reads_as_patched(before: &str, after: &str, patches: &[ObjectPatch]) {
    let (old, new) = (manifest::parse(before.as_bytes()), manifest::parse(after.as_bytes()));
    assert_eq!(old.documents.len(), new.documents.len());
    assert!(new.errors.is_empty());
    for (old, new) in old.documents.iter().zip(&new.documents) {
        let mut expected = value(old);
        for patch in patches.iter().filter(|patch| patch.document == old.index) {
            let operations: json_patch::Patch = serde_json::from_slice(&patch.patch).unwrap();
            json_patch::patch(expected.pointer_mut(&patch.pointer).unwrap(), &operations).unwrap();
        }
        assert_eq!(value(new), expected, "{before}\n---\n{after}");
    }
}

fn value(document: &Document<'_>) -> Value {
    serde_json::from_slice(&document.json().unwrap()).unwrap()
}

/// The lines that the patch has nothing to do with are all there, in order, byte by byte.
fn lines_stay(before: &str, after: &str, patches: &[ObjectPatch]) {
    let manifest = manifest::parse(before.as_bytes());
    let mut touched = BTreeSet::new();
    for patch in patches {
        let document = manifest.documents.iter().find(|document| document.index == patch.document).unwrap();
        let operations: Vec<Value> = serde_json::from_slice(&patch.patch).unwrap();
        for operation in operations {
            let pointer = format!("{}{}", patch.pointer, operation["path"].as_str().unwrap());
            touch(before, document, &pointer, operation["op"] == "add", &mut touched);
        }
    }
    let mut rest = lines(after);
    for (number, line) in (1..).zip(lines(before)).filter(|(number, _)| !touched.contains(number)) {
        let found = rest.by_ref().any(|other| other == line);
        assert!(found, "line {number} {line:?} is not there any more\n--- before\n{before}\n--- after\n{after}");
    }
}

/// Lines without their breaks: the last one may get one.
fn lines(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// The lines that an operation may change.
fn touch(text: &str, document: &Document<'_>, pointer: &str, adds: bool, touched: &mut BTreeSet<usize>) {
    let line = |offset: usize| text[..offset].matches('\n').count() + 1;
    let whole = |pointer: &str| {
        let span = document.span(pointer)?;
        let start = document.key_span(pointer).map_or(span.bytes.start, |key| key.start.min(span.bytes.start));
        Some(line(start)..line(span.bytes.end.saturating_sub(1).max(start)) + 1)
    };
    let (parent, _) = pointer.rsplit_once('/').unwrap();
    let is_flow = |pointer: &str| {
        document.span(pointer).is_some_and(|span| matches!(span.style, Style::FlowMapping | Style::FlowSequence))
    };
    if !adds && is_flow(parent) {
        touched.extend(whole(parent).unwrap());
        return;
    }
    if !adds {
        let lines = whole(pointer).unwrap();
        // With what is before an item, down from its dash; and what comes up to the dash after it.
        let dash = (1..lines.start).rev().take_while(|number| {
            let line = lines_at(text, *number);
            line.is_empty() || line.starts_with('#') || line == "-" || line.starts_with("- #")
        });
        let dash = dash.last().unwrap_or(lines.start);
        let count = text.split('\n').count();
        let passed = |line: &str| line.is_empty() || line.starts_with('#');
        let after = (lines.end..count).take_while(|number| passed(lines_at(text, *number))).last();
        touched.extend(dash..lines.end + after.map_or(1, |last| last + 2 - lines.end));
        return;
    }
    // In block style nothing of what is there changes, but for the line of an empty list.
    for pointer in [pointer, parent] {
        let Some(span) = document.span(pointer) else { continue };
        if is_flow(pointer) || span.bytes.len() < 6 || span.style == Style::Alias {
            touched.extend(whole(pointer).into_iter().flatten());
            // The colon of an absent value is after it.
            touched.extend(document.key_span(pointer).map(|key| line(key.start)));
        }
    }
}

fn lines_at(text: &str, number: usize) -> &str {
    text.split('\n').nth(number - 1).unwrap_or("").trim()
}

fn line_breaks_stay(before: &str, after: &str) {
    let kinds = |text: &str| {
        let crlf = text.matches("\r\n").count();
        (crlf > 0, text.matches('\n').count() > crlf)
    };
    let (crlf, lf) = kinds(after);
    let (had_crlf, had_lf) = kinds(before);
    assert!(crlf <= had_crlf && (lf <= had_lf || !had_crlf), "{before:?}\n{after:?}");
}

/// Of the tests' own form, `#` and `c` and a number, which stands in no scalar; others are not told from text here.
fn comments(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("#c").map(|(at, _)| {
        let rest = &text[at..];
        let end = rest[2..].find(|character: char| !character.is_ascii_digit()).map_or(rest.len(), |end| end + 2);
        &rest[..end]
    })
}
