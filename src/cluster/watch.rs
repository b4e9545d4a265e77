//! One resource: listed in pages, watched from there, listed anew where that breaks for good.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::AsyncBufReadExt;
use kube_client::core::Request;
use kube_client::core::params::{ListParams, WatchParams};
use tokio::time::timeout;

use super::error::WatchError;
use super::kept::Listed;
use super::list::{Fetched, Link, PAGE, fewer, path};
use super::needs::Resource;
use super::news::News;
use super::unit::Unit;
use super::watches::Observer;
use super::wire::{Event, Page};

/// How often a page is asked for again before all begins anew.
const TRIES: u32 = 5;
/// For a watch to be opened.
const OPEN_TIME: Duration = Duration::from_secs(15);
/// After this many seconds the API server ends a watch in order.
const WATCH_SECONDS: u32 = 290;
/// A bookmark comes every minute, but from older API servers not where nothing ever changes.
const SILENCE: Duration = Duration::from_secs(75);
/// A watch that lasted so long was no failure: the next one is tried at once.
const STEADY: Duration = Duration::from_secs(10);
/// Of the buffer for events, between two.
const LINE: usize = 64 << 10;
/// How often it is looked for a resource that is not installed.
const NOT_INSTALLED: Duration = Duration::from_secs(30);

/// A watch of one resource.
pub(super) struct Watch {
    pub(super) link: Arc<Link>,
    pub(super) resource: Resource,
    pub(super) unit: Arc<Unit>,
    pub(super) observer: Arc<dyn Observer>,
    /// Something is known that was not.
    pub(super) news: Arc<News>,
}

impl Watch {
    /// Goes on until it is dropped.
    pub(super) async fn run(&self) {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.list(&mut backoff).await {
                Ok(version) => self.follow(version, &mut backoff).await,
                Err(error) => error,
            };
            if matches!(error, WatchError::NotInstalled(_)) && self.resource.is_optional() {
                self.unit.replace(self.resource, Listed::nothing(&self.unit.topic));
                self.hear();
                self.news.tell();
                tokio::time::sleep(NOT_INSTALLED).await;
            } else {
                self.rest(&error, &mut backoff).await;
            }
        }
    }

    /// Lists everything, and tells the version to watch from.
    async fn list(&self, backoff: &mut Backoff) -> Result<String, WatchError> {
        let mut listed = Listed::nothing(&self.unit.topic);
        let mut more: Option<String> = None;
        let (mut size, mut tries) = (PAGE, 0);
        loop {
            let params = ListParams { continue_token: more.clone(), ..ListParams::default().limit(size) };
            let body = match self.link.page_at_last(self.resource, &params).await {
                Ok(Fetched::Whole(body)) => body,
                Ok(Fetched::TooBig) => {
                    size = fewer(size);
                    continue;
                }
                // What has come need not come again.
                Err(error) if error.passes() && tries < TRIES => {
                    tries += 1;
                    if matches!(error, WatchError::Silent(_)) {
                        size = fewer(size);
                    }
                    self.rest(&error, backoff).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let page = Page::read(&body)?;
            self.unit.list(&mut listed, self.resource, &page.items);
            (size, tries) = ((size * 2).min(PAGE), 0);
            if page.more.is_none() {
                self.unit.replace(self.resource, listed);
                self.news.tell();
                self.link.forget().await;
                return Ok(page.version);
            }
            more = page.more;
        }
    }

    /// Takes in events, one watch after the other, until only a list can help.
    async fn follow(&self, mut version: String, backoff: &mut Backoff) -> WatchError {
        loop {
            let start = Instant::now();
            let ended = self.events(&mut version).await;
            if start.elapsed() >= STEADY {
                *backoff = Backoff::default();
            }
            match ended {
                // One that ends at once shall not be opened again at once.
                Ok(()) if start.elapsed() < Duration::from_secs(1) => tokio::time::sleep(Duration::from_secs(1)).await,
                Ok(()) => {}
                Err(error) if error.needs_a_list() => return error,
                Err(error) => self.rest(&error, backoff).await,
            }
        }
    }

    /// One watch, until it ends in order.
    async fn events(&self, version: &mut String) -> Result<(), WatchError> {
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
        self.hear();
        let mut line = Vec::new();
        loop {
            line.clear();
            line.shrink_to(LINE);
            // Whether the API server has nothing to say or the connection is dead, a new watch shows.
            let Ok(read) = timeout(SILENCE, stream.read_until(b'\n', &mut line)).await else { return Ok(()) };
            let read = read.map_err(|error| WatchError::Unreachable(error.to_string()))?;
            if read == 0 || line.last() != Some(&b'\n') {
                return Ok(());
            }
            let arrived = Instant::now();
            let (event, next) = Event::read(&line, resource)?;
            let is_news = match event {
                Event::Put(json) => self.unit.put(resource, json),
                Event::Removed(json) => self.unit.remove(resource, json),
                Event::Bookmark | Event::Unknown => false,
                Event::Error(error) => return Err(error),
            };
            if !next.is_empty() {
                *version = next;
            }
            self.observer.heard(resource);
            if is_news {
                self.news.event(resource, arrived);
            }
        }
    }

    /// The API server answers: what is known is all there is.
    fn hear(&self) {
        self.observer.heard(self.resource);
        let (failure, is_first) = self.unit.goes_on(self.resource);
        if is_first || failure.is_some() {
            tracing::info!(resource = self.resource.name(), "watching");
            self.news.tell();
        }
    }

    /// Says why nothing comes, and waits a while.
    async fn rest(&self, error: &WatchError, backoff: &mut Backoff) {
        // A version that is too old is nothing that anybody could do anything about, unless every one is.
        if matches!(error, WatchError::Gone) && !backoff.was_gone {
            // It answers, however long it did not.
            *backoff = Backoff { was_gone: true, ..Backoff::default() };
            tracing::info!(resource = self.resource.name(), "all is listed anew: the watch was away for too long");
        } else if self.unit.stands(self.resource, error) {
            let error = error.to_string();
            tracing::error!(resource = self.resource.name(), error = &*error, "the watch stands; it is tried again");
            self.news.tell();
        }
        tokio::time::sleep(backoff.next()).await;
        if error.may_be_the_client() {
            self.link.renew().await;
        }
    }
}

/// From a quarter of a second to a quarter of a minute, twice as long each time, and never quite the same.
pub(super) struct Backoff {
    most: Duration,
    /// Whether what was seen last was too old already.
    was_gone: bool,
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let most = self.most;
        self.most = (most * 2).min(Duration::from_secs(15));
        let random = u32::try_from(RandomState::new().build_hasher().finish() % 256).unwrap_or(0);
        most / 2 + most / 512 * random
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { most: Duration::from_millis(250), was_gone: false }
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
