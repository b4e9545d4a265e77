//! `secretfence check`: judges manifests offline.
//!
//! ```text
//! files.rs      paths as named -> files to read, in order
//! default_roles.rs  the roles that every cluster has
//! facts.rs      what the input itself tells beside the objects
//! ignore.rs     comments that set a finding aside
//! live.rs       what a live cluster tells, where it is to be asked
//! judge.rs      one file -> findings with their places, faults, counts
//! unknown.rs    objects with containers that no table names
//! multiline.rs  the line of a credential within a value of several
//! baseline.rs   an earlier report -> what is known already, what is gone
//! ```

pub mod baseline;
mod default_roles;
pub mod facts;
pub mod files;
pub(super) mod ignore;
pub mod judge;
#[cfg(feature = "cluster")]
pub mod live;
mod multiline;
pub mod unknown;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use rayon::prelude::*;

use super::{Colour, DENIED, FAILED, OK, day, namespace_name, today, unless_closed};
use crate::fence::access::Dangling;
use crate::fence::kind::Kind;
use crate::fence::{Facts, PolicySet};
use crate::policy_dir;
use crate::report::{self, Counts, ExceptionLine, Policies, Report, RuleLine};
use baseline::Baseline;
use facts::{FromCluster, Told};
use files::Input;
use judge::Judge;

/// Judge manifests: what the policies would deny or swap, with file and line
#[derive(Args, Debug)]
#[command(after_help = examples())]
pub struct CheckArguments {
    /// A manifest, or a folder of *.yaml, *.yml and *.json; - is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// A policy file or a directory of them; may be repeated [default: the built-in baseline]
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// How findings are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// An earlier report of --format json: what is in it does not fail, and what is gone of it is named
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = namespace_name)]
    namespace: String,

    /// The day on which exceptions are judged [default: today, UTC]
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,

    /// List references that are allowed, too
    #[arg(long)]
    all: bool,

    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,

    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: live::ClusterArguments,
}

