//! Why handshakes fail: a few reasons, to be counted and told.

use std::io;

use rustls::{AlertDescription, Error};

use super::client_certificate;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The label of the metric.
    pub(super) reason: &'static str,
    /// What is told; `None`: a probe or a scan, of which there are many on a day without trouble.
    pub(super) why: Option<&'static str>,
}

/// Every reason, so that each is there with 0 before it first counts.
pub(super) const REASONS: [&str; 7] =
    ["client_certificate", "client_distrusts", "closed", "incompatible", "not_tls", "other", "timeout"];

impl Failure {
    /// The time was over.
    pub(super) fn timeout() -> Failure {
        Failure::told("timeout", "no TLS handshake in time (--header-timeout)")
    }

    /// As the handshake ended.
    pub(super) fn of(error: &io::Error) -> Failure {
        if let Some(why) = client_certificate::refusal(error) {
            return Failure::told("client_certificate", why);
        }
        let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else {
            return Failure { reason: "closed", why: None };
        };
        match error {
            Error::AlertReceived(alert) if is_distrust(*alert) => Failure::told(
                "client_distrusts",
                "the client does not trust our certificate: is caBundle right, and the certificate good for the \
                 Service's name?",
            ),
            Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
            | Error::PeerIncompatible(_)
            | Error::NoApplicationProtocol => {
                Failure::told("incompatible", "the client speaks no TLS version, cipher suite or HTTP that we do")
            }
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::PeerSentOversizedRecord => {
                Failure::told("not_tls", "the client does not speak TLS")
            }
            _ => Failure::told("other", "the TLS handshake failed"),
        }
    }

    fn told(reason: &'static str, why: &'static str) -> Failure {
        Failure { reason, why: Some(why) }
    }
}

/// Go tells of any certificate that it does not verify as of a bad one; others tell more.
fn is_distrust(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
