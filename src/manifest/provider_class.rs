//! Reads `SecretProviderClass` objects, whose parameters hold YAML within strings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Object;
use crate::fence::rules::provider_class::{Provider, ProviderClass};

/// The API group of the driver, whatever the version.
const GROUP: &str = "secrets-store.csi.x-k8s.io/";

/// An object that is no SecretProviderClass, whatever its kind says.
#[derive(Debug, thiserror::Error)]
#[error(
    "the SecretProviderClass cannot be read (line {line}, column {column} of its JSON): it is not as its API has it"
)]
pub struct ProviderClassError {
    line: usize,
    column: usize,
}

/// Reads the object, if it is a `SecretProviderClass`. Objects that its provider could not read either, or that we do not
/// know the provider of, are [`ProviderClass::unknown`].
///
/// # Errors
/// The object has a member of another type than the API's. The error holds none of its values.
pub fn provider_class(object: &Object) -> Result<Option<ProviderClass>, ProviderClassError> {
    if object.kind != "SecretProviderClass" || !object.api_version.starts_with(GROUP) {
        return Ok(None);
    }
    let written: Written = serde_json::from_slice(&object.json)
        .map_err(|error| ProviderClassError { line: error.line(), column: error.column() })?;
    let mut class = ProviderClass {
        namespace: written.metadata.namespace.filter(|namespace| !namespace.is_empty()),
        name: written.metadata.name,
        secrets: written.spec.secret_objects.into_iter().map(|secret| secret.secret_name).collect(),
        ..ProviderClass::default()
    };
    let parameters = written.spec.parameters;
    let known = Provider::named(&written.spec.provider).and_then(|provider| {
        let text = parameters.get(provider.objects_parameter())?;
        Some((provider, objects(provider, text)?))
    });
    let Some((provider, objects)) = known else {
        class.unknown = true;
        return Ok(Some(class));
    };
    let is_given = |name: &&str| parameters.get(*name).is_some_and(|value| !value.is_empty());
    class.elsewhere = provider.store_parameters().iter().any(is_given);
    let vault = parameters.get("keyvaultName").map(String::as_str);
    for object in &objects {
        match provider.path(vault, object) {
            Some(path) => class.paths.push(path.into_owned()),
            None => class.unknown = true,
        }
    }
    class.paths.sort_unstable();
    class.paths.dedup();
    Ok(Some(class))
}

/// The names of the objects in the parameter; nothing where one of them cannot be read.
fn objects(provider: Provider, text: &str) -> Option<Vec<String>> {
    let listed: Vec<Map<String, Value>> = match provider {
        // Azure's list has YAML within its strings once more.
        Provider::Azure => yaml::<AzureObjects>(text)?.array.iter().map(|text| yaml(text)).collect::<Option<_>>()?,
        Provider::Vault | Provider::Aws | Provider::Google => yaml(text)?,
    };
    if !listed.iter().all(|object| is_unmistakable(object, provider)) {
        return None;
    }
    let mut names = Vec::with_capacity(listed.len());
    for object in &listed {
        names.push(object.get(provider.object_member())?.as_str()?.to_owned());
        // AWS: what is read where the first one cannot be.
        if let Some(failover) = object.get("failoverObject").filter(|failover| !failover.is_null())
            && let Some(name) = failover.as_object()?.get("objectName")
        {
            names.push(name.as_str()?.to_owned());
        }
    }
    Some(names)
}

/// Whether every member that could be taken for one that we read is written as it is read. AWS's provider reads by
/// sigs.k8s.io/yaml, which looks at no case, and takes the last.
fn is_unmistakable(object: &Map<String, Value>, provider: Provider) -> bool {
    let read = [provider.object_member(), "objectName", "failoverObject"];
    object.iter().all(|(key, value)| {
        read.iter().all(|name| key == name || !key.eq_ignore_ascii_case(name))
            && (key != "failoverObject" || value.as_object().is_none_or(|inner| is_unmistakable(inner, provider)))
    })
}

