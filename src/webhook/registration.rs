//! What is registered, told by metric, events and `/readyz`.

use std::fmt::Write;
use std::sync::{Arc, Weak};

use prometheus::IntGaugeVec;

use super::Shared;
use super::settings::RegistrationSettings;
use super::trust::trusts;
use crate::cluster::{Configuration, Connection, Drift, Events, Problem, Reason, Registration, RegistrationObserver};

/// Of what is wrong, how much `/readyz` tells, and how much of it is told by events.
const MOST: usize = 16;

/// Watches what is registered.
pub(super) fn start(
    settings: RegistrationSettings,
    cluster: &Connection,
    gauge: IntGaugeVec,
    shared: Weak<Shared>,
) -> Registration {
    let RegistrationSettings { wanted, pod } = settings;
    let events = pod.map_or_else(Events::none, |pod| Events::about(cluster.clone(), pod));
    let name = format!("{}.{}.svc", wanted.service.name, wanted.service.namespace);
    Registration::start(cluster.clone(), wanted, Arc::new(Teller { shared, gauge, events, name }))
}

/// What `/readyz` says of it. Never that this webhook is not ready: another replica has the same registration, and who is not asked cannot
/// be asked less.
pub(super) fn tell(registration: &Registration, text: &mut String) {
    let drift = registration.drift();
    let name = registration.wanted().breadth.name();
    // Writing to a string does not fail.
    let _ = match (registration.failure(), registration.is_read()) {
        (Some(why), _) => writeln!(text, "[-]registration cannot be watched: {why}"),
        (None, false) => writeln!(text, "[-]registration not read yet"),
        (None, true) if drift.is_empty() => writeln!(text, "[+]registration ok {name}"),
        (None, true) => writeln!(text, "[-]registration drifted from {name}:"),
    };
    for drift in drift.iter().take(MOST) {
        let _ = writeln!(text, "    {drift}");
    }
    if drift.len() > MOST {
        let _ = writeln!(text, "    (+{} more)", drift.len() - MOST);
    }
    if let Some(why) = registration.unrepaired() {
        let _ = writeln!(text, "    it cannot be put right: {why}");
    }
}

/// On the registration's own thread.
struct Teller {
    shared: Weak<Shared>,
    gauge: IntGaugeVec,
    events: Events,
    /// By which the API server asks for us.
    name: String,
}

impl RegistrationObserver for Teller {
    fn trusts(&self, bundle: &str) -> Option<Result<(), String>> {
        let chain = self.shared.upgrade()?.certificates.chain();
        (!chain.is_empty()).then(|| trusts(bundle, &chain, &self.name))
    }

    fn drifts(&self, all: &[Drift], news: &[Drift]) {
        for configuration in Configuration::ALL {
            for problem in Problem::ALL {
                let is_wrong = all.iter().any(|drift| (drift.configuration, drift.problem) == (configuration, problem));
                self.gauge.with_label_values(&[configuration.name(), problem.name()]).set(i64::from(is_wrong));
            }
        }
        self.lasts(news);
    }

    /// Events are forgotten after an hour; the same one is written once in ten minutes.
    fn lasts(&self, all: &[Drift]) {
        for drift in all.iter().take(MOST) {
            self.events.tell(Reason::RegistrationDrift, &drift.to_string());
        }
    }

    fn restored(&self, configuration: Configuration, what: &[Drift]) {
        let mut problems: Vec<&str> = what.iter().map(|drift| drift.problem.name()).collect();
        problems.dedup();
        let message = format!("{configuration} was put right: {}", problems.join(", "));
        self.events.tell(Reason::RegistrationRestored, &message);
    }
}
