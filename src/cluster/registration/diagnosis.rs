//! What is wrong with a configuration: the one that is there beside the one that is shipped.

use std::collections::BTreeSet;

use base64_simd::STANDARD;
use serde_json::Value;

use super::drift::{Configuration, Drift, Problem};
use super::form::{Asked, ClientConfig, ServiceReference, Webhook, webhooks};
use crate::fence::name::Shown;

/// Of what is found and expected, in bytes.
const LONGEST: usize = 256;
/// Of what is asked about no more, how many are named.
const MOST: usize = 8;

/// Whether a bundle of authorities, in PEM, makes a client trust what serves; or why not. None: nothing serves yet.
pub(super) type Trusts<'a> = &'a dyn Fn(&str) -> Option<Result<(), String>>;

/// Everything in which the configuration that is there is less than the shipped one, in stable order. None: none is there.
pub(super) fn diagnose(
    configuration: Configuration,
    shipped: &Value,
    found: Option<&Value>,
    trusts: Trusts<'_>,
) -> Vec<Drift> {
    let Some(found) = found else {
        let expected = "nothing is asked of this webhook".to_owned();
        return vec![Drift {
            configuration,
            webhook: None,
            problem: Problem::Missing,
            field: "",
            found: String::new(),
            expected,
        }];
    };
    let found = webhooks(found);
    let mut all = Vec::new();
    for shipped in webhooks(shipped) {
        let mut of_webhook = Comparison { configuration, webhook: &shipped.name, drift: &mut all };
        match found.iter().find(|webhook| webhook.name == shipped.name) {
            None => {
                let expected = format!("nothing is asked of {}", shipped.path());
                of_webhook.add(Problem::Missing, "", String::new(), expected);
            }
            Some(found) => {
                of_webhook.asks_about(&shipped, found);
                of_webhook.leads_to(&shipped.client_config, &found.client_config);
                of_webhook.answers(&shipped, found);
                of_webhook.trusts(&found.client_config, trusts);
                if configuration == Configuration::Mutating {
                    of_webhook.same("reinvocationPolicy", &shipped.reinvocation_policy, &found.reinvocation_policy);
                }
            }
        }
    }
    all
}

/// The authorities of a `caBundle`, in PEM.
pub(super) fn bundle_of(client_config: &ClientConfig) -> Option<String> {
    let encoded = client_config.ca_bundle.as_deref().filter(|encoded| !encoded.is_empty())?;
    String::from_utf8(STANDARD.decode_to_vec(encoded).ok()?).ok()
}

/// One webhook beside the shipped one of its name.
struct Comparison<'a> {
    configuration: Configuration,
    webhook: &'a str,
    drift: &'a mut Vec<Drift>,
}

