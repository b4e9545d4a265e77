//! One configuration on the API server: listed, watched, replaced and made.

use std::time::Duration;

use futures_util::StreamExt;
use kube_client::Client;
use kube_client::core::params::{ListParams, PostParams, WatchParams};
use kube_client::core::{Request, WatchEvent};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::drift::Configuration;
use super::error::RegistrationError;
use crate::cluster::error::WatchError;
use crate::cluster::list::Link;

const API_VERSION: &str = "admissionregistration.k8s.io/v1";
/// For an answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// After this many seconds the API server ends a watch in order.
const WATCH_SECONDS: u32 = 290;
/// A bookmark comes every minute, but from older API servers not where nothing ever changes.
const SILENCE: Duration = Duration::from_secs(75);
/// Who writes, in `managedFields`.
const MANAGER: &str = "secretfence";

/// One of the two configurations on the API server.
pub(super) struct Wire<'a> {
    pub(super) link: &'a Link,
    pub(super) configuration: Configuration,
}

impl Wire<'_> {
    /// The object, if there is one, and the version to watch from. By a list, which takes no right beside the watch's own.
    pub(super) async fn list(&self) -> Result<(Option<Value>, String), RegistrationError> {
        let params = ListParams::default().fields(&self.selector());
        let request = self.request().list(&params);
        let mut list: Value = self.answer("list", request).await?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let first = list["items"].as_array_mut().and_then(|items| (!items.is_empty()).then(|| items.swap_remove(0)));
        Ok((first.map(|object| self.whole(object)), version))
    }

    /// Hands over what becomes of the object, until the watch ends.
    pub(super) async fn watch(
        &self,
        version: &str,
        mut see: impl FnMut(Option<Value>),
    ) -> Result<(), RegistrationError> {
        let params = WatchParams::default().fields(&self.selector()).timeout(WATCH_SECONDS);
        let request = self.request().watch(&params, version).map_err(|error| unsent(&error))?;
        let client = self.client().await?;
        let opened = timeout(ANSWER_TIME, client.request_events::<Value>(request)).await;
        let opened = opened.map_err(|_| RegistrationError::Silent(ANSWER_TIME.as_secs()))?;
        let mut events =
            std::pin::pin!(opened.map_err(|error| RegistrationError::of(&error, "watch", self.configuration))?);
        // Whether the API server has nothing to say or the connection is dead, a new watch shows.
        while let Ok(Some(event)) = timeout(SILENCE, events.next()).await {
            match event.map_err(|error| RegistrationError::of(&error, "watch", self.configuration))? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => see(Some(self.whole(object))),
                WatchEvent::Deleted(_) => see(None),
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => {
                    let (code, reason) = (status.code, &*status.reason);
                    return Err(RegistrationError::of_status(code, reason, "watch", self.configuration));
                }
            }
        }
        Ok(())
    }

    /// Replaces the object, if it is still the one of this `resourceVersion`.
    pub(super) async fn replace(&self, object: &Value) -> Result<(), RegistrationError> {
        let body = serde_json::to_vec(object).map_err(|_| RegistrationError::Malformed(self.configuration))?;
        let request = self.request().replace(self.configuration.name(), &params(), body);
        self.answer("update", request).await.map(drop)
    }

    /// Makes the object.
    pub(super) async fn create(&self, object: &Value) -> Result<(), RegistrationError> {
        let body = serde_json::to_vec(object).map_err(|_| RegistrationError::Malformed(self.configuration))?;
        let request = self.request().create(&params(), body);
        self.answer("create", request).await.map(drop)
    }

    async fn answer(
        &self,
        verb: &'static str,
        request: Result<http::Request<Vec<u8>>, kube_client::core::request::Error>,
    ) -> Result<Value, RegistrationError> {
        let request = request.map_err(|error| unsent(&error))?;
        let client = self.client().await?;
        let answered = timeout(ANSWER_TIME, client.request(request)).await;
        let answered = answered.map_err(|_| RegistrationError::Silent(ANSWER_TIME.as_secs()))?;
        answered.map_err(|error| RegistrationError::of(&error, verb, self.configuration))
    }

    async fn client(&self) -> Result<Client, RegistrationError> {
        self.link.client().await.map_err(|error| match error {
            WatchError::Connect(error) => RegistrationError::Connect(error),
            other => RegistrationError::Unreachable(other.to_string()),
        })
    }

    fn request(&self) -> Request {
        Request::new(format!("/apis/{API_VERSION}/{}", self.configuration.resource()))
    }

    fn selector(&self) -> String {
        format!("metadata.name={}", self.configuration.name())
    }

    /// Lists leave out what all of their items have in common.
    fn whole(&self, mut object: Value) -> Value {
        object["apiVersion"] = json!(API_VERSION);
        object["kind"] = json!(self.configuration.kind());
        object
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

fn unsent(error: &kube_client::core::request::Error) -> RegistrationError {
    RegistrationError::Unreachable(error.to_string())
}
