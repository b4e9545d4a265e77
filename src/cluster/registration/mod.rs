//! The webhook's own two configurations: watched by name, held against the shipped ones, and put right where that is asked for.
//!
//! ```text
//!  MutatingWebhookConfiguration zz-secretfence  ─┐ list and watch   diagnosis: pure          Observer: metric, event
//!  ValidatingWebhookConfiguration secretfence   ─┴──► what is there ──► Drift ──────────────► log, /readyz
//!                        ▲                                │               │
//!                        │ compare and swap               ▼               ▼ --manage-registration, patience
//!                        └──────────────────── trust: caBundle      repair: only what differs
//! ```
//!
//! What is right is the shipped file itself (`manifests/opt-in`, `manifests/cluster-wide`), which is built in. All of it runs on a thread of its own.

mod diagnosis;
mod drift;
mod error;
mod form;
mod keeper;
mod patience;
pub(in crate::cluster) mod registered;
mod repair;
mod selector;
mod shipped;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub use drift::{Configuration, Drift, Problem};
pub use error::RegistrationError;
pub(super) use selector::NAME_LABEL;
pub use shipped::Breadth;

use super::client::Connection;
use keeper::Command;

/// For the watches to see what was written.
const SEEN_TIME: Duration = Duration::from_secs(2);

/// What has to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Less than this one is a drift. Opt-in asks about the fewest namespaces: by it, both of the shipped ones are right.
    pub breadth: Breadth,
    /// Where reviews have to go.
    pub service: ServiceAddress,
    /// Whether what differs is put right; else it is only said.
    pub is_managed: bool,
}

/// The Service that leads to this webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Its namespace, which is ours.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
}

/// Hears of what is registered, on the thread of the registration: who takes long holds it up.
pub trait RegistrationObserver: Send + Sync {
    /// Whether a client that trusts these authorities (PEM, maybe empty) trusts what serves now; why not, as what such a client would say.
    /// None: nothing serves yet.
    fn trusts(&self, bundle: &str) -> Option<Result<(), String>>;
    /// Both configurations were looked at, and this is all that is wrong: told at first, and when it changes. What was not before is told
    /// as news, too.
    fn drifts(&self, all: &[Drift], news: &[Drift]);
    /// All of this is wrong still: told again and again.
    fn lasts(&self, all: &[Drift]);
    /// What was wrong with a configuration was put right by us.
    fn restored(&self, configuration: Configuration, what: &[Drift]);
}

/// The webhook's own registration, watched; cheap to clone. It is looked after no more when the last one is dropped.
#[derive(Clone)]
pub struct Registration {
    shared: Arc<Shared>,
    /// None: the thread did not start.
    commands: Option<mpsc::UnboundedSender<Command>>,
}

/// What the thread and the handles know.
struct Shared {
    wanted: Wanted,
    /// By [`Configuration::index`].
    shipped: [Value; 2],
    observer: Arc<dyn RegistrationObserver>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    wake: Notify,
    /// Nothing is written any more.
    has_ended: AtomicBool,
}

#[derive(Default)]
struct State {
    seen: [Seen; 2],
    /// Why nothing more is seen at the moment.
    failures: [Option<String>; 2],
    drift: Vec<Drift>,
    /// Why what is wrong is not put right.
    unrepaired: [Option<String>; 2],
    /// Whether all was looked at once.
    is_told: bool,
    /// Authorities that are known to be right.
    bundle: Option<String>,
}

/// What is known of a configuration.
#[derive(Clone, Default)]
enum Seen {
    #[default]
    NotYet,
    Missing,
    There(Arc<Value>),
}

impl Registration {
    /// Begins to watch. Where that is not possible, the log and [`Registration::failure`] say why, and it is tried again.
    pub fn start(connection: Connection, wanted: Wanted, observer: Arc<dyn RegistrationObserver>) -> Registration {
        let shipped = Configuration::ALL.map(|configuration| shipped::configuration(configuration, &wanted));
        let shared = Arc::new(Shared {
            wanted,
            shipped,
            observer,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            wake: Notify::new(),
            has_ended: AtomicBool::new(false),
        });
        let commands = start_thread(connection, &shared);
        Registration { shared, commands }
    }

