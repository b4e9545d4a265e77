//! What operators watch: the alerts, the dashboard and the pages about them, held against promtool, a Prometheus, and what
//! the real binary tells it.
#![cfg(feature = "webhook")]
// Clippy's leave for tests ends at their helper functions.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "support/api_server.rs"]
mod api_server;
#[path = "webhook/client.rs"]
mod client;
#[path = "monitoring/dashboard.rs"]
mod dashboard;
#[path = "monitoring/kept.rs"]
mod kept;
#[path = "monitoring/manifests.rs"]
mod manifests;
#[path = "monitoring/metrics.rs"]
mod metrics;
#[path = "webhook/process.rs"]
mod process;
#[path = "monitoring/prometheus.rs"]
mod prometheus;
#[path = "monitoring/rules.rs"]
mod rules;
#[path = "monitoring/runbooks.rs"]
mod runbooks;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Whether a program of Prometheus' package is there. In CI it has to be.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing: install the package prometheus");
    if !found {
        println!("left out: there is no {program} here (Debian: apt-get install prometheus)");
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder with this extension, by name.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|its| its == extension)).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every object of a manifest.
fn objects(text: &str) -> Vec<Value> {
    let manifest = secretfence::manifest::parse(text.as_bytes());
    assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
    let documents = manifest.documents.iter().filter(|document| !document.is_empty());
    documents.map(|document| serde_json::from_slice(&document.json().unwrap()).unwrap()).collect()
}

fn object(file: &str) -> Value {
    let mut objects = objects(&read(file));
    assert_eq!(objects.len(), 1, "{file}");
    objects.remove(0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("expected a list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected text: {value}"))
}
