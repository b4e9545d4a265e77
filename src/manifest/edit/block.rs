//! Changes of block collections.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::change::{New, aliased};
use super::layout::Comment;
use super::written::{self, Quotes};
use super::{Declined, Editor, Reason};
use crate::manifest::render::Budget;
use crate::manifest::tree::{ANCHORED, NodeId, Style, TAGGED};

/// After which member of a container or a pod a new one stands, where a person would put it: the first of these that is
/// there. What is in no row stands at the end.
const BESIDE: &[(&str, &[&str])] = &[
    ("env", &["envFrom", "args", "command", "imagePullPolicy", "image", "name"]),
    ("volumeMounts", &["env", "envFrom", "args", "command", "imagePullPolicy", "image", "name"]),
];
/// What stands before the others.
const FIRST: &[&str] = &["metadata"];

impl Editor<'_, '_> {
    /// A value becomes another.
    pub(super) fn replace(&mut self, id: NodeId, new: &New) -> Result<(), Declined> {
        let node = self.layout.node(id);
        match new {
            New::Map(members) if node.style.is_mapping() => self.replace_members(id, members),
            _ if node.style == Style::Alias => {
                // It no longer stands for the other, which stays as it is.
                let indent = node.column as usize;
                let text = if self.is_flow(self.layout.parent(id)) {
                    self.flow_style(self.layout.parent(id)).write(new, self.layout.indent_at(node.start as usize))
                } else {
                    let lines = written::block(new, self.layout.indents(id), Quotes::Plain);
                    self.joined(node.start as usize, &lines, indent).trim_start_matches(' ').to_owned()
                };
                self.splices.replace(node.start as usize..node.end as usize, text);
                Ok(())
            }
            _ if new.is_scalar() && !node.style.is_sequence() && node.end > node.start => {
                let text = match node.style {
                    Style::Literal | Style::Folded => return Err(self.decline(id, Reason::Layout)),
                    style => written::text(new, style.into()),
                };
                self.splices.replace(node.start as usize..node.end as usize, text);
                Ok(())
            }
            _ => Err(self.decline(id, Reason::Layout)),
        }
    }

    /// The members of a mapping become others: those that stay keep their place, one that goes gives its place to one that
    /// comes.
    fn replace_members(&mut self, mapping: NodeId, new: &[(String, New)]) -> Result<(), Declined> {
        let tree = self.layout.tree;
        if self.layout.node(mapping).has_merge() {
            return Err(self.decline(mapping, Reason::Shared));
        }
        let mut gone = Vec::new();
        let mut old = Vec::new();
        for (key, value) in tree.entries(mapping) {
            let name = tree.key(key).map_err(|_| self.decline(key, Reason::Layout))?.into_owned();
            match new.iter().find(|(its, _)| *its == name) {
                Some((_, new)) if self.value(value).is_some_and(|old| old == new.to_value()) => {}
                Some((_, new)) => self.replace(value, new)?,
                None => gone.push((key, value)),
            }
            old.push(name);
        }
        let fresh: Vec<(String, New)> = new.iter().filter(|(key, _)| !old.contains(key)).cloned().collect();
        let mut gone = gone.into_iter();
        let mut fresh = fresh.into_iter();
        loop {
            match (gone.next(), fresh.next()) {
                (Some((key, value)), Some((name, new))) => self.replace_member(mapping, key, value, &name, &new)?,
                (Some((key, _)), None) => self.remove_member(mapping, key)?,
                (None, Some(member)) => {
                    let rest: Vec<(String, New)> = std::iter::once(member).chain(fresh).collect();
                    return self.add_members(mapping, &rest);
                }
                (None, None) => return Ok(()),
            }
        }
    }