impl Comparison<'_> {
    fn asks_about(&mut self, shipped: &Webhook, found: &Webhook) {
        let missing = found.lacks(shipped);
        if !missing.is_empty() {
            self.add(Problem::Narrowed, "rules", format!("without {}", in_words(&missing)), "with them".to_owned());
        }
        let namespaces = found.namespace_selector.leaves_out_but_by_name(&shipped.namespace_selector);
        let objects = found.object_selector.leaves_out(&shipped.object_selector);
        for (field, narrower) in [("namespaceSelector", namespaces), ("objectSelector", objects)] {
            if !narrower.is_empty() {
                let expected = "nothing that leaves out more than the shipped one".to_owned();
                self.add(Problem::Narrowed, field, narrower.join(","), expected);
            }
        }
        let strange = found.conditions_beside(shipped);
        if !strange.is_empty() {
            let expected = "no condition that is not shipped".to_owned();
            self.add(Problem::Narrowed, "matchConditions", strange.join(", "), expected);
        }
    }

    fn leads_to(&mut self, shipped: &ClientConfig, found: &ClientConfig) {
        let in_words = |config: &ClientConfig| match (&config.service, &config.url) {
            (Some(ServiceReference { namespace, name, path, port }), _) => {
                format!("service {namespace}/{name}:{port}{path}")
            }
            // May hold a password, or a token in its query.
            (None, Some(_)) => "a url".to_owned(),
            (None, None) => "nothing".to_owned(),
        };
        if found.service != shipped.service {
            self.add(Problem::Elsewhere, "clientConfig", in_words(found), in_words(shipped));
        }
    }

    fn answers(&mut self, shipped: &Webhook, found: &Webhook) {
        if found.failure_policy != shipped.failure_policy {
            let (found, shipped) = (found.failure_policy.clone(), shipped.failure_policy.clone());
            self.add(Problem::FailurePolicy, "failurePolicy", found, shipped);
        }
        if found.timeout_seconds < shipped.timeout_seconds {
            let (found, shipped) = (format!("{} s", found.timeout_seconds), format!("{} s", shipped.timeout_seconds));
            self.add(Problem::Timeout, "timeoutSeconds", found, format!("at least {shipped}"));
        }
        self.same("matchPolicy", &shipped.match_policy, &found.match_policy);
        self.same("sideEffects", &shipped.side_effects, &found.side_effects);
        let versions = |webhook: &Webhook| webhook.admission_review_versions.join(",");
        if !shipped.admission_review_versions.iter().all(|its| found.admission_review_versions.contains(its)) {
            self.add(Problem::Settings, "admissionReviewVersions", versions(found), versions(shipped));
        }
    }

    fn trusts(&mut self, found: &ClientConfig, trusts: Trusts<'_>) {
        // Of a url it is another server's.
        if found.service.is_none() {
            return;
        }
        let expected = "authorities of the certificate that serves".to_owned();
        let Some(bundle) = bundle_of(found) else {
            // Before something serves, nobody can have trusted it.
            if trusts("").is_some() {
                self.add(Problem::CaBundle, "clientConfig.caBundle", "empty".to_owned(), expected);
            }
            return;
        };
        if let Some(Err(why)) = trusts(&bundle) {
            self.add(Problem::CaBundle, "clientConfig.caBundle", format!("one by which {why}"), expected);
        }
    }

    fn same(&mut self, field: &'static str, shipped: &str, found: &str) {
        if found != shipped {
            self.add(Problem::Settings, field, found.to_owned(), shipped.to_owned());
        }
    }

    fn add(&mut self, problem: Problem, field: &'static str, found: String, expected: String) {
        self.drift.push(Drift {
            configuration: self.configuration,
            webhook: Some(self.webhook.to_owned()),
            problem,
            field,
            found: shown(&found),
            expected: shown(&expected),
        });
    }
}

impl Webhook {
    /// Where it asks.
    pub(super) fn path(&self) -> &str {
        self.client_config.service.as_ref().map_or("", |service| &service.path)
    }

    /// What the shipped one asks about and this one does not.
    pub(super) fn lacks<'a>(&self, shipped: &'a Webhook) -> Vec<Asked<'a>> {
        let asked = shipped.rules.iter().flat_map(|rule| rule.asked());
        asked.filter(|asked| !self.rules.iter().any(|rule| rule.covers(asked))).collect()
    }

    /// The names of conditions that are not shipped. What an expression leaves out nobody can say but by running it.
    pub(super) fn conditions_beside(&self, shipped: &Webhook) -> Vec<String> {
        let is_shipped = |words: &[&str]| shipped.match_conditions.iter().any(|shipped| shipped.words() == words);
        let strange = self.match_conditions.iter().filter(|condition| !is_shipped(&condition.words()));
        strange.map(|condition| format!("{:?}", Shown(&condition.name))).collect()
    }
}

/// `UPDATE pods/ephemeralcontainers, CREATE apps/deployments`: each once.
pub(super) fn in_words(asked: &[Asked<'_>]) -> String {
    let mut seen = BTreeSet::new();
    let words = asked.iter().map(|asked| {
        let group = if asked.group.is_empty() { String::new() } else { format!("{}/", asked.group) };
        format!("{} {group}{}", asked.operation, asked.resource)
    });
    let words: Vec<String> = words.filter(|words| seen.insert(words.clone())).collect();
    let more = words.len().saturating_sub(MOST);
    let mut text = words[..words.len() - more].join(", ");
    if more > 0 {
        text += &format!(" (+{more} more)");
    }
    text
}

/// Whoever writes a configuration may write what he likes: one line, no control, no more than that.
pub(super) fn shown(text: &str) -> String {
    let is_plain = |character: char| (' '..='~').contains(&character);
    let plain: String = text.chars().map(|character| if is_plain(character) { character } else { '?' }).collect();
    if plain.len() <= LONGEST { plain } else { format!("{}...", &plain[..LONGEST - 3]) }
}
