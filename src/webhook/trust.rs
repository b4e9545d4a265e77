//! Whether an API server that trusts some authorities trusts what serves.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

/// Whether a client that trusts these authorities (PEM) takes this chain for that name at that time. Only what no client would take is an error: the API
/// server's own library is laxer than this one in some things.
pub(super) fn trusts(bundle: &str, chain: &[CertificateDer<'_>], name: &str, at: UnixTime) -> Result<(), String> {
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(bundle.as_bytes()).flatten().collect();
    let Some((leaf, intermediates)) = chain.split_first() else { return Ok(()) };
    // A certificate that is its own authority.
    if authorities.contains(leaf) {
        return Ok(());
    }
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(authorities).0 == 0 {
        return Err("nothing is trusted: it holds no certificate".to_owned());
    }
    let provider = Arc::new(ring::default_provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return Ok(());
    };
    let Ok(server) = ServerName::try_from(name) else { return Ok(()) };
    match verifier.verify_server_cert(leaf, intermediates, &server, &[], at) {
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            Err("its issuer is not trusted".to_owned())
        }
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Err(format!("it is not for the name {name}")),
        Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            Err("it or its authority has expired".to_owned())
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })) => {
            Err("it or its authority is not valid yet".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::self_signed::SelfSigned;
    use super::*;

    const NAME: &str = "secretfence.secretfence.svc";

    #[test]
    fn the_authority_that_signed_it_is_trusted_and_no_other() {
        let (made, other) = (SelfSigned::generate().unwrap(), SelfSigned::generate().unwrap());
        let chain = made.chain();
        assert_eq!(trusts(made.authority_pem(), &chain, NAME, UnixTime::now()), Ok(()));
        // Of the same name, as every authority of ours.
        assert_eq!(
            trusts(other.authority_pem(), &chain, NAME, UnixTime::now()),
            Err("its issuer is not trusted".to_owned())
        );
        let both = format!("{}{}", other.authority_pem(), made.authority_pem());
        assert_eq!(trusts(&both, &chain, NAME, UnixTime::now()), Ok(()));
    }

    #[test]
    fn nothing_is_trusted_by_nothing() {
        let chain = SelfSigned::generate().unwrap().chain();
        for bundle in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(trusts(bundle, &chain, NAME, UnixTime::now()).is_err(), "{bundle}");
        }
    }

    #[test]
    fn another_name_is_not_ours() {
        let made = SelfSigned::generate().unwrap();
        let why = trusts(made.authority_pem(), &made.chain(), "fence.other.svc", UnixTime::now());
        assert_eq!(why, Err("it is not for the name fence.other.svc".to_owned()));
    }
}
