//! What is registered, told by metric, events and `/readyz`.

use std::fmt::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus::IntGaugeVec;
use rustls::pki_types::UnixTime;

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

/// Now, or where the certificate has ended, the last moment at which it had not: that it has is no fault of who trusts it, and
/// `/readyz` says it.
fn last_good(not_after: Option<i64>) -> UnixTime {
    let now = UnixTime::now();
    let end = not_after.and_then(|end| u64::try_from(end).ok()).map(|end| Duration::from_secs(end.saturating_sub(1)));
    end.map(UnixTime::since_unix_epoch).filter(|end| *end < now).unwrap_or(now)
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
        let shared = self.shared.upgrade()?;
        let (chain, (not_after, _)) = (shared.certificates.chain(), shared.certificates.state());
        (!chain.is_empty()).then(|| trusts(bundle, &chain, &self.name, last_good(not_after)))
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

#[cfg(test)]
mod tests {
    use super::super::self_signed::SelfSigned;
    use super::*;

    #[test]
    fn who_trusts_a_certificate_that_has_ended_is_not_blamed_for_that() {
        let seconds = |time: UnixTime| i64::try_from(time.as_secs()).unwrap();
        let now = seconds(UnixTime::now());
        assert_eq!(seconds(last_good(Some(now - 60))), now - 61);
        assert!(seconds(last_good(Some(now + 60))) >= now && seconds(last_good(Some(now + 60))) < now + 59);
        assert!(seconds(last_good(None)) >= now);
        let (made, other) = (SelfSigned::generate().unwrap(), SelfSigned::generate().unwrap());
        let name = "secretfence.secretfence.svc";
        // Which has ended a thousand years from now.
        let later = UnixTime::since_unix_epoch(Duration::from_secs(31_556_952_000));
        let why = Err("it or its authority has expired".to_owned());
        assert_eq!(trusts(made.authority_pem(), &made.chain(), name, later), why);
        let at = last_good(Some(now));
        assert_eq!(trusts(made.authority_pem(), &made.chain(), name, at), Ok(()));
        assert_eq!(trusts(other.authority_pem(), &made.chain(), name, at), Err("its issuer is not trusted".to_owned()));
    }
}
