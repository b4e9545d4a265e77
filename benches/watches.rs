//! What watches cost the webhook, on a real API server: `cargo bench --bench watches`.
//!
//! Memory, the start, and the latency of reviews: without watches, with those of an empty cluster, with those of 10,000 Secrets,
//! 2,000 ServiceAccounts and 5,000 bindings, and while somebody rewrites the bindings as fast as the API server lets them.
// Whatever is not as expected ends the bench: there is no figure then.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
// Modules of the cluster tests, of which a bench uses its part.
#![allow(dead_code, unreachable_pub)]

#[path = "../tests/cluster/api.rs"]
mod api;
#[path = "../tests/cluster/binaries.rs"]
mod binaries;
#[path = "../tests/cluster/control_plane.rs"]
mod control_plane;
#[path = "../tests/cluster/crowd.rs"]
mod crowd;
#[path = "../tests/cluster/figures.rs"]
mod figures;
#[path = "../tests/cluster/guarded.rs"]
mod guarded;
mod support;
#[path = "support/table.rs"]
mod table;
#[path = "../tests/cluster/webhook.rs"]
mod webhook;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use control_plane::ControlPlane;
use crowd::Crowd;
use figures::Figures;
use table::Table;
use webhook::Webhook;

const CROWD: Crowd = Crowd { prefix: "team", namespaces: 100, secrets: 10_000, accounts: 2_000, bindings: 5_000 };
const CLIENTS: usize = 4;
const REVIEWS: usize = 2_000;
const ROUNDS: usize = 3;

/// What asks for watches, of which nothing fits the pods of the reviews: they take the same way with and without.
const WATCHING: &str = "apiVersion: secretfence.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: watching}\nspec:\n  \
    rules:\n    - {name: copied, on: [copied], where: {from: [\"no-such\"]}, action: warn, missing: allow}\n    \
    - {name: reach, on: [reach], where: {reach: [\"no-such\"]}, action: warn}\n";

struct Bench {
    control_plane: ControlPlane,
    webhook: Webhook,
    agents: Vec<Agent>,
    table: Table,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("this takes minutes and a machine of its own: cargo bench --bench watches");
        return ExitCode::SUCCESS;
    }
    let control_plane = match ControlPlane::start() {
        Ok(control_plane) => control_plane,
        Err(missing) => {
            eprintln!("{missing}");
            return ExitCode::FAILURE;
        }
    };
    let policies: Vec<_> = support::ten_policies().iter().map(ToString::to_string).collect();
    let names: Vec<_> = (0..policies.len()).map(|index| format!("{index}.yaml")).collect();
    let policies: Vec<_> = names.iter().map(String::as_str).zip(policies.iter().map(String::as_str)).collect();
    let more = ["--log-format=json".to_owned(), format!("--kubeconfig={}", control_plane.path("admin.kubeconfig"))];
    let webhook = Webhook::start(&control_plane, "secretfence", &policies, &more);
    let agents = (0..CLIENTS).map(|_| agent(&control_plane)).collect();
    let head = ["", "resident at rest", "most ever", "exec to ready", "p50, ms", "p99, ms", "CPU, ms a second"];
    let mut bench = Bench { control_plane, webhook, agents, table: Table::new(&head) };
    let watching = bench.webhook.policies().join("watching.yaml");
    bench.measure("without watches");
    fs::write(&watching, WATCHING).unwrap();
    bench.measure("watches of an empty cluster");
    eprintln!("the crowd is there after {:?}", CROWD.create(&bench.control_plane));
    bench.measure("watches of 10,000 Secrets and 5,000 bindings");
    bench.storm("the same, bindings being rewritten");
    fs::remove_file(&watching).unwrap();
    bench.measure("without watches, again");
    bench.storm("the same, bindings being rewritten");
    println!("{}", bench.table);
    ExitCode::SUCCESS
}

impl Bench {
    fn measure(&mut self, name: &str) {
        eprintln!("{name}");
        let mut starts: Vec<Duration> = (0..5).map(|_| self.start()).collect();
        starts.sort_unstable();
        std::thread::sleep(Duration::from_secs(5));
        let figures = Figures::of(&self.webhook);
        let (resident, most) = (figures.resident(), figures.most_resident());
        let (p50, p99, processor) = self.reviews(&figures);
        let start = format!("{:.0} ms", starts[2].as_secs_f64() * 1e3);
        self.table.row([name.to_owned(), megabytes(resident), megabytes(most), start, p50, p99, processor]);
    }

    fn storm(&mut self, name: &str) {
        eprintln!("{name}");
        let figures = Figures::of(&self.webhook);
        let start = Instant::now();
        let ((p50, p99, processor), count) = CROWD.storm(&self.control_plane, || self.reviews(&figures));
        let name = format!("{name}: {:.0} a second", count as f64 / start.elapsed().as_secs_f64());
        let none = String::new;
        self.table.row([name, none(), megabytes(figures.most_resident()), none(), p50, p99, processor]);
    }

    fn start(&self) -> Duration {
        self.webhook.stop();
        let start = Instant::now();
        self.webhook.start_again();
        while self.webhook.admin("/readyz").is_none_or(|(status, _)| status != 200) {
            std::thread::sleep(Duration::from_millis(1));
        }
        start.elapsed()
    }

    /// p50 and p99 of reviews, the least of the rounds; and what the webhook took of processors, less what it took for them.
    fn reviews(&self, figures: &Figures) -> (String, String, String) {
        let url = format!("https://127.0.0.1:{}/validate?timeout=5s", self.webhook.port);
        let mut best = [f64::MAX; 2];
        for _ in 0..ROUNDS {
            let mut took: Vec<Duration> = std::thread::scope(|scope| {
                let send = |agent: &Agent| {
                    let (agent, url) = (agent.clone(), url.clone());
                    scope.spawn(move || (0..REVIEWS).map(|_| review(&agent, &url)).collect::<Vec<_>>())
                };
                let clients: Vec<_> = self.agents.iter().map(send).collect();
                clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
            });
            took.sort_unstable();
            for (index, part) in [took.len() / 2, took.len() * 99 / 100].into_iter().enumerate() {
                best[index] = best[index].min(took[part].as_secs_f64() * 1e3);
            }
        }
        let (before, start) = (figures.processor(), Instant::now());
        std::thread::sleep(Duration::from_secs(5));
        let processor = (figures.processor() - before).as_secs_f64() * 1e3 / start.elapsed().as_secs_f64();
        let [p50, p99] = best.map(|best| format!("{best:.2}"));
        (p50, p99, format!("{processor:.0}"))
    }
}

fn review(agent: &Agent, url: &str) -> Duration {
    let start = Instant::now();
    let answer = agent.post(url).header("content-type", "application/json").send(support::SMALL).unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body().read_to_vec().unwrap();
    start.elapsed()
}

fn agent(control_plane: &ControlPlane) -> Agent {
    let authority = Certificate::from_pem(control_plane.authority.pem().as_bytes()).unwrap();
    let roots = RootCerts::Specific(Arc::new(vec![authority]));
    let tls = TlsConfig::builder().root_certs(roots).build();
    Agent::from(Agent::config_builder().tls_config(tls).build())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
