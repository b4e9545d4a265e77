//! Certificates that are kept in the cluster: what serves, metrics, events and `/readyz`.

use std::sync::{Arc, Weak};

use super::Shared;
use crate::cluster::certificates::{Keeper, Managed, Renewed, Served, Status, StatusObserver};
use crate::cluster::{Connection, Events, OwnPod, Reason, Registration};

/// Keeps them for a server.
pub(super) type CertificateKeeper = Keeper<Registration, Teller>;

/// Of the Secret that the settings name. Must be called within a Tokio runtime.
pub(super) fn keeper(
    managed: Managed,
    cluster: Connection,
    pod: Option<OwnPod>,
    registration: Registration,
    shared: &Arc<Shared>,
) -> CertificateKeeper {
    let events = pod.map_or_else(Events::none, |pod| Events::about(cluster.clone(), pod));
    shared.metrics.manages_certificates();
    let teller = Teller { shared: Arc::downgrade(shared), events, registration: registration.clone() };
    Keeper::new(cluster, managed, registration, teller)
}

/// Goes on until it is dropped.
pub(super) async fn run(keeper: CertificateKeeper) {
    keeper.run().await;
}

/// Hears of the certificates.
pub(super) struct Teller {
    shared: Weak<Shared>,
    events: Events,
    registration: Registration,
}

impl StatusObserver for Teller {
    fn serve(&self, served: &Served) -> Result<(), String> {
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        let handed = shared.certificates.hand(&served.certificate, served.key.pem(), &shared.metrics);
        handed.map_err(|error| error.to_string())?;
        // Whether it is trusted is asked anew.
        self.registration.look_again();
        Ok(())
    }

    fn status(&self, status: &Status) {
        let Some(shared) = self.shared.upgrade() else { return };
        if let Some(ends) = status.authority_ends {
            shared.metrics.authority_signs(ends);
        }
        shared.certificates.stand(status.clone());
    }

    fn renewed(&self, what: Renewed, is_done: bool) {
        if let Some(shared) = self.shared.upgrade() {
            shared.metrics.certificate_renewed(what.name(), is_done);
        }
    }

    fn repaired(&self, what: &'static str) {
        if let Some(shared) = self.shared.upgrade() {
            shared.metrics.certificate_repaired(what);
        }
    }

    fn tell(&self, reason: Reason, message: &str) {
        self.events.tell(reason, message);
    }
}
