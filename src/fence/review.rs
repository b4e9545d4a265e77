//! AdmissionReviews in and out (`admission.k8s.io/v1`): our own wire types, borrowed on the way in.
//!
//! kube's `AdmissionResponse` writes the patch as an array of numbers and its request parses the object into a tree: both
//! are what this file is there to avoid.
#![expect(missing_docs, reason = "fields are those of admission.k8s.io/v1, by the same names")]

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::name::Text;
use super::policy::PolicySet;
use super::workload::{ObjectError, Shape, Workload, WorkloadSeed, expectation};

const API_VERSION: &str = "admission.k8s.io/v1";

/// Why a body is no review that can be answered: HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or not of a review's shape.
    #[error("this is no AdmissionReview: expected {0}; the webhook is called by an API server, with a JSON body")]
    Malformed(String),
    /// Another version.
    #[error("AdmissionReview of {0}: only admission.k8s.io/v1 is answered; set admissionReviewVersions: [\"v1\"]")]
    Version(String),
    /// A review without a request: a response, perhaps.
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// An answer could not be matched to it.
    #[error("the AdmissionReview's request has no uid")]
    NoUid,
}

/// The request of a review.
#[derive(Debug, Default)]
pub struct Request<'a> {
    pub uid: Text<'a>,
    pub kind: GroupVersionKind<'a>,
    pub sub_resource: Text<'a>,
    pub name: Text<'a>,
    pub namespace: Text<'a>,
    pub operation: Text<'a>,
    pub object: Object<'a>,
    pub old_object: Option<&'a RawValue>,
}

/// The object of a request.
#[derive(Debug, Default)]
pub enum Object<'a> {
    /// Absent or null.
    #[default]
    None,
    /// Of a kind that no table names, or not read yet.
    Raw(&'a RawValue),
    /// Read in the same pass as the review.
    Read(Workload<'a>),
    /// It does not have the shape of its kind.
    Broken(ObjectError),
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct GroupVersionKind<'a> {
    #[serde(borrow)]
    pub group: Text<'a>,
    pub version: Text<'a>,
    pub kind: Text<'a>,
}

impl<'a> Request<'a> {
    /// Reads a review; the object of a known kind in the same pass.
    ///
    /// # Errors
    /// Where the envelope is broken. A broken object is [`Object::Broken`], since the review can still be answered.
    pub fn read(body: &'a [u8], policies: &'a PolicySet) -> Result<Request<'a>, ReviewError> {
        match read(body, Some(policies)) {
            Ok(review) => review.request(policies),
            // The object may be what is broken: then the envelope alone is sound.
            Err(_) => read(body, None).map_err(|error| ReviewError::Malformed(expectation(&error)))?.request(policies),
        }
    }
}

fn read<'a>(body: &'a [u8], policies: Option<&'a PolicySet>) -> Result<Review<'a>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let review = deserializer.deserialize_map(ReviewVisitor(policies))?;
    deserializer.end()?;
    Ok(review)
}

#[derive(Default)]
struct Review<'a> {
    api_version: Text<'a>,
    kind: Text<'a>,
    request: Option<Request<'a>>,
}

impl<'a> Review<'a> {
    fn request(self, policies: &'a PolicySet) -> Result<Request<'a>, ReviewError> {
        if self.kind.as_str() != "AdmissionReview" {
            return Err(ReviewError::Malformed("kind: AdmissionReview".to_owned()));
        }
        if self.api_version.as_str() != API_VERSION {
            return Err(ReviewError::Version(super::name::Shown(self.api_version.as_str()).to_string()));
        }
        let mut request = self.request.ok_or(ReviewError::NoRequest)?;
        if request.uid.as_str().is_empty() {
            return Err(ReviewError::NoUid);
        }
        if let (Object::Raw(raw), Some(shape)) = (&request.object, request.shape(policies)) {
            request.object = match Workload::parse(raw.get().as_bytes(), shape) {
                Ok(workload) => Object::Read(workload),
                Err(error) => Object::Broken(error),
            };
        }
        Ok(request)
    }
}

impl<'a> Request<'a> {
    /// Where its pods are, if it is of a kind that some table names.
    pub fn shape<'p>(&self, policies: &'p PolicySet) -> Option<Shape<'p>> {
        Shape::of(self.kind.group.as_str(), self.kind.version.as_str(), self.kind.kind.as_str(), policies)
    }
}

struct ReviewVisitor<'p>(Option<&'p PolicySet>);

impl<'de> Visitor<'de> for ReviewVisitor<'de> {
    type Value = Review<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut review = Review::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "apiVersion" => review.api_version = map.next_value()?,
                "kind" => review.kind = map.next_value()?,
                "request" => review.request = map.next_value_seed(RequestSeed(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(review)
    }
}

struct RequestSeed<'p>(Option<&'p PolicySet>);

impl<'de> DeserializeSeed<'de> for RequestSeed<'de> {
    type Value = Option<Request<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RequestSeed<'de> {
    type Value = Option<Request<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request of an AdmissionReview")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut request = Request::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "uid" => request.uid = map.next_value()?,
                "kind" => request.kind = map.next_value()?,
                "subResource" => request.sub_resource = map.next_value()?,
                "name" => request.name = map.next_value()?,
                "namespace" => request.namespace = map.next_value()?,
                "operation" => request.operation = map.next_value()?,
                "object" => {
                    // The API server writes the kind first; where it does not stand first, the object waits.
                    request.object = match self.0.and_then(|policies| request.shape(policies)) {
                        Some(shape) => map.next_value_seed(MaybeObject(shape))?,
                        None => map.next_value::<Option<&RawValue>>()?.map_or(Object::None, Object::Raw),
                    };
                }
                "oldObject" => request.old_object = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(request))
    }
}

struct MaybeObject<'p>(Shape<'p>);

impl<'de> DeserializeSeed<'de> for MaybeObject<'_> {
    type Value = Object<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for MaybeObject<'_> {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Object::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        WorkloadSeed(self.0).deserialize(deserializer).map(Object::Read)
    }
}

/// The answer to a review.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'r> {
    pub uid: &'r str,
    pub allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Base64; together with `patchType` or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_object")]
    pub audit_annotations: Vec<(String, String)>,
}

/// Why a request is denied.
#[derive(Debug, Serialize)]
pub struct Status {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Response<'_> {
    /// The whole review, as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Envelope<'r> {
            api_version: &'static str,
            kind: &'static str,
            response: &'r Response<'r>,
        }
        let patch = self.patch.as_ref().map_or(0, String::len);
        let mut bytes = Vec::with_capacity(512 + patch);
        let envelope = Envelope { api_version: API_VERSION, kind: "AdmissionReview", response: self };
        // Strings and numbers into a Vec: nothing here can fail.
        let _ = serde_json::to_writer(&mut bytes, &envelope);
        bytes
    }
}

fn as_object<S: serde::Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}
