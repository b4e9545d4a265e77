//! A document into [`PolicyFile`], with the place of the first mistake.
//!
//! A `Deserializer` of our own over [`Value`], since serde_json's knows neither where it stands nor what is wrong other
//! than as a sentence. It is stricter too: `null` is no value, since a field whose value was commented out would
//! otherwise widen a policy in silence.

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{Part, PolicyError, Problem, escape, near_miss};
use super::file::{API_VERSION, DOCUMENT_KINDS, PodTemplates, PolicyFile, SecretPolicy};
use super::test_file::PolicyTest;
use crate::fence::name::Shown;

/// The first mistake of a document.
#[derive(Debug)]
pub(super) struct DecodeError {
    pub(super) pointer: String,
    pub(super) part: Part,
    pub(super) problem: Problem,
}

impl DecodeError {
    /// The mistake, of a document that the caller numbered.
    pub(super) fn of(self, source: usize) -> PolicyError {
        PolicyError { source, pointer: self.pointer, part: self.part, problem: self.problem }
    }
}

/// Reads a document by its `apiVersion` and `kind`.
pub(super) fn decode(document: &Value) -> Result<PolicyFile, DecodeError> {
    let fields = document.as_object().ok_or_else(|| DecodeError {
        pointer: String::new(),
        part: Part::Value,
        problem: wrong_type(document, &format!("a mapping with apiVersion: {API_VERSION}")),
    })?;
    let api_version = header(fields, "apiVersion")?;
    if api_version != API_VERSION {
        return Err(value_error("/apiVersion", Problem::ApiVersion(api_version.to_owned())));
    }
    match header(fields, "kind")? {
        "SecretPolicy" => from_value::<SecretPolicy>(document).map(|policy| PolicyFile::SecretPolicy(Box::new(policy))),
        "PodTemplates" => from_value::<PodTemplates>(document).map(PolicyFile::PodTemplates),
        "PolicyTest" => Ok(PolicyFile::PolicyTest),
        other => Err(value_error("/kind", unknown_value(other, &DOCUMENT_KINDS))),
    }
}

fn header<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, DecodeError> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(value_error(&format!("/{name}"), wrong_type(other, "a string"))),
        None => {
            // A document with a misspelt `apiversion` should hear of that, not only of what is missing.
            let near = fields.keys().find(|key| key.eq_ignore_ascii_case(name));
            Err(match near {
                Some(key) => DecodeError {
                    pointer: format!("/{}", escape(key)),
                    part: Part::Key,
                    problem: Problem::UnknownField {
                        near: Some(name.to_owned()),
                        known: ["apiVersion", "kind", "metadata", "spec"].map(str::to_owned).to_vec(),
                    },
                },
                None => value_error("", Problem::MissingField(name.to_owned())),
            })
        }
    }
}

/// Reads a document of unit tests, whose `kind` is known.
pub(super) fn decode_test(document: &Value) -> Result<PolicyTest, DecodeError> {
    if let Some(fields) = document.as_object() {
        let api_version = header(fields, "apiVersion")?;
        if api_version != API_VERSION {
            return Err(value_error("/apiVersion", Problem::ApiVersion(api_version.to_owned())));
        }
    }
    from_value(document)
}

fn from_value<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, DecodeError> {
    T::deserialize(At { value, path: &Path::Root }).map_err(|error| error.place(&Path::Root, Part::Value))
}

fn value_error(pointer: &str, problem: Problem) -> DecodeError {
    DecodeError { pointer: pointer.to_owned(), part: Part::Value, problem }
}

