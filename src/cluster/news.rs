//! From what a watch heard to what is judged by: many changes at once, and never all the time.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::needs::Resource;
use super::watches::Observer;

/// How long more is waited for before what is new is judged by: changes come in swarms, and an index of who may do what is
/// not for nothing.
const SETTLE: Duration = Duration::from_millis(50);
/// After each time it rests so many times as long as that took: however fast somebody changes things, no more than a tenth
/// of a core goes into it.
const REST: u32 = 9;
/// Without news for so long, the watches are at rest.
const QUIET: Duration = Duration::from_secs(2);
/// What is new is not kept from the reviews for longer than that.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// What is known and not judged by yet.
#[derive(Debug, Default)]
pub(super) struct News {
    wake: Notify,
    /// When the first event of each resource came.
    arrived: Mutex<BTreeMap<Resource, Instant>>,
}

impl News {
    /// Something else is known, or known anew.
    pub(super) fn tell(&self) {
        self.wake.notify_one();
    }

    /// An event of a watch has changed what is known.
    pub(super) fn event(&self, resource: Resource, arrived: Instant) {
        self.arrived().entry(resource).or_insert(arrived);
        self.wake.notify_one();
    }

    /// The resource is watched no more.
    pub(super) fn forget(&self, resource: Resource) {
        self.arrived().remove(&resource);
    }

    /// Hands what is new to the observer, for ever.
    pub(super) async fn publish(&self, observer: Arc<dyn Observer>) {
        loop {
            if tokio::time::timeout(QUIET, self.wake.notified()).await.is_err() {
                give_back();
                self.wake.notified().await;
            }
            tokio::time::sleep(SETTLE).await;
            // What has come meanwhile is taken over with it.
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = std::future::ready(()) => {}
            }
            let took = self.publish_now(&*observer);
            tokio::time::sleep((took * REST).min(LONGEST_REST).saturating_sub(SETTLE)).await;
        }
    }

    /// Tells how long it took.
    fn publish_now(&self, observer: &dyn Observer) -> Duration {
        let start = Instant::now();
        let arrived = std::mem::take(&mut *self.arrived());
        // A defect there costs this news, and not all that come.
        match catch_unwind(AssertUnwindSafe(|| observer.news())) {
            Ok(true) => arrived.into_iter().for_each(|(resource, at)| observer.judged(resource, at.elapsed())),
            Ok(false) => self.arrived().extend(arrived),
            Err(_) => {
                tracing::error!("what the watches know could not be taken over by a defect; the next news follow");
            }
        }
        start.elapsed()
    }

    fn arrived(&self) -> MutexGuard<'_, BTreeMap<Resource, Instant>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The allocator gives memory back to the system when it frees a big piece a second after what is free by then (`purge_delay`
/// of mimalloc 3). A thread that rests frees none: of what a list leaves behind megabytes would stay for as long as nothing
/// happens. Not one byte of the piece is touched.
fn give_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(4 << 20)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Takes its time for each news.
    #[derive(Default)]
    struct Slow {
        takes: Duration,
        is_served: bool,
        news: AtomicUsize,
        judged: Mutex<Vec<(Resource, Duration)>>,
    }

    impl Observer for Slow {
        fn heard(&self, _: Resource) {}

        fn stopped(&self, _: Resource) {}

        fn news(&self) -> bool {
            self.news.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(self.takes);
            self.is_served
        }

        fn judged(&self, resource: Resource, after: Duration) {
            self.judged.lock().unwrap().push((resource, after));
        }
    }

    /// An event a millisecond, for a second. How often the observer was told.
    fn storm(observer: &Arc<Slow>) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let news = Arc::new(News::default());
            let (its, told) = (Arc::clone(&news), Arc::clone(observer));
            let publishing = tokio::task::spawn(async move { its.publish(told).await });
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(1) {
                news.event(Resource::RoleBindings, Instant::now());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            publishing.abort();
        });
        observer.news.load(Ordering::Relaxed)
    }

    #[test]
    fn a_storm_of_events_is_taken_over_once_in_a_settle_time() {
        let observer = Arc::new(Slow { is_served: true, ..Slow::default() });
        let told = storm(&observer);
        assert!((1..=20).contains(&told), "{told}");
        // One measure each time, of the event that waited longest.
        let judged = observer.judged.lock().unwrap();
        assert_eq!(judged.len(), told);
        assert!(judged.iter().all(|(resource, after)| *resource == Resource::RoleBindings && *after >= SETTLE));
    }

    #[test]
    fn what_takes_long_is_done_a_tenth_of_the_time() {
        let observer = Arc::new(Slow { takes: Duration::from_millis(40), is_served: true, ..Slow::default() });
        // 40 ms in each 400.
        let told = storm(&observer);
        assert!((1..=3).contains(&told), "{told}");
    }

    #[test]
    fn an_event_waits_on_where_nothing_is_judged_yet() {
        let mut observer = Slow::default();
        let news = News::default();
        let arrived = Instant::now();
        news.event(Resource::Roles, arrived);
        news.publish_now(&observer);
        assert!(observer.judged.lock().unwrap().is_empty());
        observer.is_served = true;
        news.publish_now(&observer);
        assert_eq!(observer.judged.lock().unwrap()[0].0, Resource::Roles);
        news.event(Resource::Roles, arrived);
        news.forget(Resource::Roles);
        news.publish_now(&observer);
        assert_eq!(observer.judged.lock().unwrap().len(), 1);
    }
}
