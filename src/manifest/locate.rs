//! From a JSON pointer to a place in the source.

use std::borrow::Cow;
use std::ops::Range;

use super::render::Budget;
use super::tree::{NodeId, Style};
use super::{Document, Position};

/// Where a pointer leads.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The node as written: perhaps an alias.
    pub(super) value: NodeId,
    /// Its key, in a mapping.
    pub(super) key: Option<NodeId>,
}

/// A node of the source that a pointer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The bytes of the node in the file. A block collection ends with its last child, a block scalar begins after its
    /// header, quotes are inside.
    pub bytes: Range<usize>,
    /// How it is written.
    pub style: Style,
    /// The bytes of its anchor, `&` included.
    pub anchor: Option<Range<usize>>,
    /// Whether the pointer passed through an alias or a merge key on its way: other places of the document share the node.
    pub shared: bool,
}

impl Document<'_> {
    /// The place of the value that an RFC 6901 pointer leads to, through aliases and merge keys: of its first token, after
    /// the `- ` of a list item, after an anchor or tag, and for a block scalar of its first line. An absent value
    /// (`key:`) has the place where its key ends. None where nothing is there.
    pub fn locate(&self, pointer: &str) -> Option<Position> {
        let found = self.walk(pointer);
        found.complete.then(|| self.tree.position(self.tree.target(found.place.value)))
    }

    /// The place of the key of the value; none for the document and for items of lists.
    pub fn locate_key(&self, pointer: &str) -> Option<Position> {
        let found = self.walk(pointer);
        let key = found.place.key.filter(|_| found.complete)?;
        Some(self.tree.position(key))
    }

    /// As [`Document::locate`], or the place of the nearest ancestor that exists.
    pub fn locate_nearest(&self, pointer: &str) -> Position {
        self.tree.position(self.tree.target(self.walk(pointer).place.value))
    }

    /// The bytes and the style of the value that a pointer leads to. An alias at the end of the way stands for itself.
    pub fn span(&self, pointer: &str) -> Option<Span> {
        let found = self.walk(pointer);
        let node = self.tree.node(found.place.value).filter(|_| found.complete)?;
        let anchor = self.tree.anchor(found.place.value);
        Some(Span {
            bytes: self.tree.file_range(node.start, node.end),
            style: node.style,
            anchor: anchor.map(|anchor| self.tree.file_range(anchor.start, anchor.end)),
            shared: found.shared,
        })
    }

    /// The bytes of the key of the value, quotes inside; none for the document and for items of lists.
    pub fn key_span(&self, pointer: &str) -> Option<Range<usize>> {
        let found = self.walk(pointer);
        let node = self.tree.node(found.place.key.filter(|_| found.complete)?)?;
        Some(self.tree.file_range(node.start, node.end))
    }

    /// Whether the byte of the file is part of a scalar: a `#` there begins no comment.
    pub fn is_within_scalar(&self, offset: usize) -> bool {
        // A file may have thousands of documents, and as many comments that ask.
        let ends = self.tree.nodes.first().zip(self.tree.nodes.last());
        let whole = ends.map(|(first, last)| self.tree.file_range(first.start, first.end.max(last.end)));
        if whole.is_none_or(|whole| !whole.contains(&offset)) {
            return false;
        }
        let is_scalar = |style: Style| !style.is_mapping() && !style.is_sequence() && style != Style::Alias;
        let mut nodes = self.tree.nodes.iter().filter(|node| is_scalar(node.style));
        nodes.any(|node| self.tree.file_range(node.start, node.end).contains(&offset))
    }

    /// The bytes of all keys of the document, and of the scalars that `shows` says yes to: by the key of what holds them, by
    /// their own, and by their bytes. Lists lend their key to their items. In order; none of a scalar over several lines.
    pub fn tokens(&self, shows: impl Fn(&str, &str, &Range<usize>) -> bool) -> Vec<Range<usize>> {
        let tree = &self.tree;
        // By node: whether it is a key, its own key, and that of its mapping.
        let mut places: Vec<(bool, Option<NodeId>, Option<NodeId>)> = vec![Default::default(); tree.len()];
        let mut tokens = Vec::new();
        for (id, node) in (0..).zip(tree.nodes.iter()) {
            let (is_key, own, holder) = places.get(id as usize).copied().unwrap_or_default();
            if node.style.is_mapping() {
                for (key, value) in tree.entries(id) {
                    places.get_mut(key as usize).into_iter().for_each(|place| place.0 = true);
                    places.get_mut(value as usize).into_iter().for_each(|place| *place = (false, Some(key), own));
                }
            } else if node.style.is_sequence() {
                for item in tree.children(id) {
                    places.get_mut(item as usize).into_iter().for_each(|place| *place = (false, own, holder));
                }
            }
            let text = |key: Option<NodeId>| key.and_then(|key| tree.node(key)).map_or("", |key| tree.text(key));
            let range = tree.file_range(node.start, node.end);
            let styles = [Style::Plain, Style::SingleQuoted, Style::DoubleQuoted, Style::JsonToken];
            let written = tree.source.get(node.start as usize..node.end as usize).unwrap_or_default();
            if styles.contains(&node.style)
                && !written.is_empty()
                && !written.contains('\n')
                && (is_key || shows(text(holder), text(own), &range))
            {
                tokens.push(range);
            }
        }
        tokens
    }

    pub(super) fn walk(&self, pointer: &str) -> Found {
        let mut found = Found { place: Place { value: 0, key: None }, complete: false, shared: false };
        let mut budget = Budget::new();
        let Some(rest) = pointer.strip_prefix('/') else {
            found.complete = pointer.is_empty() && self.tree.len() > 0;
            return found;
        };
        for token in rest.split('/') {
            let parent = self.tree.target(found.place.value);
            found.shared |= parent != found.place.value;
            let Some((place, merged)) = self.step(parent, token, &mut budget) else { return found };
            found.shared |= merged;
            found.place = place;
        }
        found.complete = true;
        found
    }

    fn step(&self, parent: NodeId, token: &str, budget: &mut Budget) -> Option<(Place, bool)> {
        let tree = &self.tree;
        let node = tree.node(parent)?;
        if node.style.is_sequence() {
            // RFC 6901 has no leading zeros and no sign.
            if token.len() > 1 && token.starts_with('0') || !token.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let value = tree.children(parent).nth(token.parse().ok()?)?;
            return Some((Place { value, key: None }, false));
        }
        if !node.style.is_mapping() {
            return None;
        }
        let name: Cow<'_, str> =
            if token.contains('~') { token.replace("~1", "/").replace("~0", "~").into() } else { token.into() };
        let own = tree.entries(parent).find(|(key, _)| {
            // The text decides for nearly every key; numbers and booleans are spelt anew.
            let id = tree.target(*key);
            let merge = || node.has_merge() && tree.node(*key).is_some_and(|key_node| tree.is_merge(*key, key_node));
            tree.node(id).is_some() && tree.key(*key).is_ok_and(|key| key == name) && !merge()
        });
        if !node.has_merge() {
            return own.map(|(key, value)| (Place { value, key: Some(key) }, false));
        }
        let entries = tree.merged_entries(parent, budget).ok()?;
        let (_, value) = entries.into_iter().find(|(key, _)| *key == name)?;
        match own {
            Some((key, own)) if own == value => Some((Place { value, key: Some(key) }, false)),
            _ => Some((Place { value, key: None }, true)),
        }
    }
}

/// How far a pointer leads.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) complete: bool,
    pub(super) shared: bool,
}
