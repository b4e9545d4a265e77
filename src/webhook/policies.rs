//! The policies that serve, and their replacement when the files change.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use super::error::ServeError;
use super::fingerprint::{Fingerprint, UnwatchableError};
use super::settings::PolicySource;
use crate::fence::policy::PolicySet;
use crate::fence::{Facts, Kind, KindSet};
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
    pub(super) fn load(source: PolicySource, metrics: &Metrics) -> Result<(Policies, Seen), ServeError> {
        let (paths, fingerprint, set) = match source {
            PolicySource::Set(set) => (Vec::new(), Fingerprint::default(), set),
            PolicySource::Paths(paths) => {
                let (fingerprint, set) = load_at_rest(&paths)?;
                (paths, fingerprint, Arc::new(set))
            }
        };
        check_served(&set)?;
        metrics.policies_serve(&set);
        let policies =
            Policies { paths, serving: RwLock::new(Arc::new(Judgement::by(set, today()))), failure: RwLock::new(None) };
        Ok((policies, Seen { loaded: Some(fingerprint), ..Seen::default() }))
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
    pub(super) fn poll(&self, seen: &mut Seen, metrics: &Metrics, now: Instant) {
        self.turn_day(today());
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
                    self.reloaded(loaded, metrics);
                    seen.loaded.clone_from(&found);
                    seen.changed = None;
                }
            }
        }
        seen.last = found;
        Ok(())
    }

    fn reloaded(&self, loaded: Result<LoadedPolicies, LoadError>, metrics: &Metrics) {
        let served = loaded.map_err(|error| error.to_string()).and_then(|loaded| {
            check_served(&loaded.set).map_err(|error| error.to_string())?;
            Ok(Arc::new(loaded.set))
        });
        match served {
            Ok(set) => {
                tracing::info!(revision = set.revision(), policies = set.policies().len(), "policies reloaded");
                self.replace(Judgement::by(Arc::clone(&set), today()));
                self.set_failure(None);
                metrics.policies_serve(&set);
                metrics.policies_reloaded(true);
            }
            Err(why) => self.failed(why, metrics),
        }
    }

    fn failed(&self, why: String, metrics: &Metrics) {
        tracing::error!(error = &*why, "policies not reloaded; the last good set goes on serving");
        self.set_failure(Some(why));
        metrics.policies_reloaded(false);
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

/// A rule that this server could not judge: it would guard nothing, and nobody would see it.
#[derive(Debug, thiserror::Error)]
#[error(
    "policy {policy}, rule {rule}: serve has no watch of the cluster in this version, so it cannot judge {kind}: leave the rule to \
     check, which takes what it needs from its input, or name other kinds"
)]
pub struct UnservedError {
    /// The policy.
    policy: String,
    /// The rule.
    rule: String,
    /// The kind that it names.
    kind: Kind,
}

fn check_served(set: &PolicySet) -> Result<(), UnservedError> {
    let mut rules = set.policies().iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
    let unserved = rules.find_map(|(policy, rule)| {
        let kind = KindSet::OF_THE_CLUSTER.iter().find(|kind| rule.on.contains(*kind))?;
        Some(UnservedError { policy: policy.name.clone(), rule: rule.name.clone(), kind })
    });
    unserved.map_or(Ok(()), Err)
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
            let (policies, seen) = Policies::load(source, &metrics).unwrap();
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
        std::fs::remove_file(again).unwrap();
        case.poll(3);
        case.poll(4);
        assert_eq!(case.policies.failure(), None);
    }
}
