//! What is registered of ours, and what that makes of the pods of a namespace.

use std::collections::{BTreeMap, BTreeSet};

use kube_client::core::params::ListParams;

use super::error::{Asked, AuditError};
use super::lists::{Pages, Step};
use crate::cluster::list::{Link, Listing};
use crate::cluster::registration::registered::{Pods, Registered, Shipped};
use crate::cluster::registration::{Configuration, NAME_LABEL};
use crate::fence::facts::Labels;

/// The label that says how a namespace is fenced.
pub const MODE_LABEL: &str = "secretfence.dev/mode";
/// Of sentences about what is registered, how many are said.
const MOST: usize = 8;
/// Of places to which webhooks lead, how many are named.
const MOST_PLACES: usize = 4;

/// Our webhooks, wherever they are registered.
#[derive(Debug, Default)]
pub struct Registrations {
    webhooks: Vec<Registered>,
    missing: Vec<String>,
}

/// What our webhooks do about the pods of a namespace. The validating one decides: what the mutating one misses, it denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Every pod is swapped or denied.
    Enforcing,
    /// Some are, and some get past them: [`Registrations::shortfalls`] says why.
    Narrowed,
    /// Those that report are asked, and those that deny are not.
    DryRun,
    /// Nothing is denied or reported, as it is labelled.
    Nobody,
    /// The same, since it stands in the list of names that each of them leaves out: no label would change that.
    Never,
}

/// One half of the fence that is asked of a namespace, where the other one, which is registered, too, is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Pods are swapped, and none is denied.
    Swaps,
    /// Pods are denied, those too that would be swapped.
    Denies,
}

pub(super) async fn read(link: &Link) -> Result<Registrations, AuditError> {
    let mut registrations = Registrations::default();
    for configuration in Configuration::ALL {
        let (resource, group) = (configuration.resource(), "admissionregistration.k8s.io");
        let asked = Asked { verb: "list", what: resource, resource, group, namespace: None };
        let listing = Listing { path: format!("/apis/{group}/v1/{resource}"), is_metadata: false };
        let mut pages = Pages::new(listing, ListParams::default());
        let shipped = Shipped::of(configuration);
        let mut found = Vec::new();
        loop {
            match pages.next(link, asked).await? {
                Step::Page(page) => page.items().for_each(|item| found.extend(shipped.registered(item))),
                // As one was before, it may hold nothing any more.
                Step::Anew => found.clear(),
                Step::End => break,
            }
        }
        registrations.add(&shipped, found);
    }
    Ok(registrations)
}

