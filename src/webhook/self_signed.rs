//! A certificate for a machine without a cluster: its authority is made with it, signs it once, and its key is gone.

use std::fmt;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::error::CertificateError;

/// The names that the certificate is good for: this machine, and the Service of the shipped manifests.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "secretfence.secretfence.svc"];

/// A certificate, its key and the authority that signed it, in memory.
#[derive(Clone)]
pub struct SelfSigned {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    authority: String,
}

impl SelfSigned {
    /// Makes one that is good for a year, for `localhost`, `127.0.0.1`, `::1` and `secretfence.secretfence.svc`.
    pub fn generate() -> Result<SelfSigned, CertificateError> {
        let mut authority = params(&[], "secretfence self-signed authority")?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut leaf = params(&NAMES, "secretfence")?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &authority)?;
        Ok(SelfSigned { certificate: certificate.der().clone(), key: key.serialize_der(), authority: authority.pem() })
    }

    /// The certificate of the authority in PEM: what a client must trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfSigned(<masked>)")
    }
}

/// From yesterday, as clocks differ, for a year.
fn params(names: &[&str], common_name: &str) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        // Months and days are small and positive.
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(1.year()));
    Ok(params)
}
