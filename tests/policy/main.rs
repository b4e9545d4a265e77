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

#[path = "../support/program.rs"]
mod program;

use std::path::PathBuf;

use program::run;
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
