//! `--cluster`: what the input does not tell is read from a live cluster, once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::civil::Date;

use super::facts::FromCluster;
use crate::cluster::{Caller, Connection, Needs, Resource, Snapshot};
use crate::fence::{Facts, PolicySet};

/// For each answer of the API server.
pub(in crate::cli) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a cluster is asked, and which.
#[derive(Args, Debug)]
pub struct ClusterArguments {
    /// Read what policies ask about (RBAC, Secrets' metadata, labels of Namespaces, …) from a live cluster beside the input
    #[arg(long, help_heading = "Cluster")]
    cluster: bool,

    /// The kubeconfig of --cluster [env: SECRETFENCE_KUBECONFIG] [default: KUBECONFIG, else the pod's own access, else
    /// ~/.kube/config]
    // Not clap's own env: that would require --cluster of everybody who has set it.
    #[arg(long, value_name = "FILE", requires = "cluster", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "cluster", help_heading = "Cluster", value_parser = NonEmptyStringValueParser::new())]
    context: Option<String>,
}

impl ClusterArguments {
    /// What the policies ask of the cluster, where it is to be asked.
    pub(super) fn read(self, policies: &PolicySet, today: Date) -> anyhow::Result<Option<FromCluster>> {
        let ClusterArguments { cluster, kubeconfig, context } = self;
        if !cluster {
            return Ok(None);
        }
        let connection = connection(kubeconfig, context);
        let Snapshot { known, access, resources } = Snapshot::read(&connection, &Needs::of(policies), PATIENCE)
            .context("what the policies ask of the cluster cannot be read, so nothing was judged")?;
        let resources = resources.into_iter().map(Resource::name).collect();
        Ok(Some(FromCluster { facts: known.added_to(Facts::on(today)), access, resources }))
    }
}

/// The way to the cluster that a person names, or has set.
pub(in crate::cli) fn connection(kubeconfig: Option<PathBuf>, context: Option<String>) -> Connection {
    let variable = || std::env::var_os("SECRETFENCE_KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    Connection { kubeconfig: kubeconfig.or_else(variable), context, caller: Caller::Person }
}
