//! The certificate that serves, and its replacement when the files change.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use super::error::CertificateError;
use super::settings::{CertificateSource, ClientAuthority, TlsMinVersion};
use super::tls::{Identity, Material};
use crate::telemetry::Metrics;

/// The last good identity, and what became of the last try to replace it.
#[derive(Debug)]
pub(super) struct Certificates {
    source: CertificateSource,
    clients: Option<ClientAuthority>,
    min_version: TlsMinVersion,
    serving: RwLock<Serving>,
}

#[derive(Debug)]
struct Serving {
    identity: Identity,
    /// Why the files that are there now do not serve.
    failure: Option<String>,
}

/// What the poll remembers from one time to the next.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of the contents that were last tried.
    digest: Option<[u8; 32]>,
    /// A failure that was seen once. A pair is replaced in two steps, so only one that lasts is told.
    pending: Option<String>,
}

impl Certificates {
    /// Reads the certificate for the first time.
    pub(super) fn load(
        source: CertificateSource,
        clients: Option<ClientAuthority>,
        min_version: TlsMinVersion,
    ) -> Result<(Certificates, Seen), CertificateError> {
        let material = Material::read(&source, clients.as_ref(), min_version)?;
        let seen = Seen { digest: Some(material.digest), pending: None };
        let identity = Identity::build(&source, material)?;
        let serving = RwLock::new(Serving { identity, failure: None });
        Ok((Certificates { source, clients, min_version, serving }, seen))
    }

    /// For the next handshake.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.read().identity.config)
    }

    /// When the serving certificate ends, in seconds since 1970; and why the files that are there now do not serve.
    pub(super) fn state(&self) -> (i64, Option<String>) {
        let serving = self.read();
        (serving.identity.not_after, serving.failure.clone())
    }

    /// SHA-256 of the serving certificate.
    pub(super) fn fingerprint(&self) -> String {
        self.read().identity.fingerprint.clone()
    }

    /// The serving certificate and its intermediates.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.read().identity.chain.clone()
    }

    /// The authority to trust, where this process made it.
    pub(super) fn authority_pem(&self) -> Option<&str> {
        match &self.source {
            CertificateSource::SelfSigned(made) => Some(made.authority_pem()),
            CertificateSource::Files { .. } => None,
        }
    }

    /// Looks at the files, and takes what they hold if it has changed and is good.
    pub(super) fn poll(&self, seen: &mut Seen, metrics: &Metrics) {
        if matches!(self.source, CertificateSource::SelfSigned(_)) && self.clients.is_none() {
            return;
        }
        let material = match Material::read(&self.source, self.clients.as_ref(), self.min_version) {
            Ok(material) => material,
            Err(error) => {
                let why = error.to_string();
                // Seen for the second time, and not told yet.
                if seen.pending.as_ref() == Some(&why) && self.state().1.as_ref() != Some(&why) {
                    self.tell(why.clone(), metrics);
                }
                *seen = Seen { digest: None, pending: Some(why) };
                return;
            }
        };
        if seen.digest == Some(material.digest) {
            if let Some(why) = seen.pending.take() {
                self.tell(why, metrics);
            }
            return;
        }
        let digest = Some(material.digest);
        match Identity::build(&self.source, material) {
            Ok(identity) => {
                *seen = Seen { digest, pending: None };
                self.replace(identity, metrics);
            }
            Err(error) => *seen = Seen { digest, pending: Some(error.to_string()) },
        }
    }

    fn tell(&self, why: String, metrics: &Metrics) {
        metrics.certificate_reloaded(false);
        tracing::error!(error = &*why, "certificate not reloaded; the last good one goes on serving");
        self.serving.write().unwrap_or_else(PoisonError::into_inner).failure = Some(why);
    }

    fn replace(&self, identity: Identity, metrics: &Metrics) {
        metrics.certificate_reloaded(true);
        metrics.certificate_serves(identity.not_after);
        tracing::info!(fingerprint = &*identity.fingerprint, "certificate reloaded");
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = Serving { identity, failure: None };
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Serving> {
        self.serving.read().unwrap_or_else(PoisonError::into_inner)
    }
}