fn examples() -> String {
    let cluster = if cfg!(feature = "cluster") {
        "  secretfence check --cluster -p mine/ deploy.yaml     ask a cluster for what the input lacks\n"
    } else {
        ""
    };
    format!(
        "Examples:
  secretfence check manifests/                         judge a folder by the built-in baseline
  secretfence check -p my-policies/ deploy.yaml        judge one file by your own policies
  helm template ./chart | secretfence check -          judge what a chart renders
  kustomize build overlays/prod | secretfence check --namespace shop -
{cluster}  secretfence check --format json manifests/ | jq '.findings[].message'
  secretfence check --format sarif manifests/ > secretfence.sarif
  secretfence check --format json manifests/ > known.json && secretfence check --baseline known.json manifests/

Exit code: 0 nothing would be denied, 1 something would be, 2 something could not be read or judged"
    )
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: lines of the source, with values masked
    Text,
    /// For machines: one object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for lists of tests
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

/// What a check is to do, resolved.
#[derive(Debug)]
pub struct Settings {
    /// What judges.
    pub policies: PolicySet,
    /// Files and folders, as named.
    pub paths: Vec<PathBuf>,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// The day on which exceptions are judged.
    pub today: Date,
    /// Whether references that are allowed are findings, too.
    pub all: bool,
    /// Whether findings hold lines of the source.
    pub excerpts: bool,
    /// What a live cluster told, where it was to be asked.
    pub cluster: Option<FromCluster>,
}

/// Runs a check.
///
/// # Errors
/// Policies or a baseline that cannot be used; a cluster that does not tell what they ask of it; a report that cannot be written.
pub fn run(arguments: CheckArguments) -> anyhow::Result<ExitCode> {
    let CheckArguments { paths, policies, format, baseline, namespace, as_of, all, color, .. } = arguments;
    let baseline = baseline.as_deref().map(known).transpose()?;
    let policies = load(&policies)?;
    let today = as_of.unwrap_or_else(today);
    #[cfg(feature = "cluster")]
    let cluster = arguments.cluster.read(&policies, today)?;
    #[cfg(not(feature = "cluster"))]
    let cluster = None;
    let settings = Settings { policies, paths, namespace, today, all, excerpts: format == Format::Text, cluster };
    let mut report = check(&settings);
    if let Some(baseline) = baseline {
        baseline.apply(&mut report, &settings.paths);
    }
    unless_closed(write(&report, format, color))?;
    Ok(ExitCode::from(exit_code(&report)))
}

fn exit_code(report: &Report) -> u8 {
    match report {
        report if !report.faults.is_empty() => FAILED,
        report if report.denies() => DENIED,
        _ => OK,
    }
}

/// Judges everything that the settings name.
pub fn check(settings: &Settings) -> Report {
    let (inputs, mut faults) = files::find(&settings.paths);
    let Told { facts, dangling } = facts::of(settings, &inputs);
    let judge = Judge {
        policies: &settings.policies,
        facts: &facts,
        namespace: &settings.namespace,
        all: settings.all,
        excerpts: settings.excerpts,
    };
    let judged: Vec<judge::JudgedFile> = inputs.par_iter().map(|input| judge_input(&judge, input)).collect();
    let mut counts = Counts::default();
    let (mut findings, mut ignored, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut matching = BTreeSet::new();
    let mut accounts = BTreeSet::new();
    let (mut objects, mut unknown) = (0, Vec::new());
    for file in judged {
        objects += file.objects;
        unknown.extend(file.unknown);
        matching.extend(file.matching);
        accounts.extend(file.accounts);
        counts += file.counts;
        findings.extend(file.findings);
        ignored.extend(file.ignored);
        faults.extend(file.faults);
        warnings.extend(file.warnings);
    }
    // Those of the walk came first; within a file they are in order of their lines already.
    faults.sort_by(|a, b| a.file.cmp(&b.file));
    let mut not_judged = not_judged(&counts, &matching, &settings.policies, &facts);
    not_judged.extend(unknown::sentences(&unknown));
    // An empty clean bill: what was meant lies elsewhere, or is not what it seems.
    if objects == 0 && faults.is_empty() {
        not_judged
            .push("nothing is here to judge: no Kubernetes object, with apiVersion and kind, is in the input".into());
    }
    let place = if settings.cluster.is_some() { "neither in the input nor in the cluster" } else { "not in the input" };
    not_judged.extend(unresolved(&dangling, &accounts, place));
    Report {
        policies: Policies::of(&settings.policies),
        cluster: settings.cluster.as_ref().map(|cluster| cluster.resources.clone()),
        not_judged,
        counts,
        findings,
        ignored,
        warnings,
        exceptions: ExceptionLine::of(&settings.policies, settings.today),
        faults,
        files: inputs.iter().map(|input| Arc::clone(&input.name)).collect(),
        rules: RuleLine::of(&settings.policies),
        baseline: None,
    }
}

fn judge_input(judge: &Judge<'_>, input: &Input) -> judge::JudgedFile {
    match input.read() {
        Ok(bytes) => judge.file(&input.name, &bytes),
        Err(error) => judge::JudgedFile { faults: vec![error.into_fault(&input.name)], ..Default::default() },
    }
}

fn not_judged(counts: &Counts, matching: &BTreeSet<u32>, policies: &PolicySet, facts: &Facts) -> Vec<String> {
    let objects = match counts.owned {
        0 => None,
        1 => Some("1 object that another workload made".to_owned()),
        count => Some(format!("{count} objects that other workloads made")),
    };
    let owned = objects.map(|objects| {
        format!("{objects} (as a Deployment makes ReplicaSets): what made them is to be judged instead")
    });
    let reach = (policies.kinds().contains(Kind::Reach) && facts.access.is_none()).then(|| {
        let cluster = if cfg!(feature = "cluster") { ", or ask a cluster for them with --cluster" } else { "" };
        format!(
            "reach: no role or binding is in the input, so nobody can say what a ServiceAccount may do: add them{cluster}"
        )
    });
    let idle = (counts.workloads > 0).then(|| matched_nothing(counts.workloads, matching, policies)).flatten();
    owned.into_iter().chain(reach).chain(idle).collect()
}

/// How many bindings are named whose role nobody has told of.
const NAMED_BINDINGS: usize = 20;

/// Rights that somebody in the input has, and nobody can say which.
pub(super) fn unresolved(dangling: &[Dangling], accounts: &BTreeSet<(String, String)>, place: &str) -> Vec<String> {
    let speaks = |binding: &&Dangling| accounts.iter().any(|(namespace, name)| binding.speaks_of(namespace, name));
    let speaking: Vec<&Dangling> = dangling.iter().filter(speaks).collect();
    let named = speaking.iter().take(NAMED_BINDINGS);
    let mut sentences: Vec<String> = named.map(|binding| format!("reach of {binding}: the role is {place}")).collect();
    if let Some(more @ 1..) = speaking.len().checked_sub(NAMED_BINDINGS) {
        sentences.push(format!("reach of {more} more roles, by other bindings: they are {place}"));
    }
    sentences
}

/// How many policies are named that match nothing.
const NAMED_POLICIES: usize = 3;

/// A misspelt glob would else look like a clean bill for ever.
pub(super) fn matched_nothing(workloads: usize, matching: &BTreeSet<u32>, policies: &PolicySet) -> Option<String> {
    if policies.policies().is_empty() {
        return Some("no policy is in force: every policy of the set is off".to_owned());
    }
    let idle = policies.policies().iter().zip(0..).filter(|(_, index)| !matching.contains(index));
    let names: Vec<String> = idle.map(|(policy, _)| format!("\"{}\"", policy.name)).collect();
    let of_them = if workloads == 1 { "the workload".to_owned() } else { format!("any of the {workloads} workloads") };
    let look = "look at match, exclude and templates, and at --namespace";
    match &names[..] {
        [] => None,
        [name] => Some(format!("policy {name} is not about {of_them}: {look}")),
        names if names.len() <= NAMED_POLICIES => {
            Some(format!("policies {} are not about {of_them}: {look}", names.join(", ")))
        }
        names => Some(format!(
            "{} policies are not about {of_them}, {} among them: {look}",
            names.len(),
            names[..NAMED_POLICIES].join(", "),
        )),
    }
}

/// The policies at the paths, or the built-in ones.
pub(super) fn load(paths: &[PathBuf]) -> anyhow::Result<PolicySet> {
    if paths.is_empty() {
        return Ok(policy_dir::built_in());
    }
    let loaded = policy_dir::load(paths)
        .map_err(|error| anyhow::anyhow!("the policies cannot be used, so nothing was judged:\n{error}"))?;
    Ok(loaded.set)
}

fn known(path: &Path) -> anyhow::Result<Baseline> {
    Baseline::read(path).map_err(|error| {
        let path = report::text::Path(&path.to_string_lossy()).to_string();
        anyhow::anyhow!(
            "--baseline {path}: {error}, so nothing was judged: make one by \
             secretfence check --format json PATH… > FILE, with the same policies"
        )
    })
}

fn write(report: &Report, format: Format, color: Colour) -> io::Result<()> {
    if format == Format::Text {
        return write_text(report, color);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    write_for_machines(report, format, &mut out)?;
    out.flush()
}

/// Writes a report in a form that stands on standard output alone. Text is written without what went wrong.
///
/// # Errors
/// Where the writer fails.
pub fn write_for_machines(report: &Report, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => report::json::write(report, out),
        Format::Sarif => report::sarif::write(report, exit_code(report), out),
        Format::Junit => report::junit::write(report, out),
        Format::Github => report::github::write(report, out),
        Format::Text => {
            report::text::write_findings(report, out).and_then(|()| report::text::write_summary(report, out))
        }
    }
}

/// Findings and summary are what was asked for; what went wrong on the way is said on standard error, between them.
fn write_text(report: &Report, color: Colour) -> io::Result<()> {
    let mut out = io::BufWriter::new(color.stream(io::stdout().lock()));
    report::text::write_findings(report, &mut out)?;
    out.flush()?;
    let mut faults = io::BufWriter::new(color.stream(io::stderr().lock()));
    report::text::write_faults(report, &mut faults)?;
    faults.flush()?;
    report::text::write_summary(report, &mut out)?;
    out.flush()
}
