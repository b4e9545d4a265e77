//! Lists in pages: for watches, which begin with one, and for who asks once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use kube_client::client::Body;
use kube_client::core::Request;
use kube_client::core::params::ListParams;
use kube_client::{Client, Config};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::client::{ConnectError, Connection, IN_CLUSTER, client_of};
use super::error::{Failure, WatchError};
use super::kept::{Kept, Listed, labels_of};
use super::needs::{Resource, Topic};
use super::watch::Backoff;
use super::wire::{Page, denial, is_ending, reason};
use crate::fence::facts::Labels;

/// Objects in a page: of Secrets' metadata half a megabyte.
pub(super) const PAGE: u32 = 500;
/// Of a page, in bytes. A tenant may hang 256 KiB of annotations on each of 500 Secrets: they are asked for a few at a time.
const MOST: usize = 4 << 20;
/// For a page to arrive: after a minute the API server gives it up.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// A client that is younger is no cause of a failure.
const CLIENT_AGE: Duration = Duration::from_secs(5);
/// How often in all a page is asked for by who asks once. Of the longest waits that is three quarters of a minute.
const TRIES: u32 = 4;
/// The same where the connection breaks: an API server that is started anew is there again after some seconds.
const BREAKS: u32 = 6;
/// The longest wait between two tries. Who is told to wait longer rather hears of it.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The client of all lists and watches, made when the first one asks.
pub(super) struct Link {
    connection: Connection,
    client: Mutex<Option<(Client, Instant)>>,
    page_time: Duration,
    /// How often a page is asked for. A watch asks once: it has a patience of its own.
    tries: u32,
    /// Whether anything was ever answered. A connection that breaks later will probably be there again; one that never came
    /// about is told at once, but in a pod: its network may come a moment after it.
    answered: AtomicBool,
}

/// What is listed.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    /// Of the API.
    pub(super) path: String,
    /// Whether metadata is all that is asked for.
    pub(super) is_metadata: bool,
}

/// What is asked for but lists, and what is written.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) method: Method,
    /// Of the API.
    pub(super) path: String,
    /// A merge patch where it is patched.
    pub(super) body: Option<Value>,
}

/// What came of asking for a page.
pub(super) enum Fetched {
    Whole(Vec<u8>),
    TooBig,
}

/// Why a page did not come.
struct Missed {
    failure: Failure,
    /// How long to wait at least before it is asked for again. None: that is for nothing.
    wait: Option<Duration>,
}

/// How often something was asked for.
#[derive(Default)]
struct Tries {
    count: u32,
    backoff: Backoff,
}

impl Link {
    /// For watches.
    pub(super) fn new(connection: Connection) -> Link {
        Link { connection, client: Mutex::default(), page_time: PAGE_TIME, tries: 1, answered: AtomicBool::new(false) }
    }

    /// For who asks once: what passes is tried again, and each answer may take this long.
    pub(super) fn once(config: Config, connection: Connection, page_time: Duration) -> Result<Link, ConnectError> {
        let client = client_of(without_retries(config))?;
        let client = Mutex::new(Some((client, Instant::now())));
        let answered = AtomicBool::new(std::env::var_os(IN_CLUSTER).is_some());
        Ok(Link { connection, client, page_time, tries: TRIES, answered })
    }

    /// What it was made of.
    #[cfg(feature = "webhook")]
    pub(super) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    pub(super) async fn client(&self) -> Result<Client, WatchError> {
        let mut client = self.client.lock().await;
        if let Some((client, _)) = &*client {
            return Ok(client.clone());
        }
        let made = if self.tries == 1 {
            self.connection.client().await?
        } else {
            client_of(without_retries(self.connection.resolve().await?.0))?
        };
        *client = Some((made.clone(), Instant::now()));
        Ok(made)
    }

    /// A connection that has carried a list keeps buffers of its size, for as long as the watch that comes next.
    pub(super) async fn forget(&self) {
        *self.client.lock().await = None;
    }

    /// What a client was made of may be what fails: an authority that is another now, a token, an address. And its
    /// connections may lead nowhere.
    pub(super) async fn renew(&self) {
        let mut client = self.client.lock().await;
        if client.as_ref().is_some_and(|(_, made)| made.elapsed() >= CLIENT_AGE) {
            *client = None;
        }
    }

    /// Everything there is of a resource.
    pub(super) async fn list(&self, resource: Resource, topic: &Topic) -> Result<Listed, WatchError> {
        let (mut kept, mut listed) = (Kept::nothing(topic), Listed::nothing(topic));
        let (mut more, mut size) = (None, PAGE);
        loop {
            let params = ListParams { continue_token: more.clone(), ..ListParams::default().limit(size) };
            let Fetched::Whole(body) = self.page_at_last(resource, &params).await? else {
                size = fewer(size);
                continue;
            };
            let page = Page::read(&body)?;
            page.items.iter().for_each(|item| kept.list(&mut listed, resource, item));
            if page.more.is_none() {
                return Ok(listed);
            }
            more = page.more;
            size = (size * 2).min(PAGE);
        }
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
        let page = self.page(&Listing::of(Resource::Namespaces), &params).await;
        let Fetched::Whole(body) = page.ok()? else { return None };
        let asked = asked.iter().map(|label| label.as_str().into()).collect();
        labels_of(Page::read(&body).ok()?.items.first()?, &asked).map(|(_, labels)| labels)
    }

    /// A page, asked for again where what is in the way passes.
    pub(super) async fn page_at_last(&self, resource: Resource, params: &ListParams) -> Result<Fetched, WatchError> {
        let fetched = self.fetch(&Listing::of(resource), params).await;
        fetched.map_err(|failure| WatchError::of_failure(failure, "list", resource))
    }

