//! Why a watch does not tell anything.

use super::client::ConnectError;
use super::needs::Resource;

/// Why a watch does not tell anything. Never holds what the API server sent, but for its reasons.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// RBAC refuses.
    #[error(
        "may not {verb} {}{}, which rules on {} need: bind the ClusterRole that `secretfence manifests -p POLICIES` prints",
        resource.name(),
        of_group(resource.group()),
        resource.needed_for()
    )]
    Forbidden {
        /// `list` or `watch`.
        verb: &'static str,
        /// Of what.
        resource: Resource,
    },
    /// The API server does not know this resource.
    #[error("the API server has no {} of {}", .0.name(), .0.api_version())]
    NotInstalled(Resource),
    /// What was seen last is too old to go on from.
    #[error("the API server no longer knows the last version that was seen")]
    Gone,
    /// Any other answer that is no success.
    #[error("the API server answered {code} {reason}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// One word of the API.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("the API server said nothing for {0} s")]
    Silent(u64),
    /// It cannot be reached, or the connection broke.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// What came is no list and no event.
    #[error("the API server sent what cannot be read (line {line}, column {column})")]
    Malformed {
        /// Of the JSON.
        line: usize,
        /// Of the JSON.
        column: usize,
    },
}

impl WatchError {
    /// Of a request.
    pub(super) fn of(error: &kube_client::Error, verb: &'static str, resource: Resource) -> WatchError {
        match error {
            kube_client::Error::Api(status) => WatchError::of_status(status.code, &status.reason, verb, resource),
            other => WatchError::Unreachable(chain(other)),
        }
    }

    /// Of a status, which a watch can send in the midst of events, too.
    pub(super) fn of_status(code: u16, reason: &str, verb: &'static str, resource: Resource) -> WatchError {
        match code {
            403 => WatchError::Forbidden { verb, resource },
            404 => WatchError::NotInstalled(resource),
            410 => WatchError::Gone,
            code => {
                let word = reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
                WatchError::Refused { code, reason: word }
            }
        }
    }

    /// Of JSON. The text of serde's own error can hold values.
    pub(super) fn malformed(error: &serde_json::Error) -> WatchError {
        WatchError::Malformed { line: error.line(), column: error.column() }
    }
}

/// An error with its causes: the client's own says little but "ServiceError".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn of_group(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(" (group {group})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_names_itself_and_the_way_to_it() {
        let error = WatchError::of_status(403, "Forbidden", "list", Resource::RoleBindings);
        assert_eq!(
            error.to_string(),
            "may not list rolebindings (group rbac.authorization.k8s.io), which rules on reach need: bind the ClusterRole \
             that `secretfence manifests -p POLICIES` prints"
        );
        let error = WatchError::of_status(403, "Forbidden", "watch", Resource::Secrets);
        assert!(error.to_string().starts_with("may not watch secrets, which rules on copied need: "), "{error}");
    }
}
