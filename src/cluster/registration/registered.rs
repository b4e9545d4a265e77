//! Our webhooks as some cluster has them: of which namespaces they are asked, and whether any pod gets past them.
//!
//! It goes by what is registered. Whether a server is there, and is ours, nobody can see from outside.

use http::Uri;
use serde::Deserialize;
use serde_json::Value;

use super::diagnosis::{in_words, shown};
use super::drift::Configuration;
use super::form::{Asked, ClientConfig, Webhook, webhooks};
use super::selector::Selector;
use super::shipped::{Breadth, file};
use crate::fence::name::Shown;

/// Below it, nothing is denied or changed.
const DRY_RUN: &str = "/dry-run/";
const WAY_OUT: &str = "apply the shipped registrations again, or let serve keep them (--manage-registration)";

/// The shipped webhooks of one of the two configurations.
pub(in crate::cluster) struct Shipped {
    configuration: Configuration,
    webhooks: Vec<Webhook>,
}

/// A webhook with the name of one of ours, as it stands in a configuration of whatever name.
#[derive(Debug)]
pub(in crate::cluster) struct Registered {
    /// Which half of the fence it is: the one that swaps, or the one that denies.
    pub(in crate::cluster) configuration: Configuration,
    /// By where it leads: what it is called changes nothing.
    pub(in crate::cluster) is_dry_run: bool,
    /// Of the pods of its namespaces.
    pub(in crate::cluster) pods: Pods,
    /// Why that is less than all, and what to do: safe to show.
    pub(in crate::cluster) shortfall: Option<String>,
    /// What it is called.
    pub(in crate::cluster) name: String,
    /// The Service as `namespace/name`, or of a URL its host: safe to show. None: this version cannot read it.
    pub(in crate::cluster) leads_to: Option<String>,
    namespaces: Selector,
}

/// How many pods do not get past a webhook, in whichever namespace it is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cluster) enum Pods {
    /// It is not asked when one is made.
    None,
    /// Some may get past it: nobody can say which.
    Some,
    /// Each is judged, or is not made.
    All,
}

impl Shipped {
    /// Those of this configuration. What decides about pods is the same in both that are shipped, but for the namespaces.
    pub(in crate::cluster) fn of(configuration: Configuration) -> Shipped {
        Shipped { configuration, webhooks: webhooks(&file(configuration, Breadth::OptIn)) }
    }

    /// Those of our webhooks that an object of the API has. What is no configuration has none.
    pub(in crate::cluster) fn registered(&self, json: &[u8]) -> Vec<Registered> {
        let Ok(object) = serde_json::from_slice::<Value>(json) else { return Vec::new() };
        let all = object["webhooks"].as_array().into_iter().flatten();
        let of_ours = all.filter_map(|found| {
            let shipped = self.webhooks.iter().find(|shipped| found["name"] == *shipped.name)?;
            Some(self.compared(&object, shipped, Webhook::deserialize(found).ok()))
        });
        of_ours.collect()
    }

    /// A sentence for each webhook that is in none of the configurations.
    pub(in crate::cluster) fn missing(&self, found: &[Registered]) -> Vec<String> {
        let kind = self.configuration.kind();
        let is_there = |shipped: &&Webhook| {
            found.iter().any(|its| its.configuration == self.configuration && its.name == shipped.name)
        };
        let missing = self.webhooks.iter().filter(|shipped| !is_there(shipped));
        let in_words = |Webhook { name, .. }: &Webhook| {
            format!("which pods webhook {name} misses: all, since no {kind} has it: {WAY_OUT}")
        };
        missing.map(in_words).collect()
    }

    /// `found`: none where it cannot be read.
    fn compared(&self, object: &Value, shipped: &Webhook, found: Option<Webhook>) -> Registered {
        let is_meant_dry = is_dry_run(shipped.path());
        let (is_dry_run, pods, why) = match &found {
            Some(found) => self.holds(shipped, found),
            None => (is_meant_dry, Pods::None, vec!["this version cannot read it".to_owned()]),
        };
        let shortfall = (!why.is_empty()).then(|| {
            let kind = self.configuration.kind();
            let object = Shown(object["metadata"]["name"].as_str().unwrap_or_default());
            let only_reports = is_dry_run && !is_meant_dry;
            let which = if pods == Pods::None || only_reports { "all" } else { "some" };
            let name = &shipped.name;
            let why = why.join(", and ");
            format!("which pods webhook {name} of {kind} \"{object}\" misses: {which}, since {why}: {WAY_OUT}")
        });
        Registered {
            configuration: self.configuration,
            is_dry_run,
            pods,
            shortfall,
            name: shipped.name.clone(),
            leads_to: found.as_ref().and_then(|found| place(&found.client_config)),
            namespaces: found.map(|found| found.namespace_selector).unwrap_or_default(),
        }
    }

