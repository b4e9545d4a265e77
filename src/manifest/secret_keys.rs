//! The key names of Secrets, as manifests tell them: of Secrets, and of what controllers make Secrets of. Never a value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Object;

/// A Secret that an object is or becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeys {
    /// The namespace, where the object names one.
    pub namespace: Option<String>,
    /// The Secret's name.
    pub name: String,
    /// Its keys, sorted; none where the object does not tell them all.
    pub keys: Option<Vec<String>>,
}

/// The Secret that the object is or becomes: a `Secret`, a `SealedSecret` (bitnami.com) or an `ExternalSecret`
/// (external-secrets.io). None for other objects, and for such as make no Secret.
pub fn secret_keys(object: &Object) -> Option<SecretKeys> {
    let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, &*object.kind) {
        ("", "Secret") if object.api_version == "v1" => secret(&object.json),
        ("bitnami.com", "SealedSecret") => sealed(&object.json),
        ("external-secrets.io", "ExternalSecret") => external(&object.json),
        _ => None,
    }
}

/// Names only: the values are passed over as they are read.
type Names = BTreeMap<String, IgnoredAny>;

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    metadata: Metadata,
    #[serde(default)]
    data: Option<Names>,
    #[serde(default)]
    string_data: Option<Names>,
    #[serde(default, rename = "type")]
    of_type: Option<String>,
}

/// Its `data` and `stringData`. A controller puts the token into one of a ServiceAccount.
fn secret(json: &[u8]) -> Option<SecretKeys> {
    let Secret { metadata, data, string_data, of_type } = serde_json::from_slice(json).ok()?;
    let filled_later = of_type.as_deref() == Some("kubernetes.io/service-account-token");
    let keys = [data, string_data].into_iter().flatten().flat_map(Names::into_keys);
    Some(metadata.secret((!filled_later).then(|| keys.collect())))
}

