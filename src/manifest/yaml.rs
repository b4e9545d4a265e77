//! From YAML text to trees, over the parser's events.

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Span, StructureStyle};

use super::builder::{AnchorIds, Builder, Mark};
use super::error::{MAX_DEPTH, MAX_DOCUMENT_BYTES, ManifestError, Problem};
use super::scalar::Tag;
use super::tree::{Node, Style, Tree};
use super::{Manifest, template};

/// Reads the documents of `source` into `manifest`, and returns the index of the next one.
pub(super) fn read<'s>(
    source: &'s str,
    base_offset: usize,
    base_line: usize,
    first: usize,
    manifest: &mut Manifest<'s>,
) -> usize {
    let mut reader = Reader {
        source,
        builder: Builder::new(source, base_offset, base_line),
        anchors: AnchorIds::new(),
        index: first,
        first,
        start: Mark { line: 1, ..Mark::default() },
        started_before: Mark { line: 1, ..Mark::default() },
        in_document: false,
        manifest,
    };
    // Our own limit on nesting comes first; the parser's holds while it skips the rest of such a document.
    let options = granit_parser::options! { emit_anchor_events: true, emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(source, options);
    let mut failed_at = None;
    while let Some(event) = parser.next_event() {
        let (mark, problem) = match event {
            Ok((event, span)) => match reader.take(event, span) {
                Ok(()) => continue,
                Err(flaw) => flaw,
            },
            Err(error) => {
                if *error.kind() == ErrorKind::ExpectedDocumentStart {
                    reader.take_up_again();
                }
                (mark(*error.marker()), Problem::from(error.kind()))
            }
        };
        reader.fail(mark, problem);
        // The parser promises to get on; a file must not hang on that promise.
        if failed_at.replace(mark.offset) == Some(mark.offset) || !matches!(parser.proceed_next_document(), Ok(true)) {
            break;
        }
    }
    reader.refuse_line_breaks();
    reader.index
}

/// The line breaks that YAML 1.2 has no more (5.4), as messages call them.
const LINE_BREAKS: [(&str, &str); 3] = [("\u{85}", "U+0085"), ("\u{2028}", "U+2028"), ("\u{2029}", "U+2029")];

struct Reader<'s, 'm> {
    source: &'s str,
    builder: Builder<'s>,
    anchors: AnchorIds,
    index: usize,
    /// The index of the first document of this text.
    first: usize,
    /// Where the current document begins, or the last one ended.
    start: Mark,
    /// Where the document before that begins.
    started_before: Mark,
    in_document: bool,
    manifest: &'m mut Manifest<'s>,
}

impl Reader<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), (Mark, Problem)> {
        let mark = mark(span.start);
        let end = offset(span.end);
        if (end.saturating_sub(self.start.offset)) as usize > MAX_DOCUMENT_BYTES && self.in_document {
            return Err((self.start, Problem::TooLarge));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.define(anchor);
                // An absent value comes as a `~` that is not there.
                let absent = mark.offset == end && tag.is_none() && style == ScalarStyle::Plain;
                let text = if absent { "" } else { self.without_added_break(&text, style, end) };
                self.builder.scalar(scalar_style(style), mark, end, text);
                self.tag(tag.as_deref());
            }
            Event::MappingStart(style, anchor, tag) => {
                let style = if style == StructureStyle::Block { Style::BlockMapping } else { Style::FlowMapping };
                self.open(style, mark, anchor, tag.as_deref())?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                let block = style == StructureStyle::Block;
                let mark = if block && self.builder.is_in_block_mapping() { self.at_dash(mark) } else { mark };
                let style = if block { Style::BlockSequence } else { Style::FlowSequence };
                self.open(style, mark, anchor, tag.as_deref())?;
            }
            Event::MappingEnd | Event::SequenceEnd => self.builder.close((end > mark.offset).then_some(end)),
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied().ok_or((mark, Problem::UnknownAnchor))?;
                self.builder.alias(mark, end, target);
            }
            Event::Anchor(..) => self.builder.anchor(mark.offset, end),
            Event::DocumentStart(..) => {
                self.start = mark;
                self.in_document = true;
            }
            Event::DocumentEnd => self.finish(mark),
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        style: Style,
        mark: Mark,
        anchor: usize,
        tag: Option<&granit_parser::Tag>,
    ) -> Result<(), (Mark, Problem)> {
        if self.builder.depth() == MAX_DEPTH {
            return Err((mark, Problem::TooDeep));
        }
        self.define(anchor);
        self.builder.open(style, mark);
        self.tag(tag);
        Ok(())
    }

    /// The parser ends a block scalar with a line break though the file ends without one; go-yaml does not.
    fn without_added_break<'t>(&self, text: &'t str, style: ScalarStyle, end: u32) -> &'t str {
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if block && end as usize == self.source.len() && !self.source.ends_with(['\n', '\r']) {
            return text.strip_suffix('\n').unwrap_or(text);
        }
        text
    }

    /// A sequence that is not indented below its key begins, for the parser, after its first dash: with comments or empty
    /// lines between them perhaps some lines after it.
    fn at_dash(&self, mark: Mark) -> Mark {
        let mut before = self.source.get(..mark.offset as usize).unwrap_or_default();
        let mut line = mark.line;
        let blank = |text: &str| text.trim_ascii().is_empty() || text.trim_ascii_start().starts_with('#');
        loop {
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            let content = before.get(start..).unwrap_or_default();
            let dash = content.len() - content.trim_start_matches(' ').len();
            match content.get(dash..).and_then(|content| content.strip_prefix('-')) {
                Some(rest) if blank(rest) => {
                    return Mark { offset: (start + dash) as u32, line, column: dash as u32 };
                }
                None if blank(content) && start > 0 => before = before.get(..start - 1).unwrap_or_default(),
                _ => return mark,
            }
            line -= 1;
        }
    }

    fn define(&mut self, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, self.builder.next_id());
        }
    }

    fn tag(&mut self, tag: Option<&granit_parser::Tag>) {
        if let Some(tag) = tag {
            self.builder.tag(Tag::from_parts(tag.handle(), tag.suffix()));
        }
    }

    fn finish(&mut self, end: Mark) {
        let text = self.source.get(self.start.offset as usize..end.offset as usize).unwrap_or_default();
        if let Some((at, byte)) = control_character(text) {
            let mark = self.mark_within(text, at);
            self.builder.flaw(mark, Problem::ControlCharacter(byte));
        }
        match self.builder.finish(self.index) {
            Ok(document) => self.manifest.documents.push(document),
            Err(error) => self.manifest.errors.push(error),
        }
        self.next(end);
    }

    /// What follows a document without a `---` belongs to that document, which the parser took for complete.
    fn take_up_again(&mut self) {
        if self.in_document || self.index == self.first {
            return;
        }
        self.index -= 1;
        let index = self.index;
        self.manifest.documents.pop_if(|document| document.index == index);
        self.manifest.errors.pop_if(|error| error.document == index);
        self.start = self.started_before;
    }

    /// Gives the current document up.
    fn fail(&mut self, mark: Mark, problem: Problem) {
        let rest = self.source.get(self.start.offset as usize..).unwrap_or_default();
        let broken_at = (mark.offset.saturating_sub(self.start.offset)) as usize;
        let error = match template::find(rest, broken_at) {
            Some(at) if !matches!(problem, Problem::TooLarge | Problem::TooDeep) => {
                self.error(self.mark_within(rest, at), Problem::Template)
            }
            _ => {
                let mark = if problem == Problem::Tab { self.tab_near(mark) } else { mark };
                self.error(mark, problem)
            }
        };
        self.manifest.errors.push(error);
        self.builder.clear();
        self.next(mark);
    }

    /// Gives documents up that kubectl reads otherwise: with a line more. Comments are parts of them.
    fn refuse_line_breaks(&mut self) {
        let places = line_breaks(self.source);
        if places.is_empty() {
            return;
        }
        let mut rest = places.as_slice();
        let mut broken = Vec::new();
        let own = self.manifest.documents.iter().take_while(|document| document.index < self.first).count();
        let documents = self.manifest.documents.split_off(own);
        let last = documents.last().map(|document| document.index);
        for document in documents {
            let end = document.tree.node(0).map_or(0, |root| root.end as usize);
            let behind = self.source.get(end..).unwrap_or_default();
            let end = behind.find("\n---").map_or(self.source.len(), |marker| end + marker);
            let is_before = |(at, _): &(usize, _)| Some(document.index) == last || *at < end;
            let (within, behind) = rest.split_at(rest.partition_point(is_before));
            rest = behind;
            match outside_of_quotes(&document.tree, within) {
                Some(place) => broken.push((document.index, place)),
                None => self.manifest.documents.push(document),
            }
        }
        // Of a text without a document kubectl may read one.
        broken.extend(rest.first().filter(|_| self.index == self.first).map(|place| (self.first, *place)));
        for (index, (at, name)) in broken {
            let mark = Mark::after(Mark { line: 1, ..Mark::default() }, self.source.get(..at).unwrap_or_default());
            self.manifest.errors.push(self.builder.error(index, mark, Problem::LineBreak(name)));
        }
        self.manifest.errors.sort_by_key(|error| error.document);
    }

    /// The tab that the parser minds: it may stop after it, or at the scalar before it.
    fn tab_near(&self, mark: Mark) -> Mark {
        let before = self.source.get(..mark.offset as usize).unwrap_or_default();
        let mut at = before.rfind('\n').map_or(0, |at| at + 1);
        let line_start = Mark { offset: at as u32, line: mark.line, column: 0 };
        let rest = self.source.get(at..).unwrap_or_default();
        for line in rest.split_inclusive('\n').take_while(|line| !template::ends_document(line)) {
            let indent = line.len() - line.trim_start_matches(' ').len();
            if line.as_bytes().get(indent) == Some(&b'\t') {
                let within = self.source.get(line_start.offset as usize..at + indent).unwrap_or_default();
                return Mark::after(line_start, within);
            }
            at += line.len();
        }
        mark
    }

    fn next(&mut self, end: Mark) {
        self.index += 1;
        self.started_before = self.start;
        self.start = end;
        self.in_document = false;
        if !self.anchors.is_empty() {
            self.anchors.clear();
        }
    }

    fn error(&self, mark: Mark, problem: Problem) -> ManifestError {
        self.builder.error(self.index, mark, problem)
    }

    /// The mark of byte `at` of `text`, which begins where the document does.
    fn mark_within(&self, text: &str, at: usize) -> Mark {
        Mark::after(self.start, text.get(..at).unwrap_or_default())
    }
}

