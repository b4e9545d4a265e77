//! Changes of flow collections: JSON, too.

use super::written::{FlowStyle, Quotes};
use super::{Declined, Editor, Reason};
use crate::manifest::tree::{NodeId, Style};

impl FlowStyle {
    pub(super) fn on_one_line(self) -> FlowStyle {
        FlowStyle { lines: None, ..self }
    }
}

impl Editor<'_, '_> {
    /// How a flow collection and those around it are written.
    pub(super) fn flow_style(&self, collection: NodeId) -> FlowStyle {
        let layout = &self.layout;
        let mut style = FlowStyle::default();
        let mut at = collection;
        let (mut known, mut spaced, mut quotes) = (false, None, None);
        while self.is_flow(at) {
            let node = layout.node(at);
            if let Some(first) = layout.tree.children(at).next() {
                let line = layout.node(first).line;
                if !known {
                    known = true;
                    let own_line = line > node.line;
                    style.lines = own_line.then(|| {
                        let (outer, inner) =
                            (layout.indent_at(node.start as usize), layout.indent_at(layout.start(first)));
                        inner.checked_sub(outer).filter(|step| *step > 0).unwrap_or(2)
                    });
                    style.padded = !own_line && layout.slice(node.start as usize + 1..layout.start(first)) == " ";
                    let last = layout.tree.children(at).last().unwrap_or(first);
                    style.last_comma = layout.slice(self.flow_end(last)..node.end as usize).contains(',');
                }
                if node.style == Style::FlowSequence && layout.cuddled && style.lines.is_none() {
                    // What is cuddled has its members on lines of their own, one level down.
                    let inner = layout.tree.children(first).next().filter(|inner| layout.node(*inner).line > line);
                    let outer = layout.indent_at(node.start as usize);
                    let step = inner.and_then(|inner| layout.indent_at(layout.start(inner)).checked_sub(outer));
                    style.lines = step.filter(|step| *step > 0);
                }
                if let Some((key, value)) = layout.tree.entries(at).next().filter(|_| node.style == Style::FlowMapping)
                {
                    if let (None, Some(colon)) = (spaced, layout.after_colon(key)) {
                        spaced = Some(!layout.slice(colon..layout.start(value).max(colon)).is_empty());
                        style.keys = layout.style(key).map_or(Quotes::Plain, Quotes::from);
                    }
                    let strings = layout.tree.entries(at).map(|(_, value)| layout.node(value).style);
                    let mut strings =
                        strings.filter(|style| matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
                    quotes = quotes.or_else(|| strings.next().map(Quotes::from));
                }
            }
            if at == 0 {
                break;
            }
            at = layout.parent(at);
        }
        style.cuddled = layout.cuddled;
        style.tight = spaced == Some(false);
        // In JSON every string has quotes, whether there is one beside it or not.
        style.values = quotes.unwrap_or(style.keys);
        style
    }

    /// Where the last thing of a member or an item ends, its colon too.
    pub(super) fn flow_end(&self, id: NodeId) -> usize {
        let node = self.layout.node(id);
        if node.end > node.start {
            return node.end as usize;
        }
        let key = self.layout.key_of(id);
        key.and_then(|key| self.layout.after_colon(key)).unwrap_or(node.end as usize)
    }

    /// Parts come in after a member (`first` its key, `last` its value) or an item.
    pub(super) fn append_to_flow(
        &mut self,
        collection: NodeId,
        first: NodeId,
        last: NodeId,
        texts: &dyn Fn(&FlowStyle, usize) -> Vec<String>,
    ) -> Result<(), Declined> {
        let style = self.flow_style(collection);
        let end = self.flow_end(last);
        let begin = self.layout.start(first);
        let indent = self.layout.indent_at(begin);
        let own_line = self.layout.is_first_on_line(begin) && style.lines.is_some();
        let texts = texts(&style, indent);
        // The comma before the last one that goes, goes with it.
        let comma = self.comma_after(end).filter(|_| !self.is_last_to_stay(collection, last));
        if !own_line {
            let text = texts.iter().map(|text| format!("{}{text}", style.comma())).collect::<String>();
            let text = self.with_line_breaks(begin, &text);
            self.splices.insert(end, text);
            return Ok(());
        }
        let lines: Vec<String> = texts.iter().map(|text| format!("{:indent$}{text}", "")).collect();
        match comma {
            Some(comma) => {
                let rest = self.layout.slice(comma + 1..self.layout.line_end(comma)).trim_ascii();
                let lines: String = lines.iter().map(|line| format!("\n{line},")).collect();
                let at = match rest {
                    "" => comma + 1,
                    rest if rest.starts_with('#') => self.layout.line_end(comma),
                    _ => return Err(self.decline(last, Reason::Layout)),
                };
                let text = self.with_line_breaks(begin, &lines);
                self.splices.insert(at, text);
            }
            None => {
                let line_end = self.layout.line_end(end);
                let rest = self.layout.slice(end..line_end).trim_ascii();
                let text = format!("\n{}", lines.join(",\n"));
                let text = self.with_line_breaks(begin, &text);
                if rest.starts_with('#') {
                    self.splices.insert(end, ",");
                    self.splices.insert(line_end, text);
                } else {
                    self.splices.insert(end, format!(",{text}"));
                }
            }
        }
        Ok(())
    }

    /// A member (`first` its key, `last` its value) or an item goes, with one of its commas.
    pub(super) fn remove_from_flow(&mut self, collection: NodeId, first: NodeId, last: NodeId) -> Result<(), Declined> {
        let children: Vec<NodeId> = self.layout.tree.children(collection).collect();
        let at = |id: NodeId| children.iter().position(|child| *child == id);
        let (Some(from), Some(to)) = (at(first), at(last)) else { return Err(self.decline(first, Reason::Unfit)) };
        let start = self.layout.start(first);
        let range = match (children.get(to + 1), from.checked_sub(1).and_then(|before| children.get(before))) {
            (Some(next), _) => start..self.layout.start(*next),
            (None, Some(before)) => {
                let (before, end) = (self.flow_end(*before), self.flow_end(last));
                match (self.comma_after(before), self.comma_after(end)) {
                    (Some(before), Some(end)) => before + 1..end + 1,
                    _ => before..end,
                }
            }
            (None, None) => start..self.flow_end(last),
        };
        if !self.layout.comments(range.clone(), first).is_empty() {
            return Err(self.decline(first, Reason::Comment));
        }
        // Anchors and tags are part of what goes, or of what stays: neither is worth the risk.
        if self.layout.slice(range.clone()).contains(['&', '!']) {
            return Err(self.decline(first, Reason::Layout));
        }
        self.splices.replace(range, "");
        Ok(())
    }

    fn comma_after(&self, end: usize) -> Option<usize> {
        let rest = self.layout.slice(end..self.layout.text.len());
        let blank = rest.len() - rest.trim_ascii_start().len();
        rest.get(blank..)?.starts_with(',').then_some(end + blank)
    }

    /// Whether there is something behind a member or an item, and all of it goes.
    fn is_last_to_stay(&self, collection: NodeId, last: NodeId) -> bool {
        let tree = self.layout.tree;
        let behind: Vec<bool> = if self.layout.style(collection) == Some(Style::FlowMapping) {
            let removed = self.changes.removed_members.get(&collection);
            let entries = tree.entries(collection).skip_while(|(_, value)| *value != last).skip(1);
            entries.map(|(key, _)| removed.is_some_and(|removed| removed.contains(&key))).collect()
        } else {
            let removed = self.changes.removed_items.get(&collection);
            let items = tree.children(collection).enumerate().skip_while(|(_, item)| *item != last).skip(1);
            items.map(|(index, _)| removed.is_some_and(|removed| removed.contains(&index))).collect()
        };
        !behind.is_empty() && behind.iter().all(|goes| *goes)
    }

    /// The text with the line breaks of the lines around `at`, and indented as they are.
    pub(super) fn with_line_breaks(&self, at: usize, text: &str) -> String {
        let mut lines = text.split('\n');
        let mut out = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            out.push_str(self.layout.line_break(at));
            out.extend(std::iter::repeat_n(if self.layout.tabs { '\t' } else { ' ' }, indent));
            out.push_str(content);
        }
        out
    }
}
