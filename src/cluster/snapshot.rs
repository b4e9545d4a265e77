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

/// What could not be had of what is asked for.
#[derive(Debug)]
pub struct Unread {
    /// What it would have told.
    pub topic: Topic,
    /// Why not; at least one, each once.
    pub errors: Vec<WatchError>,
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
        let (snapshot, unread, credentials) = block_on(connection, needs, patience)?;
        let mut errors: Vec<WatchError> = Vec::new();
        unread.into_iter().flat_map(|unread| unread.errors).for_each(|error| push_new(&mut errors, error));
        match credentials {
            Some(credentials) if !errors.is_empty() => Err(ReadError::Refused { credentials, errors }),
            _ => Ok(snapshot),
        }
    }

    /// As [`read`](Snapshot::read), but what cannot be had is told beside the rest: nothing of such a topic is known then, not
    /// even what was told of it. Who judges by this has to tell so to [`Facts::not_told`](crate::fence::Facts::not_told), by [its
    /// kinds](Topic::kinds).
    ///
    /// # Errors
    /// Where nobody can be asked at all.
    pub fn read_what_it_may(
        connection: &Connection,
        needs: &Needs,
        patience: Duration,
    ) -> Result<(Snapshot, Vec<Unread>), ReadError> {
        let (snapshot, unread, _) = block_on(connection, needs, patience)?;
        Ok((snapshot, unread))
    }
}

/// By whom it was asked, where anybody was.
type Read = (Snapshot, Vec<Unread>, Option<Credentials>);

fn block_on(connection: &Connection, needs: &Needs, patience: Duration) -> Result<Read, ReadError> {
    if needs.is_empty() {
        return Ok((Snapshot::default(), Vec::new(), None));
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(read(connection, needs, patience))
}

async fn read(connection: &Connection, needs: &Needs, patience: Duration) -> Result<Read, ReadError> {
    let (config, credentials) = connection.resolve().await?;
    let link = Link::once(config, connection.clone(), patience)?;
    let topics = needs.topics();
    let lists = topics.iter().flat_map(|topic| topic.resources().iter().map(move |resource| (topic, *resource)));
    let lists = join_all(lists.map(|(topic, resource)| list(&link, topic, resource))).await;
    let mut snapshot = Snapshot { resources: needs.resources(), ..Snapshot::default() };
    let mut unread = Vec::new();
    let mut lists = lists.into_iter();
    for topic in topics {
        let (mut kept, mut errors) = (Kept::nothing(&topic), Vec::new());
        for (resource, listed) in topic.resources().iter().zip(&mut lists) {
            match listed {
                Ok(listed) => kept.replace(*resource, listed),
                Err(error) => push_new(&mut errors, error),
            }
        }
        match kept {
            // Half of it would make other verdicts, and not say so.
            _ if !errors.is_empty() => unread.push(Unread { topic, errors }),
            Kept::Access { store, .. } => snapshot.access = Some(store),
            mut kept => kept.tell(&mut snapshot.known),
        }
    }
    Ok((snapshot, unread, Some(credentials)))
}

fn push_new(errors: &mut Vec<WatchError>, error: WatchError) {
    if errors.iter().all(|other| other.to_string() != error.to_string()) {
        errors.push(error);
    }
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
