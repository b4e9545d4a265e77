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
mod overlays;
mod properties;

#[path = "../support/program.rs"]
mod program;
#[path = "../support/corpus.rs"]
mod shared;
#[path = "../support/swap_all.rs"]
mod swap_all;

use std::path::Path;
use std::process::Command;

use swap_all::ALL;
use tempfile::TempDir;

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
        program::command(self.path(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> String {
        program::run(self.path(), arguments)
    }

    /// `fix` by the policy of the folder.
    fn fix(&self, more: &[&str]) -> String {
        self.run(&[&["fix", "-p", "policy.yaml"], more].concat())
    }

    fn piped(&self, arguments: &[&str], input: &str) -> String {
        program::piped(self.path(), arguments, input)
    }
}
