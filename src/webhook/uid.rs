//! The uid of a review that was not judged to its end.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

/// How much of a body is looked through. API servers write the uid first of all, within the first hundred bytes.
const HEAD: usize = 4 << 10;

/// The uid, if it is near the beginning of the body: cheap, whatever the body's length. For a log line alone, which cuts
/// and escapes it.
pub(super) fn of(body: &[u8]) -> Option<String> {
    let mut uid = None;
    let mut head = serde_json::Deserializer::from_slice(body.get(..HEAD).unwrap_or(body));
    // An error is the usual end: the head breaks off, or nothing more is asked.
    let _ = head.deserialize_map(Field { path: &["request", "uid"], found: &mut uid });
    uid
}

/// The value at a path of keys.
struct Field<'p> {
    path: &'p [&'static str],
    found: &'p mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() { deserializer.deserialize_str(self) } else { deserializer.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a review")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        *self.found = Some(text.to_owned());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else { return Ok(()) };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key != *wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Field { path, found: self.found })?;
            return Err(A::Error::custom("found"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_uid_of_the_request_and_no_other() {
        let object = r#""object":{"metadata":{"uid":"u-2"}}"#;
        for body in [
            r#"{"kind":"AdmissionReview","request":{"uid":"u-1","#.to_owned(),
            format!(r#"{{"request":{{{object},"uid":"u-1"}}}}"#),
            format!(r#"{{"uid":"u-0","x":{{"uid":"u-3"}},"request":{{"uid":"u-1",{object}}}}}"#),
            format!(r#"{{"request":{{"uid":"\u0075-1","x":"{}"#, "x".repeat(HEAD)),
        ] {
            assert_eq!(of(body.as_bytes()).as_deref(), Some("u-1"), "{body}");
        }
    }

    #[test]
    fn is_none_where_there_is_none_or_it_is_far() {
        let far = format!(r#"{{"request":{{"x":"{}","uid":"u-1"}}}}"#, "x".repeat(HEAD));
        let deep = format!(r#"{{"request":{}"#, r#"{"x":"#.repeat(HEAD));
        let bodies =
            ["", "{", "[]", r#"{"request":1}"#, r#"{"request":{"uid":{"uid":"x"}}}"#, "\u{0}\u{feff}", &far, &deep];
        for body in bodies {
            assert_eq!(of(body.as_bytes()), None, "{body}");
        }
        assert_eq!(of(b"\xff\xfe{"), None);
    }
}
