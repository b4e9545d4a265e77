//! What is known beside the object: plain data, handed in.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

/// What is known beside the object.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The day on which exceptions are judged, in UTC.
    pub today: Date,
    /// The labels of the namespaces that are known, by name.
    pub namespaces: HashMap<String, BTreeMap<String, String>>,
    /// The key names of Secrets that are known, by namespace and name. Never their values.
    pub secret_keys: HashMap<(String, String), Vec<String>>,
}

impl Facts {
    /// Nothing is known but the date.
    pub fn on(today: Date) -> Facts {
        Facts { today, namespaces: HashMap::new(), secret_keys: HashMap::new() }
    }
}
