//! From JSON text to trees: JSON is nearly YAML, but not where tabs, long keys or one value after the other are concerned.

use super::Manifest;
use super::builder::{Builder, Mark};
use super::error::{MAX_DEPTH, MAX_DOCUMENT_BYTES, Problem};
use super::tree::Style;

/// Reads one JSON object or array after the other, and says whether all of the source is such.
pub(super) fn read(source: &str) -> (Manifest<'_>, bool) {
    let mut manifest = Manifest::default();
    let mut reader = Reader {
        source,
        bytes: source.as_bytes(),
        at: 0,
        line: 1,
        line_start: 0,
        wide: 0,
        builder: Builder::new(source, 0, 0),
    };
    if source.starts_with('\u{feff}') {
        reader.at = 3;
        reader.line_start = 3;
    }
    loop {
        reader.space();
        if reader.at == reader.bytes.len() {
            return (manifest, true);
        }
        let index = manifest.documents.len() + manifest.errors.len();
        let start = reader.mark();
        if let Err(problem) = reader.document() {
            let mark = reader.mark();
            manifest.errors.push(reader.builder.error(index, mark, problem));
            return (manifest, false);
        }
        if reader.at - start.offset as usize > MAX_DOCUMENT_BYTES {
            reader.builder.flaw(Mark { offset: 0, ..start }, Problem::TooLarge);
        }
        match reader.builder.finish(index) {
            Ok(document) => manifest.documents.push(document),
            Err(error) => manifest.errors.push(error),
        }
    }
}

struct Reader<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    line: u32,
    line_start: usize,
    /// Bytes of this line that begin no character.
    wide: usize,
    builder: Builder<'s>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some(b'{' | b'[') => self.value(),
            _ => Err(Problem::Json("something other than an object or an array")),
        }
    }

    fn value(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some(b'{') => self.nested(Style::FlowMapping, b'}'),
            Some(b'[') => self.nested(Style::FlowSequence, b']'),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(Problem::Json("a value is missing")),
        }
    }

    /// Recursion ends at `MAX_DEPTH`.
    fn nested(&mut self, style: Style, end: u8) -> Result<(), Problem> {
        if self.builder.depth() == MAX_DEPTH {
            return Err(Problem::TooDeep);
        }
        let mark = self.mark();
        self.builder.open(style, mark);
        self.at += 1;
        self.space();
        if self.peek() != Some(end) {
            loop {
                if style == Style::FlowMapping {
                    self.key()?;
                }
                self.value()?;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(byte) if byte == end => break,
                    _ => return Err(Problem::Json("a comma or a closing bracket is missing")),
                }
                self.space();
            }
        }
        self.at += 1;
        self.builder.close(Some(self.at as u32));
        Ok(())
    }

    fn key(&mut self) -> Result<(), Problem> {
        if self.peek() != Some(b'"') {
            return Err(Problem::Json("a key in double quotes is missing"));
        }
        self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(Problem::Json("a colon is missing"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Problem> {
        let mark = self.mark();
        self.at += 1;
        let start = self.at;
        let mut decoded: Option<String> = None;
        let mut run = start;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let text = decoded.get_or_insert_default();
                    text.push_str(self.source.get(run..self.at).unwrap_or_default());
                    let character = self.escape()?;
                    decoded.get_or_insert_default().push(character);
                    run = self.at;
                }
                Some(0..0x20) => return Err(Problem::Json("a control character in a string")),
                Some(byte) => {
                    self.wide += usize::from(byte & 0xc0 == 0x80);
                    self.at += 1;
                }
                None => return Err(Problem::Json("a string without its closing quote")),
            }
        }
        let rest = self.source.get(run..self.at).unwrap_or_default();
        self.at += 1;
        match decoded {
            Some(mut text) => {
                text.push_str(rest);
                self.builder.scalar(Style::DoubleQuoted, mark, self.at as u32, &text);
            }
            None => self.builder.scalar(Style::DoubleQuoted, mark, self.at as u32, rest),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let unknown = Problem::Json("an escape that JSON does not have");
        let character = match self.bytes.get(self.at + 1) {
            Some(b'u') => {
                let first = self.hex().ok_or(unknown)?;
                return Ok(self.surrogates(first));
            }
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            _ => return Err(unknown),
        };
        self.at += 2;
        Ok(character)
    }

    /// The four digits of the `\u` here, which is passed over.
    fn hex(&mut self) -> Option<u32> {
        let digits = self.source.get(self.at + 2..self.at + 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 6;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Half a pair becomes the replacement character, as Go's decoder has it.
    fn surrogates(&mut self, first: u32) -> char {
        if (0xd800..0xdc00).contains(&first) && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
            let before = self.at;
            if let Some(second @ 0xdc00..0xe000) = self.hex() {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
            self.at = before;
        }
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn number(&mut self) -> Result<(), Problem> {
        let start = self.at;
        let mark = self.mark();
        self.at += usize::from(self.peek() == Some(b'-'));
        let zero = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut good = whole > 0 && (!zero || whole == 1);
        if self.peek() == Some(b'.') {
            self.at += 1;
            good &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            good &= self.digits() > 0;
        }
        if !good {
            return Err(Problem::Json("a number that JSON does not have"));
        }
        self.token(mark, start);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self, word: &str) -> Result<(), Problem> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(Problem::Json("a value is missing"));
        }
        let (mark, start) = (self.mark(), self.at);
        self.at += word.len();
        self.token(mark, start);
        Ok(())
    }

    fn token(&mut self, mark: Mark, start: usize) {
        let text = self.source.get(start..self.at).unwrap_or_default();
        self.builder.scalar(Style::JsonToken, mark, self.at as u32, text);
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
                self.wide = 0;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn mark(&self) -> Mark {
        Mark { offset: self.at as u32, line: self.line, column: (self.at - self.line_start - self.wide) as u32 }
    }
}
