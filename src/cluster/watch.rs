//! One resource: listed in pages, watched from there, listed anew where that breaks for good.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{AsyncBufReadExt, AsyncReadExt};
use kube_client::Client;
use kube_client::core::Request;
use kube_client::core::params::{ListParams, WatchParams};
use tokio::sync::{Notify, OnceCell};
use tokio::time::timeout;

use super::client::Connection;
use super::error::WatchError;
use super::kept::{Listed, labels_of};
use super::needs::{Resource, Topic};
use super::unit::Unit;
use super::watches::Observer;
use super::wire::{Event, Page};
use crate::fence::facts::Labels;

/// Objects in a page: of Secrets' metadata half a megabyte.
const PAGE: u32 = 500;
/// For a page to arrive.
const PAGE_TIME: Duration = Duration::from_secs(60);
/// For a watch to be opened.
const OPEN_TIME: Duration = Duration::from_secs(15);
/// After this many seconds the API server ends a watch in order.
const WATCH_SECONDS: u32 = 290;
/// A bookmark comes every minute, and one is skipped.
const SILENCE: Duration = Duration::from_secs(150);
/// How often it is looked for a resource that is not installed.
const NOT_INSTALLED: Duration = Duration::from_secs(30);

/// The client of all watches, made when the first one asks.
pub(super) struct Link {
    connection: Connection,
    client: OnceCell<Client>,
}

/// A watch of one resource.
pub(super) struct Watch {
    pub(super) link: Arc<Link>,
    pub(super) resource: Resource,
    pub(super) unit: Arc<Unit>,
    pub(super) observer: Arc<dyn Observer>,
    /// Something is known that was not.
    pub(super) news: Arc<Notify>,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Link {
        Link { connection, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, WatchError> {
        Ok(self.client.get_or_try_init(|| self.connection.client()).await?)
    }

    /// What is asked of the labels of one Namespace, asked for now. None where that fails, or there is none.
    pub(super) async fn namespace(&self, name: &str, topic: &Topic) -> Option<Labels> {
        let Topic::Namespaces(asked) = topic else { return None };
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 63 || !name.bytes().all(is_name) {
            return None;
        }
        // By a list, which takes no right beside the watch's own.
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let body = self.page(Resource::Namespaces, &params).await.ok()?;
        let asked = asked.iter().map(|label| label.as_str().into()).collect();
        labels_of(Page::read(&body).ok()?.items.first()?, &asked).map(|(_, labels)| labels)
    }

    async fn page(&self, resource: Resource, params: &ListParams) -> Result<Vec<u8>, WatchError> {
        let request = Request::new(path(resource));
        let request = if resource.is_metadata() { request.list_metadata(params) } else { request.list(params) };
        let request = request.map_err(|error| WatchError::Unreachable(error.to_string()))?;
        let client = self.client().await?;
        let read = async {
            let stream = client.request_stream(request).await;
            let stream = stream.map_err(|error| WatchError::of(&error, "list", resource))?;
            let mut body = Vec::new();
            let read = std::pin::pin!(stream).read_to_end(&mut body).await;
            read.map_err(|error| WatchError::Unreachable(error.to_string()))?;
            Ok(body)
        };
        timeout(PAGE_TIME, read).await.unwrap_or(Err(WatchError::Silent(PAGE_TIME.as_secs())))
    }
}

impl Watch {
    /// Goes on until it is dropped.
    pub(super) async fn run(&self) {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.list().await {
                Ok(version) => self.follow(version, &mut backoff).await,
                Err(error) => error,
            };
            if matches!(error, WatchError::NotInstalled(_)) && self.resource.is_optional() {
                self.unit.replace(self.resource, Listed::nothing(&self.unit.topic));
                self.hear(&mut backoff);
                self.news.notify_one();
                tokio::time::sleep(NOT_INSTALLED).await;
            } else {
                self.rest(&error, &mut backoff).await;
            }
        }
    }

    /// Lists everything, and tells the version to watch from.
    async fn list(&self) -> Result<String, WatchError> {
        let mut listed = Listed::nothing(&self.unit.topic);
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let body = self.link.page(self.resource, &params).await?;
            let page = Page::read(&body)?;
            page.items.iter().for_each(|item| listed.put(self.resource, item));
            match page.more {
                Some(more) => params = ListParams::default().limit(PAGE).continue_token(&more),
                None => {
                    self.unit.replace(self.resource, listed);
                    self.news.notify_one();
                    return Ok(page.version);
                }
            }
        }
    }

