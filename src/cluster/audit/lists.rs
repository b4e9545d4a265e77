//! One list after the other, page by page.

use std::ops::Range;
use std::sync::Arc;

use kube_client::core::params::ListParams;
use tokio::sync::mpsc::Sender;

use super::Part;
use super::discovery::resources;
use super::error::{Asked, AuditError};
use super::kinds::WorkloadKind;
use crate::cluster::error::Failure;
use crate::cluster::list::{Fetched, Link, Listing, PAGE, fewer};
use crate::cluster::wire::Page;

/// Of a page, in bytes, as far as that can be foreseen: two of them are held at a time.
const PAGE_BYTES: usize = 2 << 20;
/// How often a list is begun that its pages outlive.
const LISTS: u32 = 3;

/// What comes of a list.
pub enum Read {
    /// A page of it.
    Page(Batch),
    /// The cluster has none of the versions of a custom resource; told for each list of it.
    Absent(Arc<WorkloadKind>),
    /// The objects of a custom resource are in no namespace, so that nobody can say by which one's policies their pods will be
    /// judged: they are not listed.
    ClusterScoped(Arc<WorkloadKind>),
    /// It could not be read, or not to the end.
    Failed(Arc<WorkloadKind>, AuditError),
}

/// Objects of one kind, as they came.
pub struct Batch {
    /// Their kind.
    pub kind: Arc<WorkloadKind>,
    /// Group and version, which objects of a list do not name themselves.
    pub api_version: Arc<str>,
    /// The namespace that the list is of; none: of all.
    pub namespace: Option<Arc<str>>,
    /// Whether it is the first page of a list, or of one that is begun anew.
    pub begins: bool,
    /// How many more there are in this list, where the API server says so.
    pub remaining: Option<u64>,
    page: Whole,
}

/// An object that was asked for by its name.
pub struct Found {
    /// Its kind.
    pub kind: Arc<WorkloadKind>,
    /// Group and version.
    pub api_version: String,
    /// As it came. Not safe to show.
    pub json: Vec<u8>,
}

/// A page with the places of its objects.
pub(super) struct Whole {
    body: Vec<u8>,
    items: Vec<Range<usize>>,
    remaining: Option<u64>,
}

/// The next of a list.
pub(super) enum Step {
    Page(Whole),
    /// The pages were outlived: the list is begun anew, and what has come comes again.
    Anew,
    End,
}

/// A list as it is read.
pub(super) struct Pages {
    listing: Listing,
    params: ListParams,
    more: Option<String>,
    size: u32,
    lists: u32,
    ended: bool,
    /// Objects that have come since it was begun.
    read: usize,
}

impl Batch {
    /// The objects, as JSON.
    pub fn items(&self) -> impl Iterator<Item = &[u8]> {
        self.page.items()
    }
}

impl Whole {
    fn read(body: Vec<u8>) -> Option<(Whole, Option<String>)> {
        let page = Page::read(&body).ok()?;
        let start = body.as_ptr().addr();
        let place = |item: &&[u8]| {
            let from = item.as_ptr().addr() - start;
            from..from + item.len()
        };
        let (items, remaining, more) = (page.items.iter().map(place).collect(), page.remaining, page.more);
        Some((Whole { body, items, remaining }, more))
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().filter_map(|range| self.body.get(range.clone()))
    }
}

impl Pages {
    pub(super) fn new(listing: Listing, params: ListParams) -> Pages {
        Pages { listing, params, more: None, size: PAGE, lists: 1, ended: false, read: 0 }
    }

    pub(super) async fn next(&mut self, link: &Link, asked: Asked<'_>) -> Result<Step, AuditError> {
        if self.ended {
            return Ok(Step::End);
        }
        loop {
            let params = ListParams { continue_token: self.more.clone(), ..self.params.clone().limit(self.size) };
            let body = match link.fetch(&self.listing, &params).await {
                Ok(Fetched::Whole(body)) => body,
                Ok(Fetched::TooBig) => {
                    self.size = fewer(self.size);
                    continue;
                }
                Err(Failure::Refused { code: 410, .. }) if self.lists < LISTS => {
                    self.lists += 1;
                    (self.more, self.read) = (None, 0);
                    return Ok(Step::Anew);
                }
                Err(failure) => return Err(AuditError::of(failure, asked, self.read)),
            };
            let bytes = body.len();
            let Some((page, more)) = Whole::read(body) else { return Err(AuditError::malformed(asked, self.read)) };
            self.read += page.items.len();
            self.ended = more.is_none();
            self.more = more;
            // As many as come in one go, by what they have taken so far.
            if let Some(each) = bytes.checked_div(page.items.len()) {
                let fit = PAGE_BYTES / each.max(1);
                self.size = u32::try_from(fit).unwrap_or(PAGE).clamp(1, PAGE);
            }
            return Ok(Step::Page(page));
        }
    }
}

