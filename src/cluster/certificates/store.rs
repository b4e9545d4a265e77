//! The one Secret: read whole, written by compare and swap, its changes watched without its content.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_client::Api;
use kube_client::core::params::{PostParams, WatchParams};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::issue::Names;
use super::plan::Held;
use super::secret::{Authority, Data, Read, Stored, Wrapping};
use crate::cluster::client::ConnectError;
use crate::cluster::error::{WatchError, words};
use crate::cluster::list::Link;
use crate::cluster::watch::Backoff;

/// For an answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// After this many seconds the API server ends a watch in order.
const WATCH_SECONDS: u32 = 290;
/// A watch that lasted so long was no failure.
const STEADY: Duration = Duration::from_secs(10);
/// A bookmark comes every minute.
const SILENCE: Duration = Duration::from_secs(75);

/// Why the Secret cannot be read or written. Never holds what is in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// RBAC refuses.
    #[error("may not {verb} secrets {name:?} in namespace {namespace:?}: bind a Role there with {}", right(verb, name))]
    Forbidden {
        /// `get`, `watch`, `update` or `create`.
        verb: &'static str,
        /// Of the Secret.
        name: String,
        /// Of the Secret.
        namespace: String,
    },
    /// The namespace is gone, or was never there.
    #[error("there is no namespace {0:?}: give the webhook's own, --namespace NAME")]
    NoNamespace(String),
    /// It does not know who asks.
    #[error("the API server does not take these credentials (401): renew them")]
    Unauthorized,
    /// Somebody else wrote it in the meantime.
    #[error("somebody else wrote the Secret at the same time")]
    Conflict,
    /// Any other answer that is no success.
    #[error("the API server answered {code} {reason} to {verb} of the Secret")]
    Refused {
        /// What was asked.
        verb: &'static str,
        /// The HTTP status.
        code: u16,
        /// One word of the API.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("the API server said nothing for {0} s")]
    Silent(u64),
    /// It cannot be reached, or the connection broke.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
}

/// The way to the Secret.
pub(super) struct Store {
    pub(super) link: Link,
    pub(super) name: String,
    pub(super) names: Names,
}

/// What was found.
pub(super) struct Found {
    /// None: there is none.
    object: Option<Secret>,
    pub(super) held: Held,
    pub(super) stored: Option<Arc<Stored>>,
    pub(super) broken: Vec<Authority>,
}

impl Store {
    pub(super) async fn read(&self) -> Result<Found, StoreError> {
        let object = self.ask("get", async |api| api.get_opt(&self.name).await).await?;
        let read = object.as_ref().map_or_else(|| Read::of(Held::Missing), |object| self.understand(object));
        let Read { held, stored, broken } = read;
        Ok(Found { object, held, stored, broken })
    }

