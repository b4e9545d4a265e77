//! The thread: two watches, one that holds what is there against what should be, and whoever wants something written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::diagnosis::diagnose;
use super::drift::{Configuration, Drift, Problem};
use super::error::RegistrationError;
use super::patience::Patience;
use super::wire::Wire;
use super::{Seen, Shared, bundles, repair};
use crate::cluster::client::Connection;
use crate::cluster::list::Link;
use crate::cluster::watch::Backoff;

/// How often all is held against what serves, also where nothing was seen to change: a certificate ends by itself.
const LOOK: Duration = Duration::from_secs(5);
/// A watch that lasted so long was no failure.
const STEADY: Duration = Duration::from_secs(10);
/// How often something is written again that others wrote meanwhile.
const TRIES: usize = 5;
/// After a defect of ours.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// A webhook that nobody trusts refuses everything that it is asked about.
const NO_BUNDLE: &str =
    "no authorities are known by which the API server would trust this webhook: it is made once some are";

/// What the thread is asked for.
pub(super) enum Command {
    /// To write these authorities.
    Trust(String, oneshot::Sender<Result<(), RegistrationError>>),
}

/// Keeps all of it going until nobody can ask any more.
pub(super) async fn keep(connection: Connection, shared: Arc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let link = Arc::new(Link::new(connection));
    // A set that is dropped ends its tasks.
    let mut tasks = JoinSet::new();
    for configuration in Configuration::ALL {
        let (shared, link) = (Arc::clone(&shared), Arc::clone(&link));
        tasks.spawn(supervise(move || follow(Arc::clone(&shared), Arc::clone(&link), configuration)));
    }
    let (its, its_link) = (Arc::clone(&shared), Arc::clone(&link));
    tasks.spawn(supervise(move || look_after(Arc::clone(&its), Arc::clone(&its_link))));
    while let Some(Command::Trust(bundle, answer)) = commands.recv().await {
        // Who asked may have gone.
        let _ = answer.send(trust(&shared, &link, &bundle).await);
    }
}

/// A defect must not end it: nobody would hear of a drift any more.
async fn supervise<F>(run: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut running = JoinSet::new();
        running.spawn(run());
        drop(running.join_next().await);
        tracing::error!("looking after the registration ended by a defect and begins anew");
        tokio::time::sleep(AFTER_PANIC).await;
    }
}

/// One configuration: listed, watched, listed again when the watch ends.
async fn follow(shared: Arc<Shared>, link: Arc<Link>, configuration: Configuration) {
    let wire = Wire { link: &link, configuration };
    let see = |found: Option<Value>| {
        shared.see(configuration, found.map_or(Seen::Missing, |found| Seen::There(Arc::new(found))));
    };
    let mut backoff = Backoff::default();
    loop {
        let start = Instant::now();
        let ended = async {
            let (found, version) = wire.list().await?;
            see(found);
            wire.watch(&version, see).await
        };
        let ended = ended.await;
        if start.elapsed() >= STEADY {
            backoff = Backoff::default();
        }
        match ended {
            // One that ends at once shall not be opened again at once.
            Ok(()) if start.elapsed() < Duration::from_secs(1) => tokio::time::sleep(Duration::from_secs(1)).await,
            Ok(()) => {}
            // It was away for long: the list that comes tells all.
            Err(RegistrationError::Gone) if start.elapsed() >= STEADY => {}
            Err(error) => {
                let why = error.to_string();
                if shared.fail(configuration, &why) {
                    tracing::error!(
                        configuration = configuration.name(),
                        error = &*why,
                        "the registration cannot be watched; it is tried again"
                    );
                }
                tokio::time::sleep(backoff.next()).await;
                if error.may_be_the_client() {
                    link.renew().await;
                }
            }
        }
    }
}

