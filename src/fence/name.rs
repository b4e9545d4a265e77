//! Names that come from an object: borrowed where the JSON allows it, and hostile until shown.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// How many characters of a name are shown.
pub const SHOWN_CHARACTERS: usize = 64;

/// A string of the object, borrowed from the review unless it was escaped there.
///
/// Numbers and booleans are taken by their spelling: manifests hold them where the API wants a string, and a check that
/// stopped there would be silent on the rest of the object.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The string as it stands in the object.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.as_str()).fmt(f)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

/// A value of the object that may be a credential: compared and searched, never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden<'a>(pub Cow<'a, str>);

impl Hidden<'_> {
    /// The value, to be compared or searched.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<masked>")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Hidden<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Hidden)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_string()))
    }
}

/// A name as messages show it: controls, bidi marks and invisible characters escaped, quotes too, cut to
/// [`SHOWN_CHARACTERS`].
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl Shown<'_> {
    /// Appends the name; the formatting machinery costs more than the name.
    pub fn push_to(self, text: &mut String) {
        if self.is_usual() {
            text.push_str(self.0);
        } else {
            // Writing to a String cannot fail.
            let _ = escape(self.0, SHOWN_CHARACTERS, text);
        }
    }

    /// The name as text of its own.
    pub fn to_text(self) -> String {
        let mut text = String::with_capacity(self.0.len().min(4 * SHOWN_CHARACTERS));
        self.push_to(&mut text);
        text
    }

    /// Nearly every name: nothing to escape, nothing to cut.
    fn is_usual(self) -> bool {
        // Without an early end the compiler looks at many bytes at once.
        self.0.len() <= SHOWN_CHARACTERS && self.0.bytes().fold(true, |plain, byte| plain & is_plain(byte))
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_usual() { f.write_str(self.0) } else { escape(self.0, SHOWN_CHARACTERS, f) }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The longest name that the API server takes for anything (a DNS subdomain, and the key of a Secret).
const VALID_NAME_BYTES: usize = 253;

/// A name as machines compare it: whole where it could be the name of something, else as [`Shown`]. Safe to show.
pub fn in_full(name: &str) -> String {
    let valid = name.len() <= VALID_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if valid { name.to_owned() } else { Shown(name).to_text() }
}

/// How many characters of a JSON pointer are shown: for every built-in path, with its indices, there is room to spare.
const SHOWN_POINTER_CHARACTERS: usize = 256;

/// A JSON pointer as messages show it: escaped as names are, and longer. The keys of a custom resource may be in it.
#[derive(Clone, Copy)]
pub struct ShownPointer<'a>(pub &'a str);

impl<'a> ShownPointer<'a> {
    /// The text, borrowed where nothing has to be escaped.
    pub fn text(self) -> Cow<'a, str> {
        if self.0.len() <= SHOWN_POINTER_CHARACTERS && self.0.bytes().all(is_plain) {
            Cow::Borrowed(self.0)
        } else {
            Cow::Owned(self.to_string())
        }
    }
}

impl fmt::Display for ShownPointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, SHOWN_POINTER_CHARACTERS, f)
    }
}

/// A name in quotes, or bare where it is made of the characters of a usual variable name.
#[derive(Clone, Copy)]
pub struct Bare<'a>(pub &'a str);

impl Bare<'_> {
    /// Appends the name.
    pub fn push_to(self, text: &mut String) {
        if self.is_usual() {
            Shown(self.0).push_to(text);
        } else {
            text.push('"');
            Shown(self.0).push_to(text);
            text.push('"');
        }
    }

    fn is_usual(self) -> bool {
        !self.0.is_empty()
            && self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    }
}

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_usual() { write!(f, "{}", Shown(self.0)) } else { write!(f, "\"{}\"", Shown(self.0)) }
    }
}

/// Printable ASCII that needs no escape in quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

fn escape(text: &str, characters: usize, f: &mut impl fmt::Write) -> fmt::Result {
    for (count, character) in text.chars().enumerate() {
        if count == characters {
            return f.write_char('…');
        }
        match character {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(character)?;
            }
            _ if acts_on_a_terminal(character) => write!(f, "\\u{{{:x}}}", u32::from(character))?,
            _ => f.write_char(character)?,
        }
    }
    Ok(())
}

/// Controls, line and paragraph separators, bidi marks and characters without width: what could move a cursor, forge a
/// line or reorder what a person reads.
pub fn acts_on_a_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_control_no_bidi_mark_and_no_bare_quote() {
        assert_eq!(Shown("a\u{1b}[31m\"\u{202e}b").to_string(), "a\\u{1b}[31m\\\"\\u{202e}b");
    }

    #[test]
    fn cuts_a_huge_name() {
        assert_eq!(Shown(&"x".repeat(1 << 20)).to_string().chars().count(), SHOWN_CHARACTERS + 1);
    }

    #[test]
    fn debug_of_a_value_is_masked() {
        assert_eq!(format!("{:?}", Hidden(Cow::Borrowed("hunter2"))), "<masked>");
    }
}
