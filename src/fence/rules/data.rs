//! Secrets and ConfigMaps of manifests: what they hold in clear. Only where some rule is about it.

use std::fmt;

use serde::Deserialize;

use super::{credential, literal};
use crate::fence::kind::{Kind, KindSet};
use crate::fence::pod::{Attributes, Metadata, begin_object};
use crate::fence::reference::{Keys, Reference, Site};
use crate::fence::workload::ObjectError;

/// The kinds of object, beside those that hold pods, that a policy can be about.
pub const OBJECT_KINDS: [&str; 2] = ["ConfigMap", "Secret"];

/// A Secret or a ConfigMap.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataObject<'a> {
    /// Of the object.
    #[serde(borrow)]
    pub metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    data: Option<Attributes<'a>>,
    #[serde(borrow)]
    string_data: Option<Attributes<'a>>,
    #[serde(borrow)]
    binary_data: Option<Attributes<'a>>,
}

/// The values may be credentials.
impl fmt::Debug for DataObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataObject").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// Which of the two an object is, if some rule is about what it may hold.
pub fn is_judged(api_version: &str, kind: &str, wanted: KindSet) -> bool {
    let holds = match kind {
        "Secret" => Kind::RawSecret,
        "ConfigMap" => Kind::Literal,
        _ => return false,
    };
    api_version == "v1" && wanted.contains(holds)
}

/// Reads one.
///
/// # Errors
/// Where a field that is read has another type than the API gives it.
pub fn parse(object: &str) -> Result<DataObject<'_>, ObjectError> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    begin_object();
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| ObjectError::at(error.path(), error.inner()))
}

impl DataObject<'_> {
    /// What the object holds in clear, key by key.
    pub fn references<'t>(&'t self, kind: &str, name: &'t str) -> Vec<Reference<'t>> {
        if kind == "Secret" { self.of_secret(name) } else { self.of_config_map() }
    }

    fn of_secret<'t>(&'t self, name: &'t str) -> Vec<Reference<'t>> {
        let mut found = Vec::new();
        for (list, values, encoded) in [("/data/", &self.data, true), ("/stringData/", &self.string_data, false)] {
            for (key, value) in values.iter().flat_map(|values| &values.0) {
                if is_in_clear(value.as_str(), encoded) {
                    let (secret, keys) = (Some(name), Keys::One(key.as_str()));
                    found.push(Reference { secret, keys, ..Reference::bare(Kind::RawSecret, Site::Member(list)) });
                }
            }
        }
        found
    }

    fn of_config_map(&self) -> Vec<Reference<'_>> {
        let mut found = Vec::new();
        for (key, value) in self.data.iter().flat_map(|values| &values.0) {
            if let Some(credential) = credential::in_value(key.as_str(), value.as_str()) {
                let keys = Keys::One(key.as_str());
                found.push(Reference { keys, ..literal::reference(credential, Site::Member("/data/")) });
            }
        }
        for (key, value) in self.binary_data.iter().flat_map(|values| &values.0) {
            let text = decode(value.as_str()).unwrap_or_default();
            if let Some(credential) = credential::in_value(key.as_str(), &text).filter(|credential| !credential.guess) {
                let keys = Keys::One(key.as_str());
                found.push(Reference { keys, ..literal::reference(credential, Site::Member("/binaryData/")) });
            }
        }
        found
    }
}

/// Whether there is a value, and it is neither encrypted nor wholly to be replaced. Base64 hides nothing.
fn is_in_clear(value: &str, encoded: bool) -> bool {
    let is_template = |text: &str| credential::is_template(text.trim());
    let in_base64 = || encoded && decode(value).is_some_and(|text| is_template(&text));
    !(is_template(value) || in_base64())
}

/// What base64 stands for, where that is text. It may be folded.
fn decode(value: &str) -> Option<String> {
    let folded: Vec<u8> = value.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    String::from_utf8(base64_simd::STANDARD.decode_to_vec(&folded).ok()?).ok()
}
