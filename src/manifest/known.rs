//! What is kept of objects that are not judged themselves: labels of Namespaces, marks of Secrets, what SharedSecrets
//! stand for. From a manifest and from a live cluster alike.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fence::facts::Labels;
use crate::fence::name::Text;
use crate::fence::rules::copies::{CustomMark, Owner, SecretMetadata};

/// The name of a Namespace and those of its labels that are asked for. None: it is no Namespace.
pub fn namespace_labels(json: &[u8], asked: impl Fn(&str) -> bool) -> Option<(String, Labels)> {
    let Metadata { name, labels, .. } = serde_json::from_slice::<Object<'_>>(json).ok()?.metadata;
    // The API server sets it on every Namespace (NamespaceDefaultLabelName, pkg/apis/core/v1/defaults.go).
    let own = ("kubernetes.io/metadata.name", name.as_str());
    let written = labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    let labels = written.chain([own]).filter(|(key, _)| asked(key)).collect();
    Some((name.as_str().to_owned(), labels))
}

/// What matters of a Secret, whose data is not even read. In this namespace where it names none.
pub fn secret(json: &[u8], namespace: &str, marks: &[CustomMark]) -> Option<SecretMetadata> {
    let Metadata { name, namespace: own, labels, annotations, owner_references } =
        serde_json::from_slice::<Object<'_>>(json).ok()?.metadata;
    let own = Some(own.as_str()).filter(|own| !own.is_empty()).unwrap_or(namespace);
    Some(SecretMetadata::read(
        own,
        name.as_str(),
        labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())),
        annotations.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())),
        owner_references
            .iter()
            .flatten()
            .map(|owner| Owner { api_version: owner.api_version.as_str(), kind: owner.kind.as_str() }),
        marks,
    ))
}

/// Where a Secret lies that holds a token of a ServiceAccount, and that account's name. In this namespace where it names none. None:
/// it holds no such token.
///
/// One that never ends: `kubernetes.io/service-account-token` (k8s.io/api/core/v1/types.go, `SecretTypeServiceAccountToken`).
pub fn token_secret(json: &[u8], namespace: &str) -> Option<((String, String), String)> {
    let TokenSecret { metadata, r#type } = serde_json::from_slice(json).ok()?;
    if r#type.as_str() != "kubernetes.io/service-account-token" {
        return None;
    }
    let annotations = metadata.annotations.iter().flatten();
    let (_, account) = annotations.into_iter().find(|(key, _)| key.as_str() == "kubernetes.io/service-account.name")?;
    let own = Some(metadata.namespace.as_str()).filter(|own| !own.is_empty()).unwrap_or(namespace);
    Some(((own.to_owned(), metadata.name.as_str().to_owned()), account.as_str().to_owned()))
}

/// The name of a SharedSecret, and the namespace of the Secret behind it.
pub fn shared_secret(json: &[u8]) -> Option<(String, String)> {
    let SharedSecret { metadata, spec } = serde_json::from_slice(json).ok()?;
    Some((metadata.name, spec.secret_ref.namespace))
}

/// The namespace, empty where there is none, and the name of any object.
pub fn namespace_and_name(json: &[u8]) -> Option<(String, String)> {
    let Metadata { name, namespace, .. } = serde_json::from_slice::<Object<'_>>(json).ok()?.metadata;
    Some((namespace.as_str().to_owned(), name.as_str().to_owned()))
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct TokenSecret<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    r#type: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    #[serde(borrow, default)]
    labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
    #[serde(borrow, default)]
    annotations: Option<BTreeMap<Text<'a>, Text<'a>>>,
    #[serde(borrow, default)]
    owner_references: Option<Vec<OwnerReference<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference<'a> {
    #[serde(borrow)]
    api_version: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
}

#[derive(Deserialize)]
struct SharedSecret {
    metadata: Named,
    spec: SharedSecretSpec,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SharedSecretSpec {
    secret_ref: SecretReference,
}

#[derive(Deserialize)]
struct SecretReference {
    namespace: String,
}
