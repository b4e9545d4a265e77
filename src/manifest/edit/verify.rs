//! The new text, read again, against what the patches make of the old one.

use serde_json::Value;

use super::{ByDocument, Declined, Edited, ObjectPatch, Reason};
use crate::manifest::{Document, Manifest, parse};

/// Which document is not as it should be.
pub struct Mismatch {
    /// Its index; none where the file as a whole cannot be read.
    pub document: Option<usize>,
    /// A line of the old text.
    line: usize,
    reason: Reason,
}

impl From<Mismatch> for Declined {
    fn from(Mismatch { line, reason, .. }: Mismatch) -> Declined {
        Declined { line, reason }
    }
}

/// Whether every document reads as its patches would have it, or as before.
pub fn verify(before: &Manifest<'_>, edited: &Edited, patches: &ByDocument<'_>) -> Result<(), Mismatch> {
    let after = parse(&edited.source);
    let mismatch = |document: &Document<'_>| Mismatch {
        document: Some(document.index),
        line: document.tree.position(0).line,
        reason: Reason::Unequal,
    };
    for (index, old) in before.documents.iter().enumerate() {
        let own = patches.get(&old.index).map_or(&[][..], |own| own.as_slice());
        let new = after.documents.get(index).filter(|new| new.index == old.index);
        let expected = expected(old, own).ok_or_else(|| Mismatch { reason: Reason::Unfit, ..mismatch(old) })?;
        let found = new.and_then(value);
        if found.is_none_or(|found| found != expected) {
            return Err(mismatch(old));
        }
    }
    if !after.errors.is_empty() || after.documents.len() != before.documents.len() {
        return Err(Mismatch { document: None, line: 1, reason: Reason::Unequal });
    }
    Ok(())
}

fn value(document: &Document<'_>) -> Option<Value> {
    serde_json::from_slice(&document.json().ok()?).ok()
}

fn expected(document: &Document<'_>, patches: &[&ObjectPatch]) -> Option<Value> {
    let mut whole = value(document)?;
    for patch in patches {
        let operations: json_patch::Patch = serde_json::from_slice(&patch.patch).ok()?;
        json_patch::patch(whole.pointer_mut(&patch.pointer)?, &operations).ok()?;
    }
    Some(whole)
}
