//! A webhook of a configuration, as the API server reads it: what is not written has the API's own default.

use serde::Deserialize;
use serde_json::Value;

use super::selector::Selector;

/// One webhook, as far as it decides what is asked, of whom, and what an answer is worth.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook {
    pub(super) name: String,
    #[serde(default)]
    pub(super) client_config: ClientConfig,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default = "fail")]
    pub(super) failure_policy: String,
    #[serde(default = "equivalent")]
    pub(super) match_policy: String,
    #[serde(default)]
    pub(super) namespace_selector: Selector,
    #[serde(default)]
    pub(super) object_selector: Selector,
    #[serde(default)]
    pub(super) side_effects: String,
    #[serde(default = "ten")]
    pub(super) timeout_seconds: i64,
    #[serde(default)]
    pub(super) admission_review_versions: Vec<String>,
    /// Of a mutating one.
    #[serde(default = "never")]
    pub(super) reinvocation_policy: String,
    #[serde(default)]
    pub(super) match_conditions: Vec<MatchCondition>,
}

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClientConfig {
    pub(super) url: Option<String>,
    pub(super) service: Option<ServiceReference>,
    /// PEM, in base64.
    pub(super) ca_bundle: Option<String>,
}

/// A Service, its port and the path there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ServiceReference {
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) path: String,
    #[serde(default = "https")]
    pub(super) port: i64,
}

/// What is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rule {
    pub(super) api_groups: Vec<String>,
    pub(super) api_versions: Vec<String>,
    pub(super) operations: Vec<String>,
    pub(super) resources: Vec<String>,
    /// None: `*`.
    pub(super) scope: Option<String>,
}

/// A CEL expression that must hold for us to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct MatchCondition {
    pub(super) name: String,
    pub(super) expression: String,
}

/// The webhooks of a configuration; those that cannot be read are none.
pub(super) fn webhooks(configuration: &Value) -> Vec<Webhook> {
    let all = configuration["webhooks"].as_array().into_iter().flatten();
    all.filter_map(|webhook| Webhook::deserialize(webhook).ok()).collect()
}

impl MatchCondition {
    /// Without what only looks different.
    pub(super) fn words(&self) -> Vec<&str> {
        self.expression.split_whitespace().collect()
    }
}

impl Rule {
    /// Whether this one asks about it.
    pub(super) fn covers(&self, asked: &Asked<'_>) -> bool {
        let any_or = |all: &[String], one: &str| all.iter().any(|each| each == "*" || each == one);
        any_or(&self.operations, asked.operation)
            && any_or(&self.api_groups, asked.group)
            && any_or(&self.api_versions, asked.version)
            && self.resources.iter().any(|pattern| covers_resource(pattern, asked.resource))
            && self.scope.as_deref().is_none_or(|scope| scope == "*" || asked.scope == Some(scope))
    }

    /// Everything that it asks about, one by one.
    pub(super) fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        let scope = self.scope.as_deref().filter(|scope| *scope != "*");
        self.api_groups.iter().flat_map(move |group| {
            self.api_versions.iter().flat_map(move |version| {
                self.resources.iter().flat_map(move |resource| {
                    self.operations.iter().map(move |operation| Asked { operation, group, version, resource, scope })
                })
            })
        })
    }
}

/// One operation on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) operation: &'a str,
    pub(super) group: &'a str,
    version: &'a str,
    pub(super) resource: &'a str,
    scope: Option<&'a str>,
}

/// `*` is every resource and no subresource, as the API server matches them
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules`).
fn covers_resource(pattern: &str, resource: &str) -> bool {
    let part = |pattern: &str, part: &str| pattern == "*" || pattern == part;
    match (pattern.split_once('/'), resource.split_once('/')) {
        (None, None) => part(pattern, resource),
        (Some((name, "*")), None) => part(name, resource),
        (Some((name, subresource)), Some((its_name, its_subresource))) => {
            part(name, its_name) && part(subresource, its_subresource)
        }
        _ => false,
    }
}

fn fail() -> String {
    "Fail".to_owned()
}

fn equivalent() -> String {
    "Equivalent".to_owned()
}

fn never() -> String {
    "Never".to_owned()
}

fn ten() -> i64 {
    10
}

fn https() -> i64 {
    443
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_covered_as_the_api_server_matches_them() {
        for (pattern, resource, is_covered) in [
            ("pods", "pods", true),
            ("*", "pods", true),
            ("*/*", "pods", true),
            ("pods/*", "pods", true),
            ("jobs", "pods", false),
            ("*", "pods/ephemeralcontainers", false),
            ("pods", "pods/ephemeralcontainers", false),
            ("pods/*", "pods/ephemeralcontainers", true),
            ("*/ephemeralcontainers", "pods/ephemeralcontainers", true),
            ("*/*", "pods/ephemeralcontainers", true),
            ("pods/status", "pods/ephemeralcontainers", false),
            ("*/status", "pods", false),
        ] {
            assert_eq!(covers_resource(pattern, resource), is_covered, "{pattern} {resource}");
        }
    }
}
