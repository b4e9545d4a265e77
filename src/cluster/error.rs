//! Why a watch does not tell anything.

use std::error::Error;

use kube_client::client::AuthError;
use kube_client::config::KubeconfigError;

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
    /// It does not know who asks.
    #[error("the API server does not take these credentials (401): renew them")]
    Unauthorized,
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

/// Why a request came to nothing, whatever it was about.
#[derive(Debug)]
pub(super) enum Failure {
    /// No client.
    Connect(ConnectError),
    /// An answer that is no success: its status, and one word of the API.
    Refused { code: u16, reason: String },
    /// What is to be written is refused, though the rights allow it: by a quota or an admission, in words of its own. Not safe
    /// to show.
    Denied { said: String },
    /// Nothing came for so many seconds.
    Silent(u64),
    /// The API server cannot be reached, or the connection broke.
    Unreachable(String),
}

impl Failure {
    /// Of a request.
    pub(super) fn of(error: &kube_client::Error) -> Failure {
        match error {
            kube_client::Error::Api(status) => Failure::Refused { code: status.code, reason: status.reason.clone() },
            other => Failure::Unreachable(words(other)),
        }
    }

    /// Whether another connection may do better.
    pub(super) fn may_be_the_connection(&self) -> bool {
        matches!(self, Failure::Silent(_) | Failure::Unreachable(_))
    }
}

/// Of the client, which is all that can go wrong there.
impl From<WatchError> for Failure {
    fn from(error: WatchError) -> Failure {
        match error {
            WatchError::Connect(error) => Failure::Connect(error),
            other => Failure::Unreachable(other.to_string()),
        }
    }
}

impl WatchError {
    /// Of a request for a resource.
    pub(super) fn of_failure(failure: Failure, verb: &'static str, resource: Resource) -> WatchError {
        match failure {
            Failure::Connect(error) => WatchError::Connect(error),
            Failure::Refused { code, reason } => WatchError::of_status(code, &reason, verb, resource),
            Failure::Denied { .. } => WatchError::of_status(403, "Forbidden", verb, resource),
            Failure::Silent(seconds) => WatchError::Silent(seconds),
            Failure::Unreachable(words) => WatchError::Unreachable(words),
        }
    }

    /// Whether a watch cannot go on from where it was: as client-go's reflector, after anything but a way that is cut, a right that
    /// is missing and an API server that has too much to do.
    pub(super) fn needs_a_list(&self) -> bool {
        match self {
            WatchError::Gone | WatchError::NotInstalled(_) | WatchError::Malformed { .. } => true,
            WatchError::Refused { code, .. } => *code != 429,
            _ => false,
        }
    }

    /// Of a request.
    pub(super) fn of(error: &kube_client::Error, verb: &'static str, resource: Resource) -> WatchError {
        WatchError::of_failure(Failure::of(error), verb, resource)
    }

    /// Of a status, which a watch can send in the midst of events, too.
    pub(super) fn of_status(code: u16, reason: &str, verb: &'static str, resource: Resource) -> WatchError {
        match code {
            401 => WatchError::Unauthorized,
            403 => WatchError::Forbidden { verb, resource },
            404 => WatchError::NotInstalled(resource),
            410 => WatchError::Gone,
            code => WatchError::Refused { code, reason: word(reason) },
        }
    }

    /// Whether the same request may well be answered a moment later.
    pub(super) fn passes(&self) -> bool {
        match self {
            WatchError::Silent(_) | WatchError::Unreachable(_) => true,
            WatchError::Refused { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }

    /// Whether a client that is made anew may help.
    pub(super) fn may_be_the_client(&self) -> bool {
        matches!(self, WatchError::Silent(_) | WatchError::Unreachable(_) | WatchError::Unauthorized)
    }

    /// Of JSON. The text of serde's own error can hold values.
    pub(super) fn malformed(error: &serde_json::Error) -> WatchError {
        WatchError::Malformed { line: error.line(), column: error.column() }
    }
}

/// Of what the API server gives as its reason, a word.
pub(super) fn word(reason: &str) -> String {
    reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

/// An error with its causes: the client's own says little but "ServiceError". Without what the kubeconfig and its
/// credential plugin say: the client quotes them, and they hold tokens.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let causes = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    if let Some(words) = causes().find_map(without_tokens) {
        return words;
    }
    let texts = causes().map(ToString::to_string);
    let text = texts.fold(String::new(), |text, cause| match () {
        () if text.is_empty() => cause,
        () if text.contains(&cause) => text,
        () => format!("{text}: {cause}"),
    });
    // The client's own name for anything that goes wrong on the way.
    text.strip_prefix("ServiceError: ").map_or(text.clone(), str::to_owned)
}

fn without_tokens(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(KubeconfigError::Parse(error)) = error.downcast_ref() {
        let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
        return Some(format!("it is no YAML of a kubeconfig{}", place.unwrap_or_default()));
    }
    match error.downcast_ref()? {
        AuthError::AuthExecRun { out, .. } => {
            Some(format!("the credential plugin of the kubeconfig failed ({}): run it by hand", out.status))
        }
        AuthError::AuthExecParse(_) => {
            Some("the credential plugin of the kubeconfig printed no ExecCredential: run it by hand".to_owned())
        }
        _ => None,
    }
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
