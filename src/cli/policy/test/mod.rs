//! `secretfence policy test`: unit tests of policies, as YAML beside them.
//!
//! ```text
//! files.rs        paths as named -> documents of kind PolicyTest, with their places
//! run.rs          one document: its policies, then each case by the real engine
//! difference.rs   what was expected and what came, without any value
//! ```

mod difference;
mod files;
mod run;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::super::{DENIED, FAILED, OK, unless_closed};
use crate::report::text::Path as ShownPath;
use run::RuleName;

/// Run unit tests of policies: documents of kind PolicyTest
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence policy test                       every test below the current folder
  secretfence policy test policies/tests/       every test in a folder
  secretfence policy test --strict my-tests.yaml

A test names its policies, objects, and what shall become of each reference:
  apiVersion: secretfence.dev/v1alpha1
  kind: PolicyTest
  metadata: {name: no-env}
  spec:
    policies: [no-env.yaml]
    asOf: 2026-11-21
    cases:
      - name: a password in the environment is denied
        file: pod.yaml
        expect:
          - {pointer: /spec/containers/0/env/0, outcome: denied, rule: no-secrets-in-env}

Exit code: 0 all cases pass, 1 one does not (or, with --strict, a rule is reached by none), 2 a file cannot be used")]
pub struct PolicyTestArguments {
    /// A file, or a folder of *.yaml, *.yml and *.json, of which only those with a PolicyTest count
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// A rule that no case reaches is a failure, too
    #[arg(long)]
    strict: bool,
}

/// What came of all tests.
#[derive(Debug, Default)]
struct Report {
    /// Files that hold tests.
    files: usize,
    cases: usize,
    /// Each whole, without an end of line.
    failures: Vec<String>,
    /// What could not be used.
    faults: Vec<String>,
    /// Every rule of a policy that is tested.
    rules: BTreeSet<RuleName>,
    /// Those that decided something.
    reached: BTreeSet<RuleName>,
}

/// Runs the tests.
///
/// # Errors
/// Where standard output or standard error cannot be written.
pub fn run(arguments: &PolicyTestArguments) -> anyhow::Result<ExitCode> {
    let report = report(&arguments.paths);
    // What could not be run might have reached them.
    let all_ran = report.faults.is_empty();
    let unreached: Vec<&RuleName> = report.rules.difference(&report.reached).filter(|_| all_ran).collect();
    unless_closed(write(&report, &unreached, arguments.strict))?;
    Ok(ExitCode::from(match () {
        () if !report.faults.is_empty() => FAILED,
        () if !report.failures.is_empty() || arguments.strict && !unreached.is_empty() => DENIED,
        () => OK,
    }))
}

fn report(paths: &[PathBuf]) -> Report {
    let mut report = Report::default();
    let files = files::find(paths, &mut report.faults);
    for file in &files {
        let documents = file.documents(&mut report.faults);
        report.files += usize::from(!documents.is_empty());
        for document in documents {
            run::document(&document, &mut report);
        }
    }
    if report.files == 0 && report.faults.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| ShownPath(&path.to_string_lossy()).to_string()).collect();
        report.faults.push(format!("no test in {}: expected documents of kind: PolicyTest", paths.join(", ")));
    }
    report
}

fn write(report: &Report, unreached: &[&RuleName], strict: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for failure in &report.failures {
        writeln!(out, "{failure}\n")?;
    }
    let word = if strict { "failed" } else { "warning" };
    for RuleName { policy, rule } in unreached {
        writeln!(out, "{word}: {policy}/{rule}: no test reaches this rule")?;
    }
    out.flush()?;
    for fault in &report.faults {
        writeln!(io::stderr(), "error: {fault}")?;
    }
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (files, cases) = (plural(report.files, "file"), plural(report.cases, "case"));
    let (failed, reached) = (report.failures.len(), report.rules.intersection(&report.reached).count());
    let rules = plural(report.rules.len(), "rule");
    writeln!(out, "{files}, {cases}: {} passed, {failed} failed; {reached} of {rules} reached", report.cases - failed)
}