    /// Takes in events, one watch after the other, until only a list can help.
    async fn follow(&self, mut version: String, backoff: &mut Backoff) -> WatchError {
        loop {
            let start = Instant::now();
            match self.events(&mut version, backoff).await {
                // One that ends at once shall not be opened again at once.
                Ok(()) if start.elapsed() < Duration::from_secs(1) => tokio::time::sleep(Duration::from_secs(1)).await,
                Ok(()) => {}
                Err(error @ (WatchError::Gone | WatchError::NotInstalled(_) | WatchError::Malformed { .. })) => {
                    return error;
                }
                Err(error) => self.rest(&error, backoff).await,
            }
        }
    }

    /// One watch, until it ends in order.
    async fn events(&self, version: &mut String, backoff: &mut Backoff) -> Result<(), WatchError> {
        let resource = self.resource;
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        let request = Request::new(path(resource));
        let request = if resource.is_metadata() {
            request.watch_metadata(&params, version)
        } else {
            request.watch(&params, version)
        };
        let request = request.map_err(|error| WatchError::Unreachable(error.to_string()))?;
        let opened = timeout(OPEN_TIME, self.link.client().await?.request_stream(request)).await;
        let opened = opened.map_err(|_| WatchError::Silent(OPEN_TIME.as_secs()))?;
        let mut stream = std::pin::pin!(opened.map_err(|error| WatchError::of(&error, "watch", resource))?);
        self.hear(backoff);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = timeout(SILENCE, stream.read_until(b'\n', &mut line)).await;
            let read = read.map_err(|_| WatchError::Silent(SILENCE.as_secs()))?;
            let read = read.map_err(|error| WatchError::Unreachable(error.to_string()))?;
            if read == 0 || line.last() != Some(&b'\n') {
                return Ok(());
            }
            let (event, next) = Event::read(&line, resource)?;
            match event {
                Event::Put(json) => self.unit.put(resource, json),
                Event::Removed(json) => self.unit.remove(resource, json),
                Event::Bookmark | Event::Unknown => {}
                Event::Error(error) => return Err(error),
            }
            if !next.is_empty() {
                *version = next;
            }
            self.observer.heard(resource);
            if matches!(event, Event::Put(_) | Event::Removed(_)) {
                self.news.notify_one();
            }
        }
    }

    /// The API server answers: what is known is all there is.
    fn hear(&self, backoff: &mut Backoff) {
        *backoff = Backoff::default();
        self.observer.heard(self.resource);
        let (failure, is_first) = self.unit.goes_on(self.resource);
        if is_first || failure.is_some() {
            tracing::info!(resource = self.resource.name(), "watching");
            self.news.notify_one();
        }
    }

    /// Says why nothing comes, and waits a while.
    async fn rest(&self, error: &WatchError, backoff: &mut Backoff) {
        // A version that is too old is nothing that anybody could do anything about.
        if !matches!(error, WatchError::Gone) && self.unit.stands(self.resource, error) {
            let error = error.to_string();
            tracing::error!(resource = self.resource.name(), error = &*error, "the watch stands; it is tried again");
            self.news.notify_one();
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// From a quarter of a second to a quarter of a minute, twice as long each time, and never quite the same.
struct Backoff(Duration);

impl Backoff {
    fn next(&mut self) -> Duration {
        let most = self.0;
        self.0 = (most * 2).min(Duration::from_secs(15));
        let random = u32::try_from(RandomState::new().build_hasher().finish() % 256).unwrap_or(0);
        most / 2 + most / 512 * random
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff(Duration::from_millis(250))
    }
}

fn path(resource: Resource) -> String {
    let root = if resource.group().is_empty() { "/api" } else { "/apis" };
    format!("{root}/{}/{}", resource.api_version(), resource.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_asked_for_in_the_whole_cluster() {
        assert_eq!(path(Resource::Secrets), "/api/v1/secrets");
        assert_eq!(path(Resource::Roles), "/apis/rbac.authorization.k8s.io/v1/roles");
    }

    #[test]
    fn waits_grow_up_to_a_quarter_of_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next()).collect();
        assert!(waits[0] >= Duration::from_millis(125) && waits[0] <= Duration::from_millis(250), "{waits:?}");
        assert!(waits[11] >= Duration::from_millis(7500) && waits[11] <= Duration::from_secs(15), "{waits:?}");
    }
}