impl Registrations {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.webhooks.is_empty()
    }

    /// What is done about the pods of a namespace with these labels.
    pub fn ask_about(&self, labels: &Labels) -> Asks {
        match (self.held(Configuration::Validating, false, labels), self.held(Configuration::Validating, true, labels))
        {
            (Pods::All, _) => Asks::Enforcing,
            (Pods::Some, _) => Asks::Narrowed,
            (Pods::None, Pods::All | Pods::Some) => Asks::DryRun,
            (Pods::None, Pods::None) if self.list(labels) => Asks::Never,
            (Pods::None, Pods::None) => Asks::Nobody,
        }
    }

    /// Which half of the fence stands alone around a namespace with these labels, since the other one leaves it out.
    pub fn alone(&self, labels: &Labels) -> Option<Half> {
        let is_there = |half: Configuration| {
            self.webhooks.iter().any(|its| its.configuration == half && !its.is_dry_run && its.pods != Pods::None)
        };
        let holds = |half| self.held(half, false, labels) != Pods::None;
        match (holds(Configuration::Mutating), holds(Configuration::Validating)) {
            (true, false) if is_there(Configuration::Validating) => Some(Half::Swaps),
            (false, true) if is_there(Configuration::Mutating) => Some(Half::Denies),
            _ => None,
        }
    }

    /// Which pods what is registered misses, and why: a sentence for each webhook of which that can be said, in order. And one
    /// where they lead to more than one place. Safe to show.
    pub fn shortfalls(&self) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let found = self.webhooks.iter().filter_map(|webhook| webhook.shortfall.as_ref());
        let all: BTreeSet<&String> = self.missing.iter().chain(found).collect();
        let more = all.len().saturating_sub(MOST);
        let mut sentences: Vec<String> = all.into_iter().take(MOST).cloned().collect();
        if more > 0 {
            sentences.push(format!(
                "which pods {more} more webhooks of ours miss: what is registered by their names says it"
            ));
        }
        sentences.extend(self.places_in_words());
        sentences
    }

    /// Where the Services or hosts to which they lead are more than one. Who answers nobody can see from outside: of one place
    /// that is as true, and said in the documentation.
    fn places_in_words(&self) -> Option<String> {
        let mut places: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for webhook in &self.webhooks {
            let Some(place) = &webhook.leads_to else { continue };
            places.entry(place).or_default().insert(&webhook.name);
        }
        let in_words = |(place, names): (&&str, &BTreeSet<&str>)| {
            let names: Vec<&str> = names.iter().copied().collect();
            format!("{place} ({})", names.join(", "))
        };
        let named: Vec<String> = places.iter().take(MOST_PLACES).map(in_words).collect();
        let more = match places.len().saturating_sub(MOST_PLACES) {
            0 => String::new(),
            more => format!(" (+{more} more)"),
        };
        (places.len() > 1).then(|| {
            format!(
                "who answers our webhooks: they lead to {} places, {}{more}, and the fence is told as if Secretfence were in each \
                 of them, which nobody can see from outside: look at their clientConfig",
                places.len(),
                named.join(" and ")
            )
        })
    }

    fn add(&mut self, shipped: &Shipped, found: Vec<Registered>) {
        self.missing.extend(shipped.missing(&found));
        self.webhooks.extend(found);
    }

    /// How many pods of such a namespace do not get past the webhooks of this half. Of two that ask about some, both may
    /// leave out the same.
    fn held(&self, half: Configuration, is_dry_run: bool, labels: &Labels) -> Pods {
        let of_half = self.webhooks.iter().filter(|its| its.configuration == half && its.is_dry_run == is_dry_run);
        let asked = of_half.filter(|its| its.is_asked_of(|key| labels.get(key)));
        asked.map(|its| its.pods).max().unwrap_or(Pods::None)
    }

    /// Whether each webhook of ours, and there is one, leaves it out by name.
    fn list(&self, labels: &Labels) -> bool {
        let lists = |name| self.webhooks.iter().all(|webhook| webhook.lists(name));
        !self.is_empty() && labels.get(NAME_LABEL).is_some_and(lists)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::manifest;

    const ENFORCE: Option<&str> = Some("enforce");
    const DRY: Option<&str> = Some("dry-run");

    /// Both configurations as they are shipped, the mutating one first.
    fn shipped(folder: &str) -> [Value; 2] {
        let path = format!("{}/manifests/{folder}/registrations.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(path).unwrap();
        let documents = manifest::parse(&text).documents;
        let objects = documents.iter().map(|document| serde_json::from_slice(&document.json().unwrap()).unwrap());
        let objects: Vec<Value> = objects.collect();
        let its = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap().clone();
        Configuration::ALL.map(|configuration| its(configuration.kind()))
    }

    fn read(configurations: &[Value; 2]) -> Registrations {
        let mut registrations = Registrations::default();
        for (configuration, object) in Configuration::ALL.into_iter().zip(configurations) {
            let shipped = Shipped::of(configuration);
            let found = shipped.registered(&serde_json::to_vec(object).unwrap());
            registrations.add(&shipped, found);
        }
        registrations
    }

    /// What is registered after a change of what is shipped: first of the mutating webhooks, then of the validating ones,
    /// those that enforce before those in dry run.
    fn changed(change: impl Fn(&mut [Value; 4])) -> Registrations {
        let mut configurations = shipped("opt-in");
        let all: Vec<Value> =
            configurations.iter().flat_map(|object| object["webhooks"].as_array().unwrap().clone()).collect();
        let mut all: [Value; 4] = all.try_into().unwrap();
        change(&mut all);
        let [mutating, validating] = &mut configurations;
        let [a, b, c, d] = all;
        mutating["webhooks"] = json!([a, b]);
        validating["webhooks"] = json!([c, d]);
        read(&configurations)
    }

    fn labels(name: &str, mode: Option<&str>) -> Labels {
        let mode = mode.map(|mode| (MODE_LABEL, mode));
        [(NAME_LABEL, name)].into_iter().chain(mode).collect()
    }

    fn asked(registrations: &Registrations, name: &str) -> [Asks; 4] {
        [ENFORCE, DRY, Some("off"), None].map(|mode| registrations.ask_about(&labels(name, mode)))
    }

    /// What becomes of an enforced namespace after a change of the webhook that denies, and the one sentence about it.
    #[track_caller]
    fn after(change: impl Fn(&mut Value)) -> (Asks, String) {
        let registrations = changed(|[_, _, validate, _]| change(validate));
        let [sentence] = &registrations.shortfalls()[..] else { panic!("{:#?}", registrations.shortfalls()) };
        (registrations.ask_about(&labels("shop", ENFORCE)), sentence.clone())
    }

    #[test]
    fn labels_choose_who_is_asked() {
        use Asks::{DryRun, Enforcing, Nobody};
        for (folder, expected) in
            [("opt-in", [Enforcing, DryRun, Nobody, Nobody]), ("cluster-wide", [Enforcing, DryRun, Nobody, Enforcing])]
        {
            let registrations = read(&shipped(folder));
            assert_eq!(asked(&registrations, "shop"), expected);
            assert_eq!(registrations.shortfalls(), Vec::<String>::new(), "{folder}");
            let alone = [ENFORCE, DRY, None].map(|mode| registrations.alone(&labels("shop", mode)));
            assert_eq!(alone, [None; 3]);
        }
    }

    #[test]
    fn namespaces_that_are_left_out_by_name_are_never_asked_about() {
        for folder in ["opt-in", "cluster-wide"] {
            assert_eq!(asked(&read(&shipped(folder)), "kube-system"), [Asks::Never; 4]);
        }
    }

    #[test]
    fn a_namespace_without_a_label_of_ones_own_is_open_and_not_left_out() {
        let of_team = |team: Value| {
            changed(move |webhooks| {
                for webhook in webhooks {
                    webhook["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap().push(team.clone());
                }
            })
        };
        for team in [
            json!({"key": "team", "operator": "In", "values": ["a"]}),
            json!({"key": "team", "operator": "Newer"}),
            // Nobody has named those that it does not choose.
            json!({"key": NAME_LABEL, "operator": "In", "values": ["canary"]}),
        ] {
            let registrations = of_team(team.clone());
            assert_eq!(asked(&registrations, "shop"), [Asks::Nobody; 4], "{team}");
            assert_eq!(asked(&registrations, "kube-system"), [Asks::Never; 4], "{team}");
        }
    }

    #[test]
    fn a_name_is_left_out_where_each_webhook_leaves_it_out() {
        let registrations = changed(|[_, _, _, dry]| {
            dry["namespaceSelector"] = json!({"matchLabels": {MODE_LABEL: "dry-run"}});
        });
        use Asks::{DryRun, Nobody};
        assert_eq!(asked(&registrations, "kube-system"), [Nobody, DryRun, Nobody, Nobody]);
    }

    #[test]
    fn who_is_not_asked_when_a_pod_is_made_enforces_nothing() {
        for rules in [
            json!([]),
            json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods", "pods/*"]}]),
            json!([{"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]),
            json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "Cluster"}]),
        ] {
            let (asks, sentence) = after(|webhook| webhook["rules"] = rules.clone());
            assert_eq!(asks, Asks::Nobody, "{rules}");
            assert!(sentence.contains("misses: all, since its rules are without CREATE pods"), "{sentence}");
        }
    }

    #[test]
    fn what_some_pods_get_past_is_narrowed() {
        let condition = |expression: &str| json!([{"name": "mine", "expression": expression}]);
        let selector = |key: &str| json!({"matchExpressions": [{"key": key, "operator": "NotIn", "values": ["a"]}]});
        type Change<'a> = (&'a str, Value, &'a str);
        let changes: [Change<'_>; 7] = [
            ("objectSelector", json!({"matchLabels": {"team": "a"}}), "its objectSelector asks for team=a"),
            // Of a pod, whoever makes it writes that label.
            (
                "objectSelector",
                selector(NAME_LABEL),
                "its objectSelector asks for kubernetes.io/metadata.name notin (a)",
            ),
            ("matchConditions", condition("false"), "its matchConditions have \"mine\", which is not shipped"),
            ("failurePolicy", json!("Ignore"), "its failurePolicy is Ignore"),
            ("rules/0/operations", json!(["CREATE"]), "its rules are without UPDATE pods"),
            ("rules/1/resources", json!(["pods/status"]), "its rules are without UPDATE pods/ephemeralcontainers"),
            ("clientConfig/service/path", json!("/"), "it does not lead to /validate"),
        ];
        for (field, value, why) in changes {
            let (asks, sentence) = after(|webhook| match webhook.pointer_mut(&format!("/{field}")) {
                Some(there) => *there = value.clone(),
                None => webhook[field] = value.clone(),
            });
            let expected = format!(
                "which pods webhook validate.secretfence.dev of ValidatingWebhookConfiguration \"secretfence\" misses: some, since \
                 {why}: apply the shipped registrations again, or let serve keep them (--manage-registration)"
            );
            assert_eq!((asks, &*sentence), (Asks::Narrowed, &*expected), "{field}");
        }
    }

    #[test]
    fn a_path_of_a_url_that_is_none_of_ours_narrows_and_its_password_is_not_said() {
        let url = json!({"url": "https://user:password@example.com/allow"});
        let registrations = changed(|[_, _, validate, _]| validate["clientConfig"] = url.clone());
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Narrowed);
        let sentences = registrations.shortfalls();
        let [path, places] = &sentences[..] else { panic!("{sentences:#?}") };
        assert!(path.contains("misses: some, since it does not lead to /validate: "), "{path}");
        assert!(places.contains(" 2 places, example.com (validate.secretfence.dev) and "), "{places}");
        assert!(!sentences.concat().contains("password"), "{sentences:#?}");
    }

    #[test]
    fn what_is_written_otherwise_and_means_the_same_enforces() {
        let registrations = changed(|[_, _, validate, _]| {
            let webhook = validate.as_object_mut().unwrap();
            webhook.remove("failurePolicy");
            webhook.insert("objectSelector".to_owned(), json!({"matchLabels": null, "matchExpressions": null}));
            let everything =
                json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]});
            webhook.insert("rules".to_owned(), json!([everything]));
        });
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        assert_eq!(registrations.shortfalls(), Vec::<String>::new());
        // All of them by the address of a server that is in no cluster.
        let registrations = changed(|webhooks| {
            for webhook in webhooks {
                let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap().to_owned();
                webhook["clientConfig"] = json!({"url": format!("https://fence.example.com:8443{path}")});
            }
        });
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        assert_eq!(registrations.shortfalls(), Vec::<String>::new());
    }

    #[test]
    fn webhooks_that_lead_to_two_places_are_said_with_both() {
        let elsewhere = |client_config: Value| {
            let (asks, sentence) = after(|webhook| webhook["clientConfig"] = client_config.clone());
            assert_eq!(asks, Asks::Enforcing, "{sentence}");
            let start = "who answers our webhooks: they lead to 2 places, ";
            let end = ", and the fence is told as if Secretfence were in each of them, which nobody can see from outside: look at \
                       their clientConfig";
            let places = sentence.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            places.unwrap_or_else(|| panic!("{sentence}")).to_owned()
        };
        let others = "secretfence/secretfence (mutate-dry-run.secretfence.dev, mutate.secretfence.dev, \
                      validate-dry-run.secretfence.dev)";
        let service =
            json!({"service": {"namespace": "other", "name": "secretfence", "path": "/validate", "port": 443}});
        assert_eq!(elsewhere(service), format!("other/secretfence (validate.secretfence.dev) and {others}"));
        for (url, host) in [
            ("https://User:hunter2@FENCE.example.com:8443/validate", "fence.example.com"),
            ("https://[::1]:8443/validate", "[::1]"),
        ] {
            let place = format!("{host} (validate.secretfence.dev) and {others}");
            let mut expected: Vec<&str> = place.split(" and ").collect();
            expected.sort_unstable();
            assert_eq!(elsewhere(json!({"url": url})), expected.join(" and "));
        }
        // Another port of the same Service is the same place.
        let registrations = changed(|[_, _, validate, _]| validate["clientConfig"]["service"]["port"] = json!(8443));
        assert_eq!(registrations.shortfalls(), Vec::<String>::new());
    }

    #[test]
    fn of_many_places_the_first_are_named() {
        let shipped = Shipped::of(Configuration::Validating);
        let mut registrations = Registrations::default();
        for index in 0..100 {
            let service =
                json!({"namespace": format!("{index:02}\u{7}"), "name": "x".repeat(500), "path": "/validate"});
            let webhook = json!({"name": "validate.secretfence.dev", "clientConfig": {"service": service}});
            registrations
                .add(&shipped, shipped.registered(&serde_json::to_vec(&json!({"webhooks": [webhook]})).unwrap()));
        }
        let sentences = registrations.shortfalls();
        let last = sentences.last().unwrap();
        assert!(last.starts_with("who answers our webhooks: they lead to 100 places, 00"), "{last}");
        assert!(last.contains(" (+96 more), and the fence") && last.len() < 2048, "{last}");
        assert!(last.chars().all(|character| (' '..='~').contains(&character)), "{last:?}");
    }

    #[test]
    fn templates_make_no_pod() {
        let registrations = changed(|[_, _, validate, _]| {
            validate["rules"].as_array_mut().unwrap().truncate(2);
            validate["rules"][0]["resources"] = json!(["pods"]);
        });
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        assert_eq!(registrations.shortfalls(), Vec::<String>::new());
    }

    #[test]
    fn where_it_leads_decides_and_not_what_it_is_called() {
        let (asks, sentence) = after(|webhook| webhook["clientConfig"]["service"]["path"] = json!("/dry-run/validate"));
        assert_eq!(asks, Asks::DryRun);
        assert!(
            sentence.contains("misses: all, since it leads to /dry-run/validate, which only reports"),
            "{sentence}"
        );
        // Without an answer, pods are let in.
        let registrations = changed(|[_, _, _, dry]| dry["clientConfig"]["service"]["path"] = json!("/validate"));
        assert_eq!(registrations.ask_about(&labels("shop", DRY)), Asks::Narrowed);
        let registrations = changed(|[_, _, _, dry]| {
            dry["clientConfig"]["service"]["path"] = json!("/validate");
            dry["failurePolicy"] = json!("Fail");
        });
        assert_eq!(registrations.ask_about(&labels("shop", DRY)), Asks::Enforcing);
    }

    #[test]
    fn without_the_webhook_that_denies_nothing_is_enforced() {
        let [mutating, mut validating] = shipped("opt-in");
        validating["webhooks"].as_array_mut().unwrap().remove(0);
        let registrations = read(&[mutating.clone(), validating]);
        use Asks::{DryRun, Nobody};
        assert_eq!(asked(&registrations, "shop"), [Nobody, DryRun, Nobody, Nobody]);
        let missing =
            "which pods webhook validate.secretfence.dev misses: all, since no ValidatingWebhookConfiguration has it: ";
        assert!(registrations.shortfalls()[0].starts_with(missing), "{:#?}", registrations.shortfalls());
        assert_eq!(registrations.alone(&labels("shop", ENFORCE)), None, "it is said already");
        // With its name, in the wrong place.
        let registrations = read(&[mutating, json!({"webhooks": null})]);
        assert_eq!(asked(&registrations, "shop"), [Nobody; 4]);
        assert_eq!(registrations.shortfalls().len(), 2);
    }

    #[test]
    fn without_the_webhook_that_swaps_all_is_denied() {
        let [mut mutating, validating] = shipped("opt-in");
        mutating["webhooks"].as_array_mut().unwrap().remove(0);
        let registrations = read(&[mutating, validating]);
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        assert!(registrations.shortfalls()[0].contains("webhook mutate.secretfence.dev misses: all"));
        let registrations = changed(|[mutate, ..]| mutate["objectSelector"] = json!({"matchLabels": {"team": "a"}}));
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        assert!(registrations.shortfalls()[0].contains("webhook mutate.secretfence.dev of Mutating"));
    }

    #[test]
    fn a_half_that_stands_alone_is_seen() {
        let of_team = json!({"matchLabels": {"team": "a"}});
        let registrations = changed(|[mutate, ..]| mutate["namespaceSelector"] = of_team.clone());
        assert_eq!(registrations.alone(&labels("shop", ENFORCE)), Some(Half::Denies));
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        let registrations = changed(|[_, _, validate, _]| validate["namespaceSelector"] = of_team.clone());
        assert_eq!(registrations.alone(&labels("shop", ENFORCE)), Some(Half::Swaps));
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Nobody);
        assert_eq!(registrations.alone(&labels("shop", None)), None);
    }

    #[test]
    fn one_that_asks_about_all_makes_up_for_one_that_does_not() {
        let [mutating, validating] = shipped("opt-in");
        let mut narrowed = validating.clone();
        narrowed["webhooks"][0]["objectSelector"] = json!({"matchLabels": {"team": "a"}});
        for webhooks in [[&validating, &narrowed], [&narrowed, &validating]] {
            let webhooks = webhooks.map(|its| its["webhooks"][0].clone());
            let registrations = read(&[mutating.clone(), json!({"webhooks": webhooks})]);
            assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Enforcing);
        }
        let webhooks = json!([narrowed["webhooks"][0], narrowed["webhooks"][0]]);
        let registrations = read(&[mutating, json!({"webhooks": webhooks})]);
        assert_eq!(registrations.ask_about(&labels("shop", ENFORCE)), Asks::Narrowed);
        // Of the two that say the same one is said; and the one in dry run is missing.
        assert_eq!(registrations.shortfalls().len(), 2, "{:#?}", registrations.shortfalls());
    }

    #[test]
    fn one_that_cannot_be_read_enforces_nothing_and_leaves_nothing_out() {
        let (asks, sentence) = after(|webhook| webhook["rules"] = json!("all"));
        assert_eq!(asks, Asks::Nobody);
        assert!(sentence.contains("misses: all, since this version cannot read it"), "{sentence}");
        let registrations = changed(|[_, _, validate, _]| validate["rules"] = json!("all"));
        assert_eq!(asked(&registrations, "kube-system"), [Asks::Nobody; 4]);
    }

    #[test]
    fn webhooks_of_others_are_not_ours() {
        let other = json!({"webhooks": [{"name": "validate.kyverno.svc"}]});
        let registrations = read(&[other.clone(), other]);
        assert!(registrations.is_empty());
        assert_eq!(registrations.shortfalls(), Vec::<String>::new());
        assert_eq!(asked(&registrations, "shop"), [Asks::Nobody; 4]);
    }

    #[test]
    fn sentences_are_bounded_and_safe_to_show() {
        let shipped = Shipped::of(Configuration::Validating);
        let webhook = json!({
            "name": "validate.secretfence.dev",
            "objectSelector": {"matchLabels": {"a\u{202e}\n": "b".repeat(5000)}},
            "matchConditions": [{"name": "\u{1b}[31m", "expression": "false"}],
        });
        let mut registrations = Registrations::default();
        for index in 0..100 {
            let object =
                json!({"metadata": {"name": format!("{index}\u{7}{}", "x".repeat(500))}, "webhooks": [webhook]});
            registrations.add(&shipped, shipped.registered(&serde_json::to_vec(&object).unwrap()));
        }
        let sentences = registrations.shortfalls();
        assert_eq!(sentences.len(), MOST + 1);
        assert!(sentences[MOST].starts_with("which pods 9"), "{}", sentences[MOST]);
        for sentence in &sentences {
            assert!(sentence.len() < 2048, "{}", sentence.len());
            assert!(
                sentence.chars().all(|character| (' '..='~').contains(&character) || character == '…'),
                "{sentence:?}"
            );
        }
        assert!(sentences[..MOST].is_sorted());
    }
}
