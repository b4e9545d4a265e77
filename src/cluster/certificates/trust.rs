//! What the certificates need of the registration.

use std::future::Future;

use tokio::sync::watch;

use crate::cluster::registration::Registration;

/// Who keeps what the webhooks' configurations trust.
pub trait Trust: Send + Sync {
    /// Lets every webhook of ours trust this bundle (PEM). Ok once all do.
    fn trust(&self, bundle: &str) -> impl Future<Output = Result<(), String>> + Send;
    /// What each of them trusts. None: not known, or a configuration is missing.
    fn trusted(&self) -> Option<Vec<String>>;
    /// Whether that was looked at once.
    fn is_read(&self) -> bool;
    /// Changes when what they trust may have changed.
    fn changes(&self) -> watch::Receiver<u64>;
}

impl Trust for Registration {
    async fn trust(&self, bundle: &str) -> Result<(), String> {
        Registration::trust(self, bundle).await.map_err(|error| error.to_string())
    }

    fn trusted(&self) -> Option<Vec<String>> {
        Registration::trusted(self).filter(|bundles| !bundles.is_empty())
    }

    fn is_read(&self) -> bool {
        Registration::is_read(self)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Registration::changes(self)
    }
}