    /// Whether it only reports, how many pods do not get past it, and why that is not all of them.
    fn holds(&self, shipped: &Webhook, found: &Webhook) -> (bool, Pods, Vec<String>) {
        let mut pods = Pods::All;
        let mut why = Vec::new();
        let mut less = |at_most: Pods, reason: String| {
            pods = pods.min(at_most);
            why.push(shown(&reason));
        };
        // Templates make no pod: what is said of them is advice.
        let lacks: Vec<Asked<'_>> = found.lacks(shipped).into_iter().filter(is_about_pods).collect();
        if !lacks.is_empty() {
            let is_made = |asked: &Asked<'_>| asked.resource == "pods" && asked.operation == "CREATE";
            let at_most = if lacks.iter().any(is_made) { Pods::None } else { Pods::Some };
            less(at_most, format!("its rules are without {}", in_words(&lacks)));
        }
        let objects = found.object_selector.leaves_out(&shipped.object_selector);
        if !objects.is_empty() {
            less(Pods::Some, format!("its objectSelector asks for {}", objects.join(",")));
        }
        let conditions = found.conditions_beside(shipped);
        if !conditions.is_empty() {
            less(Pods::Some, format!("its matchConditions have {}, which is not shipped", conditions.join(", ")));
        }
        if let Some(operator) = found.namespace_selector.unknown_operator() {
            let reason = "which this version does not know, so that no namespace counts as asked about";
            less(Pods::Some, format!("its namespaceSelector has the operator \"{}\", {reason}", Shown(operator)));
        }
        let path = path(&found.client_config);
        let leads_to = self.webhooks.iter().map(Webhook::path).find(|shipped| *shipped == path);
        let is_meant_dry = is_dry_run(shipped.path());
        let is_dry_run = leads_to.map_or(is_meant_dry, is_dry_run);
        match leads_to {
            // Of what it reports, nothing is lost.
            Some(path) if is_dry_run && !is_meant_dry => {
                less(Pods::All, format!("it leads to {path}, which only reports"))
            }
            Some(_) => {}
            None => less(Pods::Some, format!("it does not lead to {}", shipped.path())),
        }
        // The other half lets through what has no answer, as shipped, and this one sees it.
        if self.configuration == Configuration::Validating && !is_dry_run && found.failure_policy != "Fail" {
            less(Pods::Some, format!("its failurePolicy is {}", Shown(&found.failure_policy)));
        }
        (is_dry_run, pods, why)
    }
}

impl Registered {
    /// Whether it is asked about pods of a namespace with these labels.
    pub(in crate::cluster) fn is_asked_of<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.pods != Pods::None && self.namespaces.takes_in(label)
    }

    /// Whether it leaves out the namespace of this name whatever its labels are.
    pub(in crate::cluster) fn lists(&self, name: &str) -> bool {
        self.namespaces.lists(name)
    }
}

fn is_about_pods(asked: &Asked<'_>) -> bool {
    asked.group.is_empty() && (asked.resource == "pods" || asked.resource.starts_with("pods/"))
}

fn is_dry_run(path: &str) -> bool {
    path.starts_with(DRY_RUN)
}

/// Of a Service or a url: the API server takes no url with a query.
fn path(config: &ClientConfig) -> &str {
    match (&config.service, &config.url) {
        (Some(service), _) => &service.path,
        (None, Some(url)) => {
            let rest = url.split_once("://").map_or("", |(_, rest)| rest);
            rest.find('/').map_or("", |start| &rest[start..])
        }
        (None, None) => "",
    }
}

/// Of a URL nothing but its host: the rest may hold a password.
fn place(config: &ClientConfig) -> Option<String> {
    let place = match (&config.service, &config.url) {
        (Some(service), _) => format!("{}/{}", Shown(&service.namespace), Shown(&service.name)),
        (None, Some(url)) => {
            let url: Uri = url.parse().ok()?;
            Shown(&url.host()?.to_ascii_lowercase()).to_string()
        }
        (None, None) => return None,
    };
    Some(shown(&place))
}
