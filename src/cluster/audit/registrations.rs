//! What is registered of ours, and which namespaces that asks about.

use kube_client::core::params::ListParams;
use serde::Deserialize;

use super::error::{Asked, AuditError};
use super::lists::{Pages, Step};
use crate::cluster::list::{Link, Listing};
use crate::fence::facts::Labels;
use crate::fence::policy::{LabelSelector, Operator, Requirement};

/// The label that says how a namespace is fenced.
pub const MODE_LABEL: &str = "secretfence.dev/mode";
/// What it can say; nothing is one more.
const MODES: [&str; 3] = ["enforce", "dry-run", "off"];
/// Our webhooks, by the names of the shipped registrations.
const ENFORCING: [&str; 2] = ["mutate.secretfence.dev", "validate.secretfence.dev"];
const DRY: [&str; 2] = ["mutate-dry-run.secretfence.dev", "validate-dry-run.secretfence.dev"];

/// The selectors of our webhooks.
#[derive(Debug, Default)]
pub struct Registrations {
    enforcing: Vec<LabelSelector>,
    dry: Vec<LabelSelector>,
}

/// Which webhooks of ours are asked about the pods of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Those that deny and swap.
    Enforcing,
    /// Those that report.
    DryRun,
    /// None, as it is labelled.
    Nobody,
    /// None, and no label would change that.
    Never,
}

pub(super) async fn read(link: &Link) -> Result<Registrations, AuditError> {
    let mut registrations = Registrations::default();
    for resource in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let group = "admissionregistration.k8s.io";
        let asked = Asked { verb: "list", what: resource, resource, group, namespace: None };
        let listing = Listing { path: format!("/apis/{group}/v1/{resource}"), is_metadata: false };
        let mut pages = Pages::new(listing, ListParams::default());
        loop {
            match pages.next(link, asked).await? {
                Step::Page(page) => page.items().for_each(|item| registrations.add(item)),
                // One that is there twice selects what it does once.
                Step::Anew => {}
                Step::End => break,
            }
        }
    }
    Ok(registrations)
}

impl Registrations {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.enforcing.is_empty() && self.dry.is_empty()
    }

    /// Who is asked about a namespace with these labels.
    pub fn ask_about(&self, labels: &Labels) -> Asks {
        let current = labels.get(MODE_LABEL);
        let some = |selectors: &[LabelSelector], mode: Option<&str>| {
            let label = |key: &str| if key == MODE_LABEL { mode } else { labels.get(key) };
            selectors.iter().any(|selector| selector.matches(label))
        };
        if some(&self.enforcing, current) {
            return Asks::Enforcing;
        }
        if some(&self.dry, current) {
            return Asks::DryRun;
        }
        let would = |mode| some(&self.enforcing, mode) || some(&self.dry, mode);
        let modes = MODES.iter().map(|mode| Some(*mode)).chain([None]);
        if modes.into_iter().any(would) { Asks::Nobody } else { Asks::Never }
    }

    /// What is no configuration has no webhook of ours.
    fn add(&mut self, json: &[u8]) {
        let Ok(Configuration { webhooks }) = serde_json::from_slice(json) else { return };
        for Webhook { name, namespace_selector } in webhooks.unwrap_or_default() {
            let selector = || namespace_selector.unwrap_or_default().compiled();
            if ENFORCING.contains(&&*name) {
                self.enforcing.push(selector());
            } else if DRY.contains(&&*name) {
                self.dry.push(selector());
            }
        }
    }
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    webhooks: Option<Vec<Webhook>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    name: String,
    #[serde(default)]
    namespace_selector: Option<Written>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    match_labels: Option<std::collections::BTreeMap<String, String>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

impl Written {
    fn compiled(self) -> LabelSelector {
        let labels = self.match_labels.unwrap_or_default().into_iter();
        let labels = labels.map(|(key, value)| Requirement { key, operator: Operator::In(vec![value]) });
        let expressions = self.match_expressions.unwrap_or_default().into_iter().map(Expression::compiled);
        LabelSelector { requirements: labels.chain(expressions).collect() }
    }
}

impl Expression {
    fn compiled(self) -> Requirement {
        let values = self.values.unwrap_or_default();
        let operator = match &*self.operator {
            "In" => Operator::In(values),
            "NotIn" => Operator::NotIn(values),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            // Of a newer API server. That it selects is the guess by which nothing is left out of the audit.
            _ => Operator::NotIn(Vec::new()),
        };
        Requirement { key: self.key, operator }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    fn shipped(folder: &str) -> Registrations {
        let path = format!("{}/manifests/{folder}/registrations.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(path).unwrap();
        let mut registrations = Registrations::default();
        for document in &manifest::parse(&text).documents {
            registrations.add(&document.json().unwrap());
        }
        registrations
    }

    fn labels(name: &str, mode: Option<&str>) -> Labels {
        let mode = mode.map(|mode| (MODE_LABEL, mode));
        [("kubernetes.io/metadata.name", name)].into_iter().chain(mode).collect()
    }

    fn asked(registrations: &Registrations, name: &str) -> [Asks; 4] {
        [Some("enforce"), Some("dry-run"), Some("off"), None].map(|mode| registrations.ask_about(&labels(name, mode)))
    }

    #[test]
    fn labels_choose_who_is_asked() {
        use Asks::{DryRun, Enforcing, Nobody};
        assert_eq!(asked(&shipped("opt-in"), "shop"), [Enforcing, DryRun, Nobody, Nobody]);
        assert_eq!(asked(&shipped("cluster-wide"), "shop"), [Enforcing, DryRun, Nobody, Enforcing]);
    }

    #[test]
    fn namespaces_that_are_left_out_by_name_are_never_asked_about() {
        for folder in ["opt-in", "cluster-wide"] {
            assert_eq!(asked(&shipped(folder), "kube-system"), [Asks::Never; 4]);
        }
    }

    #[test]
    fn webhooks_of_others_are_not_ours() {
        let mut registrations = Registrations::default();
        registrations.add(br#"{"webhooks": [{"name": "validate.kyverno.svc"}]}"#);
        assert!(registrations.is_empty());
        registrations.add(br#"{"webhooks": [{"name": "validate.secretfence.dev"}]}"#);
        assert_eq!(registrations.ask_about(&labels("a", None)), Asks::Enforcing);
    }
}