fn unknown_value(found: &str, expected: &[&str]) -> Problem {
    Problem::UnknownValue {
        found: found.to_owned(),
        near: near_miss(found, expected.iter().copied()),
        expected: expected.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn wrong_type(found: &Value, expected: &str) -> Problem {
    let quote = expected == "a string" && matches!(found, Value::Number(_) | Value::Bool(_));
    Problem::WrongType { found: describe(found), expected: expected.to_owned(), quote }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing (leave the field out, or give it a value)".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) => format!("the string \"{}\"", Shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// What serde may report, before its place is known.
#[derive(Debug)]
struct Fault {
    place: Option<(String, Part)>,
    problem: Problem,
}

impl Fault {
    fn new(problem: Problem) -> Fault {
        Fault { place: None, problem }
    }

    /// The innermost place counts.
    fn at(mut self, path: &Path<'_>, part: Part) -> Fault {
        self.place.get_or_insert_with(|| (path.pointer(), part));
        self
    }

    fn place(self, path: &Path<'_>, part: Part) -> DecodeError {
        let (pointer, part) = self.place.unwrap_or_else(|| (path.pointer(), part));
        DecodeError { pointer, part, problem: self.problem }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Fault {
        Fault::new(Problem::Other(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Fault {
        let found = match found {
            de::Unexpected::Unsigned(number) => format!("the number {number}"),
            de::Unexpected::Signed(number) => format!("the number {number}"),
            de::Unexpected::Float(number) => format!("the number {number}"),
            de::Unexpected::Bool(value) => format!("the boolean {value}"),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Map => "a mapping".to_owned(),
            de::Unexpected::Unit => describe(&Value::Null),
            other => other.to_string(),
        };
        Fault::new(Problem::WrongType { found, expected: expected.to_string(), quote: false })
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Fault {
        match found {
            de::Unexpected::Str(text) => {
                Fault::new(Problem::WrongValue { found: text.to_owned(), expected: expected.to_string() })
            }
            other => Fault::invalid_type(other, expected),
        }
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Fault {
        Fault::new(unknown_value(found, expected))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Fault {
        Fault::new(Problem::UnknownField {
            near: near_miss(found, known.iter().copied()),
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault::new(Problem::MissingField(field.to_owned()))
    }

    fn duplicate_field(field: &'static str) -> Fault {
        Fault::new(Problem::Duplicate { what: "field", name: field.to_owned(), within: "of a mapping" })
    }
}

/// Where in the document the deserializer stands; lives on the stack.
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Member(parent, name) => format!("{}/{}", parent.pointer(), escape(name)),
            Path::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// A value and where it stands.
struct At<'de, 'p> {
    value: &'de Value,
    path: &'p Path<'p>,
}

impl At<'_, '_> {
    fn wrong(&self, expected: &str) -> Fault {
        Fault::new(wrong_type(self.value, expected)).at(self.path, Part::Value)
    }
}

impl<'de> Deserializer<'de> for At<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter().enumerate(), path: self.path }),
            Value::Object(fields) => visitor.visit_map(Fields { fields: fields.iter(), value: None, path: self.path }),
        }
        .map_err(|fault| fault.at(self.path, Part::Value))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.value.is_boolean() { self.deserialize_any(visitor) } else { Err(self.wrong("true or false")) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.value.is_string() { self.deserialize_any(visitor) } else { Err(self.wrong("a string")) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.value.is_array() { self.deserialize_any(visitor) } else { Err(self.wrong("a list")) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.value.is_object() { self.deserialize_any(visitor) } else { Err(self.wrong("a mapping")) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.value.is_object() {
            return self.deserialize_any(visitor);
        }
        Err(self.wrong(&format!("a mapping of {}", fields.join(", "))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(text) => visitor.visit_enum(Variant(text)).map_err(|fault| fault.at(self.path, Part::Value)),
            _ => Err(self.wrong(&format!("one of {}", variants.join(", ")))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: &'p Path<'p>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, value)) = self.items.next() else { return Ok(None) };
        let path = Path::Item(self.path, index);
        seed.deserialize(At { value, path: &path }).map(Some).map_err(|fault| fault.at(&path, Part::Value))
    }
}

struct Fields<'de, 'p> {
    fields: serde_json::map::Iter<'de>,
    value: Option<(&'de str, &'de Value)>,
    path: &'p Path<'p>,
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some((key, value));
        let key_deserializer = de::value::BorrowedStrDeserializer::<Fault>::new(key);
        seed.deserialize(key_deserializer).map(Some).map_err(|fault| fault.at(&Path::Member(self.path, key), Part::Key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let Some((key, value)) = self.value.take() else { return Err(de::Error::custom("a value without its key")) };
        let path = Path::Member(self.path, key);
        seed.deserialize(At { value, path: &path }).map_err(|fault| fault.at(&path, Part::Value))
    }
}

/// An enum of ours has no data: its name is all.
struct Variant<'de>(&'de str);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name = seed.deserialize(de::value::BorrowedStrDeserializer::<Fault>::new(self.0))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, Fault> {
        Err(de::Error::custom("a name cannot hold a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom("a name cannot hold values"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], _visitor: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom("a name cannot hold fields"))
    }
}
