//! What the webhook tells about itself: metrics in a registry that is passed in, and logs.

mod folding;
mod logs;
mod metrics;
mod reviews;
mod writer;

pub use logs::{LogError, LogFormat, start};
pub use metrics::{Metrics, Outcome, VerdictCounters};
pub use reviews::{Refused, ReviewLog};
pub use writer::LogGuard;

use crate::fence::answer::{Endpoint, Gate};

/// The four webhooks, as metrics and logs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// `/mutate`
    Mutate,
    /// `/validate`
    Validate,
    /// `/dry-run/mutate`
    MutateDryRun,
    /// `/dry-run/validate`
    ValidateDryRun,
}

impl Webhook {
    /// Every webhook, in the order in which they are counted.
    pub const ALL: [Webhook; 4] = [Webhook::Mutate, Webhook::Validate, Webhook::MutateDryRun, Webhook::ValidateDryRun];

    /// The webhook that serves an endpoint of the engine.
    pub fn of(endpoint: Endpoint) -> Webhook {
        match (endpoint.gate, endpoint.dry_run) {
            (Gate::Mutate, false) => Webhook::Mutate,
            (Gate::Validate, false) => Webhook::Validate,
            (Gate::Mutate, true) => Webhook::MutateDryRun,
            (Gate::Validate, true) => Webhook::ValidateDryRun,
        }
    }

    /// The name in labels and log lines: the first label of the webhook's registered name.
    pub fn name(self) -> &'static str {
        match self {
            Webhook::Mutate => "mutate",
            Webhook::Validate => "validate",
            Webhook::MutateDryRun => "mutate-dry-run",
            Webhook::ValidateDryRun => "validate-dry-run",
        }
    }

    fn index(self) -> usize {
        match self {
            Webhook::Mutate => 0,
            Webhook::Validate => 1,
            Webhook::MutateDryRun => 2,
            Webhook::ValidateDryRun => 3,
        }
    }
}
