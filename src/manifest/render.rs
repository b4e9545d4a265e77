//! From a tree to JSON bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Document;
use super::error::{MAX_DEPTH, MAX_DOCUMENT_BYTES, ManifestError, Problem};
use super::scalar::Scalar;
use super::tree::{NodeId, Style, Tree};

/// Nodes that aliases and merges may make us visit again in one document.
const MAX_REVISITS: usize = 4_000_000;

/// What a document may cost, over all that is rendered of it.
pub(super) struct Budget {
    revisits: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget { revisits: MAX_REVISITS, bytes: MAX_DOCUMENT_BYTES }
    }

    /// So many bytes more of what is kept of the document.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Problem::AliasBudget)?;
        Ok(())
    }

    /// One more node that was perhaps visited before.
    pub(super) fn visit(&mut self) -> Result<(), Problem> {
        self.revisits = self.revisits.checked_sub(1).ok_or(Problem::AliasBudget)?;
        Ok(())
    }
}

impl Document<'_> {
    /// Writes the node as JSON after what `out` holds.
    pub(super) fn render(&self, id: NodeId, budget: &mut Budget, out: &mut Vec<u8>) -> Result<(), ManifestError> {
        let start = out.len();
        let bytes = budget.bytes;
        let mut renderer = Renderer { tree: &self.tree, out, start, aliases: 0, bytes, budget };
        let result = renderer.value(id, 0);
        let written = out.len() - start;
        budget.bytes = budget.bytes.saturating_sub(written);
        result.map_err(|(id, problem)| ManifestError::at(self.index, self.tree.position(id), problem))
    }
}

type Failure = (NodeId, Problem);

struct Renderer<'r, 's> {
    tree: &'r Tree<'s>,
    out: &'r mut Vec<u8>,
    start: usize,
    /// How many aliases we are inside of.
    aliases: usize,
    bytes: usize,
    budget: &'r mut Budget,
}

impl Renderer<'_, '_> {
    /// Recursion ends at `MAX_DEPTH`, which aliases can reach though the source does not.
    fn value(&mut self, id: NodeId, depth: usize) -> Result<(), Failure> {
        let Some(node) = self.tree.node(id) else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        if self.aliases > 0 {
            self.budget.visit().map_err(|problem| (id, problem))?;
        }
        match node.style {
            Style::BlockMapping | Style::FlowMapping | Style::BlockSequence | Style::FlowSequence => {
                if depth == MAX_DEPTH {
                    return Err((id, Problem::TooDeep));
                }
                if node.style.is_sequence() {
                    self.sequence(id, depth)
                } else if node.has_merge() {
                    self.merged(id, depth)
                } else {
                    self.mapping(id, depth)
                }
            }
            Style::Alias => {
                if self.out.len() - self.start > self.bytes {
                    return Err((id, Problem::AliasBudget));
                }
                self.aliases += 1;
                let target = self.tree.target(id);
                // The place to mend is the outermost alias: what it stands for is fine elsewhere.
                let outermost = self.aliases == 1;
                self.value(target, depth).map_err(|failure| if outermost { (id, failure.1) } else { failure })?;
                self.aliases -= 1;
                Ok(())
            }
            Style::JsonToken => {
                self.out.extend_from_slice(self.tree.text(node).as_bytes());
                Ok(())
            }
            _ => match self.tree.scalar(id, node) {
                Ok(scalar) => write_scalar(self.out, &scalar).map_err(|problem| (id, problem)),
                Err(problem) => Err((id, problem)),
            },
        }
    }

