//! What is known beside the object: plain data, handed in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;

use super::access::Access;
use super::rules::copies::Origin;
use super::rules::provider_class::ProviderClass;

/// What is known beside the object.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The day on which exceptions are judged, in UTC.
    pub today: Date,
    /// The labels of the namespaces that are known, by name.
    pub namespaces: HashMap<String, BTreeMap<String, String>>,
    /// The key names of Secrets that are known, by namespace and name. Never their values.
    pub secret_keys: HashMap<(String, String), Vec<String>>,
    /// What is known of Secrets, by namespace and name: whether each is a copy. One that is not here is not known.
    pub secrets: Arc<HashMap<(String, String), Option<Origin>>>,
    /// The namespaces of the Secrets behind SharedSecrets, by the SharedSecret's name.
    pub shared_secrets: Arc<HashMap<String, String>>,
    /// The paths that SecretProviderClasses read, by namespace and name.
    pub provider_classes: Arc<HashMap<(String, String), ProviderClass>>,
    /// Who may do what; absent where nobody has told: then `reach` is not judged.
    pub access: Option<Arc<Access>>,
}

impl Facts {
    /// Nothing is known but the date.
    pub fn on(today: Date) -> Facts {
        Facts {
            today,
            namespaces: HashMap::new(),
            secret_keys: HashMap::new(),
            secrets: Arc::default(),
            shared_secrets: Arc::default(),
            provider_classes: Arc::default(),
            access: None,
        }
    }
}
