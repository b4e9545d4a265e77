//! What the Secret holds: read with distrust, since others can write it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::issue::{Names, PrivateKey};
use super::plan::{Certificate, Contents, Held, Id, Leaf};

/// The trusted authorities, the newest first.
pub(super) const AUTHORITIES: &str = "ca.crt";
/// The key of the newest.
pub(super) const AUTHORITY_KEY: &str = "ca.key";
/// The leaf.
pub(super) const LEAF: &str = "tls.crt";
/// Its key.
pub(super) const LEAF_KEY: &str = "tls.key";
/// All that a Secret of ours holds.
const KEYS: [&str; 4] = [AUTHORITIES, AUTHORITY_KEY, LEAF, LEAF_KEY];
/// How the name of each authority of ours begins; when it was made comes after it. What is not signed by one of these was not made
/// here: one by hand or by cert-manager that is called so alone, as the documents and the manifests have it, is somebody else's.
pub(super) const SUBJECT: &str = "secretfence authority";
/// What cert-manager writes on what it keeps.
const CERT_MANAGER: &str = "cert-manager.io/";
/// More is nothing that we have written.
const MOST_BYTES: usize = 256 << 10;

/// An authority, as it is in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its age.
    pub certificate: Certificate,
    /// Itself, in PEM.
    pub pem: String,
    /// Its common name.
    pub(super) subject: String,
    der: CertificateDer<'static>,
}

/// A leaf and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its age, and who signed it.
    pub leaf: Leaf,
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: PrivateKey,
}

/// The good content of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What the plan needs of it.
    pub contents: Contents,
    /// All of them, the newest first.
    pub authorities: Vec<Authority>,
    /// The key of the newest.
    pub authority_key: PrivateKey,
    /// The leaf, where it is good.
    pub served: Option<Served>,
}

/// What came of reading a Secret.
pub struct Read {
    /// For the plan.
    pub held: Held,
    /// What can be gone on from.
    pub stored: Option<Arc<Stored>>,
    /// The authorities of one that cannot.
    pub broken: Vec<Authority>,
}

/// What an object is beside its data.
#[derive(Clone, Copy, Debug)]
pub struct Wrapping<'a> {
    /// The Secret's `type`.
    pub sort: &'a str,
    /// Whether nobody may write it.
    pub is_immutable: bool,
    /// The keys of its annotations.
    pub annotations: &'a [&'a str],
}

/// The data of a Secret.
pub type Data<'a> = BTreeMap<&'a str, &'a [u8]>;

impl PrivateKey {
    /// For the one who serves with it, and for the Secret.
    pub fn pem(&self) -> &str {
        &self.0
    }
}

impl Authority {
    /// The certificates of a bundle in their order; None is what is no authority of ours.
    pub fn bundle(pem: &str) -> Vec<Option<Authority>> {
        if pem.len() > MOST_BYTES {
            return vec![None];
        }
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(|der| Authority::read(der.ok()?)).collect()
    }

    fn read(der: CertificateDer<'static>) -> Option<Authority> {
        let parsed = parse(&der)?;
        let subject = common_name(parsed.subject())?;
        let is_authority = parsed.is_ca() && is_ours(&subject);
        is_authority.then(|| {
            let (certificate, pem) = (age(&der, &parsed), pem_of(&der));
            Authority { certificate, pem, subject, der: der.clone() }
        })
    }

    fn has(&self, key: &PrivateKey) -> bool {
        parse(&self.der).is_some_and(|certificate| is_key_of(&certificate, key))
    }

    /// Whether a client that trusts this one alone trusts the leaf, while both last.
    fn signed(&self, leaf: &CertificateDer<'_>, age: Certificate, names: &Names) -> bool {
        let mut roots = RootCertStore::empty();
        let Ok(()) = roots.add(self.der.clone()) else { return false };
        let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(leaf), ServerName::try_from(names.dialled())) else {
            return false;
        };
        let within = age.ends.min(self.certificate.ends).saturating_sub(1);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(within).unwrap_or(0)));
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], at, algorithms).is_ok()
            && verify_server_name(&parsed, &name).is_ok()
    }
}

impl Read {
    /// With nothing in it.
    pub fn of(held: Held) -> Read {
        Read { held, stored: None, broken: Vec::new() }
    }
}

impl Stored {
    /// Reads a Secret. Ours, where it can be gone on from.
    pub fn read(wrapping: Wrapping<'_>, data: &Data<'_>, names: &Names) -> Read {
        if let Some(why) = foreign(wrapping, data) {
            return Read::of(Held::Foreign(why));
        }
        let texts = KEYS.map(|key| data.get(key).map(|bytes| std::str::from_utf8(bytes).unwrap_or("no UTF-8").trim()));
        if texts.iter().all(|text| text.is_none_or(str::is_empty)) && data.values().all(|bytes| bytes.is_empty()) {
            return Read::of(Held::Empty);
        }
        let [authorities, authority_key, leaf, leaf_key] = texts.map(Option::unwrap_or_default);
        let authorities: Vec<Authority> = Authority::bundle(authorities).into_iter().flatten().collect();
        let corrupt = |why: &str, is_dismissed| {
            let certificates = authorities.iter().map(|authority| authority.certificate).collect();
            let held = Held::Corrupt { why: why.to_owned(), authorities: certificates, is_dismissed };
            Read { held, stored: None, broken: authorities.clone() }
        };
        let Some(signer) = authorities.first() else {
            return corrupt("ca.crt holds no authority that can be read", false);
        };
        let is_keyless = authority_key.is_empty();
        let authority_key = PrivateKey(format!("{authority_key}\n"));
        if !signer.has(&authority_key) {
            if is_keyless {
                return corrupt("ca.key was taken out", true);
            }
            return corrupt("ca.key is not the key of the first authority in ca.crt", false);
        }
        let served = Served::read(leaf, leaf_key, &authorities, names);
        let contents = Contents {
            signer: signer.certificate,
            others: authorities[1..].iter().map(|authority| authority.certificate).collect(),
            leaf: served.as_ref().map(|served| served.leaf).map_err(Clone::clone),
        };
        let stored = Stored { contents: contents.clone(), authorities, authority_key, served: served.ok() };
        Read { held: Held::Ours(contents), stored: Some(Arc::new(stored)), broken: Vec::new() }
    }

