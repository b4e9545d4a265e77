//! `SecretProviderClass` objects: which paths of an external store a CSI volume of the Secrets Store driver mounts.

use std::borrow::Cow;

use super::store::path;

/// What is kept of a `SecretProviderClass`. Of its parameters nothing is kept but the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderClass {
    /// Its namespace, where the object says it.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The paths in the store, without key, version and query, as they are written, sorted.
    pub paths: Vec<String>,
    /// Whether there are others beside them that are not known: another provider, or objects that cannot be read.
    pub unknown: bool,
    /// Whether it names the namespace or the address of the store itself: the paths are then those of another.
    pub elsewhere: bool,
    /// The Secrets that the driver makes of them (`secretObjects`).
    pub secrets: Vec<String>,
}

/// A provider whose objects are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// <https://developer.hashicorp.com/vault/docs/platform/k8s/csi/configurations>
    Vault,
    /// <https://github.com/aws/secrets-store-csi-driver-provider-aws#secretproviderclass-options>
    Aws,
    /// <https://github.com/GoogleCloudPlatform/secrets-store-csi-driver-provider-gcp#usage>
    Google,
    /// <https://azure.github.io/secrets-store-csi-driver-provider-azure/docs/getting-started/usage/>
    Azure,
}

impl Provider {
    /// By `spec.provider`.
    pub fn named(name: &str) -> Option<Provider> {
        Some(match name {
            "vault" => Provider::Vault,
            "aws" => Provider::Aws,
            "gcp" => Provider::Google,
            "azure" => Provider::Azure,
            _ => return None,
        })
    }

    /// The parameter that lists the objects.
    pub fn objects_parameter(self) -> &'static str {
        match self {
            Provider::Google => "secrets",
            Provider::Vault | Provider::Aws | Provider::Azure => "objects",
        }
    }

    /// The parameters that name the namespace or the account of the store.
    pub fn store_parameters(self) -> &'static [&'static str] {
        match self {
            Provider::Vault => &["vaultNamespace"],
            Provider::Aws | Provider::Google | Provider::Azure => &[],
        }
    }

    /// The member of an object that names it in the store.
    pub fn object_member(self) -> &'static str {
        match self {
            Provider::Vault => "secretPath",
            Provider::Google => "resourceName",
            Provider::Aws | Provider::Azure => "objectName",
        }
    }

    /// The path of an object; `vault` is the parameter `keyvaultName`. None where it cannot be told.
    pub fn path<'v>(self, vault: Option<&str>, object: &'v str) -> Option<Cow<'v, str>> {
        match self {
            Provider::Vault => path::plain(object),
            Provider::Aws => path::arn(object),
            Provider::Google => path::google(object),
            Provider::Azure => {
                let path = format!("{}/{object}", vault.map(str::trim).filter(|vault| !vault.is_empty())?);
                Some(Cow::Owned(path::azure(&path, 2)?.into_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_has_its_own_idea_of_a_path() {
        let path = |name, vault, object| Provider::named(name).unwrap().path(vault, object).map(Cow::into_owned);
        assert_eq!(path("vault", None, "secret/data/db").as_deref(), Some("secret/data/db"));
        assert_eq!(
            path("aws", None, "arn:aws:secretsmanager:r:1:secret:team/db-AbCdEf").as_deref(),
            Some("team/db-AbCdEf")
        );
        assert_eq!(path("aws", None, "team/db").as_deref(), Some("team/db"));
        assert_eq!(path("gcp", None, "projects/p/secrets/s/versions/latest").as_deref(), Some("projects/p/secrets/s"));
        assert_eq!(path("azure", Some(" Shop "), "Db").as_deref(), Some("shop/db"));
        assert_eq!(path("azure", None, "Db"), None);
        assert_eq!(path("vault", None, "user:hunter2@x"), None);
        assert_eq!(Provider::named("Vault"), None);
    }
}
