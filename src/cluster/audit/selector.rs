//! Labels that choose objects, as kubectl and the API server take them (`pkg/labels/selector.go` of k8s.io/apimachinery).

use std::iter::Peekable;
use std::str::FromStr;
use std::vec::IntoIter;

use crate::fence::name::Shown;
use crate::fence::validation::{LABEL_KEY, LABEL_VALUE, is_label_key, is_label_value};

/// Chooses objects by their labels. One that is here is one that the API server takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// There is nothing in it.
    #[error("expected labels as kubectl takes them, such as app=web,tier!=test")]
    Empty,
    /// A word that cannot be there.
    #[error("expected {expected}, and not {}, as in app=web,tier!=test or \"env in (prod, test)\"", in_words(found))]
    Unexpected {
        /// What could be there.
        expected: &'static str,
        /// What is; empty: its end.
        found: String,
    },
    /// No label has it.
    #[error("\"{}\" is not {LABEL_KEY}", Shown(.0))]
    Key(String),
    /// No label has it.
    #[error("\"{}\" is not {LABEL_VALUE}", Shown(.0))]
    Value(String),
    /// Compared with, and no number.
    #[error("expected a whole number after < or >, and not \"{}\"", Shown(.0))]
    Number(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// What is asked of the value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Over(i64),
    Below(i64),
}

/// `in` and `notin` are words like others but where an operator stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
}

/// Those that begin like another before it.
const SYMBOLS: [&str; 9] = ["!=", "==", "=", "!", "(", ")", ",", ">", "<"];

impl Selector {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an object with these labels is chosen.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|Requirement { key, test }| test.holds(label(key)))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Selector, SelectorError> {
        let mut parser = Parser { tokens: tokens(text).into_iter().peekable() };
        if parser.tokens.peek().is_none() {
            return Err(SelectorError::Empty);
        }
        let mut requirements = vec![parser.requirement()?];
        while parser.tokens.peek().is_some() {
            parser.expect(",", "a comma or the end")?;
            requirements.push(parser.requirement()?);
        }
        Ok(Selector { text: text.to_owned(), requirements })
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let is_one = |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => is_one(values),
            Test::NotIn(values) => !is_one(values),
            Test::Over(limit) => number().is_some_and(|number| number > *limit),
            Test::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

impl Parser {
    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let is_absent = self.takes("!");
        let key = match self.tokens.next() {
            Some(Token::Word(key)) if is_label_key(&key) => key,
            Some(Token::Word(key)) => return Err(SelectorError::Key(key)),
            other => return Err(unexpected("the key of a label", other)),
        };
        let test = if is_absent { Test::Absent } else { self.test()? };
        Ok(Requirement { key, test })
    }

    fn test(&mut self) -> Result<Test, SelectorError> {
        if matches!(self.tokens.peek(), None | Some(Token::Symbol(","))) {
            return Ok(Test::Exists);
        }
        let operator = self.tokens.next();
        Ok(match &operator {
            Some(Token::Symbol("=" | "==")) => Test::In(vec![self.value()?]),
            Some(Token::Symbol("!=")) => Test::NotIn(vec![self.value()?]),
            Some(Token::Symbol(">")) => Test::Over(self.number()?),
            Some(Token::Symbol("<")) => Test::Below(self.number()?),
            Some(Token::Word(word)) if word == "in" => Test::In(self.values()?),
            Some(Token::Word(word)) if word == "notin" => Test::NotIn(self.values()?),
            _ => return Err(unexpected("one of =, ==, !=, <, >, in and notin", operator)),
        })
    }

    /// None is the empty one.
    fn value(&mut self) -> Result<String, SelectorError> {
        let value = match self.tokens.peek() {
            Some(Token::Word(_)) => self.word(),
            None | Some(Token::Symbol(",")) => String::new(),
            Some(_) => return Err(unexpected("the value of a label", self.tokens.next())),
        };
        if is_label_value(&value) { Ok(value) } else { Err(SelectorError::Value(value)) }
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let value = self.value()?;
        value.parse().map_err(|_| SelectorError::Number(value))
    }

