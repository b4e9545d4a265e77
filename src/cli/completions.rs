//! `secretfence completions`: what a shell completes.

use std::io;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, OK, unless_closed};

/// Print the completions of a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  bash:        secretfence completions bash > ~/.local/share/bash-completion/completions/secretfence
  zsh:         secretfence completions zsh > ~/.zfunc/_secretfence        with ~/.zfunc in fpath, before compinit
  fish:        secretfence completions fish > ~/.config/fish/completions/secretfence.fish
  PowerShell:  secretfence completions powershell >> $PROFILE
  elvish:      secretfence completions elvish >> ~/.config/elvish/rc.elv")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Where standard output cannot be written.
pub fn run(arguments: CompletionsArguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), env!("CARGO_PKG_NAME"), &mut script);
    unless_closed(io::Write::write_all(&mut io::stdout(), &script))?;
    Ok(ExitCode::from(OK))
}
