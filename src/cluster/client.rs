//! The way to the API server.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kube_client::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube_client::{Client, Config};

use super::error::words;

/// What the kubelet sets in every container.
pub(super) const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";
/// What kubectl reads, too: paths of kubeconfigs.
const KUBECONFIG: &str = "KUBECONFIG";

/// How the API server is found: in a cluster as every pod finds it, elsewhere by a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// This one, in a cluster too. None: as `caller` looks for it.
    pub kubeconfig: Option<PathBuf>,
    /// This context of the kubeconfig, which then is looked for in a cluster too. None: its current one.
    pub context: Option<String>,
    /// Who asks.
    pub caller: Caller,
}

/// Who asks the API server, where no kubeconfig is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// A part of the cluster: by the pod's own ServiceAccount, and outside of a cluster by `KUBECONFIG` or `~/.kube/config`.
    #[default]
    Pod,
    /// Somebody who works on a cluster: by `KUBECONFIG`, in a pod of a build farm too, which is a cluster of its own. Else
    /// like a pod.
    Person,
}

/// Whose credentials are used, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The pod's own.
    Pod,
    /// A kubeconfig's.
    Kubeconfig {
        /// The file, or what says which files.
        file: String,
        /// The one that is asked for, else the current one.
        context: Option<String>,
    },
}

/// Why the API server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of `--kubeconfig`.
    #[error("--kubeconfig {}: {problem}", path.display())]
    Given {
        /// As given.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No file was named, and there is no cluster around.
    #[error("not in a cluster, and no kubeconfig can be used ({0}): give --kubeconfig FILE")]
    Found(String),
    /// The context that was asked for.
    #[error(
        "no context {context:?} in the kubeconfig {file}: it has {}",
        if there.is_empty() { "none" } else { there }
    )]
    NoContext {
        /// The file, or what says which files.
        file: String,
        /// As given.
        context: String,
        /// Those that are there.
        there: String,
    },
    /// The ServiceAccount's files.
    #[error("in a cluster, but the pod's own access cannot be used ({0}): let its ServiceAccount's token be mounted")]
    InCluster(#[from] InClusterError),
    /// The client cannot be made of it.
    #[error("cannot make a client for the API server: {0}")]
    Client(String),
}

impl Connection {
    /// A client, which has asked nothing yet.
    pub(super) async fn client(&self) -> Result<Client, ConnectError> {
        let (config, _) = self.resolve().await?;
        client_of(config)
    }

    /// Where the API server is, and by whose credentials it is asked.
    pub(super) async fn resolve(&self) -> Result<(Config, Credentials), ConnectError> {
        let named = std::env::var_os(KUBECONFIG).filter(|paths| !paths.is_empty());
        let is_pod = std::env::var_os(IN_CLUSTER).is_some()
            && self.context.is_none()
            && (self.caller == Caller::Pod || named.is_none());
        let (mut config, credentials) = match &self.kubeconfig {
            Some(path) => {
                let given = |error: KubeconfigError| ConnectError::Given { path: path.clone(), problem: words(&error) };
                let kubeconfig = Kubeconfig::read_from(path).map_err(given)?;
                self.by(kubeconfig, path.display().to_string(), given).await?
            }
            None if is_pod => (Config::incluster()?, Credentials::Pod),
            None => {
                let found = |error: KubeconfigError| ConnectError::Found(words(&error));
                let kubeconfig = Kubeconfig::read().map_err(found)?;
                self.by(kubeconfig, named.map_or_else(default_file, in_words), found).await?
            }
        };
        config.connect_timeout = Some(Duration::from_secs(5));
        // Each request has its own time.
        config.read_timeout = None;
        Ok((config, credentials))
    }

    async fn by(
        &self,
        kubeconfig: Kubeconfig,
        file: String,
        failed: impl Fn(KubeconfigError) -> ConnectError,
    ) -> Result<(Config, Credentials), ConnectError> {
        let context = self.context.clone().or_else(|| kubeconfig.current_context.clone());
        let names = || kubeconfig.contexts.iter().map(|context| &*context.name);
        if let Some(context) = self.context.clone().filter(|context| !names().any(|name| name == context)) {
            let there = names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            return Err(ConnectError::NoContext { file, context, there });
        }
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed)?;
        Ok((config, Credentials::Kubeconfig { file, context }))
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Pod => f.write_str("the pod's own access"),
            Credentials::Kubeconfig { file, context: None } => write!(f, "the kubeconfig {file}"),
            Credentials::Kubeconfig { file, context: Some(context) } => {
                write!(f, "the kubeconfig {file}, context {context:?}")
            }
        }
    }
}

pub(super) fn client_of(config: Config) -> Result<Client, ConnectError> {
    Client::try_from(config).map_err(|error| ConnectError::Client(words(&error)))
}

fn in_words(paths: OsString) -> String {
    paths.to_string_lossy().into_owned()
}

fn default_file() -> String {
    "~/.kube/config".to_owned()
}