    /// The same, of anything.
    pub(super) async fn fetch(&self, listing: &Listing, params: &ListParams) -> Result<Fetched, Failure> {
        let mut tries = Tries::default();
        loop {
            match self.page(listing, params).await {
                Ok(fetched) => return Ok(fetched),
                Err(missed) => self.pause(missed, &mut tries).await?,
            }
        }
    }

    /// Anything else, tried again as a page is: what is written has to bear that.
    pub(super) async fn send(&self, write: &Write) -> Result<Vec<u8>, Failure> {
        let mut tries = Tries::default();
        loop {
            match self.answer(write.request()?, true).await {
                Ok(Fetched::Whole(body)) => return Ok(body),
                Ok(Fetched::TooBig) => return Ok(Vec::new()),
                Err(missed) => self.pause(missed, &mut tries).await?,
            }
        }
    }

    /// Waits until it is asked for again, if it is.
    async fn pause(&self, missed: Missed, tries: &mut Tries) -> Result<(), Failure> {
        let Missed { failure, wait } = missed;
        let broke = failure.may_be_the_connection() && self.answered.load(Ordering::Relaxed);
        let wait = wait.or(broke.then_some(Duration::ZERO));
        let wait = wait.map(|wait| wait.max(tries.backoff.next())).filter(|wait| *wait <= LONGEST_WAIT);
        let most = if broke && self.tries > 1 { BREAKS } else { self.tries };
        tries.count += 1;
        let (Some(wait), true) = (wait, tries.count < most) else { return Err(failure) };
        tokio::time::sleep(wait).await;
        if broke {
            self.renew().await;
        }
        Ok(())
    }

    async fn page(&self, listing: &Listing, params: &ListParams) -> Result<Fetched, Missed> {
        let request = Request::new(&listing.path);
        let request = if listing.is_metadata { request.list_metadata(params) } else { request.list(params) };
        let request = request.map_err(|error| Failure::Unreachable(error.to_string()))?.map(Body::from);
        self.answer(request, params.limit == Some(1)).await
    }

    /// `is_one`: one object comes, however big it is.
    async fn answer(&self, request: http::Request<Body>, is_one: bool) -> Result<Fetched, Missed> {
        let client = self.client().await.map_err(Failure::from)?;
        let is_write = request.method() != Method::GET;
        let read = async {
            let response = client.send(request).await.map_err(|error| Failure::of(&error))?;
            self.answered.store(true, Ordering::Relaxed);
            let (status, wait) = (response.status(), wait(&response));
            let mut pieces = response.into_body().into_data_stream();
            let mut body = Vec::new();
            while let Some(piece) = pieces.next().await {
                body.extend_from_slice(&piece.map_err(|error| Failure::of(&error))?);
                if body.len() > MOST && !is_one {
                    return Ok(Fetched::TooBig);
                }
            }
            if status.is_success() {
                return Ok(Fetched::Whole(body));
            }
            // What is on its way out takes nothing new, and is as good as gone.
            let code = if is_ending(&body) { 404 } else { status.as_u16() };
            if let Some(said) = denial(code, &body).filter(|_| is_write && wait.is_none()) {
                return Err(Failure::Denied { said }.into());
            }
            Err(Missed { failure: Failure::Refused { code, reason: reason(code, &body) }, wait })
        };
        let silent = || Failure::Silent(self.page_time.as_secs()).into();
        timeout(self.page_time, read).await.unwrap_or_else(|_| Err(silent()))
    }
}

impl Listing {
    fn of(resource: Resource) -> Listing {
        Listing { path: path(resource), is_metadata: resource.is_metadata() }
    }
}

impl Write {
    fn request(&self) -> Result<http::Request<Body>, Failure> {
        let content = if self.method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = self.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder().method(&self.method).uri(&self.path).header(CONTENT_TYPE, content);
        request.body(Body::from(body)).map_err(|error| Failure::Unreachable(error.to_string()))
    }
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Missed {
        Missed { failure, wait: None }
    }
}

/// The client's own tries go on for minutes without a word.
fn without_retries(mut config: Config) -> Config {
    config.default_retry = false;
    config
}

/// How long to wait before the same is asked for again: what passes is too many requests, and a server that is not well.
fn wait<B>(response: &http::Response<B>) -> Option<Duration> {
    let status = response.status();
    let passes = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    passes.then(|| Duration::from_secs(seconds.unwrap_or(0)))
}

/// Where a resource is listed, in all namespaces.
pub(super) fn path(resource: Resource) -> String {
    let root = if resource.group().is_empty() { "/api" } else { "/apis" };
    format!("{root}/{}/{}", resource.api_version(), resource.name())
}

/// Objects in a page where so many were too much, or too slow.
pub(super) fn fewer(size: u32) -> u32 {
    (size / 4).max(1)
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
    fn what_passes_is_waited_for() {
        let wait = |status: u16, after: Option<&str>| {
            let response = http::Response::builder().status(status);
            let response = match after {
                Some(after) => response.header("Retry-After", after),
                None => response,
            };
            wait(&response.body(()).unwrap()).map(|wait| wait.as_secs())
        };
        assert_eq!(
            [wait(429, Some("7")), wait(500, None), wait(503, Some("Fri, 20 Nov 2026"))],
            [Some(7), Some(0), Some(0)]
        );
        assert_eq!([wait(401, Some("7")), wait(403, None), wait(404, None), wait(410, None)], [None; 4]);
    }
}
