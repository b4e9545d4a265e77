//! All watches: those that some rule needs, on a thread that is there as long as there is one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::client::Connection;
use super::kept::Known;
use super::list::Link;
use super::needs::{Needs, Resource, Topic};
use super::news::News;
use super::unit::{Progress, Unit};
use super::watch::Watch;
use crate::fence::facts::Labels;

/// After a defect of ours.
const AFTER_PANIC: Duration = Duration::from_secs(5);
/// Namespaces that are asked for at a time.
const LOOKUPS: usize = 16;

/// Hears of what the watches do, on their thread: who takes long holds them up.
pub trait Observer: Send + Sync {
    /// The API server said something of this resource, be it that nothing is new.
    fn heard(&self, resource: Resource);
    /// The resource is watched no more.
    fn stopped(&self, resource: Resource);
    /// Something is known that was not, or a watch stands or goes on: a moment ago, and so only once for many changes.
    /// Whether it is judged by now.
    fn news(&self) -> bool;
    /// What an event of this resource changed is judged by, so long after it came; of many at once, after the first.
    fn judged(&self, resource: Resource, after: Duration);
}

/// How far the watches for some needs have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything is known.
    Synced,
    /// Not everything is known yet: these are missing.
    Waiting(Vec<Progress>),
}

/// All watches.
pub struct Watches {
    connection: Connection,
    observer: Arc<dyn Observer>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    units: Vec<Arc<Unit>>,
    /// To the thread, which ends when this is dropped.
    commands: Option<mpsc::UnboundedSender<Command>>,
}

enum Command {
    Start(Arc<Unit>),
    Stop(Arc<Unit>),
    Namespace(String, Arc<Unit>, oneshot::Sender<Option<Labels>>),
}

impl Watches {
    /// Of nothing: no client is made and no thread is started before something is required.
    pub fn new(connection: Connection, observer: Arc<dyn Observer>) -> Watches {
        Watches { connection, observer, running: Mutex::default() }
    }

    /// Starts what these needs take and does not run yet, and stops everything else.
    pub fn require(&self, needs: &[&Needs]) {
        let topics: Vec<Topic> = needs.iter().flat_map(|needs| needs.topics()).collect();
        let mut running = self.running();
        let (stay, go): (Vec<_>, Vec<_>) =
            std::mem::take(&mut running.units).into_iter().partition(|unit| topics.contains(&unit.topic));
        running.units = stay;
        for topic in topics {
            if !running.units.iter().any(|unit| unit.topic == topic) {
                let unit = Arc::new(Unit::new(topic));
                running.units.push(Arc::clone(&unit));
                self.tell(&mut running, Command::Start(unit));
            }
        }
        for unit in go {
            self.tell(&mut running, Command::Stop(unit));
        }
        if running.units.is_empty() {
            running.commands = None;
        }
    }

    /// How far these needs are met.
    pub fn state(&self, needs: &Needs) -> State {
        let missing: Vec<Progress> = self.progress(needs).into_iter().filter(|progress| !progress.synced).collect();
        if missing.is_empty() { State::Synced } else { State::Waiting(missing) }
    }

    /// How far each watch for these needs has come.
    pub fn progress(&self, needs: &Needs) -> Vec<Progress> {
        let running = self.running();
        let mut progress = Vec::new();
        for topic in needs.topics() {
            match running.units.iter().find(|unit| unit.topic == topic) {
                Some(unit) => progress.extend(unit.progress()),
                // What nobody watches is never known.
                None => progress.extend(Unit::new(topic).progress()),
            }
        }
        progress
    }

    /// What is known for these needs.
    pub fn known(&self, needs: &Needs) -> Known {
        let topics = needs.topics();
        let units: Vec<_> = self.running().units.iter().filter(|unit| topics.contains(&unit.topic)).cloned().collect();
        let mut known = Known::default();
        // Not under the lock of all: who may do what takes its time.
        units.iter().filter(|unit| unit.is_synced()).for_each(|unit| unit.tell(&mut known));
        known
    }