    /// A member gives its place to another, which is a scalar. The comments within it stay.
    fn replace_member(
        &mut self,
        mapping: NodeId,
        key: NodeId,
        value: NodeId,
        name: &str,
        new: &New,
    ) -> Result<(), Declined> {
        self.is_used_elsewhere(value)?;
        let quotes = self.quotes_in(mapping);
        let start = self.layout.start(key);
        if self.is_flow(mapping) {
            let style = self.flow_style(mapping);
            let end = self.flow_end(value);
            if !self.layout.comments(start..end, key).is_empty() {
                return Err(self.decline(key, Reason::Comment));
            }
            let text = style.member(name, new, self.layout.indent_at(start));
            self.splices.replace(start..end, text);
            return Ok(());
        }
        let after_dash = !self.layout.is_first_on_line(start);
        if after_dash && !self.layout.is_after_dash(start) {
            return Err(self.decline(key, Reason::Layout));
        }
        let end = self.layout.line_end(self.layout.end(value));
        let comments = self.layout.comments(start..end, key);
        let column = self.layout.column(key);
        let line = written::member(name, new, self.layout.indents(mapping), quotes).join("");
        let notes = self.lines_of(&comments);
        let (mut lines, trailing) = match &comments[..] {
            [Comment { trailing: true, range }] => (vec![line], format!(" {}", self.layout.slice(range.clone()))),
            // Between a dash and its first key there is no place.
            _ if after_dash => (std::iter::once(line).chain(notes).collect(), String::new()),
            _ => (notes.into_iter().chain([line]).collect(), String::new()),
        };
        if let Some(last) = lines.last_mut() {
            last.push_str(&trailing);
        }
        let text = self.joined(start, &lines, column);
        self.splices.replace(start..end, text.trim_start_matches(' '));
        Ok(())
    }

    /// A member goes. Its comments stay.
    pub(super) fn remove_member(&mut self, mapping: NodeId, key: NodeId) -> Result<(), Declined> {
        let tree = self.layout.tree;
        let mut entries = tree.entries(mapping).skip_while(|(its, _)| *its != key);
        let Some((_, value)) = entries.next() else { return Err(self.decline(key, Reason::Unfit)) };
        let next = entries.next().map(|(key, _)| key);
        self.is_used_elsewhere(value)?;
        if self.is_flow(mapping) {
            return self.remove_from_flow(mapping, key, value);
        }
        let start = self.layout.start(key);
        let end = self.layout.line_end(self.layout.end(value));
        let column = self.layout.column(key);
        if self.layout.is_first_on_line(start) {
            if tree.entries(mapping).count() == 1 {
                return Err(self.decline(key, Reason::Layout));
            }
            self.remove_lines(self.layout.line_start(start)..end, key, column);
            return Ok(());
        }
        // The first key of an item: the next one comes up to the dash.
        let Some(next) = next.filter(|_| self.layout.is_after_dash(start)) else {
            return Err(self.decline(key, Reason::Layout));
        };
        let next = self.layout.start(next);
        if !self.layout.is_first_on_line(next) {
            return Err(self.decline(key, Reason::Layout));
        }
        let line = self.layout.line_start(start);
        let notes = self.lines_of(&self.layout.comments(start..next, key));
        if !notes.is_empty() {
            let notes = self.joined(start, &notes, self.layout.indent_at(line)) + self.layout.line_break(start);
            self.splices.insert(line, notes);
        }
        self.splices.replace(start..next, "");
        Ok(())
    }

    /// Items of a list go. Their comments stay.
    pub(super) fn remove_items(&mut self, list: NodeId, indices: &BTreeSet<usize>) -> Result<(), Declined> {
        let items: Vec<NodeId> = self.layout.tree.children(list).collect();
        let gone = || indices.iter().filter_map(|index| Some((*index, *items.get(*index)?)));
        for (_, item) in gone() {
            self.is_used_elsewhere(item)?;
        }
        if self.is_flow(list) {
            return gone().try_for_each(|(_, item)| self.remove_from_flow(list, item, item));
        }
        if indices.len() >= items.len() {
            return Err(self.decline(list, Reason::Layout));
        }
        let Some(lines) = self.layout.item_lines(list) else { return Err(self.decline(list, Reason::Layout)) };
        let column = self.layout.column(list);
        for (index, item) in gone() {
            if let Some(range) = lines.get(index) {
                self.remove_lines(range.clone(), item, column);
            }
        }
        Ok(())
    }

