//! The policies that serve, and their replacement when the files change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use prometheus::{HistogramVec, IntGaugeVec};

use super::error::ServeError;
use super::fingerprint::{Fingerprint, UnwatchableError};
use super::settings::PolicySource;
use crate::cluster::{Connection, Needs, Observer, Progress, Resource, State, Watches};
use crate::fence::Facts;
use crate::fence::facts::Labels;
use crate::fence::policy::PolicySet;
use crate::policy_dir::{self, LoadError, LoadedPolicies};
use crate::telemetry::{Metrics, VerdictCounters};

/// What one review is judged by, all of it of one moment.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    /// The policies.
    pub(super) set: Arc<PolicySet>,
    /// Their counters.
    pub(super) counters: Arc<VerdictCounters>,
    /// What is known beside the object.
    pub(super) facts: Facts,
    /// What has to be known of the cluster for it.
    pub(super) needs: Arc<Needs>,
    /// Whether it is: nothing is judged before.
    pub(super) is_ready: bool,
}

/// The last good set, and what became of the last try to replace it.
#[derive(Debug)]
pub(super) struct Policies {
    paths: Vec<PathBuf>,
    serving: Arc<Serving>,
    watches: Arc<Watches>,
    /// A good set that has to wait until enough is known of the cluster.
    waiting: Mutex<Option<Waiting>>,
    /// Why the files that are there now do not serve.
    failure: RwLock<Option<String>>,
}

/// What judges, to be changed from more than one side: by new policies, a new day, and news of the cluster.
#[derive(Debug)]
struct Serving {
    now: RwLock<Arc<Judgement>>,
    /// Held from reading to writing.
    changing: Mutex<()>,
}

/// A set that cannot serve yet.
#[derive(Debug)]
struct Waiting {
    set: Arc<PolicySet>,
    needs: Arc<Needs>,
    since: Instant,
    /// Whether it was said that it does not serve.
    is_told: bool,
}

/// How long a set waits for its watches before that is a failure. It serves all the same when they have come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes over what the watches know.
struct Listener {
    serving: Arc<Serving>,
    watches: Weak<Watches>,
    heard: IntGaugeVec,
    delays: HistogramVec,
}

/// How long files that change from look to look are left alone. Then what was read without a change meanwhile serves:
/// what changes for ever would never be enforced.
const UNREST: Duration = Duration::from_secs(10);

/// What the poll remembers from one time to the next.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of the files that were last loaded, or tried. `None`: they could not be looked at.
    loaded: Option<Fingerprint>,
    /// Of the files when they were last looked at.
    last: Option<Fingerprint>,
    /// Since when they are others than those that were loaded.
    changed: Option<Instant>,
}

impl Policies {
    /// Loads the policies for the first time.
    pub(super) fn load(
        source: PolicySource,
        cluster: Connection,
        metrics: &Metrics,
    ) -> Result<(Policies, Seen), ServeError> {
        let (paths, fingerprint, set) = match source {
            PolicySource::Set(set) => (Vec::new(), Fingerprint::default(), set),
            PolicySource::Paths(paths) => {
                let (fingerprint, set) = load_at_rest(&paths)?;
                (paths, fingerprint, Arc::new(set))
            }
        };
        metrics.policies_serve(&set);
        let needs = Arc::new(Needs::of(&set));
        let first = Judgement { is_ready: needs.is_empty(), ..Judgement::by(set, Arc::clone(&needs), today()) };
        let serving = Arc::new(Serving { now: RwLock::new(Arc::new(first)), changing: Mutex::default() });
        let watches = Arc::new_cyclic(|watches| {
            let (serving, watches) = (Arc::clone(&serving), Weak::clone(watches));
            let (heard, delays) = (metrics.watch_events(), metrics.watch_delays());
            Watches::new(cluster, Arc::new(Listener { serving, watches, heard, delays }))
        });
        watches.require(&[&needs]);
        let policies = Policies { paths, serving, watches, waiting: Mutex::default(), failure: RwLock::new(None) };
        Ok((policies, Seen { loaded: Some(fingerprint), ..Seen::default() }))
    }

    /// What a review that comes now is judged by.
    pub(super) fn judgement(&self) -> Arc<Judgement> {
        self.serving.now()
    }

    /// How far the watches have come that the serving set needs.
    pub(super) fn watches(&self) -> Vec<Progress> {
        self.watches.progress(&self.judgement().needs)
    }

    /// The labels of a Namespace that the watch does not know, asked for now. None where that fails.
    pub(super) async fn namespace(&self, name: &str) -> Option<Labels> {
        self.watches.namespace(&self.judgement().needs, name).await
    }