/// Exactly one document of YAML.
fn yaml<T: DeserializeOwned>(text: &str) -> Option<T> {
    let manifest = super::parse(text.as_bytes());
    match &manifest.documents[..] {
        [document] if manifest.errors.is_empty() => serde_json::from_slice(&document.json().ok()?).ok(),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    provider: String,
    parameters: BTreeMap<String, String>,
    secret_objects: Vec<SecretObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretObject {
    #[serde(default)]
    secret_name: String,
}

#[derive(Deserialize)]
struct AzureObjects {
    array: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse;

    fn read(provider: &str, parameters: &str) -> ProviderClass {
        let text = format!(
            "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {{name: db, namespace: shop}}\n\
             spec:\n  provider: {provider}\n  secretObjects: [{{secretName: synced, type: Opaque}}]\n  parameters:\n{parameters}"
        );
        let manifest = parse(text.as_bytes());
        assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
        let objects = manifest.documents[0].objects().unwrap();
        provider_class(&objects[0]).unwrap().unwrap()
    }

    #[test]
    fn reads_the_objects_of_vault() {
        let class = read(
            "vault",
            "    roleName: app\n    objects: |\n      - objectName: a\n        secretPath: secret/data/db\n        secretKey: password\n      - objectName: b\n        secretPath: \"secret/data/cache?version=1\"\n",
        );
        assert_eq!((class.namespace.as_deref(), &*class.name), (Some("shop"), "db"));
        assert_eq!(class.paths, ["secret/data/cache", "secret/data/db"]);
        assert_eq!(class.secrets, ["synced"]);
        assert!(!class.unknown);
    }

    #[test]
    fn reads_the_objects_of_aws() {
        let class = read(
            "aws",
            "    objects: |\n      - objectName: arn:aws:secretsmanager:eu-west-1:1:secret:team/db-AbCdEf\n        failoverObject: {objectName: team/backup}\n        jmesPath: [{path: username, objectAlias: u}]\n      - objectName: /prod/db\n        objectType: ssmparameter\n",
        );
        assert_eq!(class.paths, ["prod/db", "team/backup", "team/db-AbCdEf"]);
        assert!(!class.unknown);
    }

    #[test]
    fn reads_the_objects_of_google() {
        let class = read(
            "gcp",
            "    secrets: |\n      - resourceName: projects/shop/secrets/db/versions/latest\n        path: db.txt\n        mode: 0400\n",
        );
        assert_eq!(class.paths, ["projects/shop/secrets/db"]);
        assert!(!class.unknown);
    }

    #[test]
    fn reads_the_objects_of_azure() {
        let class = read(
            "azure",
            "    keyvaultName: Shop\n    objects: |\n      array:\n        - |\n          objectName: Db\n          objectType: secret\n        - |\n          objectName: cache\n",
        );
        assert_eq!(class.paths, ["shop/cache", "shop/db"]);
        assert!(!class.unknown);
    }

    #[test]
    fn a_class_that_names_its_store_says_so() {
        let objects = "    objects: |\n      - secretPath: secret/data/shop/db\n";
        for (parameter, elsewhere) in [
            ("vaultNamespace: payments", true),
            ("vaultAddress: \"https://other\"", false),
            ("vaultNamespace: \"\"", false),
            ("roleName: app", false),
        ] {
            assert_eq!(read("vault", &format!("    {parameter}\n{objects}")).elsewhere, elsewhere, "{parameter}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        for (provider, parameters) in [
            ("conjur", "    secrets: x\n"),
            ("vault", "    roleName: app\n"),
            ("vault", "    objects: \"- {\"\n"),
            ("vault", "    objects: |\n      - objectName: a\n"),
            ("vault", "    objects: |\n      - secretPath: a\n        secretPath: b\n"),
            ("vault", "    objects: |\n      - secretPath: 0123\n"),
            ("vault", "    objects: |\n      - secretPath: a\n      ---\n      - secretPath: b\n"),
            ("gcp", "    objects: |\n      - resourceName: projects/shop/secrets/db\n"),
            ("azure", "    objects: |\n      array: [\"objectName: a\"]\n"),
            ("azure", "    keyvaultName: shop\n    objects: |\n      - objectName: a\n"),
            ("aws", "    objects: |\n      - objectName: a\n        objectname: b\n"),
            ("aws", "    objects: |\n      - OBJECTNAME: b\n"),
            ("aws", "    objects: |\n      - objectName: a\n        FailoverObject: {objectName: b}\n"),
            ("aws", "    objects: |\n      - objectName: a\n        failoverObject: {objectName: a, objectname: b}\n"),
            ("aws", "    objects: |\n      - objectName: a\n        failoverObject: b\n"),
        ] {
            let class = read(provider, parameters);
            assert!(class.unknown && class.paths.is_empty(), "{provider}: {class:?}");
        }
    }

    #[test]
    fn a_path_with_a_credential_is_unknown_beside_the_others() {
        let class = read("vault", "    objects: |\n      - secretPath: user:hunter2@a\n      - secretPath: a/b\n");
        assert!(class.unknown);
        assert_eq!(class.paths, ["a/b"]);
        assert!(!format!("{class:?}").contains("hunter2"));
    }

    #[test]
    fn other_objects_are_none_and_broken_ones_an_error_without_their_values() {
        let object = |kind: &str, api_version: &str, json: &str| Object {
            address: String::new(),
            pointer: String::new(),
            api_version: api_version.into(),
            kind: kind.into(),
            json: json.into(),
        };
        assert!(provider_class(&object("Secret", "v1", "{}")).unwrap().is_none());
        assert!(provider_class(&object("SecretProviderClass", "example.com/v1", "{}")).unwrap().is_none());
        let broken =
            r#"{"metadata": {"name": "x"}, "spec": {"provider": "vault", "parameters": {"objects": ["hunter2"]}}}"#;
        let error =
            provider_class(&object("SecretProviderClass", "secrets-store.csi.x-k8s.io/v1", broken)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