    /// The labels of one Namespace, asked for now: for one that is too new to be known. None where that fails.
    pub async fn namespace(&self, needs: &Needs, name: &str) -> Option<Labels> {
        let topic = needs.namespaces.clone().map(Topic::Namespaces)?;
        let (answer, answered) = oneshot::channel();
        {
            let running = self.running();
            let unit = running.units.iter().find(|unit| unit.topic == topic)?;
            let command = Command::Namespace(name.to_owned(), Arc::clone(unit), answer);
            running.commands.as_ref()?.send(command).ok()?;
        }
        answered.await.ok().flatten()
    }

    fn tell(&self, running: &mut Running, command: Command) {
        let commands = running.commands.take().or_else(|| self.start_thread());
        if let Some(commands) = &commands {
            // A thread that is gone has left its reason in the log.
            let _ = commands.send(command);
        }
        running.commands = commands;
    }

    fn start_thread(&self) -> Option<mpsc::UnboundedSender<Command>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (connection, observer) = (self.connection.clone(), Arc::clone(&self.observer));
        let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(serve(connection, observer, receiver)),
            Err(error) => tracing::error!(error = &*error.to_string(), "the watches cannot be started"),
        };
        match std::thread::Builder::new().name("secretfence-watches".to_owned()).spawn(run) {
            Ok(_) => Some(sender),
            Err(error) => {
                tracing::error!(error = &*error.to_string(), "the thread of the watches cannot be started");
                None
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// The thread: starts and stops tasks as told, until nobody can tell any more.
async fn serve(connection: Connection, observer: Arc<dyn Observer>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let link = Arc::new(Link::new(connection));
    let news = Arc::new(News::default());
    let mut background = JoinSet::new();
    let (its, told) = (Arc::clone(&news), Arc::clone(&observer));
    background.spawn(async move { its.publish(told).await });
    let lookups = Arc::new(tokio::sync::Semaphore::new(LOOKUPS));
    // A set that is dropped ends its tasks.
    let mut units: Vec<(Arc<Unit>, JoinSet<()>)> = Vec::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Start(unit) => {
                let mut tasks = JoinSet::new();
                for resource in unit.topic.resources() {
                    tasks.spawn(supervise(Watch {
                        link: Arc::clone(&link),
                        resource: *resource,
                        unit: Arc::clone(&unit),
                        observer: Arc::clone(&observer),
                        news: Arc::clone(&news),
                    }));
                }
                units.push((unit, tasks));
            }
            Command::Stop(unit) => {
                units.retain(|(its, _)| !Arc::ptr_eq(its, &unit));
                for resource in unit.topic.resources() {
                    // The same resource may be watched for another topic.
                    if !units.iter().any(|(its, _)| its.topic.resources().contains(resource)) {
                        news.forget(*resource);
                        observer.stopped(*resource);
                    }
                }
            }
            Command::Namespace(name, unit, answer) => {
                let Ok(permit) = Arc::clone(&lookups).try_acquire_owned() else { continue };
                let link = Arc::clone(&link);
                background.spawn(async move {
                    let mut answer = answer;
                    tokio::select! {
                        labels = link.namespace(&name, &unit.topic) => drop(answer.send(labels)),
                        // Nobody waits any more.
                        () = answer.closed() => {}
                    }
                    drop(permit);
                });
            }
        }
        // What has ended is let go.
        while background.try_join_next().is_some() {}
    }
    units.clear();
}

/// A defect in one watch must not end it: what it knows would be judged by for ever.
async fn supervise(watch: Watch) {
    let watch = Arc::new(watch);
    loop {
        let mut running = JoinSet::new();
        let its = Arc::clone(&watch);
        running.spawn(async move { its.run().await });
        if running.join_next().await.is_some() {
            tracing::error!(resource = watch.resource.name(), "the watch ended by a defect and begins anew");
        }
        tokio::time::sleep(AFTER_PANIC).await;
    }
}
