//! Edits of a file that keep its layout: a JSON patch in, the text with only the lines of the change written anew out.
//!
//! ```text
//! change.rs   a JSON patch -> what is changed of which node
//! block.rs    changes of block collections -> splices
//! flow.rs     changes of flow collections, JSON too -> splices
//! written.rs  new values as text, in the style of their surroundings
//! layout.rs   lines, columns, comments, and where nodes end
//! splice.rs   splices -> the new text
//! verify.rs   the new text, read again, against what the patch makes
//! ```
//!
//! Nothing rests on the layout being understood: the result is read again, and unless every document of the file reads as
//! the patch would have it, or as before, the file is declined.

mod block;
mod change;
mod flow;
mod layout;
mod splice;
mod verify;
mod written;

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::ManifestError;
use super::tree::{NodeId, Style};
use super::{Document, parse};
use change::Changes;
use layout::Layout;
use splice::Splices;

/// What is changed of one object of a file.
#[derive(Clone)]
pub struct ObjectPatch {
    /// The index of its document.
    pub document: usize,
    /// The object within the document, as a JSON pointer.
    pub pointer: String,
    /// RFC 6902 as the swap writes it: `add` of a member or at the end of a list, `replace`, and `remove`, with pointers
    /// within the object as it stands.
    pub patch: Vec<u8>,
}

/// A file after its edits.
#[derive(Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole file.
    pub source: Vec<u8>,
    /// The bytes of it that are new, in order.
    pub inserted: Vec<Range<usize>>,
}

/// Why a file cannot be edited, and where. It names no value of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Declined {
    /// 1-based.
    pub line: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a file cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A document of the file cannot be read.
    #[error("{0}")]
    Unreadable(super::Problem),
    /// An anchor or a merge key, whose other uses would change along.
    #[error("the change would reach what is shared by an anchor, an alias or a merge key here: write the value out")]
    Shared,
    /// A layout that nobody foresaw.
    #[error("the layout here cannot be kept: write it in block style, a key and its value on lines of their own")]
    Layout,
    /// Comments in flow collections have no place but between their neighbours.
    #[error("a comment here stands within what would go: move it out of the braces")]
    Comment,
    /// The text does not read as the patch would have it.
    #[error("the change cannot be written here without changing something else: make it by hand")]
    Unequal,
    /// The patch does not fit the file.
    #[error("the change does not fit the file")]
    Unfit,
}

impl From<&ManifestError> for Declined {
    fn from(error: &ManifestError) -> Declined {
        Declined { line: error.line, reason: Reason::Unreadable(error.problem.clone()) }
    }
}

/// Applies the patches to a file of YAML or JSON. What they do not touch keeps every byte.
///
/// # Errors
/// Where one of them cannot be applied so. Then none is.
pub fn edit(source: &[u8], patches: &[ObjectPatch]) -> Result<Edited, Declined> {
    let manifest = parse(source);
    if let Some(error) = manifest.errors.first() {
        return Err(error.into());
    }
    let unfit = Declined { line: 1, reason: Reason::Unfit };
    let text = std::str::from_utf8(source).map_err(|_| unfit.clone())?;
    let mut splices = Splices::new(text);
    let mut touched = Vec::new();
    let mut by_document: ByDocument<'_> = BTreeMap::new();
    patches.iter().for_each(|patch| by_document.entry(patch.document).or_default().push(patch));
    for document in &manifest.documents {
        let Some(own) = by_document.get(&document.index) else { continue };
        let changes = Changes::read(document, own)?;
        if changes.is_empty() {
            continue;
        }
        touched.extend(changes.shared_line(document).map(|line| (document.index, line)));
        Editor { document, layout: Layout::new(text, &document.tree), changes: &changes, splices: &mut splices }
            .run()?;
    }
    let edited = splices.apply()?;
    verify::verify(&manifest, &edited, &by_document).map_err(|declined| {
        // What is shared is the likely culprit, and the one that somebody can do something about.
        match touched.iter().find(|(document, _)| declined.document == Some(*document)) {
            Some((_, line)) => Declined { line: *line, reason: Reason::Shared },
            None => declined.into(),
        }
    })?;
    Ok(edited)
}

/// The patches of each document, by its index.
type ByDocument<'p> = BTreeMap<usize, Vec<&'p ObjectPatch>>;

/// One document while it is edited.
struct Editor<'e, 's> {
    document: &'e Document<'s>,
    layout: Layout<'e>,
    changes: &'e Changes,
    splices: &'e mut Splices<'s>,
}

impl Editor<'_, '_> {
    fn run(mut self) -> Result<(), Declined> {
        let changes = self.changes;
        for (id, value) in &changes.replaced {
            self.replace(*id, value)?;
        }
        for (list, indices) in &changes.removed_items {
            self.remove_items(*list, indices)?;
        }
        for (mapping, keys) in &changes.removed_members {
            for key in keys {
                self.remove_member(*mapping, *key)?;
            }
        }
        for (list, values) in &changes.appended {
            self.append(*list, values)?;
        }
        for (mapping, members) in &changes.members {
            self.add_members(*mapping, members)?;
        }
        Ok(())
    }

    fn is_flow(&self, id: NodeId) -> bool {
        let style = self.layout.tree.node(id).map(|node| node.style);
        matches!(style, Some(Style::FlowMapping | Style::FlowSequence))
    }

    fn decline(&self, id: NodeId, reason: Reason) -> Declined {
        Declined { line: self.layout.tree.position(id).line, reason }
    }
}
