//! The webhook under load, beside a ceiling of the same stack: `cargo bench --bench load`.
//!
//! Servers are processes of their own, each on one core while its cost is measured, with the load on the others. Each
//! figure is measured in rounds in which the servers take turns, since machines are noisy. Needs Linux: `/proc` tells
//! what a process costs, `taskset` keeps it on its core.
// Whatever is not as expected ends the bench: there is no figure then.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)]

#[path = "../support/ceiling.rs"]
mod ceiling;
mod client;
mod connections;
mod cores;
mod cost;
mod memory;
#[path = "../support/rounds.rs"]
mod rounds;
mod server;
mod start;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/table.rs"]
mod table;

use std::time::Duration;

use clap::{Parser, ValueEnum};

use ceiling::Ceiling;
use client::Clients;
use cores::Cores;
use server::Files;
use table::Table;

/// The webhook's own: the ceiling is to differ in what it does, not in what it is made of.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Server CPU per request beside a ceiling of the same stack, memory, and time to start
#[derive(Parser)]
struct Arguments {
    /// What to measure [default: all]
    sections: Vec<Section>,

    /// How often each figure is measured, in turn with those it is compared to
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Of load for each cost per request, beside a fifth of it to warm up
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,

    /// That send the load [default: one for each core beside the server's]
    #[arg(long)]
    threads: Option<usize>,

    /// What cargo says when it is a bench that it runs
    #[arg(long, hide = true)]
    bench: bool,

    #[command(flatten)]
    ceiling: Ceiling,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// CPU per request against the ceiling
    Cost,
    /// CPU per request with more requests in flight, and memory of an idle connection
    Connections,
    /// Memory at rest and with big reviews in flight
    Memory,
    /// Time from exec to listening and to ready
    Start,
}

/// What every figure is measured with.
struct Setting {
    cores: Cores,
    files: Files,
    clients: Clients,
    rounds: usize,
    time: Duration,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(work) = arguments.ceiling.ceiling {
        return arguments.ceiling.serve(work);
    }
    if !arguments.bench {
        println!("this takes minutes and a machine of its own: cargo bench --bench load");
        return;
    }
    client::raise_file_limit();
    // Before there are threads: those that come have the cores of this one.
    let cores = Cores::split();
    let threads = arguments.threads.unwrap_or(cores.load()).max(1);
    let files = Files::write();
    let setting = Setting {
        clients: Clients::trusting(&files, threads),
        cores,
        files,
        rounds: arguments.rounds.max(1),
        time: Duration::from_secs_f64(arguments.seconds),
    };
    println!("{}\n", setting.cores);
    let is_asked = |section| arguments.sections.is_empty() || arguments.sections.contains(&section);
    if is_asked(Section::Cost) {
        println!("{}", cost::table(&setting));
    }
    let mut figures = Table::new(&["", "measured", "goal"]);
    if is_asked(Section::Connections) {
        println!("{}", connections::cost_table(&setting, &mut figures));
        connections::memory(&setting, &mut figures);
    }
    if is_asked(Section::Memory) {
        memory::measure(&setting, &mut figures);
    }
    if is_asked(Section::Start) {
        start::measure(&setting, &mut figures);
    }
    if !figures.is_empty() {
        println!("{figures}");
    }
}
