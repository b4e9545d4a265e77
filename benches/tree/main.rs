//! A tree of 10,000 manifests, checked and fixed, beside other tools that judge manifests: `cargo bench --bench tree`.
//!
//! The manifests are those of `SECRETFENCE_SHARED`, repeated; without them, the ways of `ways.rs` and those of the
//! examples. With `-- --peers` kube-linter and checkov run on the same tree, as far as they are on `PATH`; what each tool
//! misses is told by one object for each way in which a pod takes a Secret as env, and by the corpus's own verdicts.
//! Needs Linux: `/proc` tells what processes cost.
// Whatever is not as expected ends the bench: there is no figure then.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench prints what it measures, and ends by panicking"
)]

mod missed;
mod process;
#[path = "../support/rounds.rs"]
mod rounds;
#[path = "../support/table.rs"]
mod table;
mod tool;
mod tree;
mod ways;

use std::path::PathBuf;

use clap::Parser;

use process::Cost;
use rounds::Rounds;
use table::Table;
use tool::{Scope, Tool, Work};
use tree::{Source, Tree};

/// CPU and time of check and fix on a tree of manifests, beside other tools
#[derive(Parser)]
struct Arguments {
    /// In the tree
    #[arg(long, default_value_t = 10_000)]
    files: usize,

    /// How often each figure is measured, in turn with the others
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Run kube-linter and checkov, too, as far as they are on PATH: once each, and that takes its time
    #[arg(long)]
    peers: bool,

    /// In the tree of the other tools, if theirs is to be a smaller one: checkov holds all of it in memory
    #[arg(long, value_name = "FILES")]
    peer_files: Option<usize>,

    /// Another build of secretfence
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_secretfence"))]
    program: PathBuf,

    /// What cargo says when it is a bench that it runs
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let source = Source::find();
    let tree = Tree::of(&source, arguments.files);
    println!("{}: {} files, {:.1} MB\n", source.name(), tree.files, tree.megabytes());
    println!("{}", own(&arguments, &tree));
    let peers: Vec<Tool> = if arguments.peers { tool::peers() } else { Vec::new() };
    if !peers.is_empty() {
        let small = arguments.peer_files.map(|files| Tree::of(&source, files));
        println!("{}", beside(&arguments, &peers, small.as_ref().unwrap_or(&tree)));
    }
    let tools: Vec<Tool> = std::iter::once(Tool::secretfence(&arguments.program)).chain(peers).collect();
    missed::tables(&tools, &source).iter().for_each(|table| println!("{table}"));
}

/// What secretfence takes, in each form and of each command.
fn own(arguments: &Arguments, tree: &Tree) -> Table {
    let works = Work::all(&arguments.program);
    let mut figures = vec![(Rounds::default(), Rounds::default(), None); works.len()];
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        for (work, (wall, cpu, memory)) in works.iter().zip(&mut figures) {
            let cost = work.run(tree);
            wall.push(cost.wall);
            cpu.push(cost.cpu);
            *memory = cost.memory.max(*memory);
        }
    }
    let mut table = Table::new(&["", "wall, s", "CPU, s: min / median", "MB/s of a core", "most memory, MB"]);
    for (work, (wall, cpu, memory)) in works.iter().zip(&figures) {
        table.row([
            format!("`secretfence {}`", work.shown),
            format!("{:.2}", wall.min()),
            format!("{:.2} / {:.2}", cpu.min(), cpu.median()),
            format!("{:.1}", tree.megabytes() / cpu.median().max(process::TICK)),
            shown(*memory),
        ]);
    }
    table
}

/// What each tool takes on one tree, asked for Secrets in the environment alone, and as it comes.
fn beside(arguments: &Arguments, peers: &[Tool], tree: &Tree) -> Table {
    let head = ["", "files", "wall, s", "CPU, s", "MB/s of a core", "most memory, MB", "findings"];
    let mut table = Table::new(&head);
    let own = [Tool::secretfence(&arguments.program)];
    for tool in own.iter().chain(peers) {
        for scope in tool.scopes() {
            eprintln!("{} {scope:?} on {} files", tool.version(), tree.files);
            let (Cost { wall, cpu, memory }, report) = tool.run(*scope, tree.root());
            table.row([
                format!("{}{}", tool.version(), if *scope == Scope::Default { ", as it comes" } else { "" }),
                tree.files.to_string(),
                format!("{wall:.2}"),
                format!("{cpu:.2}"),
                format!("{:.2}", tree.megabytes() / cpu.max(process::TICK)),
                shown(memory),
                tool.findings(&report).map_or_else(|| "no report".to_owned(), |count| count.to_string()),
            ]);
        }
    }
    table
}

fn shown(megabytes: Option<u64>) -> String {
    megabytes.map_or_else(|| "?".to_owned(), |megabytes| megabytes.to_string())
}
