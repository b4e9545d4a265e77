//! Lines, columns and comments of a document, and where its nodes end.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::manifest::tree::{Node, NodeId, Style, Tree};

/// A document as it is laid out.
pub struct Layout<'e> {
    pub text: &'e str,
    pub tree: &'e Tree<'e>,
    /// By node: what holds it.
    parents: Vec<NodeId>,
    usual: Indents,
    /// Whether some list of the document has the braces of its items on the lines of its brackets.
    pub cuddled: bool,
    /// Whether lines begin with tabs, one for a space: so it can be only in JSON.
    pub tabs: bool,
}

/// How block collections are indented somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indents {
    /// From a key to the keys of its mapping.
    pub step: usize,
    /// From a key to the dashes of its list.
    pub list: usize,
    /// From a dash to what it begins.
    pub dash: usize,
}

/// A comment.
pub struct Comment {
    /// From the `#`.
    pub range: Range<usize>,
    /// Whether something stands before it on its line.
    pub trailing: bool,
}

/// How often each number stands somewhere.
#[derive(Default)]
struct Often(BTreeMap<usize, usize>);

impl Often {
    fn extend(&mut self, number: Option<usize>) {
        if let Some(number) = number {
            *self.0.entry(number).or_default() += 1;
        }
    }

    /// The smallest of those that stand there most often.
    fn most(&self) -> Option<usize> {
        self.0.iter().max_by_key(|(number, count)| (**count, Reverse(**number))).map(|(number, _)| *number)
    }
}

impl<'e> Layout<'e> {
    pub fn new(text: &'e str, tree: &'e Tree<'e>) -> Layout<'e> {
        let mut parents = vec![0; tree.len()];
        let mut open: Vec<NodeId> = Vec::new();
        for (id, node) in (0..).zip(tree.nodes.iter()) {
            while open.last().is_some_and(|last| tree.node(*last).is_none_or(|last| last.next <= id)) {
                open.pop();
            }
            if let (Some(slot), Some(parent)) = (parents.get_mut(id as usize), open.last()) {
                *slot = *parent;
            }
            if node.style.is_mapping() || node.style.is_sequence() {
                open.push(id);
            }
        }
        let usual = Indents { step: 2, list: 0, dash: 2 };
        let layout = Layout { text, tree, parents, usual, cuddled: false, tabs: false };
        let tabs = matches!(layout.style(0), Some(Style::FlowMapping | Style::FlowSequence)) && text.contains("\n\t");
        Layout { usual: layout.usual_indents(), cuddled: layout.has_cuddled(), tabs, ..layout }
    }

    pub fn parent(&self, id: NodeId) -> NodeId {
        self.parents.get(id as usize).copied().unwrap_or(0)
    }

    /// The key of a member, by its value.
    pub fn key_of(&self, value: NodeId) -> Option<NodeId> {
        self.tree.entries(self.parent(value)).find(|(_, its)| *its == value).map(|(key, _)| key)
    }

    pub fn style(&self, id: NodeId) -> Option<Style> {
        self.tree.node(id).map(|node| node.style)
    }

    pub fn node(&self, id: NodeId) -> Node {
        const NOTHING: Node =
            Node { style: Style::Plain, flags: 0, line: 1, column: 0, start: 0, end: 0, next: 0, at: 0, length: 0 };
        self.tree.node(id).copied().unwrap_or(NOTHING)
    }

    pub fn start(&self, id: NodeId) -> usize {
        self.node(id).start as usize
    }

    pub fn column(&self, id: NodeId) -> usize {
        self.node(id).column as usize
    }

    pub fn slice(&self, range: Range<usize>) -> &'e str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where the line of `at` begins.
    pub fn line_start(&self, at: usize) -> usize {
        self.slice(0..at).rfind('\n').map_or(if self.text.starts_with('\u{feff}') { 3.min(at) } else { 0 }, |at| at + 1)
    }

    /// Where the line of `at` ends, before its line break.
    pub fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        match rest.find('\n') {
            Some(length) if rest.get(..length).is_some_and(|line| line.ends_with('\r')) => at + length - 1,
            Some(length) => at + length,
            None => self.text.len(),
        }
    }

    /// Where the line after that of `at` begins.
    pub fn next_line(&self, at: usize) -> usize {
        self.slice(at..self.text.len()).find('\n').map_or(self.text.len(), |length| at + length + 1)
    }

