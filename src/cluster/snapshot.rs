//! What is known of the cluster at one moment, read once.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use super::client::{ConnectError, Connection, Credentials};
use super::error::WatchError;
use super::kept::{Kept, Known, Listed};
use super::list::Link;
use super::needs::{Needs, Resource, Topic};
use crate::fence::access::Store;

/// How often a list is begun that its pages outlive.
const LISTS: u32 = 3;

/// What the cluster told, once.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Everything but who may do what.
    pub known: Known,
    /// Who may do what, where that was asked for: not compiled yet, so that more can be added.
    pub access: Option<Store>,
    /// What was asked for, sorted.
    pub resources: BTreeSet<Resource>,
}

/// Why the cluster did not tell what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody knows where it is.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It was asked.
    #[error("by {credentials}:\n{}", lines(errors))]
    Refused {
        /// By these.
        credentials: Credentials,
        /// At least one, each once.
        errors: Vec<WatchError>,
    },
    /// This machine has no more to give.
    #[error("cannot start to ask: {0}")]
    Runtime(#[from] std::io::Error),
}

impl Snapshot {
    /// Reads what these needs take and nothing else: lists in pages, and no watch. Where nothing is needed not even a
    /// kubeconfig is read. Each answer may take `patience`; what passes (429, 5xx) is tried again a few times.
    ///
    /// # Errors
    /// Where a part of it cannot be had: half of what policies ask for would make other verdicts, and not say so. A resource
    /// that is not installed has no objects.
    pub fn read(connection: &Connection, needs: &Needs, patience: Duration) -> Result<Snapshot, ReadError> {
        if needs.is_empty() {
            return Ok(Snapshot::default());
        }
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(read(connection, needs, patience))
    }
}

async fn read(connection: &Connection, needs: &Needs, patience: Duration) -> Result<Snapshot, ReadError> {
    let (config, credentials) = connection.resolve().await?;
    let link = Link::once(config, connection.clone(), patience)?;
    let topics = needs.topics();
    let lists = topics.iter().flat_map(|topic| topic.resources().iter().map(move |resource| (topic, *resource)));
    let lists = join_all(lists.map(|(topic, resource)| list(&link, topic, resource))).await;
    let mut snapshot = Snapshot { resources: needs.resources(), ..Snapshot::default() };
    let mut errors: Vec<WatchError> = Vec::new();
    let mut lists = lists.into_iter();
    for topic in &topics {
        let mut kept = Kept::nothing(topic);
        for (resource, listed) in topic.resources().iter().zip(&mut lists) {
            match listed {
                Ok(listed) => kept.replace(*resource, listed),
                Err(error) if errors.iter().any(|other| other.to_string() == error.to_string()) => {}
                Err(error) => errors.push(error),
            }
        }
        match kept {
            Kept::Access { store, .. } => snapshot.access = Some(store),
            mut kept => kept.tell(&mut snapshot.known),
        }
    }
    if errors.is_empty() { Ok(snapshot) } else { Err(ReadError::Refused { credentials, errors }) }
}

async fn list(link: &Link, topic: &Topic, resource: Resource) -> Result<Listed, WatchError> {
    let mut lists = 1;
    loop {
        match link.list(resource, topic).await {
            Ok(listed) => return Ok(listed),
            Err(WatchError::NotInstalled(_)) if resource.is_optional() => return Ok(Listed::nothing(topic)),
            // Its pages are of a version that is gone.
            Err(WatchError::Gone) if lists < LISTS => lists += 1,
            Err(error) => return Err(error),
        }
    }
}

fn lines(errors: &[WatchError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
