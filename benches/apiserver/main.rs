//! What the webhook adds to the making of a pod, on a real API server: `cargo bench --bench apiserver`.
//!
//! Pods are created as server dry runs, so that nothing is kept and no controller stirs. Four clients go through the
//! namespaces in turn, request by request: whatever else the machine does falls on all of them alike. The programs of
//! the control plane are those of the cluster tests (see [`binaries`]).
// Whatever is not as expected ends the bench: there is no figure then.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
// Modules of the cluster tests, of which a bench uses its part.
#![allow(dead_code, unreachable_pub)]

#[path = "../../tests/cluster/api.rs"]
mod api;
mod arrangements;
#[path = "../../tests/cluster/binaries.rs"]
mod binaries;
#[path = "../support/ceiling.rs"]
mod ceiling;
mod clients;
#[path = "../../tests/cluster/control_plane.rs"]
mod control_plane;
#[path = "../../tests/cluster/guarded.rs"]
mod guarded;
mod latencies;
mod pods;
#[path = "../support/rounds.rs"]
mod rounds;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/table.rs"]
mod table;
#[path = "../../tests/cluster/webhook.rs"]
mod webhook;

use std::process::ExitCode;

use clap::Parser;

use arrangements::Arrangements;
use ceiling::Ceiling;
use clients::Clients;
use control_plane::ControlPlane;
use latencies::{Body, Latencies};
use pods::BODIES;

/// The webhook's own: the ceiling is to differ in what it does, not in what it is made of.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What admission adds to the latency of creating a pod, on a real API server
#[derive(Parser)]
struct Arguments {
    /// How often all is measured anew
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Of each client to each namespace in a round
    #[arg(long, default_value_t = 50)]
    requests: usize,

    /// That create pods, each one at a time
    #[arg(long, default_value_t = 4)]
    clients: usize,

    /// What cargo says when it is a bench that it runs
    #[arg(long, hide = true)]
    bench: bool,

    #[command(flatten)]
    ceiling: Ceiling,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(work) = arguments.ceiling.ceiling {
        arguments.ceiling.serve(work);
        return ExitCode::SUCCESS;
    }
    if !arguments.bench {
        println!("this takes minutes and a machine of its own: cargo bench --bench apiserver");
        return ExitCode::SUCCESS;
    }
    let control_plane = match ControlPlane::start() {
        Ok(control_plane) => control_plane,
        Err(missing) => {
            eprintln!("{missing}");
            return ExitCode::FAILURE;
        }
    };
    let arrangements = Arrangements::install(&control_plane);
    let mut bodies = Vec::new();
    for (name, review) in BODIES {
        let requests = arrangements.requests(review);
        let mut clients = Clients::connect(&control_plane, arguments.clients, &requests);
        // The first compile what is compiled once, and open connections.
        clients.round(arguments.requests.div_ceil(5));
        let mut latencies = Latencies::default();
        for round in 0..arguments.rounds {
            eprintln!("{name}, round {} of {}", round + 1, arguments.rounds);
            latencies.add(clients.round(arguments.requests));
        }
        bodies.push(Body { name, latencies });
    }
    arrangements.assert_called(arguments.rounds * arguments.requests * arguments.clients * BODIES.len());
    println!("{} clients, {} rounds of {} requests each\n", arguments.clients, arguments.rounds, arguments.requests);
    println!("{}\n{}", latencies::table(&bodies), latencies::ratios(&bodies));
    ExitCode::SUCCESS
}
