//! Report objects in the cluster: ours are made, changed and removed, and those of others are let alone.
//!
//! Every write is a compare-and-swap: one that is new must not be there, one that is changed or removed must be as it was
//! read. What was changed in between is read and compared again.

use std::collections::BTreeMap;

use http::Method;
use kube_client::core::params::ListParams;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{Asked, AuditError};
use super::lists::{Pages, Step};
use crate::cluster::error::Failure;
use crate::cluster::list::{Link, Listing, Write};

/// The name of every object, and who says that it is ours.
const NAME: &str = "secretfence";
/// The label by which an object is known as ours, together with its name.
const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "secretfence");

/// How often what others have changed in between is read again.
const ROUNDS: u32 = 3;

/// An API for reports, as a cluster has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportApi {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    resource: &'static str,
}

/// Those that we know, the one that is preferred first.
const APIS: [ReportApi; 2] = [
    ReportApi { group: "openreports.io", version: "v1alpha1", kind: "Report", resource: "reports" },
    ReportApi { group: "wgpolicyk8s.io", version: "v1alpha2", kind: "PolicyReport", resource: "policyreports" },
];

/// What a report says, but for its kind and metadata.
#[derive(Clone, Debug)]
pub struct Report {
    /// In which it stands.
    pub namespace: String,
    /// The other fields of the object.
    pub content: Map<String, Value>,
}

/// What came of publishing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Reports that are in the cluster now as they should be, those that were before too.
    pub written: usize,
    /// Reports that were removed.
    pub removed: usize,
}

/// Where reports are made, changed and removed.
#[derive(Clone, Debug)]
pub struct Scope {
    /// In these namespaces alone; none: in the whole cluster.
    pub namespaces: Option<Vec<String>>,
    /// Whether a report is removed where nothing was found. Not where something could not be read.
    pub removes: bool,
}

/// An object of the name that ours have.
struct Standing {
    is_ours: bool,
    uid: String,
    version: String,
}

impl ReportApi {
    /// `reports of openreports.io`.
    pub fn in_words(self) -> String {
        format!("{} of {}", self.resource, self.group)
    }

    fn path(self, namespace: Option<&str>) -> String {
        let within = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
        format!("/apis/{}/{}{within}/{}", self.group, self.version, self.resource)
    }

    fn asked<'a>(self, verb: &'static str, what: &'a str, namespace: Option<&'a str>) -> Asked<'a> {
        Asked { verb, what, resource: self.resource, group: self.group, namespace }
    }
}

/// The first that the API server has; none: it has none.
pub(super) async fn find(link: &Link) -> Result<Option<ReportApi>, AuditError> {
    #[derive(Deserialize)]
    struct Resources {
        resources: Vec<Resource>,
    }
    #[derive(Deserialize)]
    struct Resource {
        name: String,
    }
    for api in APIS {
        let what = format!("the resources of {}", api.group);
        let asked = api.asked("get", &what, None);
        let path = format!("/apis/{}/{}", api.group, api.version);
        let body = match link.send(&Write { method: Method::GET, path, body: None }).await {
            Ok(body) => body,
            Err(Failure::Refused { code: 404, .. }) => continue,
            Err(failure) => return Err(AuditError::of(failure, asked, 0)),
        };
        let Ok(Resources { resources }) = serde_json::from_slice(&body) else {
            return Err(AuditError::malformed(asked, 0));
        };
        if resources.iter().any(|resource| resource.name == api.resource) {
            return Ok(Some(api));
        }
    }
    Ok(None)
}

pub(super) async fn publish(
    link: &Link,
    api: ReportApi,
    scope: &Scope,
    reports: &[Report],
) -> (Published, Vec<AuditError>) {
    let mut publishing = Publishing { link, api, published: Published::default(), errors: Vec::new() };
    let places: Vec<Option<&str>> = match &scope.namespaces {
        Some(namespaces) => namespaces.iter().map(|name| Some(name.as_str())).collect(),
        None => vec![None],
    };
    for place in places {
        let of_it = |report: &&Report| place.is_none_or(|place| report.namespace == place);
        publishing.place(place, reports.iter().filter(of_it).collect(), scope.removes).await;
    }
    (publishing.published, publishing.errors)
}

struct Publishing<'a> {
    link: &'a Link,
    api: ReportApi,
    published: Published,
    errors: Vec<AuditError>,
}

