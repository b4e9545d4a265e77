//! The metrics. Every label is bounded: by an enum here, or by the policies that are loaded.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::Webhook;
use crate::fence::answer::{ReviewResult, VerdictCount};
use crate::fence::policy::{Action, PolicySet};

/// 50 µs to 5 s: from a small pod to the longest that an API server waits by default.
const DURATION_BUCKETS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What waits for more to come waits 50 ms; the last is what no index of any cluster should ever take.
const DELAY_BUCKETS: [f64; 10] = [0.05, 0.06, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0];

/// All metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: IntCounterVec,
    /// One cell per webhook, operation and outcome: a review costs no lookup by label.
    review_cells: Vec<OnceLock<IntCounter>>,
    durations: [Histogram; Webhook::ALL.len()],
    verdicts: IntCounterVec,
    policy_reloads: IntCounterVec,
    policy_reload_failed: IntGauge,
    policy_set_info: IntGaugeVec,
    certificate_reloads: IntCounterVec,
    certificate_expiry: IntGaugeVec,
    authority_expiry: IntGaugeVec,
    certificate_renewals: IntCounterVec,
    certificate_repairs: IntCounterVec,
    exception_expiry: IntGaugeVec,
    in_flight_bytes: IntGauge,
    handshake_failures: IntCounterVec,
    connections: IntGauge,
    watch_events: IntGaugeVec,
    watch_delays: HistogramVec,
    registration_drift: IntGaugeVec,
    /// The policies and rules that have series, so that those of a set that is gone can be dropped.
    verdict_labels: Mutex<BTreeSet<[String; 4]>>,
}

/// What became of a request: the engine's result, or why the engine did not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Judged.
    Judged(ReviewResult),
    /// No review: malformed, or of a version that is not ours.
    Malformed,
    /// Over the limit of a body.
    TooLarge,
    /// The body did not arrive in time, or not wholly.
    Incomplete,
    /// No room before the deadline, or shutting down.
    Overloaded,
    /// A defect of ours.
    Panicked,
}

