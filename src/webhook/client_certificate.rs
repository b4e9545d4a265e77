//! Client certificates: what webpki verifies, and one of the allowed names beside.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Asks webpki for the chain and the dates, then for one of the names.
#[derive(Debug)]
pub(super) struct NamedClients {
    chain: Arc<dyn ClientCertVerifier>,
    /// Not empty.
    names: Vec<String>,
}

impl NamedClients {
    /// Any name is allowed where none is given.
    pub(super) fn wrap(chain: Arc<dyn ClientCertVerifier>, names: Vec<String>) -> Arc<dyn ClientCertVerifier> {
        if names.is_empty() { chain } else { Arc::new(NamedClients { chain, names }) }
    }
}

impl ClientCertVerifier for NamedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        if has_name(end_entity, &self.names) {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Why a handshake failed, where that was for the client's certificate. Without times and names, so that lines fold.
pub(super) fn refusal(error: &std::io::Error) -> Option<&'static str> {
    use CertificateError as Why;
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::NoCertificatesPresented => Some("the client showed no certificate, and --client-ca asks for one"),
        Error::InvalidCertificate(why) => Some(match why {
            Why::ApplicationVerificationFailure => "the client's certificate has none of the names of --client-name",
            Why::UnknownIssuer | Why::BadSignature => "the client's certificate is not signed by --client-ca",
            Why::Expired | Why::ExpiredContext { .. } => "the client's certificate has expired",
            Why::NotValidYet | Why::NotValidYetContext { .. } => "the client's certificate is not valid yet",
            Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => "the certificate is not one for clients",
            _ => "the client's certificate cannot be verified",
        }),
        _ => None,
    }
}

/// Common names count beside DNS names: it is the common name that the API server's client certificates carry.
/// A certificate that does not parse has no name.
fn has_name(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let allowed = |name: &str| names.iter().any(|known| known == name);
    let by_common_name = certificate.subject().iter_common_name().any(|name| name.as_str().is_ok_and(allowed));
    by_common_name
        || certificate.subject_alternative_name().ok().flatten().is_some_and(|extension| {
            extension.value.general_names.iter().any(|name| match name {
                GeneralName::DNSName(name) => allowed(name),
                _ => false,
            })
        })
}
