//! Children that end with the process that started them, however that ends.
//!
//! The test harness ends its process without running destructors of what tests share. So each child has a guard, a
//! shell that reads a pipe from us: the pipe closes when we are gone.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Sends the child what its input names, line by line, kills it at the end of that, and ends when the child does.
const GUARD: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- >&2 &
child=$!
{ while read -r signal <&3; do kill -"$signal" $child; done; kill -KILL $child; } >/dev/null 2>&1 &
exec 3<&-
wait $child
"#;
/// Waits for the end of its input and for others to have been killed, and removes a directory.
const CLEANER: &str = r#"cat >/dev/null; sleep 1; rm -rf "$1""#;

/// A child process. It is killed, not asked, when this is dropped: an API server lingers.
pub struct Guarded {
    guard: Child,
}

impl Guarded {
    /// Starts a program with both its streams in a file.
    pub fn start(program: &Path, arguments: &[impl AsRef<OsStr>], log: &Path) -> Guarded {
        let log = File::options().create(true).append(true).open(log).expect("open a log");
        let guard =
            shell(GUARD).arg(program).args(arguments).stdout(Stdio::null()).stderr(log).spawn().expect("start a shell");
        Guarded { guard }
    }

    /// Asks the child to end, as the kubelet does.
    pub fn terminate(&mut self) {
        self.guard.stdin.as_mut().expect("a pipe").write_all(b"TERM\n").expect("a guard that reads");
    }

    pub fn has_ended(&mut self) -> bool {
        self.guard.try_wait().unwrap().is_some()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A directory below the build's own that is gone when the process is.
#[expect(clippy::zombie_processes, reason = "the cleaner is there to outlive this process")]
pub fn directory(prefix: &str) -> PathBuf {
    let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
    let mut cleaner = shell(CLEANER).arg(&directory).stdout(Stdio::null()).spawn().expect("start a shell");
    // The pipe stays open as long as this process.
    std::mem::forget(cleaner.stdin.take());
    directory
}

/// In a process group of its own: an interrupt from the keyboard is ours to pass on.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).stdin(Stdio::piped()).process_group(0);
    // The caller's own settings are not the tests'.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SECRETFENCE_")) {
        command.env_remove(name);
    }
    command
}
