//! One topic under watch: what is kept, and how far each of its resources has come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::WatchError;
use super::kept::{Kept, Known, Listed};
use super::needs::{Resource, Topic};

/// One topic under watch.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) topic: Topic,
    kept: Mutex<Kept>,
    progress: Vec<Mutex<Progress>>,
}

/// How far the watch of a resource has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of what.
    pub resource: Resource,
    /// Whether it was wholly known once: from then on what is known is judged by.
    pub synced: bool,
    /// Why nothing more comes at the moment.
    pub failure: Option<String>,
}

impl Unit {
    pub(super) fn new(topic: Topic) -> Unit {
        let progress = topic
            .resources()
            .iter()
            .map(|resource| Mutex::new(Progress { resource: *resource, synced: false, failure: None }));
        Unit { kept: Mutex::new(Kept::nothing(&topic)), progress: progress.collect(), topic }
    }

    /// How far each resource has come.
    pub(super) fn progress(&self) -> impl Iterator<Item = Progress> {
        self.progress.iter().map(|progress| lock(progress).clone())
    }

    /// Whether all is known.
    pub(super) fn is_synced(&self) -> bool {
        self.progress.iter().all(|progress| lock(progress).synced)
    }

    /// Adds what is known here.
    pub(super) fn tell(&self, known: &mut Known) {
        lock(&self.kept).tell(known);
    }

    /// Takes in an object. Whether anything else is known now.
    pub(super) fn put(&self, resource: Resource, json: &[u8]) -> bool {
        lock(&self.kept).put(resource, json)
    }

    /// Forgets an object. Whether anything else is known now.
    pub(super) fn remove(&self, resource: Resource, json: &[u8]) -> bool {
        lock(&self.kept).remove(resource, json)
    }

    /// Takes a page into a list.
    pub(super) fn list(&self, listed: &mut Listed, resource: Resource, items: &[&[u8]]) {
        let mut kept = lock(&self.kept);
        items.iter().for_each(|item| kept.list(listed, resource, item));
    }

    pub(super) fn replace(&self, resource: Resource, listed: Listed) {
        lock(&self.kept).replace(resource, listed);
    }

    /// All is known now, and more comes. What was wrong until now, and whether this is the first time.
    pub(super) fn goes_on(&self, resource: Resource) -> (Option<String>, bool) {
        let Some(mut progress) = self.of(resource) else { return (None, false) };
        let is_first = !progress.synced;
        progress.synced = true;
        (progress.failure.take(), is_first)
    }

    /// Nothing more comes. Whether that was not known.
    pub(super) fn stands(&self, resource: Resource, error: &WatchError) -> bool {
        let Some(mut progress) = self.of(resource) else { return false };
        let text = Some(error.to_string());
        let is_news = progress.failure != text;
        progress.failure = text;
        is_news
    }

    fn of(&self, resource: Resource) -> Option<MutexGuard<'_, Progress>> {
        self.progress.iter().map(lock).find(|progress| progress.resource == resource)
    }
}

/// What a defect left half done is replaced by the next list.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