impl Metrics {
    /// Registers every metric. The reasons are those of handshakes that fail.
    pub fn new(registry: Registry, handshake_reasons: &[&str]) -> Result<Metrics, prometheus::Error> {
        let reviews = counters(
            &registry,
            "secretfence_reviews_total",
            "Admission reviews, by webhook, operation and result.",
            &["webhook", "operation", "result"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "secretfence_review_duration_seconds",
                "From a request's head to its answer: the wait for room, the body, the judgement.",
            )
            .buckets(DURATION_BUCKETS.to_vec()),
            &["webhook"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        let build_info =
            gauges(&registry, "secretfence_build_info", "Always 1; the version is a label.", &["version"])?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Metrics {
            reviews,
            review_cells: (0..Webhook::ALL.len() * OPERATIONS.len() * Outcome::COUNT)
                .map(|_| OnceLock::new())
                .collect(),
            durations: Webhook::ALL.map(|webhook| durations.with_label_values(&[webhook.name()])),
            verdicts: counters(
                &registry,
                "secretfence_verdicts_total",
                "References decided, by the policy and rule that decided them.",
                &["policy", "rule", "action", "mode"],
            )?,
            policy_reloads: preset(
                counters(
                    &registry,
                    "secretfence_policy_reloads_total",
                    "Reloads of the policies; after a failure the last good set goes on serving.",
                    &["result"],
                )?,
                &["success", "failure"],
            ),
            policy_reload_failed: gauge(
                &registry,
                "secretfence_policy_reload_failed",
                "Whether the last reload of the policies failed, so that an older set serves.",
            )?,
            policy_set_info: gauges(
                &registry,
                "secretfence_policy_set_info",
                "Always 1; the revision of the set that serves is a label.",
                &["revision"],
            )?,
            certificate_reloads: preset(
                counters(
                    &registry,
                    "secretfence_certificate_reloads_total",
                    "Reloads of the certificate files; after a failure the last good pair goes on serving.",
                    &["result"],
                )?,
                &["success", "failure"],
            ),
            // Vectors without labels: there is no sample before there is something to tell.
            certificate_expiry: gauges(
                &registry,
                "secretfence_certificate_expiry_timestamp_seconds",
                "When the serving certificate ends, in seconds since 1970.",
                &[],
            )?,
            authority_expiry: gauges(
                &registry,
                "secretfence_authority_expiry_timestamp_seconds",
                "When the authority of managed certificates ends, in seconds since 1970.",
                &[],
            )?,
            certificate_renewals: counters(
                &registry,
                "secretfence_certificate_renewals_total",
                "Managed certificates and authorities that were made, by this replica.",
                &["what", "result"],
            )?,
            certificate_repairs: counters(
                &registry,
                "secretfence_certificate_repairs_total",
                "Damage to managed certificates that was put right, by this replica.",
                &["what"],
            )?,
            exception_expiry: gauges(
                &registry,
                "secretfence_exception_expiry_timestamp_seconds",
                "When an exception ends, in seconds since 1970: the end of its last day, in UTC.",
                &["policy", "rule"],
            )?,
            in_flight_bytes: gauge(
                &registry,
                "secretfence_in_flight_bytes",
                "Bytes of request bodies that are being read or judged.",
            )?,
            handshake_failures: preset(
                counters(
                    &registry,
                    "secretfence_tls_handshake_failures_total",
                    "TLS handshakes that failed; client_distrusts: the client does not trust the serving certificate.",
                    &["reason"],
                )?,
                handshake_reasons,
            ),
            connections: gauge(&registry, "secretfence_connections", "Open connections to the webhook.")?,
            watch_events: gauges(
                &registry,
                "secretfence_watch_last_event_timestamp_seconds",
                "When the API server last said something to the watch of a resource, in seconds since 1970.",
                &["resource"],
            )?,
            watch_delays: {
                let delays = HistogramVec::new(
                    HistogramOpts::new(
                        "secretfence_watch_delay_seconds",
                        "From the arrival of a watch's event to reviews judged by it; of events that come together, the first.",
                    )
                    .buckets(DELAY_BUCKETS.to_vec()),
                    &["resource"],
                )?;
                registry.register(Box::new(delays.clone()))?;
                delays
            },
            registration_drift: gauges(
                &registry,
                "secretfence_registration_drift",
                "Whether what is registered is less than what has to be, where that is watched.",
                &["configuration", "problem"],
            )?,
            verdict_labels: Mutex::default(),
            registry,
        })
    }

    /// Counts a request.
    pub fn count(&self, webhook: Webhook, operation: &'static str, outcome: Outcome, took: Duration) {
        let at = (webhook.index() * OPERATIONS.len() + operation_index(operation)) * Outcome::COUNT + outcome.index();
        if let Some(cell) = self.review_cells.get(at) {
            let labels = || self.reviews.with_label_values(&[webhook.name(), operation, outcome.name()]);
            cell.get_or_init(labels).inc();
        }
        self.durations[webhook.index()].observe(took.as_secs_f64());
    }

    /// Says which set serves, and drops the series of policies and rules that are no more.
    pub fn policies_serve(&self, set: &PolicySet) {
        self.policy_set_info.reset();
        self.policy_set_info.with_label_values(&[set.revision()]).set(1);
        self.exception_expiry.reset();
        for policy in set.policies() {
            for rule in &policy.rules {
                let Action::Allow(Some(exception)) = &rule.action else { continue };
                let end = exception.expires.tomorrow().and_then(|day| day.to_zoned(TimeZone::UTC));
                let end = end.map_or(i64::MAX, |end| end.timestamp().as_second());
                self.exception_expiry.with_label_values(&[&*policy.name, &*rule.name]).set(end);
            }
        }
        let rules: BTreeSet<(&str, &str)> = set
            .policies()
            .iter()
            .flat_map(|policy| policy.rules.iter().map(|rule| (&*policy.name, &*rule.name)))
            .collect();
        self.verdict_labels.lock().unwrap_or_else(PoisonError::into_inner).retain(|labels| {
            let stays = rules.contains(&(&*labels[0], &*labels[1]));
            if !stays {
                // It is gone already where two reloads meet.
                let _ = self.verdicts.remove_label_values(&labels.each_ref().map(String::as_str));
            }
            stays
        });
    }

    /// Counts a reload of the policies.
    pub fn policies_reloaded(&self, good: bool) {
        self.policy_reloads.with_label_values(&[result_name(good)]).inc();
        self.policy_reload_failed.set(i64::from(!good));
    }

    /// Counts a reload of the certificate.
    pub fn certificate_reloaded(&self, good: bool) {
        self.certificate_reloads.with_label_values(&[result_name(good)]).inc();
    }

    /// When watches last heard something, by resource.
    pub fn watch_events(&self) -> IntGaugeVec {
        self.watch_events.clone()
    }

    /// How long what watches hear takes until it is judged by, by resource.
    pub fn watch_delays(&self) -> HistogramVec {
        self.watch_delays.clone()
    }

    /// What is wrong with what is registered: 0 or 1, by configuration and problem.
    pub fn registration_drift(&self) -> IntGaugeVec {
        self.registration_drift.clone()
    }

    /// Says when the certificate that serves ends, in seconds since 1970.
    pub fn certificate_serves(&self, not_after: i64) {
        self.certificate_expiry.with_label_values(&NO_LABELS).set(not_after);
    }

    /// Says when the authority of managed certificates ends, in seconds since 1970.
    pub fn authority_signs(&self, not_after: i64) {
        self.authority_expiry.with_label_values(&NO_LABELS).set(not_after);
    }

    /// Certificates are managed: what is counted of them is there with 0.
    pub fn manages_certificates(&self) {
        for what in ["authority", "leaf"] {
            for result in ["done", "failed"] {
                self.certificate_renewals.with_label_values(&[what, result]);
            }
        }
        for what in ["secret_missing", "secret_corrupt", "ca_bundle"] {
            self.certificate_repairs.with_label_values(&[what]);
        }
    }

    /// Counts an authority or a leaf that was made, or could not be.
    pub fn certificate_renewed(&self, what: &'static str, is_done: bool) {
        self.certificate_renewals.with_label_values(&[what, if is_done { "done" } else { "failed" }]).inc();
    }

    /// Counts damage that was put right.
    pub fn certificate_repaired(&self, what: &'static str) {
        self.certificate_repairs.with_label_values(&[what]).inc();
    }

    /// Counts a handshake that failed.
    pub fn handshake_failed(&self, reason: &'static str) {
        self.handshake_failures.with_label_values(&[reason]).inc();
    }

    /// Open connections to the webhook.
    pub fn connections(&self) -> &IntGauge {
        &self.connections
    }

    /// The text that Prometheus reads.
    pub fn render(&self, in_flight_bytes: usize) -> Result<Vec<u8>, prometheus::Error> {
        self.in_flight_bytes.set(i64::try_from(in_flight_bytes).unwrap_or(i64::MAX));
        let mut text = Vec::with_capacity(8 << 10);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn verdict(&self, labels: [&str; 4]) -> IntCounter {
        let mut known = self.verdict_labels.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(labels.map(str::to_owned));
        self.verdicts.with_label_values(&labels)
    }
}

impl Outcome {
    const COUNT: usize = 12;

    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Judged(result) => result.name(),
            Outcome::Malformed => "malformed",
            Outcome::TooLarge => "too_large",
            Outcome::Incomplete => "incomplete",
            Outcome::Overloaded => "overloaded",
            Outcome::Panicked => "panicked",
        }
    }

