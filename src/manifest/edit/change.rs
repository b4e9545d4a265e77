//! From a JSON patch to what is changed of which node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Declined, ObjectPatch, Reason};
use crate::manifest::Document;
use crate::manifest::tree::{NodeId, Style};

/// A value that is written, its members in order.
#[derive(Clone, PartialEq)]
pub enum New {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<New>),
    Map(Vec<(String, New)>),
}

impl New {
    pub fn is_scalar(&self) -> bool {
        !matches!(self, New::List(_) | New::Map(_))
    }

    /// Whether all its members are scalars.
    pub fn is_flat(&self) -> bool {
        matches!(self, New::Map(members) if members.iter().all(|(_, value)| value.is_scalar()))
    }

    pub fn to_value(&self) -> Value {
        match self {
            New::Null => Value::Null,
            New::Bool(value) => (*value).into(),
            New::Number(value) => value.clone().into(),
            New::Text(text) => text.as_str().into(),
            New::List(items) => items.iter().map(New::to_value).collect(),
            New::Map(members) => members.iter().map(|(key, value)| (key.clone(), value.to_value())).collect(),
        }
    }
}

/// What is changed of a document: of its nodes, so that what is reached twice, through aliases, is changed once.
#[derive(Default)]
pub struct Changes {
    /// Values that become others.
    pub replaced: BTreeMap<NodeId, New>,
    /// Items that go, by their list.
    pub removed_items: BTreeMap<NodeId, BTreeSet<usize>>,
    /// Members that go, as keys by their mapping.
    pub removed_members: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Items that come, by their list.
    pub appended: BTreeMap<NodeId, Vec<New>>,
    /// Members that come, by their mapping.
    pub members: BTreeMap<NodeId, Vec<(String, New)>>,
    /// The first node that was reached through an alias or a merge.
    through: Option<NodeId>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    #[serde(default)]
    value: Option<New>,
}

impl Changes {
    pub fn read(document: &Document<'_>, patches: &[&ObjectPatch]) -> Result<Changes, Declined> {
        let mut changes = Changes::default();
        // Appended items by the pointer that they came by.
        let mut appended: BTreeMap<NodeId, Vec<(String, Vec<New>)>> = BTreeMap::new();
        for patch in patches {
            let operations: Vec<Operation> = serde_json::from_slice(&patch.patch)
                .map_err(|_| Declined { line: document.tree.position(0).line, reason: Reason::Unfit })?;
            for Operation { op, path, value } in operations {
                let pointer = format!("{}{path}", patch.pointer);
                let found = changes.operation(document, &op, &pointer, value, &mut appended);
                found
                    .ok_or_else(|| Declined { line: document.locate_nearest(&pointer).line, reason: Reason::Unfit })?;
            }
        }
        for (list, groups) in appended {
            let mut groups = groups.into_iter().map(|(_, values)| values);
            let first = groups.next().unwrap_or_default();
            if groups.any(|others| others != first) {
                return Err(Declined { line: document.tree.position(list).line, reason: Reason::Shared });
            }
            changes.appended.insert(list, first);
        }
        Ok(changes)
    }

    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
            && self.removed_items.is_empty()
            && self.removed_members.is_empty()
            && self.appended.is_empty()
            && self.members.is_empty()
    }

    /// The line of something shared that the changes reach: through an alias, or within an anchor that has one.
    pub fn shared_line(&self, document: &Document<'_>) -> Option<usize> {
        let tree = &document.tree;
        if let Some(id) = self.through {
            return Some(tree.position(id).line);
        }
        let nodes = self.replaced.keys().chain(self.removed_items.keys()).chain(self.removed_members.keys());
        let mut nodes = nodes.chain(self.appended.keys()).chain(self.members.keys());
        let aliased = aliased(document);
        let around = |id: NodeId| {
            aliased.iter().find(|target| {
                let end = tree.node(**target).map_or(0, |node| node.next);
                (**target..end).contains(&id)
            })
        };
        nodes.find_map(|id| around(*id)).map(|target| tree.position(*target).line)
    }

    fn operation(
        &mut self,
        document: &Document<'_>,
        op: &str,
        pointer: &str,
        value: Option<New>,
        appended: &mut BTreeMap<NodeId, Vec<(String, Vec<New>)>>,
    ) -> Option<()> {
        let (parent, last) = pointer.rsplit_once('/')?;
        let within = document.walk(parent);
        let holder = document.tree.target(within.place.value);
        if !within.complete {
            return None;
        }
        let key = last.replace("~1", "/").replace("~0", "~");
        let style = document.tree.node(holder)?.style;
        if within.shared || holder != within.place.value {
            self.through.get_or_insert(within.place.value);
        }
        let found = document.walk(pointer);
        match (op, value) {
            ("add", Some(value)) if last == "-" && style.is_sequence() => {
                let groups = appended.entry(holder).or_default();
                match groups.iter_mut().find(|(from, _)| from == parent) {
                    Some((_, values)) => values.push(value),
                    None => groups.push((parent.to_owned(), vec![value])),
                }
            }
            ("add", Some(value)) if style.is_mapping() => {
                let members = self.members.entry(holder).or_default();
                if !members.contains(&(key.clone(), value.clone())) {
                    members.push((key, value));
                }
            }
            ("replace", Some(value)) if found.complete => {
                if found.shared {
                    self.through.get_or_insert(found.place.value);
                }
                self.replaced.insert(found.place.value, value);
            }
            ("remove", None) if found.complete && style.is_sequence() => {
                self.removed_items.entry(holder).or_default().insert(last.parse().ok()?);
            }
            ("remove", None) if found.complete && style.is_mapping() => {
                // One that was merged in has no key here: it stays, and the comparison says so.
                if found.shared {
                    self.through.get_or_insert(found.place.value);
                }
                self.removed_members.entry(holder).or_default().extend(found.place.key);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The nodes that aliases of the document stand for.
pub fn aliased(document: &Document<'_>) -> BTreeSet<NodeId> {
    let nodes = document.tree.nodes.iter();
    nodes.filter(|node| node.style == Style::Alias).map(|node| node.at).collect()
}

impl<'de> Deserialize<'de> for New {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<New, D::Error> {
        deserializer.deserialize_any(NewVisitor)
    }
}

struct NewVisitor;

impl<'de> Visitor<'de> for NewVisitor {
    type Value = New;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<New, E> {
        Ok(New::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<New, E> {
        Ok(New::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<New, E> {
        Ok(New::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<New, E> {
        Ok(New::Number(value.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<New, E> {
        Ok(New::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<New, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(New::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<New, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(New::Map(members))
    }
}
