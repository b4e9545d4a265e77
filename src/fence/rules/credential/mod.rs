//! Credentials in clear: what a value that stands in a manifest says that it is.
//!
//! Two sorts, kept apart. A *format* is precise: a prefix, an alphabet, a length and, where the issuer puts one there, a
//! checksum; `table` has a row with its source for each. A *guess* is by name: a variable that is called a password has a
//! value that stands for nothing else. Nothing of a value is kept: what comes out is the name of a format.
//!
//! Hashes of passwords (`htpasswd`, bcrypt) are none: nobody logs in with one.

mod check;
mod format;
mod names;
mod placeholder;
mod table;
mod url;

pub use placeholder::is_template;

use names::Assignments;

/// What stands in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'v> {
    /// The format, or by what it is guessed.
    pub what: &'static str,
    /// Whether it is only a guess.
    pub guess: bool,
    /// The name that the value itself gives it: of a flag, of a variable in a script.
    pub name: Option<&'v str>,
}

impl Credential<'_> {
    fn precise(what: &'static str) -> Self {
        Credential { what, guess: false, name: None }
    }

    fn guess(what: &'static str) -> Self {
        Credential { what, guess: true, name: None }
    }
}

/// By what a guess is one.
const BY_NAME: &str = "by its name";
const BY_NAME_WITHIN: &str = "by a name in it";

/// What a value is, of a variable, a header, an attribute or a key of this name.
pub fn in_value<'v>(name: &str, value: &'v str) -> Option<Credential<'v>> {
    if value.is_empty() {
        return None;
    }
    let found = table::find(value).or_else(|| table::find_named(name, value)).map(Credential::precise);
    let found = found.or_else(|| url::find(value));
    match found {
        Some(precise) if !precise.guess => Some(precise),
        guess => guess
            .or_else(|| names::is_secret(name, value).then(|| Credential::guess(BY_NAME)))
            .or_else(|| names::is_among_settings(value).then(|| Credential::guess(BY_NAME_WITHIN))),
    }
}

/// What a word of a command is, after the word before it. A script may be one word.
pub fn in_word<'v>(before: Option<&'v str>, word: &'v str) -> Option<Credential<'v>> {
    if word.is_empty() {
        return None;
    }
    let found = table::find(word).map(Credential::precise).or_else(|| url::find(word));
    if let Some(precise) = found.filter(|found| !found.guess) {
        return Some(precise);
    }
    let mut guess = found;
    for (name, value) in Assignments::of(before, word) {
        if let Some(what) = table::find_named(name, value) {
            return Some(Credential { name: Some(name), ..Credential::precise(what) });
        }
        if guess.is_none() && names::is_secret(name, value) {
            guess = Some(Credential { name: Some(name), ..Credential::guess(BY_NAME) });
        }
    }
    guess
}

/// Each format with the page that tells of it.
pub fn formats() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::ROWS.iter().map(|row| (row.name, row.source)).chain([url::FORMAT])
}

#[cfg(test)]
mod tests;
