//! Writing JSON straight to text.

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
    if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return text.push_str(value);
    }
    // Serialising a string cannot fail.
    let quoted = serde_json::to_string(value).unwrap_or_default();
    text.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
}
