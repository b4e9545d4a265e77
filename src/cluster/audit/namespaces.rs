//! Namespaces: their names and labels.

use std::sync::Arc;

use kube_client::core::params::ListParams;

use super::Part;
use super::error::{Asked, AuditError};
use super::lists::{Pages, Step};
use crate::cluster::list::{Fetched, Link, Listing};
use crate::fence::facts::Labels;
use crate::manifest::known;

/// A namespace, with all of its labels. Neither is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The name.
    pub name: Arc<str>,
    /// As they stand there; none: they may not be read.
    pub labels: Option<Labels>,
}

/// Named ones one by one: who may only see one namespace may read that one, and who may only list, that one of the list.
/// Others by a list. What could not be read is told beside what could; where that is nothing at all, it is the error.
pub(super) async fn read(link: &Link, part: &Part) -> Result<(Vec<Namespace>, Vec<AuditError>), AuditError> {
    if part.namespaces.is_empty() {
        return match list(link).await {
            Ok(found) => Ok((found, Vec::new())),
            Err(error) if error.is_of_the_cluster() => Err(error),
            Err(error) => Ok((Vec::new(), vec![error])),
        };
    }
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in &part.namespaces {
        match named(link, name).await {
            Ok(namespace) => found.push(namespace),
            Err(error) if error.is_of_the_cluster() => return Err(error),
            Err(error) => {
                // It is there, as far as anybody knows.
                if !matches!(error, AuditError::NotFound { .. }) {
                    found.push(Namespace { name: name.as_str().into(), labels: None });
                }
                errors.push(error);
            }
        }
    }
    Ok((found, errors))
}

async fn list(link: &Link) -> Result<Vec<Namespace>, AuditError> {
    let mut found = listed(link, ListParams::default()).await?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

async fn listed(link: &Link, params: ListParams) -> Result<Vec<Namespace>, AuditError> {
    let asked = Asked { verb: "list", what: "namespaces", resource: "namespaces", group: "", namespace: None };
    let listing = Listing { path: "/api/v1/namespaces".to_owned(), is_metadata: true };
    let mut pages = Pages::new(listing, params);
    let mut found: Vec<Namespace> = Vec::new();
    loop {
        match pages.next(link, asked).await? {
            Step::Page(page) => found.extend(page.items().filter_map(namespace)),
            // What has come already comes again.
            Step::Anew => found.clear(),
            Step::End => return Ok(found),
        }
    }
}

/// Where neither may be had, the right to get it is the one that is missing: it is the smaller one.
async fn named(link: &Link, name: &str) -> Result<Namespace, AuditError> {
    let refused = match get(link, name).await {
        Err(error @ AuditError::Forbidden { .. }) => error,
        answered => return answered,
    };
    match listed(link, ListParams::default().fields(&format!("metadata.name={name}"))).await {
        Ok(found) => {
            found.into_iter().next().ok_or_else(|| AuditError::NotFound { what: in_words(name), namespace: None })
        }
        Err(AuditError::Forbidden { .. }) => Err(refused),
        Err(error) => Err(error),
    }
}

/// By its own address: that is what a right within the namespace lets through.
async fn get(link: &Link, name: &str) -> Result<Namespace, AuditError> {
    let what = in_words(name);
    let asked = Asked { verb: "get", what: &what, resource: "namespaces", group: "", namespace: None };
    // A request for one object is that of a list without parameters.
    let listing = Listing { path: format!("/api/v1/namespaces/{name}"), is_metadata: false };
    let params = ListParams { limit: Some(1), ..ListParams::default() };
    match link.fetch(&listing, &params).await {
        Ok(Fetched::Whole(body)) => namespace(&body).ok_or_else(|| AuditError::malformed(asked, 0)),
        Ok(Fetched::TooBig) => Err(AuditError::malformed(asked, 0)),
        Err(failure) => Err(AuditError::of(failure, asked, 0)),
    }
}

fn in_words(name: &str) -> String {
    format!("namespace {name:?}")
}

fn namespace(json: &[u8]) -> Option<Namespace> {
    let (name, labels) = known::namespace_labels(json, |_| true)?;
    Some(Namespace { name: name.into(), labels: Some(labels) })
}