    fn sequence(&mut self, id: NodeId, depth: usize) -> Result<(), Failure> {
        self.out.push(b'[');
        for (index, child) in self.tree.children(id).enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(child, depth + 1)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn mapping(&mut self, id: NodeId, depth: usize) -> Result<(), Failure> {
        self.out.push(b'{');
        for (index, (key, value)) in self.tree.entries(id).enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write_string(self.out, &self.tree.key(key).map_err(|problem| (key, problem))?);
            self.out.push(b':');
            self.value(value, depth + 1)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn merged(&mut self, id: NodeId, depth: usize) -> Result<(), Failure> {
        let entries = self.tree.merged_entries(id, self.budget)?;
        self.out.push(b'{');
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write_string(self.out, key);
            self.out.push(b':');
            // What was merged in stands elsewhere too: it counts as what an alias expands to.
            if self.out.len() - self.start > self.bytes {
                return Err((id, Problem::AliasBudget));
            }
            self.aliases += 1;
            self.value(*value, depth + 1)?;
            self.aliases -= 1;
        }
        self.out.push(b'}');
        Ok(())
    }
}

impl Tree<'_> {
    /// The key as JSON has it.
    pub(super) fn key(&self, id: NodeId) -> Result<Cow<'_, str>, Problem> {
        let id = self.target(id);
        let node = self.node(id).ok_or(Problem::ComplexKey)?;
        self.scalar(id, node)?.into_key().ok_or(Problem::UnfitKey)
    }

    /// The keys and values of a mapping with its merge keys carried out in the order written, later ones over earlier
    /// ones: go-yaml v2's `merge`.
    pub(super) fn merged_entries<'t>(
        &'t self,
        id: NodeId,
        budget: &mut Budget,
    ) -> Result<Vec<(Cow<'t, str>, NodeId)>, Failure> {
        let mut merge: Merge<'t, '_, '_> = Merge { tree: self, entries: Vec::new(), places: HashMap::new(), budget };
        merge.mapping(id, 0)?;
        Ok(merge.entries)
    }
}

struct Merge<'t, 's, 'b> {
    tree: &'t Tree<'s>,
    entries: Vec<(Cow<'t, str>, NodeId)>,
    places: HashMap<Cow<'t, str>, usize>,
    budget: &'b mut Budget,
}

impl<'t> Merge<'t, '_, '_> {
    fn mapping(&mut self, id: NodeId, depth: usize) -> Result<(), Failure> {
        if depth == MAX_DEPTH {
            return Err((id, Problem::TooDeep));
        }
        let tree = self.tree;
        for (key, value) in tree.entries(id) {
            self.budget.visit().map_err(|problem| (key, problem))?;
            if tree.node(key).is_some_and(|node| tree.is_merge(key, node)) {
                self.merge(value, depth)?;
                continue;
            }
            let name = tree.key(key).map_err(|problem| (key, problem))?;
            match self.places.get(&name).and_then(|place| self.entries.get_mut(*place)) {
                Some(entry) => entry.1 = value,
                None => {
                    self.places.insert(name.clone(), self.entries.len());
                    self.entries.push((name, value));
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, value: NodeId, depth: usize) -> Result<(), Failure> {
        let tree = self.tree;
        let node = tree.node(value).ok_or((value, Problem::Merge))?;
        if !node.style.is_sequence() {
            return self.one(value, depth);
        }
        // Earlier ones take precedence, so they come last.
        let items: Vec<NodeId> = tree.children(value).collect();
        items.into_iter().rev().try_for_each(|item| self.one(item, depth))
    }

    fn one(&mut self, value: NodeId, depth: usize) -> Result<(), Failure> {
        self.budget.visit().map_err(|problem| (value, problem))?;
        let target = self.tree.target(value);
        match self.tree.node(target) {
            Some(node) if node.style.is_mapping() => self.mapping(target, depth + 1),
            _ => Err((value, Problem::Merge)),
        }
    }
}

fn write_scalar(out: &mut Vec<u8>, scalar: &Scalar<'_>) -> Result<(), Problem> {
    match scalar {
        Scalar::Null => out.extend_from_slice(b"null"),
        Scalar::Bool(true) => out.extend_from_slice(b"true"),
        Scalar::Bool(false) => out.extend_from_slice(b"false"),
        Scalar::Signed(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Scalar::Unsigned(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Scalar::Float(value) if !value.is_finite() => return Err(Problem::NotFinite),
        Scalar::Float(value) => write_float(out, *value),
        Scalar::Text(text) => write_string(out, text),
    }
    Ok(())
}

/// As Go's `encoding/json` writes it.
fn write_float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let text = if text.contains("e-") { text } else { text.replace('e', "e+") };
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend_from_slice(value.to_string().as_bytes());
    }
}

pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| must_be_escaped(*byte)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((&byte, tail)) = tail.split_first() {
            write_escape(out, byte);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