    fn index(self) -> usize {
        match self {
            Outcome::Judged(ReviewResult::Allowed) => 0,
            Outcome::Judged(ReviewResult::Denied) => 1,
            Outcome::Judged(ReviewResult::Swapped) => 2,
            Outcome::Judged(ReviewResult::WouldDeny) => 3,
            Outcome::Judged(ReviewResult::WouldSwap) => 4,
            Outcome::Judged(ReviewResult::NotOurs) => 5,
            Outcome::Judged(ReviewResult::Undecodable) => 6,
            Outcome::Malformed => 7,
            Outcome::TooLarge => 8,
            Outcome::Incomplete => 9,
            Outcome::Overloaded => 10,
            Outcome::Panicked => 11,
        }
    }
}

/// The counters of one policy set, resolved as they are first needed: a verdict then costs no lookup by label.
#[derive(Debug)]
pub struct VerdictCounters {
    /// By policy, then by rule.
    rules: Vec<Vec<RuleCounters>>,
}

/// By action, then by mode.
type RuleCounters = [[OnceLock<IntCounter>; MODES.len()]; ACTIONS.len()];

impl VerdictCounters {
    /// An empty table for a set.
    pub fn of(set: &PolicySet) -> VerdictCounters {
        let of_rules = |count: usize| (0..count).map(|_| RuleCounters::default()).collect();
        VerdictCounters { rules: set.policies().iter().map(|policy| of_rules(policy.rules.len())).collect() }
    }

    /// Counts what a review decided. The set is the one that this table was made for.
    pub fn count(&self, metrics: &Metrics, set: &PolicySet, verdicts: &[VerdictCount]) {
        for verdict in verdicts {
            self.count_one(metrics, set, verdict);
        }
    }

    /// `None`: an index out of range or a name that is not in the tables, which would be a defect and is not counted.
    fn count_one(&self, metrics: &Metrics, set: &PolicySet, verdict: &VerdictCount) -> Option<()> {
        let (policy_at, rule_at) = (verdict.policy as usize, verdict.rule as usize);
        let action = ACTIONS.iter().position(|name| *name == verdict.action)?;
        let mode = MODES.iter().position(|name| *name == verdict.mode)?;
        let cell = &self.rules.get(policy_at)?.get(rule_at)?[action][mode];
        let policy = set.policies().get(policy_at)?;
        let rule = policy.rules.get(rule_at)?;
        let resolve = || metrics.verdict([&policy.name, &rule.name, verdict.action, verdict.mode]);
        cell.get_or_init(resolve).inc_by(u64::from(verdict.count));
        Some(())
    }
}

const NO_LABELS: [&str; 0] = [];
const ACTIONS: [&str; 4] = ["allow", "warn", "mount", "deny"];
const MODES: [&str; 2] = ["enforce", "dryRun"];
/// The last stands for a request whose operation was not read.
const OPERATIONS: [&str; 6] = ["CREATE", "UPDATE", "DELETE", "CONNECT", "OTHER", ""];

fn operation_index(operation: &str) -> usize {
    OPERATIONS.iter().position(|name| *name == operation).unwrap_or(OPERATIONS.len() - 1)
}

fn result_name(good: bool) -> &'static str {
    if good { "success" } else { "failure" }
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let metric = IntGauge::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// A counter that is there with 0 before it first counts: `increase()` then sees the first failure.
fn preset(metric: IntCounterVec, values: &[&str]) -> IntCounterVec {
    for value in values {
        metric.with_label_values(&[*value]);
    }
    metric
}
