//! The form that a document is kept in: a flat list of nodes, parents before children, with their place in the source.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use super::error::{ManifestError, Problem};
use super::scalar::{self, Scalar, Tag};
use super::{Document, Position};

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    Plain,
    /// A scalar in single quotes.
    SingleQuoted,
    /// A scalar in double quotes.
    DoubleQuoted,
    /// A block scalar after `|`.
    Literal,
    /// A block scalar after `>`.
    Folded,
    /// A number, boolean or null of a JSON file.
    JsonToken,
    /// A sequence of `- ` lines.
    BlockSequence,
    /// A sequence in brackets.
    FlowSequence,
    /// A mapping of `key: ` lines.
    BlockMapping,
    /// A mapping in braces.
    FlowMapping,
    /// `*name`: the node it stands for is another.
    Alias,
}

impl Style {
    pub(super) fn is_mapping(self) -> bool {
        matches!(self, Style::BlockMapping | Style::FlowMapping)
    }

    pub(super) fn is_sequence(self) -> bool {
        matches!(self, Style::BlockSequence | Style::FlowSequence)
    }
}

/// The index of a node in its document; the root is 0.
pub(super) type NodeId = u32;

/// One node. Offsets are in bytes of the document's text (not of the file).
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) style: Style,
    flags: u8,
    /// 1-based, and 0-based.
    line: u32,
    column: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The node after this one and all below it.
    pub(super) next: NodeId,
    /// Where a scalar's text is; for an alias the node it stands for.
    at: u32,
    length: u32,
}

/// The text is in `decoded`, not in the source.
const DECODED: u8 = 1;
const TAGGED: u8 = 2;
const ANCHORED: u8 = 4;
/// A mapping with a merge key.
const MERGES: u8 = 8;

impl Node {
    pub(super) fn has_merge(&self) -> bool {
        self.flags & MERGES != 0
    }
}

/// An anchor: `&name` before a node.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    pub(super) node: NodeId,
    /// Of the token, with the `&`.
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What few nodes have, in the order of the nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) anchors: Vec<Anchor>,
    pub(super) tags: Vec<(NodeId, Tag)>,
}

/// The nodes of one document.
#[derive(Clone)]
pub(super) struct Tree<'s> {
    pub(super) source: &'s str,
    nodes: Box<[Node]>,
    decoded: Box<str>,
    rare: Option<Box<Rare>>,
    /// Where `source` begins in the file, and how many lines are before it.
    base_offset: usize,
    base_line: usize,
    /// Whether `on` and `off`, `yes` and `no` are words, as in YAML 1.2.
    pub(super) words_stand: bool,
}

impl<'s> Tree<'s> {
    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn text(&self, node: &Node) -> &str {
        let from: &str = if node.flags & DECODED == 0 { self.source } else { &self.decoded };
        from.get(node.at as usize..node.at as usize + node.length as usize).unwrap_or_default()
    }

    pub(super) fn tag(&self, id: NodeId, node: &Node) -> Option<Tag> {
        if node.flags & TAGGED == 0 {
            return None;
        }
        find_tag(&self.rare.as_ref()?.tags, id)
    }

    pub(super) fn anchor(&self, id: NodeId) -> Option<&Anchor> {
        if self.node(id)?.flags & ANCHORED == 0 {
            return None;
        }
        let anchors = &self.rare.as_ref()?.anchors;
        anchors.binary_search_by_key(&id, |anchor| anchor.node).ok().and_then(|at| anchors.get(at))
    }

    /// The node itself, or the one that an alias stands for. An alias never stands for an alias.
    pub(super) fn target(&self, id: NodeId) -> NodeId {
        match self.node(id) {
            Some(node) if node.style == Style::Alias => node.at,
            _ => id,
        }
    }

    pub(super) fn scalar(&self, id: NodeId, node: &Node) -> Result<Scalar<'_>, Problem> {
        let text = self.text(node);
        match self.tag(id, node) {
            None if matches!(node.style, Style::Plain | Style::JsonToken) => match scalar::resolve(text) {
                Scalar::Bool(_) if self.words_stand && !scalar::is_boolean_of_yaml_1_2(text) => {
                    Ok(Scalar::Text(text.into()))
                }
                value => Ok(value),
            },
            None => Ok(Scalar::Text(text.into())),
            Some(tag) => scalar::resolve_tagged(tag, text),
        }
    }

    /// Whether this key is the merge key of YAML 1.1, as go-yaml's `isMerge` decides.
    pub(super) fn is_merge(&self, id: NodeId, node: &Node) -> bool {
        node.length == 2
            && self.text(node) == "<<"
            && match self.tag(id, node) {
                None => node.style == Style::Plain,
                Some(tag) => matches!(tag, Tag::Merge | Tag::NonSpecific),
            }
    }

    /// The children of a sequence, and the keys and values of a mapping in turn.
    pub(super) fn children(&self, id: NodeId) -> Children<'_> {
        let end = self.node(id).map_or(0, |node| node.next);
        Children { nodes: &self.nodes, at: id + 1, end }
    }

    /// The keys and values of a mapping as written, merge keys among them.
    pub(super) fn entries(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let mut children = self.children(id);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    pub(super) fn position(&self, id: NodeId) -> Position {
        self.node(id).map_or(Position { line: self.base_line + 1, column: 1, offset: self.base_offset }, |node| {
            Position {
                line: node.line as usize + self.base_line,
                column: node.column as usize + 1,
                offset: node.start as usize + self.base_offset,
            }
        })
    }

    /// In bytes of the file.
    pub(super) fn file_range(&self, start: u32, end: u32) -> std::ops::Range<usize> {
        start as usize + self.base_offset..end as usize + self.base_offset
    }
}

/// Siblings in order.
pub(super) struct Children<'t> {
    nodes: &'t [Node],
    at: NodeId,
    end: NodeId,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.at >= self.end {
            return None;
        }
        let id = self.at;
        self.at = self.nodes.get(id as usize)?.next;
        Some(id)
    }
}

/// Where a node begins in the text being read: byte, 1-based line, 0-based column.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) offset: u32,
    pub(super) line: u32,
    pub(super) column: u32,
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
            let before = node.start.checked_sub(1).and_then(|at| self.source.as_bytes().get(at as usize));
            let template = node.style == Style::FlowMapping && before == Some(&b'{');
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
        scalar.into_key().map(Some).ok_or(Problem::NullKey)
    }
}

fn find_tag(tags: &[(NodeId, Tag)], id: NodeId) -> Option<Tag> {
    tags.binary_search_by_key(&id, |(node, _)| *node).ok().and_then(|at| tags.get(at)).map(|(_, tag)| *tag)
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
