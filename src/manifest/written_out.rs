//! JSON as YAML, as `kubectl get -o yaml` writes it: for objects that come from an API server, where there is no file.

use serde_json::Value;

/// The text, which reads as the value.
pub fn written_out(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => write_members(members, 0, &mut text),
        Value::Array(items) if !items.is_empty() => write_items(items, 0, &mut text),
        scalar => {
            text.push_str(&scalar_text(scalar));
            text.push('\n');
        }
    }
    text
}

fn write_members(members: &serde_json::Map<String, Value>, depth: usize, text: &mut String) {
    for (index, (key, value)) in members.iter().enumerate() {
        // The first stands behind the dash of its item, or at the start.
        if index > 0 {
            indent(depth, text);
        }
        text.push_str(&string_text(key));
        text.push(':');
        write_value(value, depth, text);
    }
}

/// Behind a key. Items stand below their key, not further in.
fn write_value(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            indent(depth + 1, text);
            write_members(members, depth + 1, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            indent(depth, text);
            write_items(items, depth, text);
        }
        scalar => {
            text.push(' ');
            text.push_str(&scalar_text(scalar));
            text.push('\n');
        }
    }
}

fn write_items(items: &[Value], depth: usize, text: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            indent(depth, text);
        }
        text.push_str("- ");
        match item {
            Value::Object(members) if !members.is_empty() => write_members(members, depth + 1, text),
            Value::Array(items) if !items.is_empty() => write_items(items, depth + 1, text),
            scalar => {
                text.push_str(&scalar_text(scalar));
                text.push('\n');
            }
        }
    }
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// Of what is empty, too.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(string) => string_text(string),
        other => other.to_string(),
    }
}

/// Bare where it cannot be taken for anything else; else in double quotes.
fn string_text(string: &str) -> String {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let is_name = string.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && string.bytes().all(is_of_name)
        && !is_word(string);
    if is_name { string.to_owned() } else { quoted(string) }
}

/// Everything but printable ASCII by its number: YAML has characters that may not stand for themselves (5.1).
fn quoted(string: &str) -> String {
    let mut text = String::with_capacity(string.len() + 2);
    text.push('"');
    for character in string.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            ' '..='~' => text.push(character),
            '\0'..='\u{ffff}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => text.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    text.push('"');
    text
}

/// Words of YAML 1.1 that are no strings.
fn is_word(string: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use serde_json::json;

    #[track_caller]
    fn comes_back(value: &Value) {
        let text = written_out(value);
        let manifest = manifest::parse(text.as_bytes());
        assert!(manifest.errors.is_empty(), "{:?}\n{text}", manifest.errors);
        let read: Value = serde_json::from_slice(&manifest.documents[0].json().unwrap()).unwrap();
        assert_eq!(read, *value, "{text}");
    }

    #[test]
    fn a_pod_reads_as_people_write_it() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {}}, "spec": {
            "containers": [{"name": "api", "args": ["-c", "echo hi\n"], "env": [{"name": "A", "value": "yes"}]}]}});
        let expected = "\
apiVersion: v1
kind: Pod
metadata:
  labels: {}
  name: web
spec:
  containers:
  - args:
    - \"-c\"
    - \"echo hi\\n\"
    env:
    - name: A
      value: \"yes\"
    name: api
";
        assert_eq!(written_out(&pod), expected);
        comes_back(&pod);
    }

    #[test]
    fn whatever_it_is_it_comes_back() {
        for value in [
            json!({"a": [[1, [true, null]], {}, [], {"b": {"c": [{"d": 1}]}}]}),
            json!({"1": 1.5, "yes": "no", "": "", "~": "~", "a b": "#", "a:": ": ", "é": "\u{2028}\u{7f}\u{fffe}\u{1f600}\t\r\"\\"}),
            json!({"a": "0x1f", "b": "1_000", "c": "12:30", "d": "-", "e": "1e3", "f": "Infinity", "g": ".inf", "h": "e3"}),
            json!([1]),
        ] {
            comes_back(&value);
        }
    }
}
