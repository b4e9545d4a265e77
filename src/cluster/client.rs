//! The way to the API server.

use std::path::PathBuf;
use std::time::Duration;

use kube_client::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube_client::{Client, Config};

/// What the kubelet sets in every container.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// How the API server is found: in a cluster as every pod finds it, elsewhere by a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// This one, in a cluster too. None: the pod's own ServiceAccount, and outside of a cluster `KUBECONFIG` or
    /// `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
}

/// Why the API server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of `--kubeconfig`.
    #[error("--kubeconfig {}: {source}", path.display())]
    Given {
        /// As given.
        path: PathBuf,
        /// What is wrong with it.
        source: KubeconfigError,
    },
    /// No file was named, and there is no cluster around.
    #[error("not in a cluster, and no kubeconfig can be used ({0}): give --kubeconfig FILE")]
    Found(#[source] KubeconfigError),
    /// The ServiceAccount's files.
    #[error("in a cluster, but the pod's own access cannot be used ({0}): let its ServiceAccount's token be mounted")]
    InCluster(#[from] InClusterError),
    /// The client cannot be made of it.
    #[error("cannot make a client for the API server: {0}")]
    Client(#[source] kube_client::Error),
}

impl Connection {
    /// A client, which has asked nothing yet.
    pub(super) async fn client(&self) -> Result<Client, ConnectError> {
        let options = KubeConfigOptions::default();
        let mut config = match &self.kubeconfig {
            Some(path) => {
                let given = |source| ConnectError::Given { path: path.clone(), source };
                let kubeconfig = Kubeconfig::read_from(path).map_err(given)?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(given)?
            }
            None if std::env::var_os(IN_CLUSTER).is_some() => Config::incluster()?,
            None => Config::from_kubeconfig(&options).await.map_err(ConnectError::Found)?,
        };
        config.connect_timeout = Some(Duration::from_secs(5));
        // Each request has its own time.
        config.read_timeout = None;
        Client::try_from(config).map_err(ConnectError::Client)
    }
}
