//! The command line: arguments as typed, resolved to settings, run.

#[cfg(feature = "cluster")]
pub mod audit;
pub mod check;
pub mod completions;
pub mod fix;
pub mod man;
#[cfg(feature = "cluster")]
pub mod manifests;
pub mod policy;
#[cfg(feature = "webhook")]
pub mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use anstream::AutoStream;
use clap::{Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::fence::validation;

/// Nothing is wrong.
const OK: u8 = 0;
/// Something would be denied.
const DENIED: u8 = 1;
/// Something could not be read or judged, or the arguments are wrong.
const FAILED: u8 = 2;

/// Find every Secret that a pod takes as an environment variable; deny it, or swap it for a read-only file.
#[derive(Parser)]
#[command(name = "secretfence", version, about)]
#[command(after_help = "Examples:
  secretfence check manifests/                         judge a folder by the built-in baseline
  helm template ./chart | secretfence check -p my-policies/ -
  secretfence audit -p my-policies/                    judge what lives in a cluster
  secretfence policy check my-policies/
  secretfence COMMAND --help                           more examples, and the exit codes")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "cluster")]
    Audit(Box<audit::AuditArguments>),
    Check(check::CheckArguments),
    Completions(completions::CompletionsArguments),
    Fix(fix::FixArguments),
    Man(man::ManArguments),
    #[cfg(feature = "cluster")]
    Manifests(manifests::ManifestsArguments),
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    #[cfg(feature = "webhook")]
    Serve(Box<serve::ServeArguments>),
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Parses the arguments, runs the command, and says how it ended.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        #[cfg(feature = "cluster")]
        Command::Audit(arguments) => audit::run(*arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Fix(arguments) => fix::run(arguments),
        Command::Man(arguments) => man::run(arguments),
        #[cfg(feature = "cluster")]
        Command::Manifests(arguments) => manifests::run(arguments),
        Command::Policy(command) => policy::run(command),
        #[cfg(feature = "webhook")]
        Command::Serve(arguments) => serve::run(*arguments),
    };
    outcome.unwrap_or_else(|error| {
        // Nobody is left to hear of it if this fails, too.
        let _ = writeln!(io::stderr(), "error: {}", in_one_sentence(&error));
        ExitCode::from(FAILED)
    })
}

impl Colour {
    /// A stream that drops escape codes where they are not wanted.
    fn stream<S: anstream::stream::RawStream>(self, raw: S) -> AutoStream<S> {
        let choice = match self {
            Colour::Auto => anstream::ColorChoice::Auto,
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        };
        AutoStream::new(raw, choice)
    }
}

/// An error with its causes, each said once: those that have a place or a flag to add quote their cause themselves.
fn in_one_sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match &*said {
        "" => cause,
        _ if said.contains(&cause) => said,
        _ => format!("{said}: {cause}"),
    })
}

/// A reader that went away (`| head`) is not an error: what it read was enough for it.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The day, in UTC.
fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Strictly `YYYY-MM-DD`.
fn day(text: &str) -> Result<Date, String> {
    let shaped = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    shaped
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| "expected a day of the calendar as YYYY-MM-DD, such as 2027-03-31".to_owned())
}

/// A name that a Namespace can have: of another no policy would be about anything.
fn namespace_name(text: &str) -> Result<String, String> {
    let named = validation::is_dns_label(text).then(|| text.to_owned());
    named.ok_or_else(|| {
        "expected the name of a namespace: lower case letters, digits and -, such as team-shop".to_owned()
    })
}