    /// Items come to the end of a list.
    pub(super) fn append(&mut self, list: NodeId, values: &[New]) -> Result<(), Declined> {
        let removed = self.changes.removed_items.get(&list);
        let items = self.layout.tree.children(list).enumerate();
        let stay = items.filter(|(index, _)| removed.is_none_or(|removed| !removed.contains(index)));
        let Some(last) = stay.map(|(_, item)| item).last() else {
            return self.fill(list, &New::List(values.to_vec()));
        };
        if self.is_flow(list) {
            let texts = |style: &written::FlowStyle, indent| {
                values.iter().map(|value| style.write(value, indent)).collect::<Vec<String>>()
            };
            return self.append_to_flow(list, last, last, &texts);
        }
        let quotes = self.quotes_in(last);
        let indents = self.layout.indents(list);
        let column = self.layout.column(list);
        let flow = self.layout.style(last) == Some(Style::FlowMapping) && values.iter().all(New::is_flat);
        let mut lines = Vec::new();
        for value in values {
            let written = if flow {
                vec![self.flow_style(last).on_one_line().write(value, 0)]
            } else {
                written::block(value, indents, quotes)
            };
            // After a block scalar an empty line could become part of it.
            let blank = self.blank_between(list).filter(|_| !self.layout.ends_with_block_scalar(last));
            lines.extend(blank);
            lines.extend(written::dashed(written, indents.dash));
        }
        let end = self.layout.past_comments(self.layout.line_end(self.layout.end(last)), column + 1);
        self.insert_lines(end, &lines, column);
        Ok(())
    }

    /// Members come into a mapping.
    pub(super) fn add_members(&mut self, mapping: NodeId, members: &[(String, New)]) -> Result<(), Declined> {
        let tree = self.layout.tree;
        let mut fresh = Vec::new();
        for (name, new) in members {
            // One that is there is null.
            let own = tree.entries(mapping).find(|(key, _)| tree.key(*key).is_ok_and(|key| key == *name));
            match own {
                Some((_, value)) => self.fill(value, new)?,
                None => fresh.push((name, new)),
            }
        }
        let removed = self.changes.removed_members.get(&mapping);
        let stays = |key: &NodeId| removed.is_none_or(|removed| !removed.contains(key));
        let entries: Vec<(NodeId, NodeId)> = tree.entries(mapping).filter(|(key, _)| stays(key)).collect();
        if entries.is_empty() && !fresh.is_empty() {
            let all = fresh.iter().map(|(name, new)| ((*name).clone(), (*new).clone())).collect();
            return self.fill(mapping, &New::Map(all));
        }
        if self.is_flow(mapping) {
            // One place for all of them, so that commas stay right.
            let Some((first, _)) = fresh.first() else { return Ok(()) };
            let (key, value) = self.place(&entries, first, mapping);
            let texts = |style: &written::FlowStyle, indent| {
                fresh.iter().map(|(name, new)| style.member(name, new, indent)).collect::<Vec<String>>()
            };
            return self.append_to_flow(mapping, key, value, &texts);
        }
        for (name, new) in fresh {
            self.add_block_member(mapping, &entries, name, new)?;
        }
        Ok(())
    }