/// Where the line breaks of YAML 1.1 alone are, in order.
fn line_breaks(source: &str) -> Vec<(usize, &'static str)> {
    let places = |(text, name): (&'static str, &'static str)| {
        memchr::memmem::find_iter(source.as_bytes(), text).map(move |at| (at, name)).collect::<Vec<_>>()
    };
    let mut places: Vec<_> = LINE_BREAKS.into_iter().flat_map(places).collect();
    places.sort_unstable();
    places
}

/// The first place that is in no quoted scalar: there a line break is white space, and changes no structure.
fn outside_of_quotes(tree: &Tree<'_>, places: &[(usize, &'static str)]) -> Option<(usize, &'static str)> {
    let is_quoted = |node: &&Node| matches!(node.style, Style::SingleQuoted | Style::DoubleQuoted);
    let mut quoted = tree.nodes.iter().filter(is_quoted).peekable();
    places.iter().copied().find(|(at, _)| {
        while quoted.next_if(|node| node.end as usize <= *at).is_some() {}
        quoted.peek().is_none_or(|node| node.start as usize > *at)
    })
}

/// The first byte that no manifest may hold. go-yaml refuses these too.
fn control_character(text: &str) -> Option<(usize, u8)> {
    let control = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    // Without an early end this is a few instructions for 32 bytes.
    if !text.bytes().fold(false, |found, byte| found | control(byte)) {
        return None;
    }
    text.bytes().enumerate().find(|(_, byte)| control(*byte))
}

fn offset(marker: Marker) -> u32 {
    marker.byte_offset().unwrap_or_default() as u32
}

fn mark(marker: Marker) -> Mark {
    Mark { offset: offset(marker), line: marker.line() as u32, column: marker.col() as u32 }
}

fn scalar_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}
