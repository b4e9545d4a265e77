//! Report objects in the cluster: ours are made, changed and removed, and those of others are let alone.
//!
//! Every write is a compare-and-swap: one that is new must not be there, one that is changed or removed must be as it was
//! read. What was changed in between is read and compared again.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use kube_client::core::params::ListParams;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::discovery::resources;
use super::error::{Asked, AuditError};
use super::lists::{Pages, Step};
use super::refusals::{PublishError, Reason, Refusals};
use crate::cluster::error::Failure;
use crate::cluster::list::{Link, Listing, Write};

/// The name of every object, and who says that it is ours.
pub(super) const NAME: &str = "secretfence";
/// The label by which an object is known as ours, together with its name.
const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "secretfence");

/// The label that says by which policies a report is.
const REVISION: &str = "secretfence.dev/policy-revision";

/// How often what others have changed in between is read again.
const ROUNDS: u32 = 3;
/// How often in a row the API server may be silent, until it is asked no more.
const UNANSWERED: u32 = 2;

/// An API for reports, as a cluster has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportApi {
    pub(super) group: &'static str,
    version: &'static str,
    kind: &'static str,
    pub(super) resource: &'static str,
}

/// Those that we know, the one that is preferred first.
pub(super) const APIS: [ReportApi; 2] = [
    ReportApi { group: "openreports.io", version: "v1alpha1", kind: "Report", resource: "reports" },
    ReportApi { group: "wgpolicyk8s.io", version: "v1alpha2", kind: "PolicyReport", resource: "policyreports" },
];

/// The reports that there should be. Each is built when it is written: all at once are bigger than what was found.
pub struct Wanted<'a> {
    /// In these namespaces.
    pub namespaces: BTreeSet<&'a str>,
    /// What the one of a namespace says, but for its kind and metadata; none: it cannot be written as JSON.
    pub content: &'a dyn Fn(&str) -> Option<Map<String, Value>>,
    /// The revision of the policies.
    pub revision: &'a str,
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
    /// Which reports are removed where nothing was found.
    pub removal: Removal,
}

/// Which reports are removed where nothing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// None: something could not be read.
    Nothing,
    /// Those by the same policies; the others are an error. No policy is about anything that was judged: it went away, or
    /// the policies are not those that are meant.
    OfSamePolicies,
    /// All.
    All,
}

/// An object of the name that ours have.
struct Standing {
    is_ours: bool,
    uid: String,
    version: String,
    /// Of the policies; empty: it does not say.
    revision: String,
}

/// Why nothing was written or removed.
enum Refused {
    By(Failure),
    Since(Reason),
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
    for api in APIS {
        if is_served(link, api).await? {
            return Ok(Some(api));
        }
    }
    Ok(None)
}

async fn is_served(link: &Link, api: ReportApi) -> Result<bool, AuditError> {
    let what = format!("the resources of {}", api.group);
    let asked = api.asked("get", &what, None);
    match resources(link, format!("/apis/{}/{}", api.group, api.version)).await {
        Ok(found) => {
            let resources = found.ok_or_else(|| AuditError::malformed(asked, 0))?;
            Ok(resources.iter().any(|resource| resource.name == api.resource))
        }
        Err(Failure::Refused { code: 404, .. }) => Ok(false),
        Err(failure) => Err(AuditError::of(failure, asked, 0)),
    }
}

pub(super) async fn publish(
    link: &Link,
    api: ReportApi,
    scope: &Scope,
    wanted: &Wanted<'_>,
) -> (Published, Vec<PublishError>) {
    let places: Vec<Option<&str>> = match &scope.namespaces {
        Some(namespaces) => namespaces.iter().map(|name| Some(name.as_str())).collect(),
        None => vec![None],
    };
    // What was published before the cluster had this API would stay for ever, and say what was true then. It goes first: where
    // one object is served by both, it is there in the end.
    let nothing = Wanted { namespaces: BTreeSet::new(), content: &|_| None, revision: wanted.revision };
    let mut before = Published::default();
    let mut errors = Vec::new();
    for other in APIS.into_iter().filter(|other| *other != api && scope.removal != Removal::Nothing) {
        if !matches!(is_served(link, other).await, Ok(true)) {
            continue;
        }
        let mut publishing = Publishing::new(link, other, scope.removal, &nothing);
        for place in &places {
            // Who has rights in one of them alone has published nothing in the other.
            let unread = publishing.place(*place).await.err();
            let unread = unread.filter(|error| !matches!(error, AuditError::Forbidden { .. }));
            errors.extend(unread.map(PublishError::Unread));
        }
        before.removed += publishing.published.removed;
        errors.extend(publishing.refusals.finish());
    }
    let mut publishing = Publishing::new(link, api, scope.removal, wanted);
    publishing.published = before;
    for place in places {
        errors.extend(publishing.place(place).await.err().map(PublishError::Unread));
    }
    errors.extend(publishing.refusals.finish());
    (publishing.published, errors)
}

struct Publishing<'a> {
    link: &'a Link,
    api: ReportApi,
    wanted: &'a Wanted<'a>,
    removal: Removal,
    published: Published,
    /// How often in a row nothing was answered.
    unanswered: u32,
    refusals: Refusals,
}

