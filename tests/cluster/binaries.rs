//! The programs of a control plane: `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`.
//!
//! `KUBEBUILDER_ASSETS` names a directory of them. What is not there is built, all four in one file, with Go from
//! `tests/cluster/controlplane`, once for each change of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Once, OnceLock};
use std::time::Instant;

use sha2::{Digest, Sha256};

/// Of the module `k8s.io/kubernetes` in `go.mod`.
const VERSION: (&str, &str, &str) = ("v1.36.3", "1", "36");
const VERSION_PACKAGE: &str = "k8s.io/component-base/version";

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
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        if let Some(file) = assets.map(|assets| assets.join(name)).filter(|file| file.is_file()) {
            return Ok(Program { file, name: None });
        }
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let file = BUILT.get_or_init(build).clone().map_err(|error| {
            format!(
                "{name} is needed for the tests on a real API server. Either install Go 1.26 or later, which builds it, or \
                 name in KUBEBUILDER_ASSETS a directory with etcd, kube-apiserver, kube-controller-manager and kubectl. \
                 (SECRETFENCE_SKIP_CLUSTER=1 leaves these tests out.) {error}"
            )
        })?;
        Ok(Program { file, name: Some(name) })
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

/// Builds the four, unless that was done for the same sources.
fn build() -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/controlplane");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("cluster");
    fs::create_dir_all(&target).unwrap();
    let built = target.join(format!("controlplane-{}", fingerprint(&sources)));
    // Other test processes wait here for the one that builds.
    let lock = File::create(target.join("lock")).unwrap();
    lock.lock().unwrap();
    if built.is_file() {
        return Ok(built);
    }
    let start = Instant::now();
    let _ = writeln!(std::io::stderr(), "building a control plane with Go, once: this takes minutes");
    let half_built = target.join("half-built");
    let (version, major, minor) = VERSION;
    let flags = format!(
        "-s -w -X {VERSION_PACKAGE}.gitVersion={version} -X {VERSION_PACKAGE}.gitMajor={major} \
         -X {VERSION_PACKAGE}.gitMinor={minor}"
    );
    let output = Command::new("go")
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(&half_built)
        .arg(".")
        .current_dir(&sources)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOWORK", "off")
        .output()
        .map_err(|error| format!("go: {error}."))?;
    if !output.status.success() {
        return Err(format!("go build: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::rename(&half_built, &built).unwrap();
    let _ = writeln!(std::io::stderr(), "built a control plane in {} s", start.elapsed().as_secs());
    Ok(built)
}

/// Of everything that the build is made from.
fn fingerprint(sources: &Path) -> String {
    let mut names: Vec<_> = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut hash = Sha256::new();
    hash.update(VERSION.0);
    for name in names {
        hash.update(name.file_name().unwrap().as_encoded_bytes());
        hash.update(fs::read(&name).unwrap());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
