//! AdmissionReviews in and out (`admission.k8s.io/v1`): our own wire types, borrowed on the way in.
//!
//! kube's `AdmissionResponse` writes the patch as an array of numbers and its request parses the object into a tree: both
//! are what this file is there to avoid.
#![expect(missing_docs, reason = "fields are those of admission.k8s.io/v1, by the same names")]

use std::fmt;

use base64_simd::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json;
use super::name::Text;
use super::pod::begin_object;
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
    /// Nobody could say what its object is.
    #[error("the AdmissionReview's request has no kind: expected group, version and kind of the object")]
    NoKind,
}

/// The request of a review.
#[derive(Default)]
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
#[derive(Default)]
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
        // At once: string by string it would cost a tenth of the whole.
        let text = str::from_utf8(body).map_err(|_| ReviewError::Malformed("JSON in UTF-8".to_owned()))?;
        match read(text, Some(policies)) {
            Ok(review) => review.request(policies),
            // The object may be what is broken: then the envelope alone is sound.
            Err(_) => read(text, None).map_err(|error| ReviewError::Malformed(expectation(&error)))?.request(policies),
        }
    }
}

fn read<'a>(body: &'a str, policies: Option<&'a PolicySet>) -> Result<Review<'a>, serde_json::Error> {
    begin_object();
    let mut deserializer = serde_json::Deserializer::from_str(body);
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
        if request.kind.kind.as_str().is_empty() {
            return Err(ReviewError::NoKind);
        }
        if let (Object::Raw(raw), Some(shape)) = (&request.object, request.shape(policies)) {
            request.object = match Workload::parse(raw.get(), shape) {
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

/// Objects that were not read are not shown either: nobody has looked for what is secret in them.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { uid, kind, sub_resource, name, namespace, operation, object, old_object } = self;
        f.debug_struct("Request")
            .field("uid", uid)
            .field("kind", kind)
            .field("sub_resource", sub_resource)
            .field("name", name)
            .field("namespace", namespace)
            .field("operation", operation)
            .field("object", object)
            .field("old_object", &old_object.map(|raw| raw.get().len()))
            .finish()
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::None => f.write_str("None"),
            Object::Raw(raw) => f.debug_tuple("Raw").field(&raw.get().len()).finish(),
            Object::Read(workload) => f.debug_tuple("Read").field(workload).finish(),
            Object::Broken(error) => f.debug_tuple("Broken").field(error).finish(),
        }
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
#[derive(Debug, Default)]
pub struct Response<'r> {
    pub uid: &'r str,
    pub allowed: bool,
    pub status: Option<Status>,
    /// RFC 6902. It goes out in base64, together with `patchType` or not at all.
    pub patch: Option<Vec<u8>>,
    pub warnings: Vec<String>,
    pub audit_annotations: Vec<(String, String)>,
}

/// Why a request is denied.
#[derive(Debug)]
pub struct Status {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Response<'_> {
    /// The whole review, as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let patch = self.patch.as_deref().unwrap_or_default();
        let texts = self.warnings.iter().chain(self.audit_annotations.iter().map(|(_, value)| value));
        let mut text =
            String::with_capacity(384 + patch.len() * 4 / 3 + texts.map(|text| text.len() + 32).sum::<usize>());
        text.push_str("{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":");
        json::string(&mut text, self.uid);
        text.push_str(if self.allowed { ",\"allowed\":true" } else { ",\"allowed\":false" });
        if let Some(status) = &self.status {
            text.push_str(",\"status\":{\"code\":");
            text.push_str(itoa::Buffer::new().format(status.code));
            text.push_str(",\"reason\":");
            json::string(&mut text, status.reason);
            text.push_str(",\"message\":");
            json::string(&mut text, &status.message);
            text.push('}');
        }
        if self.patch.is_some() {
            text.push_str(",\"patchType\":\"JSONPatch\",\"patch\":\"");
            STANDARD.encode_append(patch, &mut text);
            text.push('"');
        }
        if !self.warnings.is_empty() {
            text.push_str(",\"warnings\":");
            json::list(&mut text, &self.warnings, |text, warning| json::string(text, warning));
        }
        for (index, (key, value)) in self.audit_annotations.iter().enumerate() {
            text.push_str(if index == 0 { ",\"auditAnnotations\":{" } else { "," });
            json::string(&mut text, key);
            text.push(':');
            json::string(&mut text, value);
        }
        text.push_str(if self.audit_annotations.is_empty() { "}}" } else { "}}}" });
        text.into_bytes()
    }
}
