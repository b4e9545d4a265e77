//! `secretfence check` and `policy check` as a person meets them: the binary, its exit code, and both its streams.
#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(feature = "cluster")]
#[path = "../support/api_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the webhook")]
mod api_server;
mod arguments;
mod bad_input;
mod baseline;
#[cfg(unix)]
mod ci;
mod commands;
mod exceptions;
mod excerpts;
mod github;
mod ignore;
mod inputs;
mod json;
mod junit;
#[cfg(feature = "cluster")]
mod live;
mod multiline;
mod namespaces;
mod outcomes;
mod policy_check;
mod properties;
mod reach;
mod sarif;
mod secrecy;
mod unknown;

#[path = "../support/program.rs"]
mod program;
#[path = "../support/sarif_schema.rs"]
mod sarif_schema;

use std::path::Path;
use std::process::Command;

use program::shown;
use tempfile::TempDir;

/// A pod with one finding by the built-in policy.
const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: api
      image: registry.example.com/api:1
      env:
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef:
              name: db
              key: password
";

/// A pod without one.
const CLEAN: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: clean}
spec:
  containers: [{name: api, image: api}]
";

/// A folder to work in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// A folder with one file, `pod.yaml`.
    fn with(content: &str) -> Folder {
        Folder::new().file("pod.yaml", content)
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Folder {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// A policy file `policy.yaml` with these rules.
    fn rules(self, rules: &str) -> Folder {
        self.policy(&format!("rules: {rules}"))
    }

    /// A policy file `policy.yaml` with these fields of `spec`, indented as they are.
    fn policy(self, spec: &str) -> Folder {
        let spec = spec.replace('\n', "\n  ");
        let head = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: test}\nspec:\n  ";
        self.file("policy.yaml", format!("{head}{spec}\n"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        program::command(self.path(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> String {
        program::run(self.path(), arguments)
    }

    /// `check` by the policy of [`Folder::policy`].
    fn check(&self, more: &[&str]) -> String {
        self.run(&[&["check", "-p", "policy.yaml"], more].concat())
    }

    fn piped(&self, arguments: &[&str], input: &str) -> String {
        program::piped(self.path(), arguments, input)
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.command(&[&["check", "--format", "json"], arguments].concat()).output().unwrap();
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }
}
