//! One difference between what is registered and what has to be.

use std::fmt;

/// The two objects of admissionregistration.k8s.io/v1 that make the API server ask us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Configuration {
    /// MutatingWebhookConfiguration `zz-secretfence`.
    Mutating,
    /// ValidatingWebhookConfiguration `secretfence`.
    Validating,
}

/// What is wrong, as the metric tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// A configuration, or a webhook of it, is not there.
    Missing,
    /// Something that has to be asked about is asked about no more.
    Narrowed,
    /// Another server is asked.
    Elsewhere,
    /// What happens when no answer comes is something else.
    FailurePolicy,
    /// The certificate that serves is not trusted.
    CaBundle,
    /// Less time is given than an answer may take.
    Timeout,
    /// `matchPolicy`, `reinvocationPolicy`, `sideEffects` or `admissionReviewVersions` is something else.
    Settings,
}

/// One difference between what is registered and what has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// Where.
    pub configuration: Configuration,
    /// In which of its webhooks, of ours; None: in all of it.
    pub webhook: Option<String>,
    /// What.
    pub problem: Problem,
    /// In which field of the webhook; empty where something is missing as a whole.
    pub field: &'static str,
    /// What is there: bounded, and safe to show.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

impl Configuration {
    /// Both, in the order in which they are told.
    pub const ALL: [Configuration; 2] = [Configuration::Mutating, Configuration::Validating];

    /// Of the object.
    pub fn name(self) -> &'static str {
        match self {
            Configuration::Mutating => "zz-secretfence",
            Configuration::Validating => "secretfence",
        }
    }

    /// Of the object.
    pub fn kind(self) -> &'static str {
        match self {
            Configuration::Mutating => "MutatingWebhookConfiguration",
            Configuration::Validating => "ValidatingWebhookConfiguration",
        }
    }

    /// As RBAC names it.
    pub fn resource(self) -> &'static str {
        match self {
            Configuration::Mutating => "mutatingwebhookconfigurations",
            Configuration::Validating => "validatingwebhookconfigurations",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn resource_name(self) -> String {
        format!("{} {:?}", self.resource(), self.name())
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind(), self.name())
    }
}

impl Problem {
    /// Each one, in the order in which they are told.
    pub const ALL: [Problem; 7] = [
        Problem::Missing,
        Problem::Narrowed,
        Problem::Elsewhere,
        Problem::FailurePolicy,
        Problem::CaBundle,
        Problem::Timeout,
        Problem::Settings,
    ];

    /// The label of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Problem::Missing => "missing",
            Problem::Narrowed => "narrowed",
            Problem::Elsewhere => "elsewhere",
            Problem::FailurePolicy => "failure_policy",
            Problem::CaBundle => "ca_bundle",
            Problem::Timeout => "timeout",
            Problem::Settings => "settings",
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.configuration)?;
        if let Some(webhook) = &self.webhook {
            write!(f, ", webhook {webhook}")?;
        }
        match (self.problem, self.field) {
            (Problem::Missing, _) => write!(f, " is missing: {}", self.expected),
            (problem, field) => {
                let said = match problem {
                    Problem::Missing => "missing",
                    Problem::Narrowed => "narrowed",
                    Problem::Elsewhere => "leads elsewhere",
                    Problem::FailurePolicy => "another failurePolicy",
                    Problem::CaBundle => "does not trust the certificate that serves",
                    Problem::Timeout => "less time than an answer may take",
                    Problem::Settings => "another setting",
                };
                write!(f, ": {said}: {field} is {}, expected {}", self.found, self.expected)
            }
        }
    }
}