    /// Writes it, unless somebody else did since it was found so.
    pub(super) async fn write(&self, found: &Found, stored: &Stored) -> Result<(), StoreError> {
        let data: BTreeMap<_, _> = stored.data().into_iter().map(|(key, value)| (key, ByteString(value))).collect();
        let params = PostParams { field_manager: Some("secretfence".to_owned()), ..PostParams::default() };
        match &found.object {
            Some(object) => {
                let object = Secret { data: Some(data), string_data: None, ..object.clone() };
                self.ask("update", async |api| api.replace(&self.name, &params, &object).await).await?;
            }
            None => {
                let labels = BTreeMap::from([("app.kubernetes.io/name".to_owned(), "secretfence".to_owned())]);
                let metadata =
                    ObjectMeta { name: Some(self.name.clone()), labels: Some(labels), ..ObjectMeta::default() };
                let object =
                    Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() };
                self.ask("create", async |api| api.create(&params, &object).await).await?;
            }
        }
        Ok(())
    }

    /// Wakes whoever waits at each change, and where one may have been missed. Goes on until it is dropped.
    pub(super) async fn follow(&self, changed: &Notify) {
        let mut backoff = Backoff::default();
        loop {
            let start = Instant::now();
            let ended = self.events(changed).await;
            let is_steady = start.elapsed() >= STEADY;
            if is_steady {
                backoff = Backoff::default();
            }
            match ended {
                Ok(()) if is_steady => {}
                // One that ends at once shall not be opened again at once, though each begins with what is there.
                Ok(()) => tokio::time::sleep(backoff.next()).await,
                Err(error) => {
                    tracing::debug!(error = &*error.to_string(), "the Secret of the certificates is not watched");
                    tokio::time::sleep(backoff.next()).await;
                    self.renew(&error).await;
                }
            }
        }
    }

    /// What a client was made of may be what fails.
    pub(super) async fn renew(&self, error: &StoreError) {
        if matches!(error, StoreError::Silent(_) | StoreError::Unreachable(_) | StoreError::Unauthorized) {
            self.link.renew().await;
        }
    }

    /// One watch, until it ends.
    async fn events(&self, changed: &Notify) -> Result<(), StoreError> {
        // Without a version it begins with what is there: the metadata alone, since each change is read anew.
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(WATCH_SECONDS);
        let events = self.ask("watch", async |api| api.watch_metadata(&params, "").await).await?;
        let mut events = std::pin::pin!(events);
        while let Ok(Some(event)) = timeout(SILENCE, events.next()).await {
            match event.map_err(|error| self.error(&error, "watch"))? {
                kube_client::core::WatchEvent::Bookmark(_) => {}
                kube_client::core::WatchEvent::Error(status) => {
                    return Err(self.status(status.code, &status.reason, "watch"));
                }
                _ => changed.notify_one(),
            }
        }
        Ok(())
    }

    async fn ask<T>(
        &self,
        verb: &'static str,
        request: impl AsyncFnOnce(Api<Secret>) -> kube_client::Result<T>,
    ) -> Result<T, StoreError> {
        let client = self.link.client().await.map_err(|error| match error {
            WatchError::Connect(error) => StoreError::Connect(error),
            other => StoreError::Unreachable(other.to_string()),
        })?;
        let api = Api::namespaced(client, &self.names.namespace);
        let answer = timeout(ANSWER_TIME, request(api)).await.map_err(|_| StoreError::Silent(ANSWER_TIME.as_secs()))?;
        answer.map_err(|error| self.error(&error, verb))
    }

    fn understand(&self, object: &Secret) -> Read {
        let annotations = object.metadata.annotations.iter().flatten().map(|(key, _)| &**key).collect::<Vec<_>>();
        let wrapping = Wrapping {
            sort: object.type_.as_deref().unwrap_or("Opaque"),
            is_immutable: object.immutable == Some(true),
            annotations: &annotations,
        };
        let data: Data<'_> = object.data.iter().flatten().map(|(key, value)| (&**key, &*value.0)).collect();
        Stored::read(wrapping, &data, &self.names)
    }

    fn error(&self, error: &kube_client::Error, verb: &'static str) -> StoreError {
        match error {
            kube_client::Error::Api(status) => self.status(status.code, &status.reason, verb),
            // Its text may quote the Secret.
            kube_client::Error::SerdeError(_) => StoreError::Unreachable("it sent what is no Secret".to_owned()),
            other => StoreError::Unreachable(words(other)),
        }
    }

    fn status(&self, code: u16, reason: &str, verb: &'static str) -> StoreError {
        let (name, namespace) = (self.name.clone(), self.names.namespace.clone());
        match code {
            401 => StoreError::Unauthorized,
            403 => StoreError::Forbidden { verb, name, namespace },
            404 if verb == "create" => StoreError::NoNamespace(namespace),
            // One that was deleted meanwhile is another version, too.
            404 | 409 => StoreError::Conflict,
            code => {
                let reason = reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
                StoreError::Refused { verb, code, reason }
            }
        }
    }
}

fn right(verb: &str, name: &str) -> String {
    match verb {
        // RBAC cannot bind it to a name: the name is not known when it decides.
        "create" => "\"create\" of secrets, which cannot be bound to a name".to_owned(),
        verb => format!("\"{verb}\" of secrets, resourceNames [{name}]"),
    }
}
