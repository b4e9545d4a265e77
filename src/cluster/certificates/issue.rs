//! Making authorities and leaves.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use super::plan::{Ages, BACKDATED, Certificate};
use super::secret::{Authority, SUBJECT};

/// What a leaf is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The Service's name.
    pub service: String,
    /// The namespace of the Service and of the Secret.
    pub namespace: String,
}

/// A private key in PEM. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(pub(super) String);

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// By the library.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A defect of ours.
    #[error("made a certificate that cannot be read")]
    Unreadable,
}

impl Names {
    /// The name that an API server dials a Service by.
    pub fn dialled(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    fn all(&self) -> [String; 2] {
        [self.dialled(), format!("{}.cluster.local", self.dialled())]
    }
}

impl Authority {
    /// An authority for these names and no others, and its key.
    pub fn make(names: &Names, now: i64, ages: Ages) -> Result<(Authority, PrivateKey), IssueError> {
        let key = KeyPair::generate()?;
        let mut params = params(&Authority::subject(now), now, now.saturating_add(ages.authority));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Whoever gets hold of its key can stand for this Service, and for nothing else.
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: names.all().map(GeneralSubtree::DnsName).into(),
            excluded_subtrees: vec![
                GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
                GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
            ],
        });
        let pem = params.self_signed(&key)?.pem();
        let authority = Authority::bundle(&pem).into_iter().flatten().next().ok_or(IssueError::Unreadable)?;
        Ok((authority, PrivateKey(key.serialize_pem())))
    }

    /// A leaf and its key in PEM, which ends no later than the authority.
    pub fn sign(
        &self,
        key: &PrivateKey,
        names: &Names,
        now: i64,
        ages: Ages,
    ) -> Result<(String, PrivateKey), IssueError> {
        let Certificate { ends, .. } = self.certificate;
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = rcgen::DistinguishedName::new();
        issuer.distinguished_name.push(DnType::CommonName, self.subject.clone());
        issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = Issuer::new(issuer, KeyPair::from_pem(&key.0)?);
        let mut leaf = params("secretfence", now, now.saturating_add(ages.leaf).min(ends));
        leaf.subject_alt_names = CertificateParams::new(names.all())?.subject_alt_names;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok((leaf.signed_by(&key, &issuer)?.pem(), PrivateKey(key.serialize_pem())))
    }

    /// Each has its own: a client that looks for an issuer by its name finds one.
    fn subject(now: i64) -> String {
        let at = jiff::Timestamp::from_second(now).map_or_else(|_| now.to_string(), |at| at.to_string());
        format!("{SUBJECT} {at}")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(<masked>)")
    }
}

fn params(common_name: &str, now: i64, ends: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    params.not_before = at(now.saturating_sub(BACKDATED));
    params.not_after = at(ends);
    params
}
