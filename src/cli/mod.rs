//! The command line.

#[cfg(feature = "webhook")]
pub mod serve;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "secretfence", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "webhook")]
    Serve(Box<serve::ServeArguments>),
}

/// Parses the arguments, runs the command, says the exit code.
pub fn main() -> std::process::ExitCode {
    match Arguments::parse().command {
        #[cfg(feature = "webhook")]
        Command::Serve(arguments) => serve::run(*arguments).unwrap_or_else(|error| serve::failed(&error)),
    }
}
