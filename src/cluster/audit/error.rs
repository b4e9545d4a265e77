//! Why something could not be read, and which right is missing.

use super::super::client::ConnectError;
use super::super::error::{Failure, word};

/// Why something could not be read. Never holds what the API server sent, but for its reasons.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// RBAC refuses.
    #[error("may not {verb} {what}{}: give the right to {verb} {resource}{}", within(namespace), of_group(group))]
    Forbidden {
        /// `list` or `get`.
        verb: &'static str,
        /// Of what, in words.
        what: String,
        /// The resource, as RBAC names it.
        resource: String,
        /// Its group.
        group: String,
        /// In which namespace; none: in the whole cluster.
        namespace: Option<String>,
    },
    /// It does not know who asks.
    #[error("the API server does not take these credentials (401): renew them")]
    Unauthorized,
    /// There is nothing of the name.
    #[error("there is no {what}{}", within(namespace))]
    NotFound {
        /// In words.
        what: String,
        /// In which namespace; none: in the whole cluster.
        namespace: Option<String>,
    },
    /// Each time a list was begun, its pages were outlived before its end.
    #[error(
        "{what}{} could not be listed to the end: the API server forgets too soon what a list began with",
        within(namespace)
    )]
    Outlived {
        /// In words.
        what: String,
        /// In which namespace; none: in the whole cluster.
        namespace: Option<String>,
    },
    /// Any other answer, or none.
    #[error("{what}{} could not be read{}: {why}", within(namespace), to_the_end(*read))]
    Failed {
        /// In words.
        what: String,
        /// In which namespace; none: in the whole cluster.
        namespace: Option<String>,
        /// How many had come before.
        read: usize,
        /// What went wrong.
        why: String,
    },
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) verb: &'static str,
    pub(super) what: &'a str,
    pub(super) resource: &'a str,
    pub(super) group: &'a str,
    pub(super) namespace: Option<&'a str>,
}

impl AuditError {
    /// Of a failure, after so many objects had come.
    pub(super) fn of(failure: Failure, asked: Asked<'_>, read: usize) -> AuditError {
        let Asked { verb, what, resource, group, namespace } = asked;
        let (what, namespace) = (what.to_owned(), namespace.map(str::to_owned));
        match failure {
            Failure::Connect(error) => AuditError::Connect(error),
            Failure::Refused { code: 401, .. } => AuditError::Unauthorized,
            Failure::Refused { code: 403, .. } | Failure::Denied { .. } => {
                AuditError::Forbidden { verb, what, resource: resource.to_owned(), group: group.to_owned(), namespace }
            }
            Failure::Refused { code: 404, .. } => AuditError::NotFound { what, namespace },
            Failure::Refused { code: 410, .. } => AuditError::Outlived { what, namespace },
            Failure::Refused { code, reason } => {
                let why = format!("the API server answered {code} {}", word(&reason));
                AuditError::Failed { what, namespace, read, why }
            }
            Failure::Silent(seconds) => {
                let why = format!("the API server said nothing for {seconds} s");
                AuditError::Failed { what, namespace, read, why }
            }
            Failure::Unreachable(words) => {
                let why = format!("the API server cannot be reached: {words}");
                AuditError::Failed { what, namespace, read, why }
            }
        }
    }

    /// Of JSON. The text of serde's own error can hold values.
    pub(super) fn malformed(asked: Asked<'_>, read: usize) -> AuditError {
        let why = "the API server sent what is no list".to_owned();
        AuditError::Failed { what: asked.what.to_owned(), namespace: asked.namespace.map(str::to_owned), read, why }
    }

    /// Whether nothing else could be read either.
    pub fn is_of_the_cluster(&self) -> bool {
        match self {
            AuditError::Connect(_) | AuditError::Unauthorized => true,
            AuditError::Failed { read, .. } => *read == 0,
            _ => false,
        }
    }
}

fn within(namespace: &Option<String>) -> String {
    namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace:?}"))
}

fn of_group(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(" (group {group})") }
}

fn to_the_end(read: usize) -> String {
    if read == 0 { String::new() } else { format!(" to the end, but for the first {read}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named() {
        let asked = Asked {
            verb: "list",
            what: "deployments",
            resource: "deployments",
            group: "apps",
            namespace: Some("shop"),
        };
        let refused = |code| Failure::Refused { code, reason: "Forbidden".to_owned() };
        assert_eq!(
            AuditError::of(refused(403), asked, 0).to_string(),
            "may not list deployments in namespace \"shop\": give the right to list deployments (group apps)"
        );
        let asked = Asked { verb: "list", what: "pods", resource: "pods", group: "", namespace: None };
        assert_eq!(
            AuditError::of(Failure::Silent(30), asked, 1500).to_string(),
            "pods could not be read to the end, but for the first 1500: the API server said nothing for 30 s"
        );
        assert!(AuditError::of(refused(401), asked, 0).is_of_the_cluster());
        assert!(!AuditError::of(refused(403), asked, 0).is_of_the_cluster());
    }
}
