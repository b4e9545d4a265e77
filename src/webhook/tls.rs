//! TLS: from files or memory to a configuration of rustls.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SignatureScheme, version};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::client_certificate::NamedClients;
use super::error::CertificateError;
use super::settings::{CertificateSource, ClientAuthority, TlsMinVersion};

/// A pair and an authority are small: a file over this is none.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What a handshake needs, and what is said of it.
#[derive(Debug)]
pub(super) struct Identity {
    /// For the next handshakes.
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970.
    pub(super) not_after: i64,
    /// SHA-256 of the certificate, in hexadecimal.
    pub(super) fingerprint: String,
    /// The certificate and its intermediates.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Everything that an [`Identity`] is made of, as read.
pub(super) struct Material {
    pair: Pair,
    clients: Option<(ClientAuthority, Vec<u8>)>,
    min_version: TlsMinVersion,
    /// Of the contents: whether they are the same as before.
    pub(super) digest: [u8; 32],
}

/// A pair from somewhere else than files, in PEM.
pub(super) struct Handed {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

enum Pair {
    Pem { certificate: Vec<u8>, key: Vec<u8> },
    Memory(CertifiedKey),
}

impl Material {
    /// Reads what is there now. Reading again is how a change is seen: a Secret volume changes by a swapped link, which
    /// leaves no event on the file.
    pub(super) fn read(
        source: &CertificateSource,
        handed: Option<&Handed>,
        clients: Option<&ClientAuthority>,
        min_version: TlsMinVersion,
    ) -> Result<Material, CertificateError> {
        let mut digest = Sha256::new();
        let mut read = |flag, path: &Path| {
            let bytes = read_file(flag, path)?;
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(&bytes);
            Ok::<_, CertificateError>(bytes)
        };
        let pair = match source {
            CertificateSource::Files { certificate, key } => {
                Pair::Pem { certificate: read("--tls-cert", certificate)?, key: read("--tls-key", key)? }
            }
            CertificateSource::Managed(_) => {
                let Handed { certificate, key } = handed.ok_or(CertificateError::NotYet)?;
                Pair::Pem { certificate: certificate.clone(), key: key.clone() }
            }
            CertificateSource::SelfSigned(made) => {
                Pair::Memory(CertifiedKey::from_der(made.chain(), made.key(), &ring::default_provider())?)
            }
        };
        let clients = clients
            .map(|clients| Ok::<_, CertificateError>((clients.clone(), read("--client-ca", &clients.authority)?)));
        let clients = clients.transpose()?;
        Ok(Material { pair, clients, min_version, digest: digest.finalize().into() })
    }
}

impl Identity {
    /// Checks the pair and makes the configuration.
    pub(super) fn build(source: &CertificateSource, material: Material) -> Result<Identity, CertificateError> {
        let provider = Arc::new(ring::default_provider());
        let pair = match material.pair {
            Pair::Memory(pair) => pair,
            Pair::Pem { certificate, key } => parse_pair(source, &certificate, &key, &provider)?,
        };
        let leaf = pair.end_entity_cert()?;
        let not_after = not_after(source, leaf)?;
        let fingerprint = Sha256::digest(leaf).iter().map(|byte| format!("{byte:02x}")).collect();
        let chain = pair.cert.clone();
        seed(&provider, &pair)?;
        let versions = match material.min_version {
            TlsMinVersion::Tls12 => &[&version::TLS13, &version::TLS12][..],
            TlsMinVersion::Tls13 => &[&version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let builder = match material.clients {
            None => builder.with_no_client_auth(),
            Some((clients, pem)) => {
                let roots = Arc::new(parse_authority(&clients.authority, &pem)?);
                let chain = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| bad_authority(&clients.authority, &error))?;
                builder.with_client_cert_verifier(NamedClients::wrap(chain, clients.names))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // API servers keep connections and do not resume sessions. Without resumption nobody gets past a change of the
        // client authority, and no memory is held for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Identity { config: Arc::new(config), not_after, fingerprint, chain })
    }
}

/// Whether the authority that signs clients can be used.
pub(super) fn check_authority(path: &Path) -> Result<(), CertificateError> {
    parse_authority(path, &read_file("--client-ca", path)?).map(drop)
}

/// Without what is secret.
impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handed(<masked>)")
    }
}

fn read_file(flag: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Read { flag, path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn parse_pair(
    source: &CertificateSource,
    certificate_pem: &[u8],
    key_pem: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let (certificate, key) = paths(source);
    let chain = parse_certificates("--tls-cert", certificate, certificate_pem)?;
    let der = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateError::Pem {
        flag: "--tls-key",
        path: key.to_owned(),
        expected: "a private key",
    })?;
    CertifiedKey::from_der(chain, der, provider).map_err(|source| CertificateError::Key {
        key: key.to_owned(),
        certificate: certificate.to_owned(),
        source,
    })
}

fn parse_certificates(
    flag: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| CertificateError::Pem {
        flag,
        path: path.to_owned(),
        expected: "a certificate",
    })
}

fn parse_authority(path: &Path, pem: &[u8]) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in parse_certificates("--client-ca", path, pem)? {
        roots.add(certificate).map_err(|error| bad_authority(path, &error))?;
    }
    Ok(roots)
}

fn bad_authority(path: &Path, error: &dyn std::error::Error) -> CertificateError {
    CertificateError::Certificate { flag: "--client-ca", path: path.to_owned(), why: error.to_string() }
}

/// rustls checks a server's own certificate as little as it can: the date must be read apart.
fn not_after(source: &CertificateSource, leaf: &CertificateDer<'_>) -> Result<i64, CertificateError> {
    match X509Certificate::from_der(leaf) {
        Ok((_, certificate)) => Ok(certificate.validity().not_after.timestamp()),
        Err(error) => Err(CertificateError::Certificate {
            flag: "--tls-cert",
            path: paths(source).0.to_owned(),
            why: error.to_string(),
        }),
    }
}

fn paths(source: &CertificateSource) -> (&Path, &Path) {
    match source {
        CertificateSource::Files { certificate, key } => (certificate, key),
        CertificateSource::SelfSigned(_) => (Path::new("self-signed"), Path::new("self-signed")),
        CertificateSource::Managed(_) => (Path::new("of the Secret"), Path::new("of the Secret")),
    }
}

/// Draws random bytes, makes a key exchange and signs once, so that no handshake is the first.
fn seed(provider: &CryptoProvider, pair: &CertifiedKey) -> Result<(), CertificateError> {
    provider.secure_random.fill(&mut [0; 32]).map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    for group in &provider.kx_groups {
        group.start()?;
    }
    let schemes = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ED25519,
        SignatureScheme::RSA_PSS_SHA256,
    ];
    if let Some(signer) = pair.key.choose_scheme(&schemes) {
        signer.sign(b"secretfence")?;
    }
    Ok(())
}
