//! Values that stand for another: what a template, an injector or a person is to put there.

use crate::fence::rules::store;

/// The marks around what is to be replaced, where the value is wholly that.
const AROUND: [(&str, &str); 14] = [
    ("${{", "}}"),
    ("{{", "}}"),
    ("${", "}"),
    ("$(", ")"),
    ("$[", "]"),
    ("%(", ")s"),
    ("<%", "%>"),
    ("<", ">"),
    ("[[", "]]"),
    ("@@", "@@"),
    ("__", "__"),
    ("%%", "%%"),
    ("%", "%"),
    // A value that SOPS has encrypted.
    ("ENC[", "]"),
];

/// Whether the value is wholly one to be replaced by a template, a shell or an injector, or is encrypted.
pub fn is_template(value: &str) -> bool {
    let value = unquoted(value);
    if value.is_empty() {
        return true;
    }
    let wholly = |(open, close): &(&str, &str)| {
        let inner = value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(|inner| !inner.is_empty() && !inner.contains(open) && !inner.contains('\n'))
    };
    let is_variable = || {
        let name = value.strip_prefix('$').unwrap_or("");
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    AROUND.iter().any(wholly) || is_variable() || store::external_env(value).is_some()
}

/// Whether nobody logs in with the value: it is a template's, a mask, or says that something is to be put there.
pub fn stands_for_another(value: &str) -> bool {
    let value = unquoted(value);
    is_template(value) || holds_template(value) || is_mask(value) || is_to_be_filled_in(value) || is_pattern(value)
}

/// A part of the value is put there by something else: the rest is no credential by itself.
fn holds_template(value: &str) -> bool {
    ["${", "$(", "{{", "%(", "%s", "<%"].iter().any(|mark| value.contains(mark))
}

/// `***`, `xxxx`, `....`
fn is_mask(value: &str) -> bool {
    let first = value.chars().next();
    first.is_some_and(|first| "*xX.-_#?•…".contains(first)) && value.chars().all(|character| Some(character) == first)
}

/// What a person is told to put there. A weak password (`changeme`, `password`) is none of these: it is what the program
/// takes as long as nobody does.
fn is_to_be_filled_in(value: &str) -> bool {
    const WORDS: [&str; 16] = [
        "replace",
        "insert",
        "your",
        "todo",
        "fixme",
        "tbd",
        "placeholder",
        "redacted",
        "example",
        "fill",
        "none",
        "null",
        "nil",
        "undefined",
        "masked",
        "omitted",
    ];
    let first = value.split(|character: char| !character.is_ascii_alphanumeric()).find(|word| !word.is_empty());
    let lower = first.unwrap_or("").to_ascii_lowercase();
    let said = |word: &str| lower == word || (word.len() > 5 && lower.starts_with(word));
    WORDS.iter().any(|word| said(word)) || (lower.starts_with("your") && lower.len() > 6) || says_example(value)
}

/// A regular expression or a form in a text of help.
fn is_pattern(value: &str) -> bool {
    value.starts_with('[') || value.starts_with('{') || value.contains("(?") || value.contains(".*")
}

/// Words by which documents mark what is no credential. Long enough that chance does not make them.
pub fn says_example(text: &str) -> bool {
    const WORDS: [&str; 5] = ["example", "placeholder", "redacted", "your_", "your-"];
    let has = |word: &str| {
        let word = word.as_bytes();
        text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
    };
    WORDS.iter().any(|word| has(word))
}

fn unquoted(value: &str) -> &str {
    let value = value.trim();
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}
