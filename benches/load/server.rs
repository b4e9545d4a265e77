//! The servers: processes of their own, and what the system says of them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::CertifiedKey;
use serde_json::Value;
use tempfile::TempDir;

use crate::ceiling::{self, Ceiling, Work};
use crate::support;

/// Far longer than any of them needs to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// What servers read and write, gone when this is.
pub struct Files {
    directory: TempDir,
}

impl Files {
    /// A certificate for localhost, and two sets of policies, each policy in a file of its own.
    pub fn write() -> Files {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("make a directory");
        let files = Files { directory };
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("make a certificate");
        fs::write(files.path("tls.crt"), cert.pem()).expect("write a certificate");
        fs::write(files.path("tls.key"), signing_key.serialize_pem()).expect("write a key");
        files.write_policies("ten", &support::ten_policies());
        files.write_policies("thousand", &support::thousand_policies());
        files
    }

    pub fn certificate(&self) -> Vec<u8> {
        fs::read(self.path("tls.crt")).expect("read a certificate")
    }

    fn write_policies(&self, name: &str, policies: &[Value]) {
        fs::create_dir(self.path(name)).expect("make a directory");
        for policy in policies {
            let file = format!("{}.yaml", policy["metadata"]["name"].as_str().expect("a name"));
            fs::write(self.path(name).join(file), policy.to_string()).expect("write a policy");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A process, ended when this is dropped.
pub struct Server {
    child: Child,
    /// Where reviews are served.
    pub address: SocketAddr,
}

/// CPU time of a process, and the time that its threads would have used more if the core had been free.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    pub used: Duration,
    pub waited: Duration,
}

impl Server {
    /// A ceiling that does this; `on` says on which cores.
    pub fn ceiling(work: Work, files: &Files, on: impl Fn(Command) -> Command) -> Server {
        let address = free_address();
        let mut command = ceiling::this_program();
        command.args(Ceiling::arguments(work, address, files.directory.path()));
        let server = Server { child: on(command).spawn().expect("start a ceiling"), address };
        eventually(|| TcpStream::connect(address).ok()).expect("the ceiling listens");
        server
    }

    /// The webhook, ready; `on` says on which cores.
    pub fn webhook(files: &Files, policies: &str, on: impl Fn(Command) -> Command) -> Server {
        let (address, admin) = (free_address(), free_address());
        let child = spawn_webhook(files, policies, address, admin, on);
        let server = Server { child, address };
        eventually(|| is_ready(admin).then_some(())).expect("the webhook is ready");
        server
    }

    pub fn cpu(&self) -> Cpu {
        let mut cpu = Cpu { used: Duration::ZERO, waited: Duration::ZERO };
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server runs");
        for task in tasks.flatten() {
            // A thread that has ended meanwhile has no file, and did nothing that matters.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let mut figures =
                text.split(' ').map(|figure| figure.trim().parse().map_or(Duration::ZERO, Duration::from_nanos));
            cpu.used += figures.next().expect("time on a core");
            cpu.waited += figures.next().expect("time waited for a core");
        }
        cpu
    }

    /// Bytes of resident memory.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most bytes of memory that were ever resident.
    pub fn most_resident(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a size");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a size in KiB");
        kibibytes << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whether it has ended by itself is all the same here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time from exec until it accepts connections, and until it says that it is ready; on the cores of this process.
pub fn time_start(files: &Files, policies: &str) -> (Duration, Duration) {
    let (address, admin) = (free_address(), free_address());
    let start = Instant::now();
    let child = spawn_webhook(files, policies, address, admin, |command| command);
    let _server = Server { child, address };
    // Asked without a pause: a refusal takes some microseconds.
    let until = |is_so: &dyn Fn() -> bool| {
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "the webhook does not start");
        }
        start.elapsed()
    };
    (until(&|| TcpStream::connect(address).is_ok()), until(&|| is_ready(admin)))
}

/// As shipped: JSON lines, and all that it logs by default, in a file.
fn spawn_webhook(
    files: &Files,
    policies: &str,
    address: SocketAddr,
    admin: SocketAddr,
    on: impl Fn(Command) -> Command,
) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
    let path = |flag: &str, name: &str| format!("--{flag}={}", files.path(name).display());
    command.args(["serve", "--log-format=json", &format!("--listen={address}"), &format!("--admin-listen={admin}")]);
    command.args([path("policies", policies), path("tls-cert", "tls.crt"), path("tls-key", "tls.key")]);
    // The caller's own settings are not the bench's.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SECRETFENCE_")) {
        command.env_remove(name);
    }
    let log = File::options().create(true).append(true).open(files.path("log")).expect("open a log");
    on(command).stdout(Stdio::null()).stderr(log).spawn().expect("start secretfence")
}

fn is_ready(admin: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        match ask() {
            None if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            answer => return answer,
        }
    }
}
