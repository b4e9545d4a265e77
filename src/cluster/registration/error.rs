//! Why a configuration cannot be read or written.

use super::drift::Configuration;
use crate::cluster::client::ConnectError;
use crate::cluster::error::words;

/// Why a configuration cannot be read or written. Never holds what the API server sent, but for its reasons.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// No client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// RBAC refuses.
    #[error("may not {verb} {resource}: {}", way_out(verb, *configuration), resource = configuration.resource_name())]
    Forbidden {
        /// `list`, `watch`, `update` or `create`.
        verb: &'static str,
        /// Which one.
        configuration: Configuration,
    },
    /// It does not know who asks.
    #[error("the API server does not take these credentials (401): renew them")]
    Unauthorized,
    /// There is none of that name.
    #[error("{0} is missing: apply the shipped manifests again, or let --manage-registration make it")]
    Missing(Configuration),
    /// Somebody else wrote it at the same time, again and again.
    #[error("{0} was changed by others each time that it was to be written")]
    Conflict(Configuration),
    /// What was seen last is too old to go on from.
    #[error("the API server no longer knows the last version that was seen")]
    Gone,
    /// Any other answer that is no success.
    #[error("the API server answered {code} {reason} to {verb} {configuration}")]
    Refused {
        /// What was asked.
        verb: &'static str,
        /// Of which one.
        configuration: Configuration,
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
    /// What came is no configuration.
    #[error("the API server sent what cannot be read of {0}")]
    Malformed(Configuration),
    /// The bundle is no PEM of certificates.
    #[error("the authorities to be trusted are no PEM of certificates")]
    NoBundle,
    /// The thread that would do it is gone.
    #[error("the registration is looked after no more: the process ends")]
    Ended,
}

impl RegistrationError {
    /// Of a request.
    pub(super) fn of(
        error: &kube_client::Error,
        verb: &'static str,
        configuration: Configuration,
    ) -> RegistrationError {
        match error {
            kube_client::Error::Api(status) => {
                RegistrationError::of_status(status.code, &status.reason, verb, configuration)
            }
            kube_client::Error::SerdeError(_) => RegistrationError::Malformed(configuration),
            other => RegistrationError::Unreachable(words(other)),
        }
    }

    /// Of a status, which a watch can send in the midst of events, too.
    pub(super) fn of_status(
        code: u16,
        reason: &str,
        verb: &'static str,
        configuration: Configuration,
    ) -> RegistrationError {
        match code {
            401 => RegistrationError::Unauthorized,
            403 => RegistrationError::Forbidden { verb, configuration },
            404 => RegistrationError::Missing(configuration),
            409 => RegistrationError::Conflict(configuration),
            410 => RegistrationError::Gone,
            code => {
                let reason = reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
                RegistrationError::Refused { verb, configuration, code, reason }
            }
        }
    }

    /// Whether a client that is made anew may help.
    pub(super) fn may_be_the_client(&self) -> bool {
        matches!(
            self,
            RegistrationError::Silent(_) | RegistrationError::Unreachable(_) | RegistrationError::Unauthorized
        )
    }
}

fn way_out(verb: &str, configuration: Configuration) -> String {
    let resource = configuration.resource();
    match verb {
        // RBAC cannot bind it to a name: the name is not known when it decides.
        "create" => format!(
            "bind a ClusterRole with \"create\" of {resource} (admissionregistration.k8s.io), which cannot be bound to a name"
        ),
        verb => format!(
            "bind a ClusterRole with \"{verb}\" of {resource} (admissionregistration.k8s.io), resourceNames [{}]",
            configuration.name()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_names_itself_and_the_way_to_it() {
        let error = RegistrationError::of_status(403, "Forbidden", "update", Configuration::Validating);
        assert_eq!(
            error.to_string(),
            "may not update validatingwebhookconfigurations \"secretfence\": bind a ClusterRole with \"update\" of \
             validatingwebhookconfigurations (admissionregistration.k8s.io), resourceNames [secretfence]"
        );
        let error = RegistrationError::of_status(403, "Forbidden", "create", Configuration::Mutating);
        assert!(error.to_string().ends_with("which cannot be bound to a name"), "{error}");
    }
}
