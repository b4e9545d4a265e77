//! `secretfence fix`: makes the swap in the manifests themselves.
//!
//! ```text
//! file.rs      one file -> the fixed one, or why it is left as it is
//! overlay.rs   what kustomize lays over an object, and names what would go from it
//! in_place.rs  a file's content becomes another, wholly or not at all
//! ```

pub mod file;
pub mod in_place;
pub mod overlay;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use rayon::prelude::*;

use super::check::files::{self, Input};
use super::check::{facts, load};
use super::{Colour, FAILED, OK, day, namespace_name, today, unless_closed};
use crate::fence::policy::Action;
use crate::fence::{Facts, PolicySet};
use crate::report::text::FaultLine;
use crate::report::{Fault, diff};
use file::{Fate, Fixed, Fixer, Tally};

/// Rewrite manifests: Secrets as files instead of env variables, comments and layout kept
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence fix -p my-policies/ deploy.yaml               print the fixed manifest
  secretfence fix -p my-policies/ --diff manifests/         show what would change
  secretfence fix -p my-policies/ --in-place manifests/     change the files
  kustomize build overlays/prod | secretfence fix -p my-policies/ - | kubectl apply -f -

What is changed is what policies swap: rules with the action mount. A file in which that cannot be written without changing something else is left as it is, with the reason. Other findings are left to: secretfence check

Exit code: 0 done or nothing to do, 2 a file was declined or could not be read")]
pub struct FixArguments {
    /// A manifest, or a folder of *.yaml, *.yml and *.json; - is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// A policy file or a directory of them; may be repeated [default: the built-in baseline, which swaps nothing]
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// Show what would change, with values masked, and change nothing
    #[arg(long, conflicts_with = "in_place")]
    diff: bool,

    /// Change the files, each wholly or not at all
    #[arg(long)]
    in_place: bool,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = namespace_name)]
    namespace: String,

    /// The day on which exceptions are judged [default: today, UTC]
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,

    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,
}

/// Where what is fixed goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// All files, fixed or not, on standard output.
    Output,
    /// What changes.
    Diff,
    /// The files.
    Files,
}

/// Fixes what the arguments name.
///
/// # Errors
/// Policies that cannot be used; output that cannot be written.
pub fn run(arguments: FixArguments) -> anyhow::Result<ExitCode> {
    let FixArguments { paths, policies, diff, in_place, namespace, as_of, color } = arguments;
    let policies = load(&policies)?;
    let target = match (diff, in_place) {
        (true, _) => Target::Diff,
        (_, true) => Target::Files,
        _ => Target::Output,
    };
    let (inputs, mut faults) = files::find(&paths);
    if target == Target::Files && inputs.iter().any(|input| input.path().is_none()) {
        anyhow::bail!("standard input cannot be changed in place: leave out --in-place, and what is fixed is printed");
    }
    let mut facts = Facts::on(as_of.unwrap_or_else(today));
    facts::add(&mut facts, None, &policies, &namespace, &inputs);
    let fixer = Fixer { policies: &policies, facts: &facts, namespace: &namespace };
    let mut fixed: Vec<Fixed> = inputs.par_iter().map(|input| fixer.input(input, target == Target::Output)).collect();
    overlay::decline(&inputs, &mut fixed);
    let mut tally = Tally::default();
    let mut declined = Vec::new();
    let mut sink = Sink { target, out: io::BufWriter::new(color.stream(io::stdout().lock())), last: None };
    for (input, file) in inputs.iter().zip(fixed) {
        let mut own = file.tally;
        match (&file.fate, sink.take(input, &file)) {
            (_, Err(Unwritten::Output(error))) => {
                unless_closed(Err(error))?;
                break;
            }
            (Fate::Changed(_), Err(Unwritten::File(why))) => {
                own = Tally { files: 1, ..Tally::default() };
                faults.push(fault(input, &format!("cannot be written: {why}")));
            }
            _ => {}
        }
        tally += own;
        declined.extend(file.declined);
        faults.extend(file.faults);
    }
    unless_closed(sink.out.flush())?;
    drop(sink);
    faults.sort_by(|a, b| a.file.cmp(&b.file));
    unless_closed(say(&tally, &declined, &faults, swaps_something(&policies), target, color))?;
    Ok(ExitCode::from(if declined.is_empty() && faults.is_empty() { OK } else { FAILED }))
}

