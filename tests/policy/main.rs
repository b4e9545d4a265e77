//! Policy files as a person meets them: the directory, the mistakes, the shipped library.
#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod directory;
mod mistakes;
mod shipped;

use std::path::PathBuf;

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

fn compile(yaml: &str) -> Result<LoadedPolicies, String> {
    policy_dir::compile(&[(PathBuf::from("p.yaml"), yaml.into())]).map_err(|error| error.to_string())
}
