//! The form that a document is kept in: a flat list of nodes, parents before children, with their place in the source.

use super::Position;
use super::error::Problem;
use super::scalar::{self, Scalar, Tag};

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
    pub(super) flags: u8,
    /// 1-based, and 0-based.
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The node after this one and all below it.
    pub(super) next: NodeId,
    /// Where a scalar's text is; for an alias the node it stands for.
    pub(super) at: u32,
    pub(super) length: u32,
}

/// The text is in `decoded`, not in the source.
pub(super) const DECODED: u8 = 1;
pub(super) const TAGGED: u8 = 2;
pub(super) const ANCHORED: u8 = 4;
/// A mapping with a merge key.
pub(super) const MERGES: u8 = 8;

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
    pub(super) nodes: Box<[Node]>,
    pub(super) decoded: Box<str>,
    pub(super) rare: Option<Box<Rare>>,
    /// Where `source` begins in the file, and how many lines are before it.
    pub(super) base_offset: usize,
    pub(super) base_line: usize,
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

pub(super) fn find_tag(tags: &[(NodeId, Tag)], id: NodeId) -> Option<Tag> {
    tags.binary_search_by_key(&id, |(node, _)| *node).ok().and_then(|at| tags.get(at)).map(|(_, tag)| *tag)
}