/// Where it could not be written.
enum Unwritten {
    Output(io::Error),
    File(in_place::WriteError),
}

struct Sink {
    target: Target,
    out: io::BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
    /// The last byte of the files that were printed.
    last: Option<u8>,
}

impl Sink {
    fn take(&mut self, input: &Input, file: &Fixed) -> Result<(), Unwritten> {
        match (self.target, &file.fate) {
            (Target::Output, _) => self.print(file).map_err(Unwritten::Output),
            (_, Fate::Left) => Ok(()),
            (Target::Diff, Fate::Changed(edited)) => {
                diff::write(&input.name, &file.before, edited, &mut self.out).map_err(Unwritten::Output)
            }
            (Target::Files, Fate::Changed(edited)) => match input.path() {
                Some(path) => in_place::replace(path, &file.before, &edited.source).map_err(Unwritten::File),
                None => Ok(()),
            },
        }
    }

    /// Files one after the other are documents of one stream.
    fn print(&mut self, file: &Fixed) -> io::Result<()> {
        let bytes = match &file.fate {
            Fate::Changed(edited) => &edited.source,
            Fate::Left => &file.before,
        };
        let bytes = if self.last.is_some() { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let Some(last) = bytes.last() else { return Ok(()) };
        // Not through what drops escape codes: the file is printed as it is.
        self.out.flush()?;
        let mut raw = io::stdout().lock();
        if let Some(end) = self.last {
            // A marker that does not begin its line would be a part of the value before it.
            if end != b'\n' {
                raw.write_all(b"\n")?;
            }
            raw.write_all(marker_before(bytes))?;
        }
        raw.write_all(bytes)?;
        self.last = Some(*last);
        Ok(())
    }
}

/// What parts a file from the one before it. Directives (`%YAML 1.1`) stand only behind the end of a document (YAML 1.2, 9.2).
fn marker_before(bytes: &[u8]) -> &'static [u8] {
    let is_content = |line: &&[u8]| !line.trim_ascii().is_empty() && !line.trim_ascii_start().starts_with(b"#");
    match bytes.split(|byte| *byte == b'\n').find(is_content) {
        Some(first) if first.starts_with(b"%") => b"...\n",
        Some(_) if bytes.starts_with(b"---") => b"",
        _ => b"---\n",
    }
}

fn fault(input: &Input, message: &str) -> Fault {
    Fault { file: input.name.clone(), document: None, place: None, message: message.to_owned() }
}

fn swaps_something(policies: &PolicySet) -> bool {
    let mut rules = policies.policies().iter().flat_map(|policy| &policy.rules);
    rules.any(|rule| matches!(rule.action, Action::Mount(_)))
}

const RESET: &str = "\x1b[0m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";

/// What was left, why, and the numbers: on standard error, since standard output is for manifests.
fn say(
    tally: &Tally,
    declined: &[Fault],
    faults: &[Fault],
    swaps: bool,
    target: Target,
    color: Colour,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(color.stream(io::stderr().lock()));
    for fault in declined {
        writeln!(out, "{YELLOW}declined{RESET}: {}", FaultLine(fault))?;
    }
    for fault in faults {
        writeln!(out, "{RED}error{RESET}: {}", FaultLine(fault))?;
    }
    if !swaps {
        writeln!(
            out,
            "nothing is swapped by these policies: give -p a policy with action: mount, such as a copy of \
             policies/secrets-as-files.yaml of the source"
        )?;
    }
    let would = if target == Target::Diff { "would be " } else { "" };
    let Tally { files, fixed, swapped, to_be_told, remaining, dry_run } = *tally;
    write!(out, "{}: {fixed} {would}fixed", counted(files, "file"))?;
    if !declined.is_empty() {
        write!(out, ", {} declined", declined.len())?;
    }
    if !faults.is_empty() {
        write!(out, ", {}", counted(faults.len(), "error"))?;
    }
    write!(out, "; {} {would}swapped", counted(swapped, "reference"))?;
    if to_be_told > 0 {
        write!(out, ", {to_be_told} of which the program must be told to read")?;
    }
    if dry_run > 0 {
        write!(out, "; {dry_run} left that only policies in dry run swap")?;
    }
    if remaining > 0 {
        let verb = if remaining == 1 { "remains" } else { "remain" };
        write!(out, "; {} {verb}, which secretfence check lists", counted(remaining, "finding"))?;
    }
    writeln!(out)?;
    out.flush()
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