#[derive(Deserialize)]
struct SealedSecret {
    metadata: Metadata,
    spec: SealedSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SealedSpec {
    #[serde(default)]
    encrypted_data: Option<Names>,
    /// All of it in one piece, as early versions had it: its keys are not to be seen.
    #[serde(default)]
    data: Option<IgnoredAny>,
    #[serde(default)]
    template: Option<SecretTemplate>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretTemplate {
    #[serde(default)]
    data: Option<Names>,
    #[serde(default)]
    template_from: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    merge_policy: Option<String>,
}

/// What `Unseal` makes of it (pkg/apis/sealedsecrets/v1alpha1): its own name, its encrypted keys and those of the template.
fn sealed(json: &[u8]) -> Option<SecretKeys> {
    let SealedSecret { metadata, spec: SealedSpec { encrypted_data, data, template } } =
        serde_json::from_slice(json).ok()?;
    let names = [encrypted_data, template.and_then(|template| template.data)];
    let keys = names.into_iter().flatten().flat_map(Names::into_keys);
    Some(metadata.secret(data.is_none().then(|| keys.collect())))
}

#[derive(Deserialize)]
struct ExternalSecret {
    metadata: Metadata,
    spec: ExternalSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSpec {
    #[serde(default)]
    data: Option<Vec<ExternalData>>,
    #[serde(default)]
    data_from: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    target: Option<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalData {
    secret_key: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    creation_policy: Option<String>,
    #[serde(default)]
    template: Option<SecretTemplate>,
}

/// What the operator makes of it (pkg/controllers/externalsecret, `ApplyTemplate`): a template with data takes the place of
/// what was fetched, unless it merges.
fn external(json: &[u8]) -> Option<SecretKeys> {
    let ExternalSecret { mut metadata, spec: ExternalSpec { data, data_from, target } } =
        serde_json::from_slice(json).ok()?;
    let Target { name, creation_policy, template } = target.unwrap_or_default();
    let SecretTemplate { data: templated, template_from, merge_policy } = template.unwrap_or_default();
    metadata.name = name.filter(|name| !name.is_empty()).unwrap_or(metadata.name);
    let templated = templated.filter(|names| !names.is_empty());
    let open = |list: Option<Vec<IgnoredAny>>| list.is_some_and(|list| !list.is_empty());
    let replaces = templated.is_some() && merge_policy.as_deref() != Some("Merge");
    let unknown = open(template_from) || (!replaces && open(data_from)) || creation_policy.as_deref() == Some("Merge");
    if creation_policy.as_deref() == Some("None") {
        return None;
    }
    let fetched = data.into_iter().flatten().map(|data| data.secret_key).filter(|_| !replaces);
    let keys = fetched.chain(templated.into_iter().flat_map(Names::into_keys)).collect();
    Some(metadata.secret((!unknown).then_some(keys)))
}

impl Metadata {
    /// One without keys is filled by somebody else.
    fn secret(self, keys: Option<BTreeSet<String>>) -> SecretKeys {
        let keys = keys.filter(|keys| !keys.is_empty());
        SecretKeys {
            namespace: self.namespace.filter(|namespace| !namespace.is_empty()),
            name: self.name,
            keys: keys.map(|keys| keys.into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(yaml: &str) -> Option<SecretKeys> {
        let manifest = crate::manifest::parse(yaml.as_bytes());
        assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
        secret_keys(&manifest.documents[0].objects().unwrap()[0])
    }

    fn known(yaml: &str) -> Vec<String> {
        keys(yaml).unwrap().keys.unwrap()
    }

    fn is_unknown(yaml: &str) -> bool {
        keys(yaml).is_some_and(|secret| secret.keys.is_none())
    }

    fn sealed(spec: &str) -> String {
        format!("{{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, metadata: {{name: db}}, spec: {spec}}}")
    }

    fn external(spec: &str) -> String {
        format!("{{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {{name: db}}, spec: {spec}}}")
    }

    #[test]
    fn a_secret_has_the_keys_of_its_data_and_its_string_data() {
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: shop}, data: {b: x, a: y}, stringData: {c: z, a: w}}";
        let expected = SecretKeys {
            namespace: Some("shop".into()),
            name: "db".into(),
            keys: Some(vec!["a".into(), "b".into(), "c".into()]),
        };
        assert_eq!(keys(secret), Some(expected));
    }

    #[test]
    fn a_secret_that_somebody_else_fills_tells_no_keys() {
        assert!(is_unknown("{apiVersion: v1, kind: Secret, metadata: {name: db}}"));
        assert!(is_unknown("{apiVersion: v1, kind: Secret, metadata: {name: db}, data: {}}"));
        assert!(is_unknown(
            "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: t}, data: {extra: x}}"
        ));
    }

    #[test]
    fn a_sealed_secret_has_its_encrypted_keys_and_those_of_its_template() {
        assert_eq!(known(&sealed("{encryptedData: {password: AgB}}")), ["password"]);
        assert_eq!(known(&sealed("{encryptedData: {password: AgB}, template: {data: {url: x}}}")), ["password", "url"]);
        assert!(is_unknown(&sealed("{data: AgB}")));
    }

    #[test]
    fn an_external_secret_has_the_keys_that_it_fetches_and_its_targets_name() {
        let one = "data: [{secretKey: password, remoteRef: {key: db}}]";
        assert_eq!(known(&external(&format!("{{{one}}}"))), ["password"]);
        assert_eq!(keys(&external(&format!("{{{one}, target: {{name: other}}}}"))).unwrap().name, "other");
        assert!(is_unknown(&external(&format!("{{{one}, dataFrom: [{{extract: {{key: db}}}}]}}"))));
        assert!(is_unknown(&external(&format!("{{{one}, target: {{creationPolicy: Merge}}}}"))));
        assert_eq!(keys(&external(&format!("{{{one}, target: {{creationPolicy: None}}}}"))), None);
    }

    #[test]
    fn a_template_takes_the_place_of_what_an_external_secret_fetches_unless_it_merges() {
        let one = "data: [{secretKey: password, remoteRef: {key: db}}]";
        let with = |template: &str| external(&format!("{{{one}, target: {{template: {template}}}}}"));
        assert_eq!(known(&with("{data: {url: x}}")), ["url"]);
        assert_eq!(known(&with("{mergePolicy: Merge, data: {url: x}}")), ["password", "url"]);
        assert_eq!(known(&with("{metadata: {labels: {a: b}}}")), ["password"]);
        assert!(is_unknown(&with("{templateFrom: [{configMap: {name: c}}]}")));
        let replaced = external("{dataFrom: [{extract: {key: db}}], target: {template: {data: {url: x}}}}");
        assert_eq!(known(&replaced), ["url"]);
    }

    #[test]
    fn other_objects_of_the_name_are_none() {
        assert_eq!(keys("{apiVersion: example.com/v1, kind: Secret, metadata: {name: db}, data: {a: b}}"), None);
        assert_eq!(keys("{apiVersion: v1, kind: ConfigMap, metadata: {name: db}, data: {a: b}}"), None);
    }
}
