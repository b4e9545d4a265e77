//! `secretfence serve` as a child process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::client::{self, Connection};

/// How long anything may take before a test fails: far more than it needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// With a certificate of its own.
    pub fn self_signed(arguments: &[&str]) -> Server {
        Server::start(&[&["--self-signed"], arguments].concat())
    }

    pub fn start(arguments: &[&str]) -> Server {
        Server::start_with(arguments, &[])
    }

    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        Server::spawn(command(arguments).envs(environment.iter().copied()))
    }

    /// With a certificate of its own, and with no more open files than that.
    pub fn with_open_files(files: u32, arguments: &[&str]) -> Server {
        let inner = command(&[&["--self-signed"], arguments].concat());
        let mut outer = Command::new("sh");
        outer.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]);
        outer.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        Server::spawn(&mut outer)
    }

    fn spawn(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start secretfence");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (kept, stderr) = (Arc::clone(&lines), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Server { child, address: unspecified, admin: unspecified, lines };
        server.admin = server.address_of("serving health and metrics");
        server.address = server.address_of("serving reviews");
        server
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a log line that holds all of these.
    pub fn wait_for_line(&self, parts: &[&str]) -> String {
        let found = || self.lines().into_iter().find(|line| parts.iter().all(|part| line.contains(part)));
        eventually(found).unwrap_or_else(|| panic!("no line with {parts:?} in {:#?}", self.lines()))
    }

    fn address_of(&self, message: &str) -> SocketAddr {
        let line = self.wait_for_line(&[message]);
        let at = line.find("address").expect("an address") + "address".len();
        let text: String =
            line[at..].chars().skip_while(|c| "=\":".contains(*c)).take_while(|c| !"\", ".contains(*c)).collect();
        text.parse().unwrap_or_else(|_| panic!("no address in {line}"))
    }

    /// A client that trusts the certificate that the server made.
    pub fn client(&self) -> Arc<ClientConfig> {
        client::trusting(&self.admin_get("/certificate").1)
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address, self.client()).expect("a TLS connection")
    }

    /// Status and body of a GET at the plain listener.
    pub fn admin_get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).expect("connect to the admin listener");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// The value of one sample.
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.admin_get("/metrics");
        text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap()).expect("secretfence ends")
    }

    /// It still serves its other clients.
    pub fn assert_serves(&self) {
        let answer = self.connect().post("/validate?timeout=10s", client::REVIEW);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{:#?}", self.lines());
        }
    }
}

/// The binary, on free ports of the loopback, without the caller's own settings.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secretfence"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SECRETFENCE_")) {
        command.env_remove(name);
    }
    command.arg("serve").args(arguments);
    for flag in ["--listen", "--admin-listen"].iter().filter(|flag| !arguments.contains(flag)) {
        command.args([flag, "127.0.0.1:0"]);
    }
    command
}

/// Exit code and standard error of a start that fails.
pub fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(arguments).output().expect("run secretfence");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Asks again until there is an answer, or patience is at its end.
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