impl Publishing<'_> {
    /// Of a namespace, or of all: each round takes up what the one before has left.
    async fn place(&mut self, place: Option<&str>, reports: Vec<&Report>, removes: bool) {
        let mut left: BTreeMap<&str, &Report> = reports.iter().map(|its| (its.namespace.as_str(), *its)).collect();
        let mut denied: Vec<&'static str> = Vec::new();
        for round in 1..=ROUNDS {
            let mut standing = match self.standing(place).await {
                Ok(standing) => standing,
                Err(error) => return self.errors.push(error),
            };
            let mut again = BTreeMap::new();
            let mut is_behind = false;
            for (namespace, report) in left {
                let there = standing.remove(namespace);
                let verb = if there.is_some() { "patch" } else { "create" };
                if denied.contains(&verb) {
                    continue;
                }
                match self.write(namespace, report, there).await {
                    Ok(()) => self.published.written += 1,
                    Err(Failure::Refused { code: 409, .. }) if round < ROUNDS => drop(again.insert(namespace, report)),
                    // The namespace is gone, or on its way.
                    Err(Failure::Refused { code: 404, .. }) if round == ROUNDS || verb == "create" => {}
                    Err(Failure::Refused { code: 404, .. }) => drop(again.insert(namespace, report)),
                    Err(failure) => self.failed(failure, verb, place, namespace, &mut denied),
                }
            }
            let wanted = |namespace: &str| reports.iter().any(|its| its.namespace == namespace);
            let stale = standing.into_iter().filter(|(namespace, its)| removes && its.is_ours && !wanted(namespace));
            for (namespace, its) in stale {
                if denied.contains(&"delete") {
                    continue;
                }
                match self.remove(&namespace, &its).await {
                    Ok(()) => self.published.removed += 1,
                    Err(Failure::Refused { code: 404, .. }) => {}
                    Err(Failure::Refused { code: 409, .. }) if round < ROUNDS => is_behind = true,
                    Err(failure) => self.failed(failure, "delete", place, &namespace, &mut denied),
                }
            }
            if again.is_empty() && !is_behind {
                return;
            }
            left = again;
        }
    }

    /// A right that is missing in the whole cluster is asked for once.
    fn failed(
        &mut self,
        failure: Failure,
        verb: &'static str,
        place: Option<&str>,
        namespace: &str,
        denied: &mut Vec<&'static str>,
    ) {
        let is_denied = matches!(failure, Failure::Refused { code: 403, .. });
        if is_denied {
            denied.push(verb);
        }
        let what = self.api.in_words();
        let within = if is_denied { place } else { Some(namespace) };
        self.errors.push(match failure {
            Failure::Refused { code: 412, .. } => {
                AuditError::NotOurs { what, name: NAME, namespace: namespace.to_owned() }
            }
            failure => AuditError::of_write(failure, self.api.asked(verb, &what, within)),
        });
    }

    /// The objects of our name, by namespace: their metadata is all that is asked for.
    async fn standing(&self, place: Option<&str>) -> Result<BTreeMap<String, Standing>, AuditError> {
        let what = self.api.in_words();
        let listing = Listing { path: self.api.path(place), is_metadata: true };
        let mut pages = Pages::new(listing, ListParams::default().fields(&format!("metadata.name={NAME}")));
        let mut all = BTreeMap::new();
        loop {
            match pages.next(self.link, self.api.asked("list", &what, place)).await? {
                Step::Page(page) => all.extend(page.items().filter_map(Standing::read)),
                Step::Anew => all.clear(),
                Step::End => return Ok(all),
            }
        }
    }

    /// A report of somebody else is no failure of the API server's, and told by a status of its own (412).
    async fn write(&self, namespace: &str, report: &Report, there: Option<Standing>) -> Result<(), Failure> {
        let ReportApi { group, version, kind, .. } = self.api;
        let mut object = Value::Object(report.content.clone());
        object["apiVersion"] = json!(format!("{group}/{version}"));
        object["kind"] = json!(kind);
        let labels = json!({LABEL.0: LABEL.1});
        let collection = self.api.path(Some(namespace));
        let write = match there {
            Some(its) if !its.is_ours => {
                return Err(Failure::Refused { code: 412, reason: String::new() });
            }
            Some(its) => {
                // Of ours the whole, and nothing of what others have hung on it.
                object["metadata"] = json!({"name": NAME, "labels": labels, "resourceVersion": its.version});
                Write { method: Method::PATCH, path: format!("{collection}/{NAME}"), body: Some(object) }
            }
            None => {
                object["metadata"] = json!({"name": NAME, "namespace": namespace, "labels": labels});
                Write { method: Method::POST, path: collection, body: Some(object) }
            }
        };
        self.link.send(&write).await.map(drop)
    }

    async fn remove(&self, namespace: &str, its: &Standing) -> Result<(), Failure> {
        let body: Value = json!({"preconditions": {"uid": its.uid, "resourceVersion": its.version}});
        let path = format!("{}/{NAME}", self.api.path(Some(namespace)));
        self.link.send(&Write { method: Method::DELETE, path, body: Some(body) }).await.map(drop)
    }
}

impl Standing {
    /// With its namespace.
    fn read(json: &[u8]) -> Option<(String, Standing)> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            name: String,
            namespace: String,
            uid: String,
            resource_version: String,
            #[serde(default)]
            labels: BTreeMap<String, String>,
        }
        let Object { metadata } = serde_json::from_slice(json).ok()?;
        let Metadata { name, namespace, uid, resource_version: version, labels } = metadata;
        let is_ours = labels.get(LABEL.0).is_some_and(|by| by == LABEL.1);
        (name == NAME).then_some((namespace, Standing { is_ours, uid, version }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_what_has_the_name_and_the_label() {
        let read = |metadata: Value| Standing::read(json!({"metadata": metadata}).to_string().as_bytes());
        let metadata = |name: &str, by: &str| json!({"name": name, "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {LABEL.0: by}});
        assert!(read(metadata("secretfence", "secretfence")).unwrap().1.is_ours);
        assert!(!read(metadata("secretfence", "kyverno")).unwrap().1.is_ours);
        assert!(read(metadata("other", "secretfence")).is_none());
    }
}
