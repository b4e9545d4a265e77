//! `secretfence manifests`: what has to be in the cluster for some policies.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{FAILED, OK, unless_closed};
use crate::cluster::{Needs, cluster_role};
use crate::policy_dir;

/// Print the smallest ClusterRole that policies need, and its binding for the webhook's ServiceAccount
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence manifests -p policies/ | kubectl apply -f -

Without -p it is about the built-in policy, which needs nothing.

Exit code: 0 printed (a comment where nothing is needed), 2 the policies cannot be used")]
pub struct ManifestsArguments {
    /// A policy file or a directory of them; may be repeated [default: the built-in baseline]
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,
}

/// Prints them.
///
/// # Errors
/// Where standard output or standard error cannot be written.
pub fn run(arguments: ManifestsArguments) -> anyhow::Result<ExitCode> {
    let ManifestsArguments { policies } = arguments;
    let set = if policies.is_empty() {
        policy_dir::built_in()
    } else {
        match policy_dir::load(&policies) {
            Ok(loaded) => loaded.set,
            Err(error) => {
                unless_closed(writeln!(io::stderr(), "{error}\nerror: correct the policies first"))?;
                return Ok(ExitCode::from(FAILED));
            }
        }
    };
    unless_closed(io::stdout().write_all(cluster_role(&Needs::of(&set)).as_bytes()))?;
    Ok(ExitCode::from(OK))
}
