//! Builds the trees of one text, whoever reads it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use super::error::{ManifestError, Problem};
use super::scalar::{self, Tag};
use super::tree::{ANCHORED, Anchor, DECODED, MERGES, Node, NodeId, Rare, Style, TAGGED, Tree, find_tag};
use super::{Document, Position};

/// Where a node begins in the text being read: byte, 1-based line, 0-based column.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) offset: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Mark {
    /// The mark after `text`, which begins at `start`.
    pub(super) fn after(start: Mark, text: &str) -> Mark {
        let (lines, column) = super::lines_and_column(text);
        let before = if lines == 0 { start.column } else { 0 };
        Mark {
            offset: start.offset + text.len() as u32,
            line: start.line + lines as u32,
            column: before + column as u32,
        }
    }
}

/// Builds the trees of one text, a document after the other.
pub(super) struct Builder<'s> {
    source: &'s str,
    base_offset: usize,
    base_line: usize,
    nodes: Vec<Node>,
    decoded: String,
    rare: Rare,
    open: Vec<NodeId>,
    /// The end of the node that ended last, in bytes.
    last_end: u32,
    /// The first thing that is wrong with the document though the parser can go on.
    flaw: Option<(Mark, Problem)>,
}

impl<'s> Builder<'s> {
    pub(super) fn new(source: &'s str, base_offset: usize, base_line: usize) -> Builder<'s> {
        Builder {
            source,
            base_offset,
            base_line,
            nodes: Vec::new(),
            decoded: String::new(),
            rare: Rare::default(),
            open: Vec::new(),
            last_end: 0,
            flaw: None,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The node that was added last, or would be next.
    pub(super) fn next_id(&self) -> NodeId {
        self.nodes.len() as NodeId
    }

    /// A scalar whose text is `text`: a part of the source, or decoded from it.
    pub(super) fn scalar(&mut self, style: Style, mark: Mark, end: u32, text: &str) {
        let (at, flags) = match self.place_in_source(text) {
            Some(at) => (at, 0),
            None => {
                let at = self.decoded.len();
                self.decoded.push_str(text);
                (at as u32, DECODED)
            }
        };
        self.leaf(style, flags, mark, end, at, text.len() as u32);
    }

    pub(super) fn alias(&mut self, mark: Mark, end: u32, target: NodeId) {
        // What is still open holds this alias: it would never end.
        if self.open.contains(&target) {
            self.flaw(mark, Problem::SelfAlias);
        }
        self.leaf(Style::Alias, 0, mark, end, target, 0);
    }

    /// Whether what comes next stands directly in a block mapping.
    pub(super) fn is_in_block_mapping(&self) -> bool {
        let parent = self.open.last().and_then(|id| self.nodes.get(*id as usize));
        parent.is_some_and(|node| node.style == Style::BlockMapping)
    }

    pub(super) fn open(&mut self, style: Style, mark: Mark) {
        let id = self.next_id();
        self.leaf(style, 0, mark, mark.offset, 0, 0);
        self.open.push(id);
    }

    /// Ends what was opened last. `end` is where a flow collection ends; a block one ends with its last child.
    pub(super) fn close(&mut self, end: Option<u32>) {
        let Some(id) = self.open.pop() else { return };
        let next = self.next_id();
        let end = end.unwrap_or(self.last_end);
        self.last_end = end;
        let mut mapping = false;
        if let Some(node) = self.nodes.get_mut(id as usize) {
            node.next = next;
            node.end = end.max(node.start);
            mapping = node.style.is_mapping();
        }
        if mapping && next > id + 1 {
            self.check_keys(id);
        }
    }

    /// Notes an anchor of the node that was added last.
    pub(super) fn anchor(&mut self, start: u32, end: u32) {
        let Some(id) = self.next_id().checked_sub(1) else { return };
        if let Some(node) = self.nodes.last_mut() {
            node.flags |= ANCHORED;
        }
        self.rare.anchors.push(Anchor { node: id, start, end });
    }

    /// Notes a tag of the node that was added last.
    pub(super) fn tag(&mut self, tag: Tag) {
        let Some(id) = self.next_id().checked_sub(1) else { return };
        if let Some(node) = self.nodes.last_mut() {
            node.flags |= TAGGED;
        }
        self.rare.tags.push((id, tag));
    }

    /// Remembers the first flaw; the document is an error, the parser goes on to the next.
    pub(super) fn flaw(&mut self, mark: Mark, problem: Problem) {
        if self.flaw.as_ref().is_none_or(|(first, _)| mark.offset < first.offset) {
            self.flaw = Some((mark, problem));
        }
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.decoded.clear();
        self.rare.anchors.clear();
        self.rare.tags.clear();
        self.open.clear();
        self.flaw = None;
    }

    /// The document that was built, and room for the next one.
    pub(super) fn finish(&mut self, index: usize) -> Result<Document<'s>, ManifestError> {
        let flaw = self.flaw.take();
        let tree = self.tree();
        self.clear();
        match flaw {
            Some((mark, problem)) => Err(self.error(index, mark, problem)),
            None => Ok(Document { index, tree }),
        }
    }

    pub(super) fn error(&self, index: usize, mark: Mark, problem: Problem) -> ManifestError {
        let position = Position {
            line: mark.line as usize + self.base_line,
            column: mark.column as usize + 1,
            offset: mark.offset as usize + self.base_offset,
        };
        ManifestError::at(index, position, problem)
    }

    fn tree(&mut self) -> Tree<'s> {
        let rare = (!self.rare.anchors.is_empty() || !self.rare.tags.is_empty())
            .then(|| Box::new(std::mem::take(&mut self.rare)));
        Tree {
            source: self.source,
            nodes: self.nodes.as_slice().into(),
            decoded: self.decoded.as_str().into(),
            rare,
            base_offset: self.base_offset,
            base_line: self.base_line,
            words_stand: false,
        }
    }

    fn leaf(&mut self, style: Style, flags: u8, mark: Mark, end: u32, at: u32, length: u32) {
        let next = self.next_id() + 1;
        let Mark { offset: start, line, column } = mark;
        self.nodes.push(Node { style, flags, line, column, start, end, next, at, length });
        self.last_end = end;
    }

    /// The offset of `text` in the source where it is a slice of it.
    fn place_in_source(&self, text: &str) -> Option<u32> {
        let at = (text.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize)?;
        (at + text.len() <= self.source.len()).then_some(at as u32)
    }

    /// Finds duplicate keys, keys that JSON cannot hold, and merge keys of the mapping that was just closed.
    fn check_keys(&mut self, id: NodeId) {
        let (merges, flaw) = self.judge_keys(id);
        if merges && let Some(node) = self.nodes.get_mut(id as usize) {
            node.flags |= MERGES;
        }
        if let Some((key, problem)) = flaw
            && let Some(node) = self.nodes.get(key as usize)
        {
            let mark = Mark { offset: node.start, line: node.line, column: node.column };
            self.flaw(mark, problem);
        }
    }

    /// Whether the mapping has a merge key, and the first key that is wrong.
    fn judge_keys(&self, id: NodeId) -> (bool, Option<(NodeId, Problem)>) {
        let mut merges = false;
        let mut keys: SmallVec<[(NodeId, Cow<'_, str>); 16]> = SmallVec::new();
        let mut key = id + 1;
        while let Some(node) = self.nodes.get(key as usize) {
            match self.key(key, node) {
                Ok(Some(text)) => keys.push((key, text)),
                Ok(None) => merges = true,
                Err(problem) => return (merges, Some((key, problem))),
            }
            let Some(value) = self.nodes.get(node.next as usize) else { break };
            key = value.next;
        }
        let flaw = twice(&keys).map(|(first, second, text)| {
            let first_line = self.nodes.get(first as usize).map_or(0, |node| node.line as usize) + self.base_line;
            (second, Problem::DuplicateKey { key: text.to_owned(), first_line })
        });
        (merges, flaw)
    }

    /// The key as JSON has it; none for the merge key.
    fn key<'b>(&'b self, id: NodeId, node: &'b Node) -> Result<Option<Cow<'b, str>>, Problem> {
        let (id, node) = match node.style {
            Style::Alias => (node.at, self.nodes.get(node.at as usize).ok_or(Problem::UnknownAnchor)?),
            _ => (id, node),
        };
        if node.style.is_mapping() || node.style.is_sequence() || node.style == Style::Alias {
            // `{{ .Values.x }}` is a mapping whose only key is a mapping.
            let from = node.start as usize;
            let doubled = |at: usize| self.source.get(at..).is_some_and(|rest| rest.starts_with("{{"));
            let template = node.style == Style::FlowMapping && (doubled(from) || from > 0 && doubled(from - 1));
            return Err(if template { Problem::Template } else { Problem::ComplexKey });
        }
        let from: &str = if node.flags & DECODED == 0 { self.source } else { &self.decoded };
        let text = from.get(node.at as usize..node.at as usize + node.length as usize).unwrap_or_default();
        let tag = if node.flags & TAGGED == 0 { None } else { find_tag(&self.rare.tags, id) };
        let scalar = match (tag, node.style) {
            (None, Style::Plain) | (Some(Tag::Merge | Tag::NonSpecific), _) if text == "<<" => return Ok(None),
            (None, Style::Plain) => scalar::resolve(text),
            (None, _) => return Ok(Some(Cow::Borrowed(text))),
            (Some(tag), _) => scalar::resolve_tagged(tag, text)?,
        };
        scalar.into_key().map(Some).ok_or(Problem::UnfitKey)
    }
}

/// The first key that stands twice: the first, the second, and the text.
fn twice<'t>(keys: &'t [(NodeId, Cow<'_, str>)]) -> Option<(NodeId, NodeId, &'t str)> {
    // Most mappings are small; hashing costs more than comparing there.
    if keys.len() <= 12 {
        return keys.iter().enumerate().find_map(|(at, (second, text))| {
            keys.iter().take(at).find(|(_, other)| other == text).map(|(first, _)| (*first, *second, &**text))
        });
    }
    let mut seen: HashSet<&str> = HashSet::with_capacity(keys.len());
    let (second, text) = keys.iter().find(|(_, text)| !seen.insert(text))?;
    let (first, _) = keys.iter().find(|(_, other)| other == text)?;
    Some((*first, *second, text))
}

/// The anchors of the document being read, by the parser's number.
pub(super) type AnchorIds = HashMap<usize, NodeId>;
