//! What can be wrong with a manifest, where, and the way out.

use granit_parser::ErrorKind;

use super::Position;
use crate::fence::name::Shown;

/// Levels of mappings and sequences that a document may hold.
pub const MAX_DEPTH: usize = 128;
/// Bytes that a document may have, as written and as JSON.
pub const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// A document, or a whole file, that cannot be read. It names no value of the file: values may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ManifestError {
    /// The index of the document in its file; empty documents count.
    pub document: usize,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// In bytes from the start of the file.
    pub offset: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl ManifestError {
    pub(super) fn at(document: usize, position: Position, problem: Problem) -> ManifestError {
        ManifestError { document, line: position.line, column: position.column, offset: position.offset, problem }
    }
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Neither YAML nor JSON.
    #[error("{0}: correct the YAML here")]
    Syntax(String),
    /// Begins as JSON and breaks as JSON.
    #[error("{0}: correct the JSON here")]
    Json(&'static str),
    /// YAML indents by spaces only.
    #[error("a tab in the indentation: indent with spaces")]
    Tab,
    /// NUL and its like, which no manifest may hold.
    #[error("a control character ({0:#04x}): remove it, or write it as an escape in double quotes")]
    ControlCharacter(u8),
    /// U+0085, U+2028 or U+2029 outside of quotes. For YAML 1.1, and so for kubectl, they end a line and what is behind them is
    /// a line of its own, be it in a comment; for YAML 1.2, and for an editor, they do not.
    #[error(
        "an invisible character ({0}) that ends the line for kubectl: remove it, or write it as an escape in double quotes"
    )]
    LineBreak(&'static str),
    /// Bytes that are no UTF-8.
    #[error("bytes that are not UTF-8: save the file as UTF-8")]
    NotUtf8,
    /// A UTF-16 or UTF-32 byte order mark.
    #[error("the file is UTF-16 or UTF-32: save it as UTF-8")]
    WideText,
    /// A Go template where YAML should be.
    #[error("this is an unrendered Helm template: render it first")]
    Template,
    /// The same key again in one mapping. Readers differ in which one they take.
    #[error("the key \"{}\" is given twice (first on line {first_line}): remove one", Shown(key))]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first one, 1-based.
        first_line: usize,
    },
    /// A mapping or a sequence as a key.
    #[error("a mapping or a list as a key: JSON has no such keys; quote it if it is a string")]
    ComplexKey,
    /// A null, or a number that Go's `int64` does not hold, as a key.
    #[error("a key that is null or too large a number: quote it if it is a string")]
    UnfitKey,
    /// `<<` with something other than mappings.
    #[error("a merge key (<<) takes a mapping, or a list of mappings: correct its value, or quote the key")]
    Merge,
    /// An alias without an anchor before it in the document.
    #[error("an alias of an anchor that the document does not define before it: define it, or quote the value")]
    UnknownAnchor,
    /// An alias inside of what it stands for.
    #[error("an anchor whose value contains itself: write the value out")]
    SelfAlias,
    /// Aliases that multiply.
    #[error("aliases that expand to more than {} MiB: write the values out", MAX_DOCUMENT_BYTES >> 20)]
    AliasBudget,
    /// Too many levels.
    #[error("nested more than {MAX_DEPTH} levels deep: flatten the document")]
    TooDeep,
    /// Too many bytes in one document.
    #[error("a document of more than {} MiB: split it", MAX_DOCUMENT_BYTES >> 20)]
    TooLarge,
    /// Too many bytes in one file.
    #[error("a file of 4 GiB or more: split it")]
    FileTooLarge,
    /// `.inf` and `.nan`.
    #[error("an infinite number or no number at all (.inf, .nan), which JSON cannot hold: quote it if it is a string")]
    NotFinite,
    /// A tag that its value contradicts.
    #[error("the value does not fit its tag !!{0}: correct one of them")]
    Tag(&'static str),
}

impl Problem {
    /// The sentence for whoever runs this command of the program, with the way to run it again.
    pub fn told_by(&self, command: &str) -> String {
        match self {
            Problem::Template => format!("{self}: helm template … | secretfence {command} -"),
            _ => self.to_string(),
        }
    }
}

impl From<&ErrorKind> for Problem {
    fn from(kind: &ErrorKind) -> Problem {
        match kind {
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart => Problem::Tab,
            ErrorKind::UnknownAnchor => Problem::UnknownAnchor,
            ErrorKind::RecursionLimitExceeded => Problem::TooDeep,
            ErrorKind::UnexpectedCharacter { character: '\t' } => Problem::Tab,
            ErrorKind::UnexpectedCharacter { character } if character.is_ascii_control() => {
                Problem::ControlCharacter(*character as u8)
            }
            // The parser's own sentence would show the character.
            ErrorKind::UnexpectedCharacter { .. } => Problem::Syntax("a character that cannot begin a value".into()),
            other => Problem::Syntax(other.to_string()),
        }
    }
}
