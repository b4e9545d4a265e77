//! `secretfence policy`: the policy files themselves.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::{FAILED, OK, day, today, unless_closed};
use crate::policy_dir;

/// Look after policy files
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  secretfence policy check my-policies/                what is wrong with them, and what is probably not meant")]
pub enum PolicyCommand {
    /// Read them, and say everything that is wrong.
    Check(PolicyCheckArguments),
}

/// Read policy files and say everything that is wrong with them, and what is probably not meant
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence policy check my-policies/
  secretfence policy check baseline.yaml exceptions/ --as-of 2027-01-01

Exit code: 0 the policies can be used (there may be warnings), 2 they cannot")]
pub struct PolicyCheckArguments {
    /// A policy file or a directory of them: *.yaml, *.yml, *.json
    #[arg(value_name = "PATH", required_unless_present = "policies")]
    paths: Vec<PathBuf>,

    /// The same as PATH
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// The day on which exceptions are judged [default: today, UTC]
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
}

/// Runs a command on policy files.
///
/// # Errors
/// Where standard output or standard error cannot be written.
pub fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check(arguments) => check(arguments),
    }
}

fn check(arguments: PolicyCheckArguments) -> anyhow::Result<ExitCode> {
    let PolicyCheckArguments { mut paths, policies, as_of } = arguments;
    paths.extend(policies);
    match policy_dir::load(&paths) {
        Ok(loaded) => {
            unless_closed(write_accepted(&loaded, as_of.unwrap_or_else(today)))?;
            Ok(ExitCode::from(OK))
        }
        Err(error) => {
            let (count, s) = (error.0.len(), if error.0.len() == 1 { "" } else { "s" });
            unless_closed(writeln!(
                io::stderr(),
                "{error}\nerror: {count} mistake{s} in the policies: correct them, and check again"
            ))?;
            Ok(ExitCode::from(FAILED))
        }
    }
}

fn write_accepted(loaded: &policy_dir::LoadedPolicies, today: Date) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for warning in loaded.set.warnings(today) {
        writeln!(out, "warning: {warning}")?;
    }
    let (count, revision) = (loaded.policies, loaded.set.revision());
    writeln!(out, "ok: {count} polic{}, revision {revision}", if count == 1 { "y" } else { "ies" })
}
