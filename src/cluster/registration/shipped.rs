//! What is shipped: the files of `manifests/`, and nothing beside them.

use serde_json::{Value, json};

use super::Wanted;
use super::drift::Configuration;

const OPT_IN: &str = include_str!("../../../manifests/opt-in/registrations.yaml");
const CLUSTER_WIDE: &str = include_str!("../../../manifests/cluster-wide/registrations.yaml");

/// Which of the shipped registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// Namespaces with the mode label.
    OptIn,
    /// All namespaces but those that are named or labelled off.
    ClusterWide,
}

impl Breadth {
    /// As flags have it.
    pub fn name(self) -> &'static str {
        match self {
            Breadth::OptIn => "opt-in",
            Breadth::ClusterWide => "cluster-wide",
        }
    }
}

/// The shipped configuration, for this Service: as it would be applied, without `caBundle`.
pub(super) fn configuration(configuration: Configuration, wanted: &Wanted) -> Value {
    let mut its = file(configuration, wanted.breadth);
    for webhook in its["webhooks"].as_array_mut().into_iter().flatten() {
        let service = &mut webhook["clientConfig"]["service"];
        service["namespace"] = json!(wanted.service.namespace);
        service["name"] = json!(wanted.service.name);
        service["port"] = json!(wanted.service.port);
        leave_out(webhook, &wanted.service.namespace);
    }
    its
}

/// The shipped configuration as it stands in its file.
pub(super) fn file(configuration: Configuration, breadth: Breadth) -> Value {
    let text = match breadth {
        Breadth::OptIn => OPT_IN,
        Breadth::ClusterWide => CLUSTER_WIDE,
    };
    let objects = crate::manifest::parse(text.as_bytes()).documents.into_iter();
    let objects = objects.filter_map(|document| serde_json::from_slice(&document.with_words().json().ok()?).ok());
    let its = objects.into_iter().find(|object: &Value| object["kind"] == configuration.kind());
    // Nothing would be compared with nothing, and all be well. That this cannot happen, a test holds.
    its.unwrap_or_else(|| unreachable!("no {configuration} is shipped"))
}

/// The own namespace stands in the list of those that are never judged, whatever it is called.
fn leave_out(webhook: &mut Value, namespace: &str) {
    let expressions = webhook["namespaceSelector"]["matchExpressions"].as_array_mut().into_iter().flatten();
    for values in expressions.filter(|its| its["key"] == super::selector::NAME_LABEL) {
        if let Some(values) = values["values"].as_array_mut()
            && !values.iter().any(|value| value == namespace)
        {
            values.push(json!(namespace));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::webhooks;
    use super::super::tests::wanted;
    use super::*;

    #[test]
    fn both_registrations_ship_both_configurations_with_two_webhooks_each() {
        for breadth in [Breadth::OptIn, Breadth::ClusterWide] {
            for its in Configuration::ALL {
                let shipped = configuration(its, &Wanted { breadth, ..wanted() });
                assert_eq!(shipped["metadata"]["name"], its.name());
                assert_eq!(webhooks(&shipped).len(), 2, "{shipped:#}");
                assert_eq!(shipped["webhooks"].as_array().unwrap().len(), 2);
            }
        }
    }

    #[test]
    fn the_own_service_and_namespace_take_the_place_of_the_shipped_ones() {
        let mut wanted = wanted();
        wanted.service.namespace = "fence".to_owned();
        wanted.service.port = 9443;
        let shipped = configuration(Configuration::Validating, &wanted);
        let service = &shipped["webhooks"][0]["clientConfig"]["service"];
        assert_eq!(*service, json!({"namespace": "fence", "name": "secretfence", "port": 9443, "path": "/validate"}));
        let names = &shipped["webhooks"][0]["namespaceSelector"]["matchExpressions"][0]["values"];
        assert!(names.as_array().unwrap().contains(&json!("fence")), "{names}");
    }
}