    fn add_block_member(
        &mut self,
        mapping: NodeId,
        entries: &[(NodeId, NodeId)],
        name: &str,
        new: &New,
    ) -> Result<(), Declined> {
        let Some((first, _)) = entries.first().copied() else { return Err(self.decline(mapping, Reason::Layout)) };
        let column = self.layout.column(first);
        let start = self.layout.start(first);
        let own_line = self.layout.is_first_on_line(start);
        if !own_line && !self.layout.is_after_dash(start) {
            return Err(self.decline(mapping, Reason::Layout));
        }
        let quotes = if new.is_scalar() { self.quotes_in(mapping) } else { Quotes::Plain };
        let (key, value) = self.place(entries, name, mapping);
        let lines = written::member(name, new, self.layout.indents(value), quotes);
        if FIRST.contains(&name) && own_line {
            let text = self.joined(start, &lines, column) + self.layout.line_break(start);
            self.splices.insert(self.layout.line_start(start), text);
            return Ok(());
        }
        let end = self.layout.line_end(self.layout.end(value));
        let is_last = entries.last() == Some(&(key, value));
        let start = self.layout.start(key);
        // Behind it a line break would come that the scalar takes for its own.
        if is_last && self.layout.ends_in_open_block_scalar(value) && self.layout.is_first_on_line(start) {
            let text = self.joined(start, &lines, column) + self.layout.line_break(start);
            self.splices.insert(self.layout.above_comments(start), text);
            return Ok(());
        }
        let end = if is_last {
            self.layout.past_comments(end, column)
        } else {
            let end = self.layout.past_comments(end, column + 1);
            let level = self.layout.style(value) == Some(Style::BlockSequence) && self.layout.column(value) == column;
            if level { self.layout.past_commented_items(end, column) } else { end }
        };
        self.insert_lines(end, &lines, column);
        Ok(())
    }

    /// The member after which a new one stands.
    fn place(&self, entries: &[(NodeId, NodeId)], name: &str, mapping: NodeId) -> (NodeId, NodeId) {
        let tree = self.layout.tree;
        let named = |name: &str| {
            entries.iter().find(|(key, _)| tree.node(*key).is_some_and(|node| tree.text(node) == name)).copied()
        };
        let beside = BESIDE.iter().find(|(its, _)| *its == name).map_or(&[][..], |(_, beside)| *beside);
        let last = entries.last().copied().unwrap_or((mapping, mapping));
        beside.iter().find_map(|name| named(name)).unwrap_or(last)
    }

    /// A collection takes the place of an empty one, of a null, or of nothing.
    fn fill(&mut self, id: NodeId, new: &New) -> Result<(), Declined> {
        let node = self.layout.node(id);
        let parent = self.layout.parent(id);
        let refuse = |editor: &Self| Err(editor.decline(id, Reason::Layout));
        if id == 0 || node.flags & (ANCHORED | TAGGED) != 0 || node.style == Style::Alias {
            return refuse(self);
        }
        let Some(key) = self.layout.key_of(id) else { return refuse(self) };
        let Some(colon) = self.layout.after_colon(key) else { return refuse(self) };
        let absent = node.end == node.start;
        let old = if absent { colon..colon } else { node.start as usize..node.end as usize };
        let gap = self.layout.slice(colon..old.start);
        if self.layout.slice(colon..old.end).contains(['\n', '#']) {
            return refuse(self);
        }
        let lead = if gap.is_empty() { " " } else { "" };
        if self.is_flow(parent) {
            let style = self.flow_style(parent);
            let text = style.write(new, self.layout.indent_at(colon));
            let lead = if style.tight { "" } else { lead };
            let text = self.with_line_breaks(colon, &text);
            self.splices.replace(old, format!("{lead}{text}"));
            return Ok(());
        }
        if new.is_scalar() {
            self.splices.replace(old, format!("{lead}{}", written::text(new, Quotes::Plain)));
            return Ok(());
        }
        let indents = self.layout.indents(parent);
        let column = self.layout.column(key);
        let below = if matches!(new, New::List(_)) { indents.list } else { indents.step };
        let lines = written::block(new, indents, Quotes::Plain);
        self.splices.replace(colon..old.end, "");
        self.insert_lines(self.layout.line_end(old.end), &lines, column + below);
        Ok(())
    }

