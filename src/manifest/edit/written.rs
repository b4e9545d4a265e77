//! New values as text, in the style of their surroundings.

use super::change::New;
use super::layout::Indents;
use crate::manifest::scalar::{self, Scalar};
use crate::manifest::tree::Style;

/// The quotes around strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quotes {
    /// None where none are needed, else double ones.
    #[default]
    Plain,
    Single,
    Double,
}

impl From<Style> for Quotes {
    fn from(style: Style) -> Quotes {
        match style {
            Style::SingleQuoted => Quotes::Single,
            Style::DoubleQuoted => Quotes::Double,
            _ => Quotes::Plain,
        }
    }
}

/// How a flow collection is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowStyle {
    /// The quotes of keys.
    pub keys: Quotes,
    /// The quotes of strings.
    pub values: Quotes,
    /// `{"a":1}`.
    pub tight: bool,
    /// `{ a: 1 }`.
    pub padded: bool,
    /// Members on lines of their own, so many spaces deeper.
    pub lines: Option<usize>,
    /// A comma after the last member, where it has a line of its own.
    pub last_comma: bool,
    /// `[{` on one line.
    pub cuddled: bool,
}

/// The lines of a value in block style, from column 0.
pub fn block(value: &New, indents: Indents, quotes: Quotes) -> Vec<String> {
    match value {
        New::Map(members) if !members.is_empty() => {
            members.iter().flat_map(|(key, value)| member(key, value, indents, quotes)).collect()
        }
        New::List(items) if !items.is_empty() => {
            items.iter().flat_map(|item| dashed(block(item, indents, quotes), indents.dash)).collect()
        }
        New::Map(_) => vec!["{}".to_owned()],
        New::List(_) => vec!["[]".to_owned()],
        scalar => vec![text(scalar, quotes)],
    }
}

/// The lines of a member of a mapping in block style.
pub fn member(key: &str, value: &New, indents: Indents, quotes: Quotes) -> Vec<String> {
    let written = plain_or_quoted(key);
    let below = match value {
        New::Map(members) if !members.is_empty() => indents.step,
        New::List(items) if !items.is_empty() => indents.list,
        New::Number(number) if key == "defaultMode" => {
            // As everyone writes modes; kubectl reads YAML 1.1, where this is octal.
            let mode = number.as_u64().filter(|mode| *mode > 7);
            return vec![mode.map_or_else(|| format!("{written}: {number}"), |mode| format!("{written}: 0{mode:o}"))];
        }
        other => return vec![format!("{written}: {}", block(other, indents, quotes).concat())],
    };
    let mut lines = vec![format!("{written}:")];
    lines.extend(indented(block(value, indents, quotes), below));
    lines
}

/// The lines of an item of a list.
pub fn dashed(lines: Vec<String>, dash: usize) -> Vec<String> {
    let mut lines = indented(lines, dash.max(2));
    if let Some(first) = lines.first_mut() {
        first.replace_range(..1, "-");
    }
    lines
}

pub fn indented(lines: Vec<String>, by: usize) -> Vec<String> {
    lines.into_iter().map(|line| format!("{:by$}{line}", "")).collect()
}

impl FlowStyle {
    /// A value in flow style; `indent` is that of the line it begins on.
    pub fn write(&self, value: &New, indent: usize) -> String {
        match value {
            New::Map(members) if !members.is_empty() => {
                let members = members.iter().map(|(key, value)| self.member(key, value, indent + self.step()));
                self.enclosed('{', '}', members.collect(), indent)
            }
            New::List(items) if !items.is_empty() => {
                if self.lines.is_some() && self.cuddled && items.iter().all(|item| !item.is_scalar()) {
                    let items: Vec<String> = items.iter().map(|item| self.write(item, indent)).collect();
                    return format!("[{}]", items.join(", "));
                }
                let items = items.iter().map(|item| self.write(item, indent + self.step()));
                self.enclosed('[', ']', items.collect(), indent)
            }
            New::Map(_) => "{}".to_owned(),
            New::List(_) => "[]".to_owned(),
            scalar => text(scalar, self.values),
        }
    }

    /// A member of a mapping in flow style.
    pub fn member(&self, key: &str, value: &New, indent: usize) -> String {
        let key = match self.keys {
            Quotes::Plain => plain_or_quoted(key),
            quotes => quoted(key, quotes),
        };
        let colon = if self.tight { ":" } else { ": " };
        format!("{key}{colon}{}", self.write(value, indent))
    }

    /// What stands between two members on one line.
    pub fn comma(&self) -> &'static str {
        if self.tight { "," } else { ", " }
    }

    fn step(&self) -> usize {
        self.lines.unwrap_or(0)
    }

    fn enclosed(&self, open: char, close: char, parts: Vec<String>, indent: usize) -> String {
        match self.lines {
            Some(step) => {
                let (outer, inner) = (" ".repeat(indent), " ".repeat(indent + step));
                let last = if self.last_comma { "," } else { "" };
                format!("{open}\n{inner}{}{last}\n{outer}{close}", parts.join(&format!(",\n{inner}")))
            }
            None => {
                let pad = if self.padded && open == '{' { " " } else { "" };
                format!("{open}{pad}{}{pad}{close}", parts.join(self.comma()))
            }
        }
    }
}

/// A scalar on one line.
pub fn text(value: &New, quotes: Quotes) -> String {
    match value {
        New::Text(text) => quoted(text, quotes),
        other => other.to_value().to_string(),
    }
}

fn quoted(text: &str, quotes: Quotes) -> String {
    match quotes {
        Quotes::Plain => plain_or_quoted(text),
        Quotes::Single if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        // JSON's escapes are YAML's, too.
        _ => serde_json::Value::from(text).to_string(),
    }
}

/// Without quotes where every reader takes it for the same string, in block style and in flow style.
fn plain_or_quoted(text: &str) -> String {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '/' | '_'));
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_./@%+=~-".contains(&byte);
    if begins && text.bytes().all(harmless) && matches!(scalar::resolve(text), Scalar::Text(_)) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