    /// In brackets, with commas between them. None between two commas is the empty one.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        self.expect("(", "values in brackets")?;
        let mut values = Vec::new();
        loop {
            let value = self.word();
            if !is_label_value(&value) {
                return Err(SelectorError::Value(value));
            }
            values.push(value);
            if self.takes(")") {
                return Ok(values);
            }
            self.expect(",", "a comma or a closing bracket")?;
        }
    }

    /// Nothing where there is none.
    fn word(&mut self) -> String {
        match self.tokens.next_if(|token| matches!(token, Token::Word(_))) {
            Some(Token::Word(word)) => word,
            _ => String::new(),
        }
    }

    fn takes(&mut self, symbol: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Symbol(symbol)).is_some()
    }

    fn expect(&mut self, symbol: &'static str, expected: &'static str) -> Result<(), SelectorError> {
        if self.takes(symbol) { Ok(()) } else { Err(unexpected(expected, self.tokens.next())) }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return tokens;
        }
        let token = match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => Token::Symbol(symbol),
            None => {
                let ends = |letter: char| is_space(letter) || "=!(),<>".contains(letter);
                Token::Word(rest.split(ends).next().unwrap_or(rest).to_owned())
            }
        };
        rest = rest.get(token.text().len()..).unwrap_or_default();
        tokens.push(token);
    }
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::Symbol(symbol) => symbol,
        }
    }
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn unexpected(expected: &'static str, found: Option<Token>) -> SelectorError {
    let found = found.as_ref().map(Token::text).unwrap_or_default().to_owned();
    SelectorError::Unexpected { expected, found }
}

fn in_words(found: &str) -> String {
    if found.is_empty() { "its end".to_owned() } else { format!("\"{}\"", Shown(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chooses(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector: Selector = selector.parse().unwrap_or_else(|error| panic!("{selector}: {error}"));
        selector.matches(|key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    #[test]
    fn labels_are_chosen_as_the_api_server_chooses_them() {
        let labels = [("app", "web"), ("tier", ""), ("size", "12"), ("in", "notin")];
        for selector in [
            "app=web",
            "app == web",
            "app",
            " app ,size",
            "!gone",
            "! gone,app!=api",
            "gone!=x",
            "gone notin (a)",
            "app in (api, web)",
            "app in(web)",
            "app notin (api,)",
            "tier=",
            "tier=,app=web",
            "tier in ()",
            "tier in (,x)",
            "size>11",
            "size < 13",
            "in in (in,notin)",
            "in=notin",
        ] {
            assert!(chooses(selector, &labels), "{selector}");
        }
        for selector in [
            "app=api",
            "app=web,app=api",
            "gone",
            "gone=",
            "!app",
            "app!=web",
            "app notin (web)",
            "app notin (,web)",
            "tier!=",
            "size>12",
            "size<12",
            "app>1",
            "gone<1",
        ] {
            assert!(!chooses(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_says_what_was_expected() {
        let problem = |selector: &str| selector.parse::<Selector>().unwrap_err().to_string();
        for (selector, expected) in [
            ("", "expected labels as kubectl takes them"),
            (" \t", "expected labels as kubectl takes them"),
            ("app=web,", "expected the key of a label, and not its end"),
            (",app", "expected the key of a label, and not \",\""),
            ("app=web tier", "expected a comma or the end, and not \"tier\""),
            ("!app=web", "expected a comma or the end, and not \"=\""),
            ("app web", "expected one of =, ==, !=, <, >, in and notin, and not \"web\""),
            ("app ! web", "expected one of =, ==, !=, <, >, in and notin, and not \"!\""),
            ("app=(web)", "expected the value of a label, and not \"(\""),
            ("app===web", "expected the value of a label, and not \"=\""),
            ("app in web", "expected values in brackets, and not \"web\""),
            ("app in (web", "expected a comma or a closing bracket, and not its end"),
            ("app in (web test)", "expected a comma or a closing bracket, and not \"test\""),
            ("a/b/c=web", "\"a/b/c\" is not the key of a label"),
            ("app=a:b", "\"a:b\" is not the value of a label"),
            ("app in (-)", "\"-\" is not the value of a label"),
            ("app>x", "expected a whole number after < or >, and not \"x\""),
            ("app>", "expected a whole number after < or >, and not \"\""),
            ("app=\u{202e}x", "is not the value of a label"),
        ] {
            assert!(problem(selector).contains(expected), "{selector}: {}", problem(selector));
            assert!(!problem(selector).contains('\u{202e}'), "{selector}");
        }
    }
}