    /// Lines go; the comments on them stay, as lines of their own. The line break before them goes, too, and not the one
    /// after them: something may come in there.
    fn remove_lines(&mut self, lines: Range<usize>, first: NodeId, column: usize) {
        let notes = self.lines_of(&self.layout.comments(lines.clone(), first));
        let text = self.joined(lines.start, &notes, column);
        let before = self.layout.slice(0..lines.start);
        let whole = before.strip_suffix('\n').map(|before| before.strip_suffix('\r').unwrap_or(before).len());
        match whole.filter(|_| notes.is_empty()) {
            Some(start) => self.splices.replace(start..lines.end, ""),
            None => self.splices.replace(lines, text),
        }
    }

    /// An alias of something in there would stand for nothing.
    fn is_used_elsewhere(&self, gone: NodeId) -> Result<(), Declined> {
        let node = self.layout.node(gone);
        let inside = gone..node.next;
        // Few documents have anchors.
        if self.layout.tree.rare.is_none() {
            return Ok(());
        }
        if aliased(self.document).range(inside.clone()).next().is_none() {
            return Ok(());
        }
        let outside = |(id, node): (NodeId, &crate::manifest::tree::Node)| {
            (node.style == Style::Alias && inside.contains(&node.at) && !inside.contains(&id)).then_some(node.at)
        };
        match (0..).zip(self.layout.tree.nodes.iter()).find_map(outside) {
            Some(target) => Err(self.decline(target, Reason::Shared)),
            None => Ok(()),
        }
    }

    fn lines_of(&self, comments: &[Comment]) -> Vec<String> {
        comments.iter().map(|comment| self.layout.slice(comment.range.clone()).trim_ascii_end().to_owned()).collect()
    }

    /// An empty line, where such stand between the items of a list.
    fn blank_between(&self, list: NodeId) -> Option<String> {
        let lines = self.layout.item_lines(list).filter(|lines| lines.len() > 1)?;
        let mut pairs = lines.iter().zip(lines.iter().skip(1));
        let blank = pairs.all(|(one, other)| {
            self.layout.slice(one.end..other.start).trim_ascii().is_empty()
                && self.layout.slice(one.end..other.start).bytes().filter(|byte| *byte == b'\n').count() > 1
        });
        blank.then(String::new)
    }

    /// Lines come in after the line that ends at `end`.
    fn insert_lines(&mut self, end: usize, lines: &[String], column: usize) {
        let text = self.layout.line_break(end).to_owned() + &self.joined(end, lines, column);
        self.splices.insert_lines(end, column, text);
    }

    /// Lines at a column, with the line breaks of their surroundings.
    fn joined(&self, at: usize, lines: &[String], column: usize) -> String {
        let lines =
            lines.iter().map(|line| if line.is_empty() { String::new() } else { format!("{:column$}{line}", "") });
        lines.collect::<Vec<String>>().join(self.layout.line_break(at))
    }

    /// The quotes of the strings in a mapping: of its `name`, or of its first one.
    fn quotes_in(&self, mapping: NodeId) -> Quotes {
        let tree = self.layout.tree;
        let is_string = |id: &NodeId| {
            self.layout.style(*id).is_some_and(|style| matches!(style, Style::SingleQuoted | Style::DoubleQuoted))
        };
        let named = tree.entries(mapping).find(|(key, _)| tree.node(*key).is_some_and(|key| tree.text(key) == "name"));
        let value = named.map(|(_, value)| value).filter(is_string);
        value.and_then(|value| self.layout.style(value)).map_or(Quotes::Plain, Quotes::from)
    }

    fn value(&self, id: NodeId) -> Option<Value> {
        let mut json = Vec::new();
        self.document.render(id, &mut Budget::new(), &mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }
}