/// Reads everything, in order, until nobody listens any more.
pub(super) async fn read(link: Arc<Link>, part: Part, kinds: Vec<Arc<WorkloadKind>>, sender: Sender<Read>) {
    let namespaces: Vec<Option<Arc<str>>> = if part.namespaces.is_empty() {
        vec![None]
    } else {
        part.namespaces.iter().map(|name| Some(name.as_str().into())).collect()
    };
    for kind in &kinds {
        if is_cluster_scoped(&link, kind).await {
            if sender.send(Read::ClusterScoped(Arc::clone(kind))).await.is_err() {
                return;
            }
            continue;
        }
        for namespace in &namespaces {
            let list = List { link: &link, part: &part, kind, namespace: namespace.as_ref() };
            let why_not = match list.read(&sender).await {
                Ok(()) => continue,
                Err(AuditError::NotFound { .. }) if kind.is_custom() => Read::Absent(Arc::clone(kind)),
                Err(error) => Read::Failed(Arc::clone(kind), error),
            };
            if sender.send(why_not).await.is_err() {
                return;
            }
        }
    }
}

/// By the first version that the API server has. A list alone does not tell: in a namespace it is one of nothing that there is,
/// and of all it may ask for no namespace (k8s.io/apiextensions-apiserver/pkg/apiserver/conversion, `ConvertFieldLabel`).
/// Where it cannot be known, the list says what is wrong.
async fn is_cluster_scoped(link: &Link, kind: &WorkloadKind) -> bool {
    if !kind.is_custom() {
        return false;
    }
    for version in &kind.versions {
        let Ok(Some(found)) = resources(link, kind.place(version)).await else { continue };
        if let Some(its) = found.iter().find(|its| its.name == kind.resource) {
            return its.namespaced == Some(false);
        }
    }
    false
}

/// One list.
struct List<'a> {
    link: &'a Link,
    part: &'a Part,
    kind: &'a Arc<WorkloadKind>,
    namespace: Option<&'a Arc<str>>,
}

impl List<'_> {
    /// By the first version that is served.
    async fn read(&self, sender: &Sender<Read>) -> Result<(), AuditError> {
        let mut absent = None;
        for version in &self.kind.versions {
            match self.read_version(version, sender).await {
                Err(error @ AuditError::NotFound { .. }) => absent = Some(error),
                other => return other,
            }
        }
        absent.map_or(Ok(()), Err)
    }

    async fn read_version(&self, version: &str, sender: &Sender<Read>) -> Result<(), AuditError> {
        let List { link, part, kind, namespace } = *self;
        let what = kind.in_words();
        let its = namespace.map(|name| &**name);
        let asked = Asked { verb: "list", what: &what, resource: &kind.resource, group: &kind.group, namespace: its };
        let api_version: Arc<str> = kind.api_version(version).into();
        let mut pages = Pages::new(kind.listing(version, its), self.params(part));
        let mut begins = true;
        loop {
            // First the place for it: what waits to be judged is one page, and no other is held meanwhile.
            let Ok(place) = sender.reserve().await else { return Ok(()) };
            match pages.next(link, asked).await? {
                Step::Page(page) => {
                    let (kind, api_version) = (Arc::clone(kind), Arc::clone(&api_version));
                    let (namespace, remaining) = (namespace.cloned(), page.remaining);
                    place.send(Read::Page(Batch { kind, api_version, namespace, begins, remaining, page }));
                    begins = false;
                }
                // Who takes them knows what it has.
                Step::Anew => begins = true,
                Step::End => return Ok(()),
            }
        }
    }

    fn params(&self, part: &Part) -> ListParams {
        let mut params = ListParams::default();
        if let Some(selector) = part.selector.as_ref().filter(|_| self.kind.is_pod()) {
            params = params.labels(selector.as_str());
        }
        if self.namespace.is_none() && !part.without.is_empty() {
            let without = part.without.iter().map(|name| format!("metadata.namespace!={name}"));
            params = params.fields(&without.collect::<Vec<_>>().join(","));
        }
        params
    }
}

/// The objects of this name, of the kinds that may be listed; an error only where none of them has it.
pub(super) async fn named(
    link: &Link,
    namespace: &str,
    name: &str,
    kinds: &[Arc<WorkloadKind>],
) -> Result<Vec<Found>, AuditError> {
    let (mut found, mut failed) = (Vec::new(), None);
    for kind in kinds {
        let what = kind.in_words();
        let asked = Asked {
            verb: "list",
            what: &what,
            resource: &kind.resource,
            group: &kind.group,
            namespace: Some(namespace),
        };
        for version in &kind.versions {
            let params = ListParams::default().fields(&format!("metadata.name={name}"));
            let mut pages = Pages::new(kind.listing(version, Some(namespace)), params);
            let page = match pages.next(link, asked).await {
                Ok(Step::Page(page)) => page,
                Err(AuditError::NotFound { .. }) if kind.is_custom() => continue,
                Err(error) => {
                    failed.get_or_insert(error);
                    break;
                }
                Ok(Step::Anew | Step::End) => break,
            };
            found.extend(page.items().map(|item| Found {
                kind: Arc::clone(kind),
                api_version: kind.api_version(version),
                json: item.to_vec(),
            }));
            break;
        }
    }
    failed.filter(|_| found.is_empty()).map_or(Ok(found), Err)
}
