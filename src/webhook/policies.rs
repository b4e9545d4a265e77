//! The policies that serve, and their replacement when the files change.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use super::error::ServeError;
use super::fingerprint::Fingerprint;
use super::settings::PolicySource;
use crate::fence::Facts;
use crate::fence::policy::PolicySet;
use crate::policy_dir::{self, LoadError, LoadedPolicies};
use crate::telemetry::{Metrics, VerdictCounters};

/// What one review is judged by, all of it of one moment.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The policies.
    pub(super) set: Arc<PolicySet>,
    /// Their counters.
    pub(super) counters: Arc<VerdictCounters>,
    /// What is known beside the object.
    pub(super) facts: Facts,
}

/// The last good set, and what became of the last try to replace it.
#[derive(Debug)]
pub(super) struct Policies {
    paths: Vec<PathBuf>,
    serving: RwLock<Arc<Judgement>>,
    /// Why the files that are there now do not serve.
    failure: RwLock<Option<String>>,
}

/// What the poll remembers from one time to the next.
#[derive(Debug)]
pub(super) struct Seen {
    /// Of the files that were last loaded, or tried.
    loaded: Fingerprint,
    /// Of the files when they were last looked at.
    last: Fingerprint,
}

impl Policies {
    /// Loads the policies for the first time.
    pub(super) fn load(source: PolicySource, metrics: &Metrics) -> Result<(Policies, Seen), ServeError> {
        let (paths, fingerprint, set) = match source {
            PolicySource::Set(set) => (Vec::new(), Fingerprint::default(), set),
            PolicySource::Paths(paths) => {
                let (fingerprint, set) = load_at_rest(&paths)?;
                (paths, fingerprint, Arc::new(set))
            }
        };
        metrics.policies_serve(&set);
        let policies =
            Policies { paths, serving: RwLock::new(Arc::new(Judgement::by(set, today()))), failure: RwLock::new(None) };
        Ok((policies, Seen { loaded: fingerprint.clone(), last: fingerprint }))
    }

    /// What a review that comes now is judged by.
    pub(super) fn judgement(&self) -> Arc<Judgement> {
        Arc::clone(&self.serving.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the files that are there now do not serve.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns the day, and takes what the files hold if they have changed, are at rest, and are good.
    pub(super) fn poll(&self, seen: &mut Seen, metrics: &Metrics) {
        self.turn_day(today());
        if self.paths.is_empty() {
            return;
        }
        let now = Fingerprint::of(&self.paths);
        if now == seen.last && now != seen.loaded {
            let loaded = policy_dir::load(&self.paths);
            // Changed while they were read: the set may be half old and half new.
            if Fingerprint::of(&self.paths) == now {
                self.reloaded(loaded, metrics);
                seen.loaded = now.clone();
            }
        }
        seen.last = now;
    }

    fn reloaded(&self, loaded: Result<LoadedPolicies, LoadError>, metrics: &Metrics) {
        match loaded {
            Ok(loaded) => {
                let set = Arc::new(loaded.set);
                tracing::info!(revision = set.revision(), policies = set.policies().len(), "policies reloaded");
                self.replace(Judgement::by(Arc::clone(&set), today()));
                self.set_failure(None);
                metrics.policies_serve(&set);
                metrics.policies_reloaded(true);
            }
            Err(error) => {
                let why = error.to_string();
                tracing::error!(error = &*why, "policies not reloaded; the last good set goes on serving");
                self.set_failure(Some(why));
                metrics.policies_reloaded(false);
            }
        }
    }

    fn turn_day(&self, today: Date) {
        let serving = self.judgement();
        if serving.facts.today != today {
            self.replace(Judgement {
                set: Arc::clone(&serving.set),
                counters: Arc::clone(&serving.counters),
                facts: Facts { today, ..serving.facts.clone() },
            });
        }
    }

    /// Only the poll writes, one at a time.
    fn replace(&self, judgement: Judgement) {
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(judgement);
    }

    fn set_failure(&self, failure: Option<String>) {
        *self.failure.write().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

impl Judgement {
    fn by(set: Arc<PolicySet>, today: Date) -> Judgement {
        Judgement { counters: Arc::new(VerdictCounters::of(&set)), set, facts: Facts::on(today) }
    }
}

/// Loads the files as they are at one moment: what changes while it is read is read again, for a while.
fn load_at_rest(paths: &[PathBuf]) -> Result<(Fingerprint, PolicySet), LoadError> {
    const TRIES: usize = 20;
    let mut before = Fingerprint::of(paths);
    for _ in 1..TRIES {
        let loaded = policy_dir::load(paths);
        let after = Fingerprint::of(paths);
        if before == after {
            return loaded.map(|loaded| (after, loaded.set));
        }
        before = after;
        std::thread::sleep(Duration::from_millis(50));
    }
    policy_dir::load(paths).map(|loaded| (before, loaded.set))
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}