    /// Of its parts; None without an authority.
    pub(super) fn new(
        authorities: Vec<Authority>,
        authority_key: PrivateKey,
        served: Option<Served>,
    ) -> Option<Stored> {
        let (signer, others) = authorities.split_first()?;
        let contents = Contents {
            signer: signer.certificate,
            others: others.iter().map(|authority| authority.certificate).collect(),
            leaf: served.as_ref().map(|served| served.leaf).ok_or(None),
        };
        Some(Stored { contents, authorities, authority_key, served })
    }

    /// All trusted authorities, as the `caBundle` has them.
    pub fn bundle(&self) -> String {
        self.authorities.iter().map(|authority| &*authority.pem).collect()
    }

    /// What the Secret has to hold.
    pub fn data(&self) -> BTreeMap<String, Vec<u8>> {
        let mut data = BTreeMap::from([
            (AUTHORITIES.to_owned(), self.bundle().into_bytes()),
            (AUTHORITY_KEY.to_owned(), self.authority_key.0.clone().into_bytes()),
        ]);
        if let Some(served) = &self.served {
            data.insert(LEAF.to_owned(), served.certificate.clone().into_bytes());
            data.insert(LEAF_KEY.to_owned(), served.key.0.clone().into_bytes());
        }
        data
    }
}

impl Served {
    pub(super) fn read(
        certificate: &str,
        key: &str,
        authorities: &[Authority],
        names: &Names,
    ) -> Result<Served, Option<String>> {
        if certificate.is_empty() && key.is_empty() {
            return Err(None);
        }
        let (certificate, key) = (certificate.trim(), key.trim());
        let wrong = |why: &str| Some(why.to_owned());
        let der = CertificateDer::from_pem_slice(certificate.as_bytes());
        let der = der.map_err(|_| wrong("tls.crt is no certificate"))?;
        let parsed = parse(&der).ok_or_else(|| wrong("tls.crt is no certificate"))?;
        let key = PrivateKey(format!("{key}\n"));
        if !is_key_of(&parsed, &key) {
            return Err(wrong("tls.key is not the key of tls.crt"));
        }
        let age = age(&der, &parsed);
        let signer = authorities.iter().find(|authority| authority.signed(&der, age, names));
        let signer = signer
            .ok_or_else(|| Some(format!("tls.crt is not signed for {} by an authority in ca.crt", names.dialled())))?;
        let leaf = Leaf { certificate: age, signer: signer.certificate.id };
        Ok(Served { leaf, certificate: format!("{certificate}\n"), key })
    }
}

/// Why a Secret is not ours to write, where it is not.
fn foreign(wrapping: Wrapping<'_>, data: &Data<'_>) -> Option<String> {
    if wrapping.annotations.iter().any(|key| key.starts_with(CERT_MANAGER)) {
        return Some("cert-manager keeps it".to_owned());
    }
    if wrapping.sort != "Opaque" {
        return Some(format!("its type is not Opaque but {}", crate::fence::name::Shown(wrapping.sort)));
    }
    if wrapping.is_immutable {
        return Some("it is immutable".to_owned());
    }
    if data.keys().any(|key| !KEYS.contains(key)) {
        return Some("it holds other keys than ca.crt, ca.key, tls.crt and tls.key".to_owned());
    }
    let certificates = |key: &str| {
        let pem = data.get(key).copied().unwrap_or_default();
        CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect::<Vec<_>>()
    };
    let by_others = |certificate: &CertificateDer<'_>| {
        parse(certificate).is_some_and(|parsed| common_name(parsed.issuer()).is_none_or(|issuer| !is_ours(&issuer)))
    };
    for key in [LEAF, AUTHORITIES] {
        if certificates(key).iter().any(by_others) {
            return Some(format!("{key} holds a certificate that secretfence did not make"));
        }
    }
    None
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

fn common_name(name: &x509_parser::x509::X509Name<'_>) -> Option<String> {
    name.iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

fn is_ours(name: &str) -> bool {
    let at = name.strip_prefix(SUBJECT).and_then(|rest| rest.strip_prefix(' '));
    at.is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok())
}

fn age(der: &CertificateDer<'_>, parsed: &X509Certificate<'_>) -> Certificate {
    let validity = parsed.validity();
    Certificate {
        id: Id(Sha256::digest(der).into()),
        begins: validity.not_before.timestamp(),
        ends: validity.not_after.timestamp(),
    }
}

fn is_key_of(certificate: &X509Certificate<'_>, key: &PrivateKey) -> bool {
    use rcgen::PublicKeyData;
    rcgen::KeyPair::from_pem(&key.0).is_ok_and(|key| key.subject_public_key_info() == certificate.public_key().raw)
}

/// As it is written by whoever writes PEM: lines of 64.
fn pem_of(der: &CertificateDer<'_>) -> String {
    let text = base64_simd::STANDARD.encode_to_string(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).unwrap_or_default());
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests;
