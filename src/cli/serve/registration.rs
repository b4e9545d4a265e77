//! What `serve` is told of its own place in the cluster, and of what has to be registered there.

use std::path::Path;

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::cluster::{Breadth, OwnPod, ServiceAddress, Wanted};
use crate::webhook::RegistrationSettings;

/// Where the kubelet puts the namespace of a pod that has a token.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

const IN_A_CLUSTER: &str = "In a cluster";

/// Of the own place in the cluster.
#[derive(Args, Debug)]
pub struct ClusterArguments {
    /// Say it when less than this is registered (metric, log, event, /readyz)
    #[arg(long, env = "SECRETFENCE_WATCH_REGISTRATION", value_name = "REGISTRATION", help_heading = IN_A_CLUSTER)]
    watch_registration: Option<Registered>,

    /// Say it, and put it right
    #[arg(long, env = "SECRETFENCE_MANAGE_REGISTRATION", value_name = "REGISTRATION", help_heading = IN_A_CLUSTER)]
    manage_registration: Option<Registered>,

    /// The namespace that this webhook and its Service are in [default: POD_NAMESPACE, else the one of its ServiceAccount]
    #[arg(long, env = "SECRETFENCE_NAMESPACE", value_name = "NAME", help_heading = IN_A_CLUSTER)]
    namespace: Option<String>,

    /// The Service that leads here
    #[arg(long, env = "SECRETFENCE_SERVICE", value_name = "NAME", help_heading = IN_A_CLUSTER, default_value = "secretfence")]
    service: String,

    /// The port of the Service
    #[arg(long, env = "SECRETFENCE_SERVICE_PORT", value_name = "PORT", help_heading = IN_A_CLUSTER, default_value = "8443")]
    service_port: u16,

    /// The pod that events are about [default: POD_NAME, with POD_UID; none: no events]
    #[arg(long, env = "SECRETFENCE_POD_NAME", value_name = "NAME", help_heading = IN_A_CLUSTER)]
    pod_name: Option<String>,
}

/// The shipped registrations. Without a line for each value: with one, clap writes the whole help at length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Registered {
    OptIn,
    ClusterWide,
}

impl ClusterArguments {
    /// The own namespace.
    ///
    /// # Errors
    /// Where nothing tells it.
    pub fn namespace(&self) -> anyhow::Result<String> {
        let read = || std::fs::read_to_string(Path::new(NAMESPACE_FILE)).ok();
        let found = self.namespace.clone().or_else(|| variable("POD_NAMESPACE")).or_else(read);
        match found.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
            Some(name) => Ok(name),
            None => bail!(
                "the own namespace is not known: give --namespace NAME, or POD_NAMESPACE by the downward API (fieldRef metadata.namespace)"
            ),
        }
    }

    /// The Service that leads here.
    ///
    /// # Errors
    /// Where nothing tells the own namespace.
    pub fn service(&self) -> anyhow::Result<ServiceAddress> {
        Ok(ServiceAddress { namespace: self.namespace()?, name: self.service.clone(), port: self.service_port })
    }

    /// What is to be watched. `is_needed`: the registration is written to anyway, so it is watched whether that was asked for or not.
    ///
    /// # Errors
    /// Two flags that contradict each other; nothing that tells the own namespace.
    pub fn registration(&self, is_needed: bool) -> anyhow::Result<Option<RegistrationSettings>> {
        let breadth = match (self.watch_registration, self.manage_registration) {
            (Some(watched), Some(managed)) if watched != managed => bail!(
                "--watch-registration and --manage-registration name two different registrations: leave out --watch-registration"
            ),
            (_, Some(registered)) | (Some(registered), None) => registered.breadth(),
            (None, None) if is_needed => Breadth::OptIn,
            (None, None) => return Ok(None),
        };
        let wanted = Wanted { breadth, service: self.service()?, is_managed: self.manage_registration.is_some() };
        let name = self.pod_name.clone().or_else(|| variable("POD_NAME"));
        let namespace = wanted.service.namespace.clone();
        let pod = name.map(|name| OwnPod { namespace, name, uid: variable("POD_UID") });
        Ok(Some(RegistrationSettings { wanted, pod }))
    }
}

impl Registered {
    fn breadth(self) -> Breadth {
        match self {
            Registered::OptIn => Breadth::OptIn,
            Registered::ClusterWide => Breadth::ClusterWide,
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