/// Holds what is there against what should be, and puts it right where that is asked for.
async fn look_after(shared: Arc<Shared>, link: Arc<Link>) {
    let mut patience: [Patience; 2] = Default::default();
    loop {
        let now = Instant::now();
        let drift = look(&shared);
        let mut next = now + LOOK;
        if shared.wanted.is_managed && !shared.has_ended.load(Ordering::Relaxed) {
            for configuration in Configuration::ALL {
                let its: Vec<Drift> =
                    drift.iter().filter(|drift| drift.configuration == configuration).cloned().collect();
                let due = restore(&shared, &link, &its, configuration, &mut patience[configuration.index()]).await;
                next = due.map_or(next, |due| next.min(due));
            }
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
}

/// All that is wrong, told if it is not what was told before.
fn look(shared: &Shared) -> Vec<Drift> {
    let seen = shared.state().seen.clone();
    let mut all = Vec::new();
    let mut bundle = None;
    let trusts = |bundle: &str| shared.observer.trusts(bundle);
    for configuration in Configuration::ALL {
        let shipped = shared.shipped(configuration);
        let found = match &seen[configuration.index()] {
            Seen::NotYet => return Vec::new(),
            Seen::Missing => None,
            Seen::There(found) => Some(&**found),
        };
        all.extend(diagnose(configuration, shipped, found, &trusts));
        let its = found.map(|found| bundles(shipped, found)).unwrap_or_default();
        bundle = bundle.or_else(|| its.into_iter().find(|its| matches!(trusts(its), Some(Ok(())))));
    }
    let mut state = shared.state();
    state.bundle = bundle.or(state.bundle.take());
    if state.is_told && state.drift == all {
        drop(state);
        shared.observer.lasts(&all);
        return all;
    }
    let before = std::mem::replace(&mut state.drift, all.clone());
    let is_first = !std::mem::replace(&mut state.is_told, true);
    drop(state);
    let news: Vec<Drift> = all.iter().filter(|drift| !before.contains(drift)).cloned().collect();
    shared.observer.drifts(&all, &news);
    for drift in &news {
        tracing::warn!(
            configuration = drift.configuration.name(),
            problem = drift.problem.name(),
            "the registration drifted: {drift}"
        );
    }
    if all.is_empty() {
        tracing::info!(
            "{}",
            if is_first { "the registration is as it has to be" } else { "the registration is right again" }
        );
    }
    all
}

/// Puts a configuration right if it is time for that. When there is something to do next.
async fn restore(
    shared: &Shared,
    link: &Link,
    drift: &[Drift],
    configuration: Configuration,
    patience: &mut Patience,
) -> Option<Instant> {
    let (seen, bundle) = {
        let state = shared.state();
        (state.seen[configuration.index()].clone(), state.bundle.clone())
    };
    let shipped = shared.shipped(configuration);
    let wire = Wire { link, configuration };
    let (target, is_gone) = match &seen {
        Seen::NotYet => return None,
        Seen::Missing => (bundle.as_deref().map(|bundle| repair::made(shipped, bundle)), true),
        Seen::There(found) => (repair::restored(drift, shipped, found, bundle.as_deref()), false),
    };
    let Some(target) = target else {
        let is_missing = drift.iter().any(|drift| drift.problem == Problem::Missing);
        if !is_missing {
            patience.is_right();
        }
        shared.tell_unrepaired(configuration, is_missing.then(|| NO_BUNDLE.to_owned()));
        return None;
    };
    let due = patience.due(Instant::now(), is_gone);
    if due > Instant::now() {
        return Some(due);
    }
    if shared.has_ended.load(Ordering::Relaxed) {
        return None;
    }
    let done = if is_gone { wire.create(&target).await } else { wire.replace(&target).await };
    match done {
        Ok(()) => {
            let is_fight = patience.tried(Instant::now());
            shared.tell_unrepaired(configuration, None);
            tracing::info!(configuration = configuration.name(), "the registration was put right");
            shared.observer.restored(configuration, drift);
            if is_fight {
                tracing::warn!(
                    configuration = configuration.name(),
                    "somebody puts the registration back each time that it is put right: it is tried ever more seldom; let one of both \
                     be the one that decides"
                );
            }
        }
        // Another replica, or somebody else: what it is now, the watch tells.
        Err(RegistrationError::Conflict(_)) => patience.failed(Instant::now()),
        Err(error) => {
            patience.failed(Instant::now());
            let error = error.to_string();
            shared.tell_unrepaired(configuration, Some(error.clone()));
            tracing::error!(
                configuration = configuration.name(),
                error = &*error,
                "the registration cannot be put right"
            );
        }
    }
    Some(patience.due(Instant::now(), is_gone))
}

async fn trust(shared: &Shared, link: &Link, bundle: &str) -> Result<(), RegistrationError> {
    // One that is missing is made with it.
    shared.state().bundle = Some(bundle.to_owned());
    shared.wake.notify_one();
    let mut ended = Ok(());
    for configuration in Configuration::ALL {
        // Where one cannot be had, the other is asked for all the same.
        ended = ended.and(trust_in(shared, &Wire { link, configuration }, bundle).await);
    }
    ended
}

async fn trust_in(shared: &Shared, wire: &Wire<'_>, bundle: &str) -> Result<(), RegistrationError> {
    let configuration = wire.configuration;
    let mut tries = 0;
    loop {
        let (found, _) = wire.list().await?;
        let found = found.ok_or(RegistrationError::Missing(configuration))?;
        let shipped = shared.shipped(configuration);
        if bundles(shipped, &found).is_empty() {
            return Err(RegistrationError::Missing(configuration));
        }
        let target = repair::with_bundle(shipped, &found, bundle);
        if target == found {
            return Ok(());
        }
        // It may have been told to while the answer was on its way.
        if shared.has_ended.load(Ordering::Relaxed) {
            return Err(RegistrationError::Ended);
        }
        match wire.replace(&target).await {
            Ok(()) => return Ok(()),
            Err(RegistrationError::Conflict(_)) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::super::tests::wanted;
    use super::super::{RegistrationObserver, State, shipped};
    use super::*;

    /// How often it heard news, and that something lasts.
    #[derive(Default)]
    struct Heard(Mutex<(usize, usize)>);

    impl RegistrationObserver for Heard {
        fn trusts(&self, _: &str) -> Option<Result<(), String>> {
            None
        }

        fn drifts(&self, _: &[Drift], news: &[Drift]) {
            self.0.lock().unwrap().0 += news.len();
        }

        fn lasts(&self, all: &[Drift]) {
            self.0.lock().unwrap().1 += all.len();
        }

        fn restored(&self, _: Configuration, _: &[Drift]) {}
    }

    #[test]
    fn what_stays_wrong_is_news_once_and_told_each_time() {
        let heard = Arc::new(Heard::default());
        let wanted = wanted();
        let shared = Shared {
            shipped: Configuration::ALL.map(|configuration| shipped::configuration(configuration, &wanted)),
            wanted,
            observer: Arc::clone(&heard) as Arc<dyn RegistrationObserver>,
            state: Mutex::new(State { seen: [Seen::Missing, Seen::Missing], ..State::default() }),
            changes: tokio::sync::watch::Sender::new(0),
            wake: tokio::sync::Notify::new(),
            has_ended: AtomicBool::new(false),
        };
        (0..4).for_each(|_| drop(look(&shared)));
        assert_eq!(*heard.0.lock().unwrap(), (2, 6));
    }
}
