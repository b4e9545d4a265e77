//! The programs of a control plane: `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`; and `helm`.
//!
//! `KUBEBUILDER_ASSETS` names a directory of them. What is not there is built with Go, once for each change: the first four
//! in one file from `tests/cluster/controlplane`, Helm from `tests/helm`.

#[path = "go.rs"]
mod go;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Once, OnceLock};

use go::Sources;

/// Of the module `k8s.io/kubernetes` in `go.mod`.
const VERSION: (&str, &str, &str) = ("v1.36.3", "1", "36");
const VERSION_PACKAGE: &str = "k8s.io/component-base/version";
/// Of the module `helm.sh/helm/v4` in `go.mod`.
const HELM_VERSION: &str = "v4.3.1";

/// Whether the tests are left out knowingly. Says so.
pub fn skipped() -> bool {
    let skipped = std::env::var_os("SECRETFENCE_SKIP_CLUSTER").is_some_and(|value| value == "1");
    static SAID: Once = Once::new();
    if skipped {
        // Past the test harness, which keeps to itself what a passing test prints.
        SAID.call_once(|| {
            let _ = writeln!(
                std::io::stderr(),
                "left out, for SECRETFENCE_SKIP_CLUSTER is 1: all tests on a real API server"
            );
        });
    }
    skipped
}

/// A program, and the argument that makes the file it.
#[derive(Clone, Debug)]
pub struct Program {
    pub file: PathBuf,
    name: Option<&'static str>,
}

impl Program {
    /// A program of that name, or a sentence about where it could come from.
    pub fn find(name: &'static str) -> Result<Program, String> {
        if let Some(file) = asset(name) {
            return Ok(Program { file, name: None });
        }
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let file = BUILT.get_or_init(build_control_plane).clone().map_err(|error| missing(name, &error))?;
        Ok(Program { file, name: Some(name) })
    }

    /// Helm, or a sentence about where it could come from.
    #[allow(dead_code, reason = "benches use the control plane alone")]
    pub fn helm() -> Result<Program, String> {
        if let Some(file) = asset("helm") {
            return Ok(Program { file, name: None });
        }
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let file = BUILT.get_or_init(build_helm).clone().map_err(|error| missing("helm", &error))?;
        Ok(Program { file, name: None })
    }

    pub fn arguments(&self, arguments: &[String]) -> Vec<String> {
        self.name.map(str::to_owned).into_iter().chain(arguments.iter().cloned()).collect()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.args(self.name);
        command
    }
}

/// A program of `KUBEBUILDER_ASSETS`.
fn asset(name: &str) -> Option<PathBuf> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    assets.map(|assets| assets.join(name)).filter(|file| file.is_file())
}

fn missing(name: &str, error: &str) -> String {
    format!(
        "{name} is needed for the tests on a real API server. Either install Go 1.26 or later, which builds it, or name in \
         KUBEBUILDER_ASSETS a directory with etcd, kube-apiserver, kube-controller-manager, kubectl and helm. \
         (SECRETFENCE_SKIP_CLUSTER=1 leaves these tests out.) {error}"
    )
}

fn build_control_plane() -> Result<PathBuf, String> {
    let (version, major, minor) = VERSION;
    let variables = [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)];
    let variables: Vec<_> = variables.iter().map(|(name, value)| format!("{VERSION_PACKAGE}.{name}={value}")).collect();
    let sources = Sources { folder: "tests/cluster/controlplane", package: ".", version, variables: &variables };
    sources.build("cluster", "controlplane")
}

fn build_helm() -> Result<PathBuf, String> {
    let variables = [format!("helm.sh/helm/v4/internal/version.version={HELM_VERSION}")];
    let package = "helm.sh/helm/v4/cmd/helm";
    Sources { folder: "tests/helm", package, version: HELM_VERSION, variables: &variables }.build("helm", "helm")
}
