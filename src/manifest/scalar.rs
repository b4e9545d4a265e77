//! What a plain scalar is: YAML 1.1 as go-yaml v2 reads it (`resolve.go`), which is what kubectl reads manifests with.

use std::borrow::Cow;

use base64_simd::STANDARD;

use super::error::Problem;

/// A scalar's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'t> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'t, str>),
}

impl<'t> Scalar<'t> {
    /// The JSON key that sigs.k8s.io/yaml makes of it; none for null and for what is over the range of `int64`.
    pub(super) fn into_key(self) -> Option<Cow<'t, str>> {
        match self {
            Scalar::Null | Scalar::Unsigned(_) => None,
            Scalar::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Scalar::Signed(value) => Some(Cow::Owned(value.to_string())),
            Scalar::Float(value) => Some(Cow::Owned(float_key(value))),
            Scalar::Text(text) => Some(text),
        }
    }
}

/// An explicit tag, as far as it bears on the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Text,
    Bool,
    Int,
    Float,
    Null,
    Binary,
    Timestamp,
    Merge,
    /// A bare `!`: the text stands, but it leaves a merge key a merge key.
    NonSpecific,
    /// Any other: the text stands.
    Other,
}

impl Tag {
    /// From the tag in full, such as `tag:yaml.org,2002:int`.
    pub(super) fn from_parts(handle: &str, suffix: &str) -> Tag {
        let full = [handle, suffix].concat();
        match full.strip_prefix("tag:yaml.org,2002:") {
            Some("str") => Tag::Text,
            Some("bool") => Tag::Bool,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("null") => Tag::Null,
            Some("binary") => Tag::Binary,
            Some("timestamp") => Tag::Timestamp,
            Some("merge") => Tag::Merge,
            None if full == "!" => Tag::NonSpecific,
            _ => Tag::Other,
        }
    }
}

/// The value of a plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Scalar<'_> {
    let Some(first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' => word(text).or_else(|| number(text)),
        b'.' => word(text).or_else(|| fraction(text).map(Scalar::Float)),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        _ => None,
    }
    .unwrap_or(Scalar::Text(Cow::Borrowed(text)))
}

/// Whether YAML 1.2 (core schema, 10.3.2) has it for a boolean as YAML 1.1 does.
pub(super) fn is_boolean_of_yaml_1_2(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// The value of a scalar with an explicit tag, in whatever quotes.
pub(super) fn resolve_tagged(tag: Tag, text: &str) -> Result<Scalar<'_>, Problem> {
    let value = match tag {
        Tag::Text | Tag::Merge | Tag::NonSpecific | Tag::Other => return Ok(Scalar::Text(Cow::Borrowed(text))),
        Tag::Timestamp => return timestamp(text),
        Tag::Binary => return binary(text),
        Tag::Bool | Tag::Int | Tag::Float | Tag::Null => resolve(text),
    };
    match (tag, value) {
        (Tag::Bool, value @ Scalar::Bool(_))
        | (Tag::Int, value @ (Scalar::Signed(_) | Scalar::Unsigned(_)))
        | (Tag::Float, value @ Scalar::Float(_))
        | (Tag::Null, value @ Scalar::Null) => Ok(value),
        (Tag::Float, Scalar::Signed(value)) => Ok(Scalar::Float(value as f64)),
        (Tag::Bool, _) => Err(Problem::Tag("bool")),
        (Tag::Int, _) => Err(Problem::Tag("int")),
        (Tag::Float, _) => Err(Problem::Tag("float")),
        _ => Err(Problem::Tag("null")),
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    if text.len() > 5 {
        return None;
    }
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar<'static>> {
    // No number has these first letters later on; most texts that begin with a digit are versions, times and sizes.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'_' | b'.' | b'+' | b'-' | b'x' | b'X' | b'o' | b'O'))
    {
        return None;
    }
    let bare: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    if let Some(value) = signed(&bare) {
        return Some(Scalar::Signed(value));
    }
    if let Some(value) = magnitude(&bare) {
        return Some(Scalar::Unsigned(value));
    }
    if let Some(value) = float(&bare) {
        return Some(Scalar::Float(value));
    }
    // A quirk of go-yaml: what follows `0b` may have a sign of its own.
    bare.strip_prefix("0b").and_then(|digits| i64::from_str_radix(digits, 2).ok()).map(Scalar::Signed)
}

/// Go's `strconv.ParseInt(text, 0, 64)` on a text without underscores.
fn signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => 0_i64.checked_sub_unsigned(magnitude(rest)?),
        None => i64::try_from(magnitude(text.strip_prefix('+').unwrap_or(text))?).ok(),
    }
}

/// Go's `strconv.ParseUint(text, 0, 64)` on a text without underscores.
fn magnitude(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', b'b' | b'B', ..] => (text.get(2..)?, 2),
        [b'0', b'o' | b'O', ..] => (text.get(2..)?, 8),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    // Rust would take a `+` here.
    if !digits.as_bytes().first()?.is_ascii_hexdigit() {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, in the range of a float.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    if exponent.is_some_and(|exponent| exponent.is_empty() || !digits(exponent)) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// What begins with a point goes to Go's `strconv.ParseFloat` as it is, which takes underscores between digits.
fn fraction(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return float(text);
    }
    let digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let between = text.match_indices('_').all(|(at, _)| digit(at.checked_sub(1)) && digit(Some(at + 1)));
    if between { float(&text.replace('_', "")) } else { None }
}

/// A date stays as it is written. Of one that is none only the first part is looked at.
fn timestamp(text: &str) -> Result<Scalar<'_>, Problem> {
    let year = text.split_once('-').map_or("", |(year, _)| year);
    if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    } else {
        Err(Problem::Tag("timestamp"))
    }
}

fn binary(text: &str) -> Result<Scalar<'_>, Problem> {
    // Go's decoder passes over line breaks.
    let joined: String = text.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
    let bytes = STANDARD.decode_to_vec(joined).map_err(|_| Problem::Tag("binary"))?;
    // Go's JSON has one replacement character for every byte that is no UTF-8.
    let mut decoded = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(Scalar::Text(Cow::Owned(decoded)))
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, with YAML's names for what is not finite.
fn float_key(value: f64) -> String {
    let value = value as f32;
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}