impl<'a> Publishing<'a> {
    fn new(link: &'a Link, api: ReportApi, removal: Removal, wanted: &'a Wanted<'a>) -> Publishing<'a> {
        let refusals = Refusals::new(api);
        Publishing { link, api, wanted, removal, published: Published::default(), unanswered: 0, refusals }
    }

    /// Of a namespace, or of all: each round takes up what the one before has left. What is refused in one namespace says
    /// nothing of the others: a right may be that of a RoleBinding, and a quota is a namespace's own.
    async fn place(&mut self, place: Option<&str>) -> Result<(), AuditError> {
        let is_of_it = |namespace: &&str| place.is_none_or(|place| *namespace == place);
        let mut left: BTreeSet<&str> = self.wanted.namespaces.iter().copied().filter(is_of_it).collect();
        let mut refused: BTreeSet<String> = BTreeSet::new();
        for round in 1..=ROUNDS {
            let mut standing = self.standing(place).await?;
            let mut again = BTreeSet::new();
            for namespace in left {
                let there = standing.remove(namespace);
                let verb = if there.is_some() { "patch" } else { "create" };
                match self.write(namespace, there).await {
                    Ok(()) => self.published.written += 1,
                    Err(Refused::By(Failure::Refused { code: 409, .. })) if round < ROUNDS => {
                        again.insert(namespace);
                    }
                    // The namespace is gone, or on its way.
                    Err(Refused::By(Failure::Refused { code: 404, .. })) if round == ROUNDS || verb == "create" => {}
                    Err(Refused::By(Failure::Refused { code: 404, .. })) => {
                        again.insert(namespace);
                    }
                    Err(why) => self.refused(verb, why, namespace),
                }
            }
            let mut is_behind = false;
            standing.retain(|_, its| its.is_ours && self.removal != Removal::Nothing);
            for (namespace, its) in standing {
                if self.wanted.namespaces.contains(&*namespace) || refused.contains(&namespace) {
                    continue;
                }
                match self.remove(&namespace, &its).await {
                    Ok(()) => self.published.removed += 1,
                    Err(Refused::By(Failure::Refused { code: 404, .. })) => {}
                    Err(Refused::By(Failure::Refused { code: 409, .. })) if round < ROUNDS => is_behind = true,
                    Err(why) => {
                        self.refused("delete", why, &namespace);
                        refused.insert(namespace);
                    }
                }
            }
            if again.is_empty() && !is_behind {
                break;
            }
            left = again;
        }
        Ok(())
    }

    fn refused(&mut self, verb: &'static str, why: Refused, namespace: &str) {
        let reason = match why {
            Refused::By(failure) => Reason::of(failure, self.api.asked(verb, &self.api.in_words(), Some(namespace))),
            Refused::Since(reason) => reason,
        };
        self.refusals.add(verb, reason, namespace);
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

    async fn write(&mut self, namespace: &str, there: Option<Standing>) -> Result<(), Refused> {
        let ReportApi { group, version, kind, .. } = self.api;
        let report = (self.wanted.content)(namespace);
        let mut object = Value::Object(report.ok_or_else(|| Reason::Other("it is no JSON".to_owned()))?);
        object["apiVersion"] = json!(format!("{group}/{version}"));
        object["kind"] = json!(kind);
        let labels = json!({LABEL.0: LABEL.1, REVISION: self.wanted.revision});
        let collection = self.api.path(Some(namespace));
        let write = match there {
            Some(its) if !its.is_ours => return Err(Reason::NotOurs.into()),
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
        self.send(&write).await
    }

    async fn remove(&mut self, namespace: &str, its: &Standing) -> Result<(), Refused> {
        if self.removal == Removal::OfSamePolicies && its.revision != self.wanted.revision {
            return Err(Reason::OtherPolicies.into());
        }
        let body: Value = json!({"preconditions": {"uid": its.uid, "resourceVersion": its.version}});
        let path = format!("{}/{NAME}", self.api.path(Some(namespace)));
        self.send(&Write { method: Method::DELETE, path, body: Some(body) }).await
    }

    /// Each is asked for as often as anything. An API server that is gone would else be waited for as long as there are
    /// namespaces.
    async fn send(&mut self, write: &Write) -> Result<(), Refused> {
        if self.unanswered >= UNANSWERED {
            let why = "the API server cannot be reached, and was not asked again".to_owned();
            return Err(Reason::Other(why).into());
        }
        let sent = self.link.send(write).await.map(drop);
        let is_silent = sent.as_ref().is_err_and(Failure::may_be_the_connection);
        self.unanswered = if is_silent { self.unanswered + 1 } else { 0 };
        Ok(sent?)
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
        let Metadata { name, namespace, uid, resource_version: version, mut labels } = metadata;
        let revision = labels.remove(REVISION).unwrap_or_default();
        let is_ours = labels.get(LABEL.0).is_some_and(|by| by == LABEL.1);
        (name == NAME).then_some((namespace, Standing { is_ours, uid, version, revision }))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::By(failure)
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Refused {
        Refused::Since(reason)
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
