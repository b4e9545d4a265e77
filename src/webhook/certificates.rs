//! The certificate that serves, and its replacement when the files change.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use super::error::CertificateError;
use super::settings::{CertificateSource, ClientAuthority, TlsMinVersion};
use super::tls::{self, Handed, Identity, Material};
use crate::cluster::certificates::Status;
use crate::telemetry::Metrics;

/// The last good identity, and what became of the last try to replace it.
#[derive(Debug)]
pub(super) struct Certificates {
    source: CertificateSource,
    clients: Option<ClientAuthority>,
    min_version: TlsMinVersion,
    serving: RwLock<Serving>,
    /// The last pair that came from the cluster.
    handed: RwLock<Option<Arc<Handed>>>,
    status: RwLock<Status>,
}

#[derive(Debug)]
struct Serving {
    /// None: it comes from the cluster, and has not so far.
    identity: Option<Identity>,
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
        let (identity, seen) = match &source {
            CertificateSource::Managed(_) => {
                // What is wrong with it is an error now, and not when the first certificate comes.
                if let Some(clients) = &clients {
                    tls::check_authority(&clients.authority)?;
                }
                (None, Seen::default())
            }
            _ => {
                let material = Material::read(&source, None, clients.as_ref(), min_version)?;
                let seen = Seen { digest: Some(material.digest), pending: None };
                (Some(Identity::build(&source, material)?), seen)
            }
        };
        let serving = RwLock::new(Serving { identity, failure: None });
        let (handed, status) = (RwLock::default(), RwLock::default());
        Ok((Certificates { source, clients, min_version, serving, handed, status }, seen))
    }

    /// For the next handshake. None: there is no certificate yet.
    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.read().identity.as_ref().map(|identity| Arc::clone(&identity.config))
    }

    /// When the serving certificate ends, in seconds since 1970, where there is one; and why what is there now does not serve.
    pub(super) fn state(&self) -> (Option<i64>, Option<String>) {
        let serving = self.read();
        (serving.identity.as_ref().map(|identity| identity.not_after), serving.failure.clone())
    }

    /// SHA-256 of the serving certificate. None: there is no certificate yet.
    pub(super) fn fingerprint(&self) -> Option<String> {
        self.read().identity.as_ref().map(|identity| identity.fingerprint.clone())
    }

    /// Takes a pair from the cluster.
    pub(super) fn hand(&self, certificate: &str, key: &str, metrics: &Metrics) -> Result<(), CertificateError> {
        let handed = Handed { certificate: certificate.as_bytes().to_vec(), key: key.as_bytes().to_vec() };
        let material = Material::read(&self.source, Some(&handed), self.clients.as_ref(), self.min_version)?;
        let identity = Identity::build(&self.source, material)?;
        *self.handed.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(handed));
        self.replace(identity, metrics);
        Ok(())
    }

    /// How it stands with what is kept in the cluster, where it is.
    pub(super) fn status(&self) -> Option<Status> {
        let is_managed = matches!(self.source, CertificateSource::Managed(_));
        is_managed.then(|| self.status.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The same, from who keeps it.
    pub(super) fn stand(&self, status: Status) {
        *self.status.write().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The serving certificate and its intermediates.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.read().identity.as_ref().map(|identity| identity.chain.clone()).unwrap_or_default()
    }

    /// The authority to trust, where this process made it.
    pub(super) fn authority_pem(&self) -> Option<&str> {
        match &self.source {
            CertificateSource::SelfSigned(made) => Some(made.authority_pem()),
            CertificateSource::Files { .. } | CertificateSource::Managed(_) => None,
        }
    }

    /// Looks at the files, and takes what they hold if it has changed and is good.
    pub(super) fn poll(&self, seen: &mut Seen, metrics: &Metrics) {
        let has_files = matches!(self.source, CertificateSource::Files { .. }) || self.clients.is_some();
        if !has_files || self.read().identity.is_none() {
            return;
        }
        let handed = self.handed.read().unwrap_or_else(PoisonError::into_inner).clone();
        let read = Material::read(&self.source, handed.as_deref(), self.clients.as_ref(), self.min_version);
        let material = match read {
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
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) =
            Serving { identity: Some(identity), failure: None };
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Serving> {
        self.serving.read().unwrap_or_else(PoisonError::into_inner)
    }
}
