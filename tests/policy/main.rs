//! Policy files as a person meets them: the directory, the mistakes, the shipped library.
#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod directory;
mod explain;
mod mistakes;
mod policy_test;
mod schema;
mod shipped;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secretfence::policy_dir::{self, LoadedPolicies};

/// A valid policy to change one thing in.
const VALID: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata:
  name: no-env
spec:
  rules:
    - name: deny
      on: [env]
      action: deny
";

/// Compiles a file, and holds the schema to what comes of it.
fn compile(yaml: &str) -> Result<LoadedPolicies, String> {
    let compiled = policy_dir::compile(&[(PathBuf::from("p.yaml"), yaml.into())]).map_err(|error| error.to_string());
    schema::hold(yaml, compiled.as_ref().err().map(String::as_str));
    compiled
}

/// Everything that a person or a script sees of a run.
fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_secretfence"))
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut text = format!("exit: {}\n", output.status.code().unwrap());
    for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
        if !bytes.is_empty() {
            write!(text, "--- {name}\n{}", String::from_utf8(bytes).unwrap()).unwrap();
        }
    }
    text
}
