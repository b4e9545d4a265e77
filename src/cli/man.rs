//! `secretfence man`: the manual pages.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Arguments, OK};

/// Write the manual pages, one for each command
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence man ~/.local/share/man/man1 && man secretfence-check
  secretfence man target/man                           for a package")]
pub struct ManArguments {
    /// The folder for them; made where it is not there
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes them.
///
/// # Errors
/// Where the folder cannot be made or written.
pub fn run(arguments: ManArguments) -> anyhow::Result<ExitCode> {
    let ManArguments { folder } = arguments;
    let shown = crate::report::text::Path(&folder.to_string_lossy()).to_string();
    fs::create_dir_all(&folder).with_context(|| format!("the folder {shown} cannot be made"))?;
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    write(&command, &folder).with_context(|| format!("the pages cannot be written to {shown}"))?;
    Ok(ExitCode::from(OK))
}

/// The page of a command, and those of the commands below it.
fn write(command: &Command, folder: &Path) -> io::Result<()> {
    let page = Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = with_lines_kept(&String::from_utf8_lossy(&text));
    fs::write(folder.join(page.get_filename()), text)?;
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| write(below, folder))
}

/// What stands behind the options are lines to be typed, which `man` would else fill up and break anew.
fn with_lines_kept(page: &str) -> String {
    let Some((before, examples)) = page.split_once("\n.SH EXTRA\n") else { return page.to_owned() };
    let (examples, after) = examples.split_at(examples.find("\n.SH ").map_or(examples.len(), |newline| newline + 1));
    format!("{before}\n.SH EXAMPLES\n.nf\n{}\n.fi\n{after}", examples.trim_end())
}
