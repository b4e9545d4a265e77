//! How a format of a credential is written down, and read.

use super::check;

/// One format.
pub struct Format {
    /// As messages name it.
    pub name: &'static str,
    /// Who says that it looks so.
    pub source: &'static str,
    /// What it begins with, or has in it, or the ends of the names that it goes by.
    pub marks: &'static [&'static str],
    pub reader: Reader,
}

/// How what follows a mark is read.
pub enum Reader {
    /// A mark begins a word; these parts follow, and then the word ends. The check is of the whole, from the mark on.
    Token(&'static [Part], fn(&str) -> bool),
    /// A mark begins a word. Called with the value and the place of the mark.
    At(fn(&str, usize) -> bool),
    /// A mark may stand anywhere. Called likewise.
    Inside(fn(&str, usize) -> bool),
    /// The name ends with a mark; the value is nothing else.
    Named(fn(&str) -> bool),
}

/// A part of a token.
pub enum Part {
    /// So many characters at least and at most: as many as there are.
    Run(u16, usize, usize),
    /// This text.
    Text(&'static str),
}

pub const DIGITS: u16 = 1;
const LOWER_HEX_LETTERS: u16 = 2;
const UPPER_HEX_LETTERS: u16 = 4;
const OTHER_LOWER: u16 = 8;
const OTHER_UPPER: u16 = 16;
pub const UNDERSCORE: u16 = 32;
pub const DASH: u16 = 64;
pub const DOT: u16 = 128;
pub const PLUS: u16 = 256;
pub const SLASH: u16 = 512;
pub const EQUALS: u16 = 1024;
pub const HEX: u16 = DIGITS | LOWER_HEX_LETTERS;
pub const ANY_HEX: u16 = HEX | UPPER_HEX_LETTERS;
pub const LOWER: u16 = LOWER_HEX_LETTERS | OTHER_LOWER;
pub const UPPER: u16 = UPPER_HEX_LETTERS | OTHER_UPPER;
pub const LETTERS: u16 = LOWER | UPPER;
pub const ALNUM: u16 = LETTERS | DIGITS;
pub const BASE64: u16 = ALNUM | PLUS | SLASH;
pub const URL_SAFE: u16 = ALNUM | UNDERSCORE | DASH;

const CLASSES: [u16; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGITS,
            b'a'..=b'f' => LOWER_HEX_LETTERS,
            b'A'..=b'F' => UPPER_HEX_LETTERS,
            b'g'..=b'z' => OTHER_LOWER,
            b'G'..=b'Z' => OTHER_UPPER,
            b'_' => UNDERSCORE,
            b'-' => DASH,
            b'.' => DOT,
            b'+' => PLUS,
            b'/' => SLASH,
            b'=' => EQUALS,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Whether the character is of the alphabet.
pub fn is_of(byte: u8, alphabet: u16) -> bool {
    CLASSES[usize::from(byte)] & alphabet != 0
}

/// How many bytes from the start are of the alphabet, at most so many.
pub fn run(text: &[u8], alphabet: u16, most: usize) -> usize {
    let text = text.get(..most).unwrap_or(text);
    text.iter().position(|byte| !is_of(*byte, alphabet)).unwrap_or(text.len())
}

/// Whether the whole is of the alphabet, and so long.
pub fn is_all(text: &str, alphabet: u16, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| is_of(byte, alphabet))
}

/// Whether a word goes on with this byte.
pub fn is_word(byte: u8) -> bool {
    is_of(byte, ALNUM | UNDERSCORE)
}

impl Format {
    /// Whether it is what stands at the mark.
    pub fn reads(&self, value: &str, at: usize, mark: &str) -> bool {
        match self.reader {
            Reader::Token(parts, check) => token(value, at, mark, parts)
                .is_some_and(|token| check(token) && token.get(mark.len()..).is_some_and(check::is_random)),
            Reader::At(read) | Reader::Inside(read) => read(value, at),
            Reader::Named(_) => false,
        }
    }
}

/// The mark and what follows it, where that is the parts and then the word ends.
fn token<'v>(value: &'v str, at: usize, mark: &str, parts: &[Part]) -> Option<&'v str> {
    let bytes = value.as_bytes();
    let mut end = at + mark.len();
    let mut last = 0;
    for part in parts {
        let rest = bytes.get(end..)?;
        end += match *part {
            Part::Text(text) => rest.starts_with(text.as_bytes()).then_some(text.len())?,
            Part::Run(alphabet, least, most) => {
                last = alphabet;
                Some(run(rest, alphabet, most)).filter(|length| *length >= least)?
            }
        };
    }
    let ends = bytes.get(end).is_none_or(|next| !is_word(*next) && !is_of(*next, last));
    value.get(at..end).filter(|_| ends)
}
