//! Two objects beside each other, as a unified diff of their JSON. What may be a credential is masked; equal ones by equal
//! numbers, so that a difference is still one.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use similar::TextDiff;

use crate::report::diff::holds_a_name;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Fields below which a number may be a credential, too. Text is hidden wherever it is not known to be a name.
const HIDDEN: [&str; 9] =
    ["value", "args", "command", "annotations", "data", "stringData", "volumeAttributes", "options", "httpHeaders"];

/// The difference, if there is one. `before` is the object without the swap: text that is not in it is the swap's own.
pub(super) fn of(before: &Value, expected: &Value, actual: &Value) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut old = HashSet::new();
    texts(before, &mut old);
    let mut new = HashSet::new();
    texts(actual, &mut new);
    let mut mask = Mask { shown: new.difference(&old).copied().collect(), numbers: HashMap::new() };
    let (expected, actual) = (mask.text(expected), mask.text(actual));
    let diff = TextDiff::from_lines(&expected, &actual);
    let hunks = diff.unified_diff().context_radius(CONTEXT).header("expected", "actual").to_string();
    Some(hunks.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
}

fn texts<'v>(value: &'v Value, found: &mut HashSet<&'v str>) {
    match value {
        Value::String(text) => {
            found.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

struct Mask<'v> {
    shown: HashSet<&'v str>,
    numbers: HashMap<String, usize>,
}

impl Mask<'_> {
    fn text(&mut self, value: &Value) -> String {
        let mut masked = value.clone();
        self.mask(&mut masked, "", false);
        // A value always has a text.
        serde_json::to_string_pretty(&masked).unwrap_or_default() + "\n"
    }

    /// Of what is held by the field `holder`: an object, or the objects of a list.
    fn mask(&mut self, value: &mut Value, holder: &str, hidden: bool) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item, holder, hidden)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    let hidden = hidden || HIDDEN.contains(&&**key);
                    if !value.is_string() || hidden || !holds_a_name(holder, key) {
                        self.mask(value, key, hidden);
                    }
                }
            }
            Value::String(text) if !self.shown.contains(&**text) => {
                let next = self.numbers.len() + 1;
                let number = *self.numbers.entry(std::mem::take(text)).or_insert(next);
                *text = format!("<masked {number}>");
            }
            // A number where the API has a string.
            Value::Number(_) if hidden => {
                let next = self.numbers.len() + 1;
                let number = *self.numbers.entry(value.to_string()).or_insert(next);
                *value = format!("<masked {number}>").into();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_what_the_swap_wrote_and_no_other_value() {
        let pod = |env: Value| {
            let probe = json!({"httpGet": {"path": "/health?token=c0rrect"}});
            let container =
                json!({"name": "a", "args": ["hunter2"], "env": env, "livenessProbe": probe, "x": "batt3ry"});
            json!({"spec": {"containers": [container]}})
        };
        let before = pod(json!([{"name": "A", "value": "s3cret"}, {"name": "B", "valueFrom": {}}]));
        let actual = pod(json!([{"name": "A", "value": "s3cret"}, {"name": "B_FILE", "value": "/run/x"}]));
        let expected = pod(json!([{"name": "A", "value": "0ther"}, {"name": "B_FILE", "value": "/run/y"}]));
        let said = of(&before, &expected, &actual).unwrap();
        assert!(said.contains("+") && said.contains("/run/x"), "{said}");
        for hidden in ["hunter2", "s3cret", "0ther", "c0rrect", "batt3ry"] {
            assert!(!said.contains(hidden), "{said}");
        }
        // Equal values are equal lines, and others are a difference.
        assert!(said.contains("-            \"value\": \"<masked 2>\""), "{said}");
        assert_eq!(of(&before, &actual, &actual), None);
    }
}
