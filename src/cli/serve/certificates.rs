//! What `serve` is told of certificates that it makes for itself.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::BoolishValueParser;

use crate::cluster::ServiceAddress;
use crate::cluster::certificates::{Ages, Managed, Names};
use crate::webhook::quantity;

/// Where the help has it.
const IN_A_CLUSTER: &str = "In a cluster";

/// Of managed certificates.
#[derive(Args, Debug)]
pub struct ManagedArguments {
    /// Make and renew the certificate, keep it in a Secret of the own namespace, and let the own configurations trust it
    #[arg(long, env = "SECRETFENCE_MANAGE_CERTIFICATES", help_heading = IN_A_CLUSTER, value_parser = BoolishValueParser::new())]
    manage_certificates: bool,

    /// The Secret of --manage-certificates
    #[arg(
        long,
        env = "SECRETFENCE_CERTIFICATE_SECRET",
        value_name = "NAME",
        help_heading = IN_A_CLUSTER,
        default_value = "secretfence-certificates"
    )]
    certificate_secret: String,

    /// How long an authority lasts; it is renewed after two thirds of that
    #[arg(long, env = "SECRETFENCE_AUTHORITY_LIFETIME", value_name = "DURATION", help_heading = IN_A_CLUSTER, default_value = "3650d", value_parser = lifetime)]
    authority_lifetime: Duration,

    /// How long a certificate lasts; it is renewed after two thirds of that
    #[arg(long, env = "SECRETFENCE_LEAF_LIFETIME", value_name = "DURATION", help_heading = IN_A_CLUSTER, default_value = "90d", value_parser = lifetime)]
    leaf_lifetime: Duration,

    /// How long every API server has to read a new authority before a certificate of it serves
    #[arg(long, env = "SECRETFENCE_CERTIFICATE_PROPAGATION", value_name = "DURATION", help_heading = IN_A_CLUSTER, default_value = "30s", value_parser = lifetime)]
    certificate_propagation: Duration,
}

impl ManagedArguments {
    /// Whether certificates are managed.
    pub fn is_managed(&self) -> bool {
        self.manage_certificates
    }

    /// What is managed.
    ///
    /// # Errors
    /// Ages that leave no time for what has to happen within them.
    pub fn managed(&self, service: ServiceAddress) -> anyhow::Result<Managed> {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let ages = Ages {
            authority: seconds(self.authority_lifetime),
            leaf: seconds(self.leaf_lifetime),
            propagation: seconds(self.certificate_propagation),
        };
        if ages.authority < ages.leaf.saturating_mul(4) {
            let least = in_words(ages.leaf.saturating_mul(4));
            bail!(
                "--authority-lifetime has to be four times --leaf-lifetime, at least {least} here: an authority outlasts what it \
                 signs"
            );
        }
        let least = ages.propagation.saturating_mul(10).max(10);
        if ages.leaf < least {
            let least = in_words(least);
            bail!(
                "--leaf-lifetime has to be at least {least} here, ten times --certificate-propagation and never under 10s: a \
                 certificate is renewed while it is good"
            );
        }
        let names = Names { service: service.name, namespace: service.namespace };
        Ok(Managed { secret: self.certificate_secret.clone(), names, ages })
    }
}

/// As the flags take it.
fn in_words(seconds: i64) -> String {
    let units = [(24 * 3600, "d"), (3600, "h"), (60, "m")];
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0);
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let days = days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
    let read = days.or_else(|| quantity::duration(text)).filter(|time| *time <= LONGEST);
    read.ok_or_else(|| "expected a duration such as 3650d, 36h or 30s, at most 36500d".to_owned())
}

const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(authority: &str, leaf: &str, propagation: &str) -> String {
        let arguments = ManagedArguments {
            manage_certificates: true,
            certificate_secret: "secretfence-certificates".to_owned(),
            authority_lifetime: lifetime(authority).unwrap(),
            leaf_lifetime: lifetime(leaf).unwrap(),
            certificate_propagation: lifetime(propagation).unwrap(),
        };
        let service = ServiceAddress { namespace: "secretfence".to_owned(), name: "secretfence".to_owned(), port: 443 };
        arguments.managed(service).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn a_lifetime_that_is_too_short_is_told_the_number_it_needs() {
        assert_eq!(refusal("3650d", "90d", "30s"), "");
        let leaf = |propagation| refusal("3650d", "9s", propagation);
        assert!(
            leaf("30s").starts_with("--leaf-lifetime has to be at least 5m here, ten times --certificate-propagation")
        );
        assert!(leaf("1s").contains("at least 10s here"));
        assert!(leaf("61s").contains("at least 610s here"));
        assert!(leaf("12m").contains("at least 2h here"));
        assert!(refusal("100d", "90d", "30s").contains("four times --leaf-lifetime, at least 360d here"));
    }
}
