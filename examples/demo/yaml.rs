//! Objects as YAML, for people to read.

use serde_json::Value;

/// Block style, `name` first where there is one, the other fields by their names.
pub fn of(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, false);
    text
}

/// `inline` tells that the first line is begun already, behind a `- `.
fn write(text: &mut String, value: &Value, depth: usize, inline: bool) {
    let begin = |text: &mut String, first: bool| {
        if !(first && inline) {
            text.push_str(&"  ".repeat(depth));
        }
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| (*name != "name", name.as_str()));
            for (index, (name, value)) in fields.into_iter().enumerate() {
                begin(text, index == 0);
                text.push_str(&scalar(name));
                text.push(':');
                after_key(text, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                begin(text, index == 0);
                text.push_str("- ");
                write(text, item, depth + 1, true);
            }
        }
        flat => {
            begin(text, true);
            text.push_str(&plain(flat));
            text.push('\n');
        }
    }
}

fn after_key(text: &mut String, value: &Value, depth: usize) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        // Items of a list stand below their key, as kubectl prints them.
        write(text, value, if value.is_array() { depth } else { depth + 1 }, false);
    } else {
        text.push(' ');
        text.push_str(&plain(value));
        text.push('\n');
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Plain where that is surely the same string, else in quotes.
fn scalar(text: &str) -> String {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let holds_well = text.chars().all(|character| character.is_ascii_alphanumeric() || "/._:-".contains(character));
    let is_a_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&&*text.to_lowercase());
    if starts_well && holds_well && !text.ends_with(':') && !is_a_word {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
