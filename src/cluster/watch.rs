//! One resource: listed in pages, watched from there, listed anew where that breaks for good.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::AsyncBufReadExt;
use kube_client::core::Request;
use kube_client::core::params::WatchParams;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::error::WatchError;
use super::kept::Listed;
use super::list::{Link, path};
use super::needs::Resource;
use super::unit::Unit;
use super::watches::Observer;
use super::wire::Event;

/// For a watch to be opened.
const OPEN_TIME: Duration = Duration::from_secs(15);
/// After this many seconds the API server ends a watch in order.
const WATCH_SECONDS: u32 = 290;
/// A bookmark comes every minute, and one is skipped.
const SILENCE: Duration = Duration::from_secs(150);
/// How often it is looked for a resource that is not installed.
const NOT_INSTALLED: Duration = Duration::from_secs(30);

/// A watch of one resource.
pub(super) struct Watch {
    pub(super) link: Arc<Link>,
    pub(super) resource: Resource,
    pub(super) unit: Arc<Unit>,
    pub(super) observer: Arc<dyn Observer>,
    /// Something is known that was not.
    pub(super) news: Arc<Notify>,
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
        let (listed, version) = self.link.list(self.resource, &self.unit.topic).await?;
        self.unit.replace(self.resource, listed);
        self.news.notify_one();
        Ok(version)
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
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_quarter_of_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next()).collect();
        assert!(waits[0] >= Duration::from_millis(125) && waits[0] <= Duration::from_millis(250), "{waits:?}");
        assert!(waits[11] >= Duration::from_millis(7500) && waits[11] <= Duration::from_secs(15), "{waits:?}");
    }
}