    /// Why the files that are there now do not serve.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns the day, and takes what the files hold if they have changed, are at rest, and are good.
    pub(super) fn poll(&self, seen: &mut Seen, metrics: &Metrics, now: Instant) {
        self.turn_day(today());
        self.let_in(metrics, now);
        if self.paths.is_empty() {
            return;
        }
        if let Err(error) = self.look(seen, metrics, now) {
            // What is seen next differs from this, and is loaded.
            *seen = Seen::default();
            let why = error.to_string();
            if self.failure().as_ref() != Some(&why) {
                self.failed(why, metrics);
            }
        }
    }

    fn look(&self, seen: &mut Seen, metrics: &Metrics, now: Instant) -> Result<(), UnwatchableError> {
        let found = Some(Fingerprint::of(&self.paths)?);
        if found == seen.loaded {
            seen.changed = None;
        } else {
            let restless = now.saturating_duration_since(*seen.changed.get_or_insert(now)) >= UNREST;
            if found == seen.last || restless {
                let loaded = policy_dir::load(&self.paths);
                // Changed while they were read: the set may be half old and half new.
                if Some(Fingerprint::of(&self.paths)?) == found {
                    self.reloaded(loaded, metrics, now);
                    seen.loaded.clone_from(&found);
                    seen.changed = None;
                }
            }
        }
        seen.last = found;
        Ok(())
    }

    fn reloaded(&self, loaded: Result<LoadedPolicies, LoadError>, metrics: &Metrics, now: Instant) {
        let mut waiting = self.waiting();
        match loaded {
            Ok(loaded) => {
                let needs = Arc::new(Needs::of(&loaded.set));
                // What serves goes on being watched for.
                self.watches.require(&[&self.judgement().needs, &needs]);
                *waiting = Some(Waiting { set: Arc::new(loaded.set), needs, since: now, is_told: false });
            }
            Err(error) => {
                *waiting = None;
                self.watches.require(&[&self.judgement().needs]);
                self.failed(error.to_string(), metrics);
            }
        }
        drop(waiting);
        self.let_in(metrics, now);
    }

    /// Lets the set that waits serve, if enough is known of the cluster for it; else says what is missing.
    fn let_in(&self, metrics: &Metrics, now: Instant) {
        let mut waiting = self.waiting();
        let Some(Waiting { set, needs, since, is_told }) = &mut *waiting else { return };
        if let State::Waiting(missing) = self.watches.state(needs) {
            let stands = missing.iter().any(|progress| progress.failure.is_some());
            let why = format!("these policies need more of the cluster than is known: {}", in_words(&missing));
            if *is_told {
                // Watches fail one after the other.
                self.set_failure(Some(why));
            } else if stands || now.saturating_duration_since(*since) >= PATIENCE {
                *is_told = true;
                self.failed(why, metrics);
            }
            return;
        }
        tracing::info!(revision = set.revision(), policies = set.policies().len(), "policies reloaded");
        let judgement = Judgement::by(Arc::clone(set), Arc::clone(needs), today());
        // First, so that nobody who sees the new set serve reads elsewhere that it does not.
        self.set_failure(None);
        metrics.policies_serve(set);
        metrics.policies_reloaded(true);
        self.serving.change(|_| Some(judgement.with_news(&self.watches)));
        self.watches.require(&[needs]);
        *waiting = None;
    }

    fn failed(&self, why: String, metrics: &Metrics) {
        tracing::error!(error = &*why, "policies not reloaded; the last good set goes on serving");
        self.set_failure(Some(why));
        metrics.policies_reloaded(false);
    }

