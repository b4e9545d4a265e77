//! YAML and JSON manifests in, with source positions.
//!
//! A document becomes a flat list of nodes that keep their bytes, style and anchors; JSON for the engine is rendered from
//! it, and pointers of findings are led back to it. Scalars, keys and merges are read as kubectl reads them
//! (sigs.k8s.io/yaml on go-yaml v2), so that what is judged is what would be applied. Where kubectl is lenient, we are
//! not: duplicate keys, of which it would take one, are an error.

mod builder;
pub mod edit;
mod error;
mod json;
pub mod known;
mod locate;
mod object;
mod provider_class;
mod render;
mod scalar;
mod secret_keys;
mod template;
mod tree;
mod written_out;
mod yaml;

use std::fmt;

pub use error::{MAX_DEPTH, MAX_DOCUMENT_BYTES, ManifestError, Problem};
pub use locate::Span;
pub use object::Object;
pub use provider_class::{ProviderClassError, provider_class};
pub use secret_keys::{SecretKeys, secret_keys};
pub use tree::Style;
pub use written_out::written_out;

/// A file, as far as it could be read.
#[derive(Debug, Default)]
pub struct Manifest<'s> {
    /// The documents that could be read, in order.
    pub documents: Vec<Document<'s>>,
    /// What is wrong with the others, in order; at most one for each.
    pub errors: Vec<ManifestError>,
}

/// One document of a file.
#[derive(Clone)]
pub struct Document<'s> {
    /// Its index in the file; empty and broken documents count.
    pub index: usize,
    tree: tree::Tree<'s>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// In bytes from the start of the file.
    pub offset: usize,
}

impl Document<'_> {
    /// The same document with `on`, `off`, `yes`, `no`, `y` and `n` as words, keys and values, as YAML 1.2 has them. For
    /// files of our own, which kubectl does not read: there `on` is a field.
    #[must_use]
    pub fn with_words(mut self) -> Self {
        self.tree.words_stand = true;
        self
    }

    /// Whether the document is null: nothing between two `---`, or only comments.
    pub fn is_empty(&self) -> bool {
        self.tree.node(0).is_none_or(|node| {
            let null = |scalar| matches!(scalar, Ok(scalar::Scalar::Null));
            !node.style.is_mapping() && !node.style.is_sequence() && null(self.tree.scalar(0, node))
        })
    }

    /// The whole document as JSON text, as kubectl would read it.
    ///
    /// # Errors
    /// A value that JSON cannot hold, or aliases that expand to more than the limits allow.
    pub fn json(&self) -> Result<Vec<u8>, ManifestError> {
        let size = self.tree.node(0).map_or(0, |node| (node.end - node.start) as usize);
        let mut out = Vec::with_capacity(size);
        self.render(0, &mut render::Budget::new(), &mut out)?;
        Ok(out)
    }
}

/// The values may be secrets.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("index", &self.index).field("nodes", &self.tree.len()).finish()
    }
}

/// Reads a file of YAML or JSON documents. Never fails as a whole: a broken document is an error, the others are read.
pub fn parse(source: &[u8]) -> Manifest<'_> {
    if let Some(problem) = refuse(source) {
        let error = ManifestError::at(0, Position { line: 1, column: 1, offset: 0 }, problem);
        return Manifest { documents: Vec::new(), errors: vec![error] };
    }
    match std::str::from_utf8(source) {
        Ok(text) if looks_like_json(text) => parse_json(text),
        _ => parse_yaml(source),
    }
}

fn refuse(source: &[u8]) -> Option<Problem> {
    // Offsets are kept in 32 bits.
    if u32::try_from(source.len()).is_err() {
        return Some(Problem::FileTooLarge);
    }
    let wide = [&[0xff, 0xfe][..], &[0xfe, 0xff], &[0, 0, 0xfe, 0xff]];
    wide.iter().any(|mark| source.starts_with(mark)).then_some(Problem::WideText)
}

fn looks_like_json(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start_matches([' ', '\t', '\r', '\n']);
    text.starts_with('[') || (text.starts_with('{') && !text.starts_with("{{"))
}

/// What is no JSON may still be YAML. What is neither is called broken YAML, unless YAML minds only what JSON allows.
fn parse_json(text: &str) -> Manifest<'_> {
    let (as_json, whole) = json::read(text);
    if whole {
        return as_json;
    }
    let mut as_yaml = Manifest::default();
    yaml::read(text, 0, 0, 0, &mut as_yaml);
    let minds_tabs = as_yaml.errors.first().is_some_and(|error| error.problem == Problem::Tab);
    if minds_tabs { as_json } else { as_yaml }
}

/// A document with bytes that are no UTF-8 is an error; reading goes on at the next `---` line.
fn parse_yaml(source: &[u8]) -> Manifest<'_> {
    let mut manifest = Manifest::default();
    let (mut start, mut line, mut index) = (0, 0, 0);
    loop {
        let rest = source.get(start..).unwrap_or_default();
        let (text, broken) = match std::str::from_utf8(rest) {
            Ok(text) => (text, false),
            Err(error) => {
                let good = rest.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(good).unwrap_or_default(), true)
            }
        };
        let next = yaml::read(text, start, line, index, &mut manifest);
        if !broken {
            return manifest;
        }
        // The document that was cut short is the last one, whatever else was wrong with it.
        index = if next > index { next - 1 } else { index };
        manifest.documents.pop_if(|document| document.index == index);
        manifest.errors.pop_if(|error| error.document == index);
        let (lines, column) = lines_and_column(text);
        let position = Position { line: line + lines + 1, column: column + 1, offset: start + text.len() };
        manifest.errors.push(ManifestError::at(index, position, Problem::NotUtf8));
        let after = rest.get(text.len()..).unwrap_or_default();
        let Some(at) = after.windows(4).position(|window| window == b"\n---") else { return manifest };
        line += lines + after.iter().take(at + 1).filter(|byte| **byte == b'\n').count();
        start += text.len() + at + 1;
        index += 1;
    }
}

/// The number of whole lines in `text`, and of characters after the last of them.
fn lines_and_column(text: &str) -> (usize, usize) {
    let lines = text.bytes().filter(|byte| *byte == b'\n').count();
    let last = text.rfind('\n').and_then(|at| text.get(at + 1..)).unwrap_or(text);
    (lines, last.chars().count())
}

#[cfg(test)]
mod tests;