    /// The line break that lines around `at` end with.
    pub fn line_break(&self, at: usize) -> &'static str {
        let end = self.line_end(at);
        let rest = self.slice(end..self.text.len());
        let crlf = if rest.is_empty() {
            self.slice(0..at).rfind('\n').is_some_and(|last| self.slice(0..last).ends_with('\r'))
        } else {
            rest.starts_with('\r')
        };
        if crlf { "\r\n" } else { "\n" }
    }

    /// How many spaces, or tabs, the line of `at` begins with.
    pub fn indent_at(&self, at: usize) -> usize {
        let line = self.slice(self.line_start(at)..self.text.len());
        line.len() - line.trim_start_matches(if self.tabs { '\t' } else { ' ' }).len()
    }

    /// Whether a key or an item is the first thing on its line.
    pub fn is_first_on_line(&self, at: usize) -> bool {
        self.slice(self.line_start(at)..at).bytes().all(|byte| byte == if self.tabs { b'\t' } else { b' ' })
    }

    /// Whether only dashes are before it on its line.
    pub fn is_after_dash(&self, at: usize) -> bool {
        let before = self.slice(self.line_start(at)..at);
        before.contains('-') && before.bytes().all(|byte| matches!(byte, b' ' | b'-'))
    }

    /// Where the last thing of a node ends: for an absent value before its colon, which is on the line all the same.
    pub fn end(&self, id: NodeId) -> usize {
        let mut id = id;
        loop {
            let node = self.node(id);
            match node.style {
                Style::BlockMapping | Style::BlockSequence => match self.tree.children(id).last() {
                    Some(last) => id = last,
                    None => return node.end as usize,
                },
                Style::Literal | Style::Folded => return self.end_of_block_scalar(&node),
                _ => return node.end as usize,
            }
        }
    }

    pub fn ends_with_block_scalar(&self, id: NodeId) -> bool {
        let last = self.node(id).next.saturating_sub(1);
        matches!(self.style(last), Some(Style::Literal | Style::Folded))
    }

    /// Whether the file ends, without a line break, inside of a block scalar that is the last of a node. One after it would
    /// become part of the scalar, but for `|-` and `>-`.
    pub fn ends_in_open_block_scalar(&self, id: NodeId) -> bool {
        let last = self.node(id).next.saturating_sub(1);
        let before = self.slice(0..self.start(last)).trim_ascii_end();
        self.ends_with_block_scalar(id)
            && !self.text.ends_with('\n')
            && self.line_end(self.end(id)) == self.text.len()
            && !before.ends_with('-')
    }

    /// Where the comments begin that stand directly above the line of `at`, at its column; that line where there are none.
    pub fn above_comments(&self, at: usize) -> usize {
        let mut first = self.line_start(at);
        let column = self.indent_at(at);
        while first > 0 {
            let line = self.line_start(first - 1);
            let is_comment = self.slice(line..first).trim_ascii().starts_with('#');
            if line == first || !is_comment || self.indent_at(line) != column {
                break;
            }
            first = line;
        }
        first
    }

    fn end_of_block_scalar(&self, node: &Node) -> usize {
        let (start, end) = (node.start as usize, node.end as usize);
        let content = self.slice(start..end);
        if self.tree.text(node).ends_with("\n\n") {
            // Its empty lines are part of it; the next line may have begun.
            let whole = content.trim_end_matches(' ');
            return start + whole.strip_suffix('\n').map_or(whole.len(), |whole| whole.trim_end_matches('\r').len());
        }
        match content.trim_ascii_end().len() {
            0 => self.slice(0..start).trim_ascii_end().len(),
            length => start + length,
        }
    }

    /// After the colon of a key.
    pub fn after_colon(&self, key: NodeId) -> Option<usize> {
        let end = self.node(key).end as usize;
        let rest = self.slice(end..self.text.len());
        let blank = rest.len() - rest.trim_ascii_start().len();
        rest.get(blank..)?.starts_with(':').then_some(end + blank + 1)
    }

    /// The indents of what is written beside a node: its own if it is a list, else those that the document has most often.
    pub fn indents(&self, beside: NodeId) -> Indents {
        if self.style(beside) != Some(Style::BlockSequence) {
            return self.usual;
        }
        let key = self.key_of(beside);
        let list = key.and_then(|key| self.column(beside).checked_sub(self.column(key)));
        Indents {
            list: list.unwrap_or(self.usual.list),
            dash: self.dash_of(beside).unwrap_or(self.usual.dash),
            ..self.usual
        }
    }

    fn usual_indents(&self) -> Indents {
        let (mut steps, mut lists, mut dashes) = (Often::default(), Often::default(), Often::default());
        for id in (0..).take(self.tree.len()) {
            match self.style(id) {
                Some(Style::BlockMapping) => {
                    for (key, value) in self.tree.entries(id) {
                        let beyond = self.column(value).checked_sub(self.column(key));
                        match self.style(value) {
                            Some(Style::BlockMapping) => steps.extend(beyond.filter(|beyond| *beyond > 0)),
                            Some(Style::BlockSequence) => lists.extend(beyond),
                            _ => {}
                        }
                    }
                }
                Some(Style::BlockSequence) => dashes.extend(self.dash_of(id)),
                _ => {}
            }
        }
        Indents { step: steps.most().unwrap_or(2), list: lists.most().unwrap_or(0), dash: dashes.most().unwrap_or(2) }
    }

    fn has_cuddled(&self) -> bool {
        let line = |id: Option<NodeId>| id.map(|id| self.node(id).line);
        (0..).take(self.tree.len()).filter(|id| self.style(*id) == Some(Style::FlowSequence)).any(|id| {
            let first = self.tree.children(id).next().filter(|first| self.style(*first) == Some(Style::FlowMapping));
            let inner = first.and_then(|first| self.tree.children(first).next());
            line(first) == Some(self.node(id).line) && line(inner) > line(first)
        })
    }

    /// From the dashes of a list to the keys of its items.
    pub fn dash_of(&self, list: NodeId) -> Option<usize> {
        let item = self.tree.children(list).find(|item| self.is_after_dash(self.start(*item)))?;
        self.column(item).checked_sub(self.column(list)).filter(|beyond| *beyond >= 2)
    }

    /// The lines of each item of a list: from the start of the line with its dash to the end of its last one. `None`
    /// where they share a line.
    pub fn item_lines(&self, list: NodeId) -> Option<Vec<Range<usize>>> {
        let column = self.column(list);
        let mut at = self.line_start(self.start(list));
        let mut lines = Vec::new();
        for item in self.tree.children(list) {
            let dash = self.dash_line(at, self.start(item), column)?;
            let end = self.line_end(self.end(item));
            lines.push(dash..end);
            at = self.next_line(end);
        }
        Some(lines)
    }

    fn dash_line(&self, mut at: usize, until: usize, column: usize) -> Option<usize> {
        while at <= until {
            let line = self.slice(at..self.line_end(at));
            if self.indent_at(at) == column && line.get(column..)?.starts_with('-') {
                return Some(at);
            }
            let content = line.trim_ascii();
            if !content.is_empty() && !content.starts_with('#') {
                return None;
            }
            let next = self.next_line(at);
            if next == at {
                return None;
            }
            at = next;
        }
        None
    }

    /// The end of the last of the comment lines after the line that ends at `end` which stand at `column` or deeper.
    /// Empty lines between them are passed.
    pub fn past_comments(&self, end: usize, column: usize) -> usize {
        let mut last = end;
        let mut at = self.next_line(end);
        while at < self.text.len() {
            let line_end = self.line_end(at);
            let content = self.slice(at..line_end).trim_ascii();
            if content.starts_with('#') && self.indent_at(at) >= column {
                last = line_end;
            } else if !content.is_empty() {
                break;
            }
            at = self.next_line(at);
        }
        last
    }

    /// As [`Layout::past_comments`], but only lines that follow at once and hold an item of a list, commented out:
    /// `# - name: …`.
    pub fn past_commented_items(&self, end: usize, column: usize) -> usize {
        let mut last = end;
        let mut holds_item = false;
        let mut at = self.next_line(end);
        while at < self.text.len() && self.indent_at(at) == column {
            let line_end = self.line_end(at);
            let Some(comment) = self.slice(at..line_end).trim_ascii().strip_prefix('#') else { break };
            holds_item |= comment.trim_ascii_start().starts_with("- ");
            last = line_end;
            at = self.next_line(at);
        }
        if holds_item { last } else { end }
    }

    /// The comments of a range that begins and ends outside of scalars, of the nodes from `first` on.
    pub fn comments(&self, range: Range<usize>, first: NodeId) -> Vec<Comment> {
        let mut comments = Vec::new();
        let mut at = range.start;
        for node in self.tree.nodes.iter().skip(first as usize) {
            if node.style.is_mapping() || node.style.is_sequence() {
                continue;
            }
            let (start, end) = (node.start as usize, node.end as usize);
            if start >= range.end {
                break;
            }
            self.comments_between(at..start.max(at), &mut comments);
            at = at.max(end);
        }
        self.comments_between(at..range.end.max(at), &mut comments);
        comments
    }

    fn comments_between(&self, gap: Range<usize>, comments: &mut Vec<Comment>) {
        let mut at = gap.start;
        while at < gap.end {
            let Some(hash) = self.slice(at..gap.end).find('#').map(|found| at + found) else { return };
            let line = self.line_start(hash);
            let before = self.slice(line..hash);
            if before.is_empty() || before.ends_with([' ', '\t']) {
                let end = self.line_end(hash);
                let trailing = !before.trim_ascii().is_empty();
                comments.push(Comment { range: hash..end, trailing });
                at = end.max(hash + 1);
            } else {
                at = hash + 1;
            }
        }
    }
}
