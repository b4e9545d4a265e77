//! The program as a person or a script meets it.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What whoever runs the tests may have set: their colours, and their cluster.
const NOT_OURS: [&str; 6] =
    ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "SECRETFENCE_KUBECONFIG"];

/// The program in this folder, without a terminal and without input.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    for variable in NOT_OURS {
        command.env_remove(variable);
    }
    command
}

/// Runs it.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> String {
    shown(&command(folder, arguments).output().unwrap())
}

/// Runs it with this as its standard input.
pub(crate) fn piped(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = command(folder, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    shown(&child.wait_with_output().unwrap())
}

/// Everything that a person or a script sees of a run.
pub(crate) fn shown(output: &Output) -> String {
    let mut text = format!("exit: {}\n", output.status.code().expect("it ends by itself"));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            write!(text, "--- {name}\n{}", String::from_utf8(bytes.clone()).expect("UTF-8")).unwrap();
        }
    }
    text
}
