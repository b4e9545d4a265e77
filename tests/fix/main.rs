//! `secretfence fix`: what it writes, what it leaves, and that nothing is lost on the way.
#![cfg(feature = "cli")]
// Clippy's leave for tests ends at their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod arguments;
mod corpus;
mod docs;
mod files;
mod held;
mod ignored;
mod interrupted;
mod keys;
mod layout;
mod properties;

#[path = "../support/corpus.rs"]
mod shared;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Swaps whatever can be swapped.
const ALL: &str = "\
apiVersion: secretfence.dev/v1alpha1
kind: SecretPolicy
metadata: {name: all}
spec:
  rules: [{name: files, on: [env], action: mount, mount: {besideEnvFrom: swap, unsafe: warn}}]
";

/// A pod with one variable from a Secret.
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

/// A folder to work in, with the policy in `policy.yaml`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap()).file("policy.yaml", ALL)
    }

    fn with(content: &str) -> Folder {
        Folder::new().file("pod.yaml", content)
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Folder {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().unwrap())
    }

    /// `fix` by the policy of the folder.
    fn fix(&self, more: &[&str]) -> String {
        self.run(&[&["fix", "-p", "policy.yaml"], more].concat())
    }

    fn piped(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        shown(&child.wait_with_output().unwrap())
    }
}

/// Everything that a person or a script sees of a run.
fn shown(output: &Output) -> String {
    let mut text = format!("exit: {}\n", output.status.code().expect("it ends by itself"));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            write!(text, "--- {name}\n{}", String::from_utf8(bytes.clone()).expect("UTF-8")).unwrap();
        }
    }
    text
}
