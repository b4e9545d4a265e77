//! Writing JSON straight to text.

use std::fmt::Write;

/// Appends an array.
pub fn list<T>(text: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    text.push('[');
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index > 0 { "," } else { "" });
        write(text, item);
    }
    text.push(']');
}

/// Appends a JSON string.
pub fn string(text: &mut String, value: &str) {
    text.push('"');
    escape(text, value);
    text.push('"');
}

/// Appends the inside of a JSON string.
pub fn escape(text: &mut String, value: &str) {
    // Without an early end the compiler looks at many bytes at once.
    if value.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\')) {
        return text.push_str(value);
    }
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, from) = rest.split_at(at);
        text.push_str(plain);
        match from.as_bytes().first() {
            Some(b'"') => text.push_str("\\\""),
            Some(b'\\') => text.push_str("\\\\"),
            Some(b'\n') => text.push_str("\\n"),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", other.copied().unwrap_or_default());
            }
        }
        rest = from.get(1..).unwrap_or_default();
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_is_read_back_as_it_was(value in any::<String>()) {
            let mut text = String::new();
            string(&mut text, &value);
            prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
        }
    }
}