    /// Writes this PEM bundle in `caBundle` of every webhook of ours in both configurations, by compare and swap. Ok once both hold it.
    ///
    /// # Errors
    /// A configuration that is missing, too: where it is managed it is made with this bundle a moment later, so try again.
    pub async fn trust(&self, bundle: &str) -> Result<(), RegistrationError> {
        if !bundle.contains("-----BEGIN CERTIFICATE-----") {
            return Err(RegistrationError::NoBundle);
        }
        let commands = self.commands.as_ref().ok_or(RegistrationError::Ended)?;
        let (answer, answered) = oneshot::channel();
        let mut changes = self.changes();
        commands.send(Command::Trust(bundle.to_owned(), answer)).map_err(|_| RegistrationError::Ended)?;
        answered.await.map_err(|_| RegistrationError::Ended)??;
        // It is written; who asks next what is trusted should hear of it.
        let is_seen = changes.wait_for(|_| self.trusted().is_some_and(|all| all.iter().all(|its| its == bundle)));
        drop(tokio::time::timeout(SEEN_TIME, is_seen).await);
        Ok(())
    }

    /// What the configurations trust now, in PEM: one for each webhook of ours that leads to a Service, the mutating ones first; empty where
    /// there is none. None: a configuration was not read yet or is missing.
    pub fn trusted(&self) -> Option<Vec<String>> {
        self.shared.trusted()
    }

    /// Changes whenever one of the configurations was seen to change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// All that is wrong, in stable order.
    pub fn drift(&self) -> Vec<Drift> {
        self.shared.state().drift.clone()
    }

    /// Whether both configurations were looked at once.
    pub fn is_read(&self) -> bool {
        self.shared.state().is_told
    }

    /// Why nothing more is known at the moment.
    pub fn failure(&self) -> Option<String> {
        self.shared.state().failures.iter().flatten().next().cloned()
    }

    /// Why what is wrong is not put right, where it is to be.
    pub fn unrepaired(&self) -> Option<String> {
        self.shared.state().unrepaired.iter().flatten().next().cloned()
    }

    /// What has to be registered.
    pub fn wanted(&self) -> &Wanted {
        &self.shared.wanted
    }

    /// Looks again: the certificate that serves is another one.
    pub fn look_again(&self) {
        self.shared.wake.notify_one();
    }

    /// Writes nothing from now on: the process ends, maybe with all that is installed.
    pub fn stop(&self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("wanted", &self.shared.wanted).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shipped(&self, configuration: Configuration) -> &Value {
        &self.shipped[configuration.index()]
    }

    fn trusted(&self) -> Option<Vec<String>> {
        let seen = self.state().seen.clone();
        let mut all = Vec::new();
        for configuration in Configuration::ALL {
            let Seen::There(found) = &seen[configuration.index()] else { return None };
            all.extend(bundles(self.shipped(configuration), found));
        }
        Some(all)
    }

    /// A configuration was seen. Whether it is another than before.
    fn see(&self, configuration: Configuration, seen: Seen) {
        let mut state = self.state();
        state.failures[configuration.index()] = None;
        let before = &state.seen[configuration.index()];
        let is_same = match (before, &seen) {
            (Seen::There(before), Seen::There(now)) => before == now,
            (Seen::Missing, Seen::Missing) => true,
            _ => false,
        };
        if !is_same {
            state.seen[configuration.index()] = seen;
            drop(state);
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
            self.wake.notify_one();
        }
    }

    fn tell_unrepaired(&self, configuration: Configuration, why: Option<String>) {
        self.state().unrepaired[configuration.index()] = why;
    }

    /// Nothing is seen. Whether that was not known.
    fn fail(&self, configuration: Configuration, why: &str) -> bool {
        let failure = &mut self.state().failures[configuration.index()];
        let is_news = failure.as_deref() != Some(why);
        *failure = Some(why.to_owned());
        is_news
    }
}

/// Of our webhooks that lead to a Service, in the order in which they are shipped.
fn bundles(shipped: &Value, found: &Value) -> Vec<String> {
    let found = form::webhooks(found);
    let ours = form::webhooks(shipped).into_iter();
    let ours = ours.filter_map(|shipped| found.iter().find(|webhook| webhook.name == shipped.name));
    let ours = ours.filter(|webhook| webhook.client_config.service.is_some());
    ours.map(|webhook| diagnosis::bundle_of(&webhook.client_config).unwrap_or_default()).collect()
}

fn start_thread(connection: Connection, shared: &Arc<Shared>) -> Option<mpsc::UnboundedSender<Command>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let its = Arc::clone(shared);
    let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(keeper::keep(connection, its, receiver)),
        Err(error) => tracing::error!(error = &*error.to_string(), "the registration cannot be looked after"),
    };
    match std::thread::Builder::new().name("secretfence-registration".to_owned()).spawn(run) {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::error!(error = &*error.to_string(), "the thread of the registration cannot be started");
            None
        }
    }
}

#[cfg(test)]
mod tests;
