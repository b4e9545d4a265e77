//! The way to the API server.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use kube_client::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube_client::{Client, Config};

use super::error::words;
use crate::fence::name::Shown;

/// What the kubelet sets in every container.
pub(super) const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";
/// What kubectl reads, too: paths of kubeconfigs.
const KUBECONFIG: &str = "KUBECONFIG";
/// What is read where nothing is named.
const DEFAULT: &str = "~/.kube/config";

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
    /// The files that `KUBECONFIG` names.
    #[error("KUBECONFIG {paths}: {problem}")]
    Named {
        /// As they stand there.
        paths: String,
        /// What is wrong with them.
        problem: String,
    },
    /// The context that was asked for, or the current one.
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
    /// None was asked for, and none is the current one.
    #[error(
        "the kubeconfig {file} has no current context: choose one by --context, of {}",
        if there.is_empty() { "none that are there" } else { there }
    )]
    NoCurrentContext {
        /// The file, or what says which files.
        file: String,
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
                let given = |error| ConnectError::Given { path: path.clone(), problem: problem(&error) };
                let kubeconfig = Kubeconfig::read_from(path).map_err(given)?;
                self.by(kubeconfig, path.display().to_string(), given).await?
            }
            None if is_pod => (Config::incluster()?, Credentials::Pod),
            None => {
                let paths = named.as_deref().map(paths).unwrap_or_default();
                match named.filter(|_| !paths.is_empty()).map(in_words) {
                    Some(named) => {
                        let failed = |problem| ConnectError::Named { paths: named.clone(), problem };
                        let kubeconfig = merged(&paths).map_err(failed)?;
                        self.by(kubeconfig, named.clone(), |error| failed(problem(&error))).await?
                    }
                    None => {
                        let found = |error| ConnectError::Found(format!("{DEFAULT}: {}", problem(&error)));
                        // Of `KUBECONFIG` it takes nothing, since that names none.
                        let kubeconfig = Kubeconfig::read().map_err(found)?;
                        self.by(kubeconfig, DEFAULT.to_owned(), found).await?
                    }
                }
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
        let current = || kubeconfig.current_context.clone().filter(|context| !context.is_empty());
        let context = self.context.clone().or_else(current);
        let names = || kubeconfig.contexts.iter().map(|context| &*context.name);
        let there = || names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        match &context {
            None => return Err(ConnectError::NoCurrentContext { file, there: there() }),
            Some(context) if !names().any(|name| name == context) => {
                return Err(ConnectError::NoContext { file, context: context.clone(), there: there() });
            }
            Some(_) => {}
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

/// Where the API server is, safe to show: an address may hold a user and a password, and a query.
pub(super) fn address(uri: &http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    // Some have many clusters behind one host, by path.
    let path = uri.path().trim_end_matches('/');
    Shown(&format!("{scheme}://{}{port}{path}", uri.host().unwrap_or_default())).to_text()
}

pub(super) fn client_of(config: Config) -> Result<Client, ConnectError> {
    Client::try_from(config).map_err(|error| ConnectError::Client(words(&error)))
}

fn in_words(paths: OsString) -> String {
    paths.to_string_lossy().into_owned()
}

/// Those that are named: empty ones are none.
fn paths(named: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(named).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// One over the other, as kubectl has them: what is not there is passed over, and an empty current context is none.
/// (`ClientConfigLoadingRules.Load` of client-go)
fn merged(paths: &[PathBuf]) -> Result<Kubeconfig, String> {
    let mut kubeconfig: Option<Kubeconfig> = None;
    for path in paths {
        let mut next = match Kubeconfig::read_from(path) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => continue,
            // Of one alone the name is said already.
            Err(error) if paths.len() == 1 => return Err(problem(&error)),
            Err(error) => return Err(format!("{}: {}", path.display(), problem(&error))),
        };
        next.current_context = next.current_context.filter(|context| !context.is_empty());
        kubeconfig = Some(match kubeconfig {
            Some(first) => first.merge(next).map_err(|error| problem(&error))?,
            None => next,
        });
    }
    let missing = if paths.len() == 1 { "there is no such file" } else { "none of these files is there" };
    kubeconfig.ok_or_else(|| missing.to_owned())
}

/// Who says it names the file.
fn problem(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        KubeconfigError::ReadConfig(error, _) => format!("cannot be read: {error}"),
        other => words(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_user_password_and_query() {
        for (uri, expected) in [
            ("https://10.0.0.1", "https://10.0.0.1"),
            ("https://[fd00::1]:6443/", "https://[fd00::1]:6443"),
            ("https://admin:hunter2@prod.example.com:6443/?token=hunter2", "https://prod.example.com:6443"),
            ("https://hunter2@rancher.example.com/k8s/clusters/c-1/", "https://rancher.example.com/k8s/clusters/c-1"),
        ] {
            assert_eq!(address(&uri.parse().unwrap()), expected);
        }
    }
}
