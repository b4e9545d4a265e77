//! `secretfence policy`: the policy files themselves.
//!
//! ```text
//! schema.rs     the JSON Schema, for editors
//! test/         unit tests of policies
//! explain.rs    which rule decides each reference of a manifest, and why the others do not
//! ```

pub mod explain;
pub mod schema;
pub mod test;

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
    /// Read policy files and say everything that is wrong with them, and what is probably not meant
    Check(PolicyCheckArguments),
    /// Run unit tests of policies: documents of kind PolicyTest
    Test(test::PolicyTestArguments),
    /// Say which rule decides each reference of a manifest, and why the rules before it do not
    Explain(explain::PolicyExplainArguments),
    /// Print the JSON Schema of policy files, for editors
    Schema(PolicySchemaArguments),
}

/// Print the JSON Schema of policy files, for editors
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence policy schema > secretfence.schema.json

Then, as the first line of a policy file, for editors with a YAML language server:
  # yaml-language-server: $schema=secretfence.schema.json")]
pub struct PolicySchemaArguments {}

/// Read policy files and say everything that is wrong with them, and what is probably not meant
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence policy check my-policies/
  secretfence policy check my-policies/ --as-of 2027-01-01      with the exceptions that hold on that day

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
        PolicyCommand::Test(arguments) => test::run(&arguments),
        PolicyCommand::Explain(arguments) => explain::run(arguments),
        PolicyCommand::Schema(PolicySchemaArguments {}) => {
            unless_closed(schema::write(&mut io::stdout().lock()))?;
            Ok(ExitCode::from(OK))
        }
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
            // Of each such document: others may have told all.
            let first = if error.tells_only_the_first() {
                ", the first of a document that does not have the shape of its kind: more are told once it has"
            } else {
                ""
            };
            let them = if count == 1 { "it" } else { "them" };
            unless_closed(writeln!(
                io::stderr(),
                "{error}\nerror: {count} mistake{s} in the policies{first}: correct {them}, and check again"
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
    #[cfg(feature = "cluster")]
    for line in needs(&loaded.set) {
        writeln!(out, "note: {line}")?;
    }
    let (count, revision) = (loaded.policies, loaded.set.revision());
    writeln!(out, "ok: {count} polic{}, revision {revision}", if count == 1 { "y" } else { "ies" })
}

/// What `serve` has to read of the cluster for these policies, and which kinds ask for it.
#[cfg(feature = "cluster")]
fn needs(policies: &crate::fence::PolicySet) -> Vec<String> {
    use std::collections::BTreeMap;

    let mut by_kind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in crate::cluster::Needs::of(policies).resources() {
        // Of Namespaces a warning says so, for each policy that asks.
        if resource != crate::cluster::Resource::Namespaces {
            by_kind.entry(resource.needed_for()).or_default().push(resource.name());
        }
    }
    by_kind
        .into_iter()
        .map(|(kind, resources)| {
            let resources = resources.join(", ");
            format!(
                "{kind} needs the right to list and watch {resources}: secretfence manifests prints the ClusterRole"
            )
        })
        .collect()
}
