//! What the API server says of its resources. Everybody may ask that (the ClusterRole `system:discovery`).

use http::Method;
use serde::Deserialize;

use crate::cluster::error::Failure;
use crate::cluster::list::{Link, Write};

/// A resource of some group and version.
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    /// The plural name.
    pub(super) name: String,
    /// Whether its objects are in namespaces; none: it is not said.
    pub(super) namespaced: Option<bool>,
}

/// The resources of a group and version, by its path; none: what came is no such list.
pub(super) async fn resources(link: &Link, path: String) -> Result<Option<Vec<Resource>>, Failure> {
    #[derive(Deserialize)]
    struct Resources {
        resources: Vec<Resource>,
    }
    let body = link.send(&Write { method: Method::GET, path, body: None }).await?;
    Ok(serde_json::from_slice(&body).ok().map(|Resources { resources }| resources))
}