    fn turn_day(&self, today: Date) {
        if self.judgement().facts.today != today {
            self.serving.change(|now| Some(Judgement { facts: Facts { today, ..now.facts.clone() }, ..now.clone() }));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_failure(&self, failure: Option<String>) {
        *self.failure.write().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

impl Serving {
    fn now(&self) -> Arc<Judgement> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the next judgement of this one; none: it stays.
    fn change(&self, next: impl FnOnce(&Judgement) -> Option<Judgement>) {
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = next(&self.now()) {
            let next = Arc::new(next);
            let last = std::mem::replace(&mut *self.now.write().unwrap_or_else(PoisonError::into_inner), next);
            leave(&last);
            // What it alone held is freed without anybody waiting.
            drop(last);
        }
        drop(changing);
    }
}

/// Waits a moment until no review judges by it any more: the last one out would free all that was known, and a pod would
/// wait for that. One that itself waits for a namespace is not waited for.
fn leave(last: &Arc<Judgement>) {
    const MOMENT: Duration = Duration::from_millis(20);
    let start = Instant::now();
    while Arc::strong_count(last) > 1 && start.elapsed() < MOMENT {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Judgement {
    fn by(set: Arc<PolicySet>, needs: Arc<Needs>, today: Date) -> Judgement {
        let counters = Arc::new(VerdictCounters::of(&set));
        Judgement { set, counters, facts: Facts::on(today), needs, is_ready: true }
    }

    /// The same with what is known now.
    fn with_news(self, watches: &Watches) -> Judgement {
        let facts = watches.known(&self.needs).added_to(self.facts);
        Judgement { facts, ..self }
    }
}

impl Observer for Listener {
    fn heard(&self, resource: Resource) {
        self.heard.with_label_values(&[resource.name()]).set(Timestamp::now().as_second());
        // There with 0 before its first event.
        self.delays.with_label_values(&[resource.name()]);
    }

    fn stopped(&self, resource: Resource) {
        // It is gone already where it was never heard of.
        let _ = self.heard.remove_label_values(&[resource.name()]);
        let _ = self.delays.remove_label_values(&[resource.name()]);
    }

    fn news(&self) -> bool {
        let Some(watches) = self.watches.upgrade() else { return false };
        let mut is_served = false;
        self.serving.change(|now| {
            let is_ready = now.is_ready || watches.state(&now.needs) == State::Synced;
            is_served = is_ready;
            // Before everything is known, nothing is judged by a part of it.
            is_ready.then(|| Judgement { is_ready, ..now.clone() }.with_news(&watches))
        });
        is_served
    }

    fn judged(&self, resource: Resource, after: Duration) {
        self.delays.with_label_values(&[resource.name()]).observe(after.as_secs_f64());
    }
}

/// What is missing, once each.
pub(super) fn in_words(missing: &[Progress]) -> String {
    let each = missing.iter().map(|progress| match &progress.failure {
        Some(failure) => format!("{}: {failure}", progress.resource.name()),
        None => format!("{}: not listed yet", progress.resource.name()),
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Loads the files as they are at one moment: what changes while it is read is read again, for a while.
fn load_at_rest(paths: &[PathBuf]) -> Result<(Fingerprint, PolicySet), ServeError> {
    const TRIES: usize = 20;
    let mut before = Fingerprint::of(paths)?;
    for _ in 1..TRIES {
        let loaded = policy_dir::load(paths);
        let after = Fingerprint::of(paths)?;
        if before == after {
            return Ok((after, loaded?.set));
        }
        before = after;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((before, policy_dir::load(paths)?.set))
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;
    use tempfile::TempDir;

    struct Case {
        directory: TempDir,
        metrics: Metrics,
        policies: Policies,
        seen: Seen,
        start: Instant,
    }

    impl Case {
        fn new() -> Case {
            let directory = TempDir::new().unwrap();
            write(&directory, "first");
            let metrics = Metrics::new(Registry::new(), &[]).unwrap();
            let source = PolicySource::Paths(vec![directory.path().to_owned()]);
            let (policies, seen) = Policies::load(source, Connection::default(), &metrics).unwrap();
            Case { directory, metrics, policies, seen, start: Instant::now() }
        }

        /// The name of the policy that serves after a look at that second.
        fn poll(&mut self, second: u64) -> String {
            self.policies.poll(&mut self.seen, &self.metrics, self.start + Duration::from_secs(second));
            self.policies.judgement().set.policies()[0].name.to_string()
        }
    }

    fn write(directory: &TempDir, name: &str) {
        let policy = format!(
            "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {{name: {name}}}\nspec:\n  rules:\n  - \
             {{name: env, on: [env], action: deny}}\n"
        );
        std::fs::write(directory.path().join("a.yaml"), policy).unwrap();
    }

    #[test]
    fn files_that_have_changed_are_taken_when_they_rest() {
        let mut case = Case::new();
        write(&case.directory, "second");
        assert_eq!(case.poll(0), "first");
        assert_eq!(case.poll(1), "second");
    }

    #[test]
    fn files_that_never_rest_are_taken_after_ten_seconds() {
        let mut case = Case::new();
        for second in 0..10 {
            write(&case.directory, &format!("at-{}", "x".repeat(second)));
            assert_eq!(case.poll(second as u64), "first", "{second}");
        }
        write(&case.directory, "last");
        assert_eq!(case.poll(10), "last");
        write(&case.directory, "later");
        assert_eq!(case.poll(11), "last", "the ten seconds begin again");
    }

    #[test]
    fn files_that_can_no_more_be_watched_are_a_failure_that_ends_with_its_cause() {
        let mut case = Case::new();
        let again = case.directory.path().join("again");
        std::os::unix::fs::symlink(case.directory.path(), &again).unwrap();
        for second in 0..3 {
            assert_eq!(case.poll(second), "first");
        }
        assert!(case.policies.failure().is_some_and(|why| why.contains("loop of links")));
        let text = String::from_utf8(case.metrics.render(0).unwrap()).unwrap();
        assert!(text.contains("secretfence_policy_reloads_total{result=\"failure\"} 1\n"), "told once: {text}");
        assert!(text.contains("secretfence_policy_reload_failed 1\n"), "{text}");
        std::fs::remove_file(again).unwrap();
        case.poll(3);
        case.poll(4);
        assert_eq!(case.policies.failure(), None);
        let text = String::from_utf8(case.metrics.render(0).unwrap()).unwrap();
        assert!(text.contains("secretfence_policy_reload_failed 0\n"), "{text}");
    }
}
