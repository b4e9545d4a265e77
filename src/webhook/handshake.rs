//! Why handshakes fail: a few reasons, to be counted and told.

use std::io;

use rustls::{AlertDescription, Error};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client_certificate;
use super::connection::LINGER;

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

/// Closes the connection of a client that was refused, so that the alert reaches him: it is on its way, but closing on
/// bytes that nobody has read resets the connection, and what he has not taken by then is lost. In TLS 1.3 there are
/// such bytes: he is done with the handshake before his certificate is judged, and sends his request.
///
/// His place is free for others meanwhile: the connection still counts as one that shakes hands.
pub(super) async fn part(mut stream: TcpStream) {
    let parting = async {
        stream.shutdown().await?;
        let mut sink = [0; 4 << 10];
        while stream.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    // An error or the end of the time: the connection is broken anyway.
    let _ = tokio::time::timeout(LINGER, parting).await;
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
