//! `secretfence audit`: judges what lives in a cluster.
//!
//! ```text
//! surroundings.rs  namespaces, registrations, what policies ask about -> what is judged, and by what
//! judge.rs         objects as they come -> findings of their owners
//! owners.rs        who made a pod, and who made that
//! late.rs          what was made while the lists were read
//! sentences.rs     what was not judged, in words
//! compare/         an earlier audit -> what is known, what slipped in, what is gone
//! explain.rs       one workload from end to end
//! publish.rs       reports in the cluster, and numbers in a file
//! beside.rs        files that are written wholly or not at all
//! progress.rs      how far it is, on a terminal
//! ```

mod beside;
mod compare;
mod explain;
mod judge;
mod late;
mod owners;
mod progress;
mod publish;
mod sentences;
mod surroundings;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::check::{self, live};
use super::{Colour, DENIED, FAILED, OK, day, namespace_name, today, unless_closed};
use crate::cluster::audit::{Part, Read, Reader, Selector};
use crate::fence::PolicySet;
use crate::report::audit::{self, Audit};
use crate::report::text::Path as ShownPath;
use compare::Earlier;
use explain::Wanted;
use judge::Auditor;
use late::Late;
use surroundings::Surroundings;

/// Judge what lives in a cluster: what the policies would do to every pod and pod template, folded by owner
///
/// Reads, and changes nothing but its own reports where --publish is given. Pods are judged as they exist, and the templates that the next ones are made of.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  secretfence audit                                    the whole cluster, by the built-in baseline
  secretfence audit -p my-policies/ -n shop -n billing two namespaces, by your own policies
  secretfence audit -p my-policies/ --as-enforced      the same, once those in dry run enforce
  secretfence audit -p my-policies/ --explain shop/web one workload: each reference, and what it would become
  secretfence audit -p my-policies/ --format csv > audit.csv
  secretfence audit -p my-policies/ --save monday.json
  secretfence audit -p my-policies/ --compare monday.json
  secretfence audit -p my-policies/ --publish          a Report or PolicyReport in each namespace, too

Exit code: 0 nothing would be denied, 1 something would be (of an audit that is compared: something new, or pods slipped in),
2 something could not be read, judged or published")]
pub struct AuditArguments {
    /// A policy file or a directory of them; may be repeated [default: the built-in baseline]
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// Judge policies in dry run as if they enforced: what would happen once they do
    #[arg(long, conflicts_with_all = ["publish", "metrics_file"])]
    as_enforced: bool,

    /// Only this namespace; may be repeated. Needs no right to the others [default: all]
    #[arg(short, long = "namespace", value_name = "NAME", value_parser = namespace_name)]
    namespaces: Vec<String>,

    /// Only pods and workloads with these labels, as kubectl takes them, and what makes such pods
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<Selector>,

    /// Judge the namespaces, too, that the installed registrations leave out; one that -n names is judged anyway
    #[arg(long)]
    include_left_out: bool,

    /// Explain one workload from end to end: each reference, the rule that decides, and the diff of the swap
    #[arg(long, value_name = "NAMESPACE/[KIND/]NAME", conflicts_with_all = ["namespaces", "selector", "format", "save", "compare"])]
    explain: Option<Wanted>,

    /// How findings are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Keep this audit in a file, for --compare
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// An earlier audit, of --save or --format json: say what is new and what is gone; what it knows does not fail
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Write what was found into the cluster, too: one Report or PolicyReport in each namespace where something is to do
    #[arg(long, conflicts_with_all = ["selector", "explain"])]
    publish: bool,

    /// Write the numbers into a file for the textfile collector of the Prometheus node exporter, whose name ends in .prom
    #[arg(long, value_name = "FILE", value_parser = publish::metrics_file, conflicts_with_all = ["selector", "explain"])]
    metrics_file: Option<PathBuf>,

    /// Exit with 0 and not with 1 where something would be denied: for a job that reports, and is no gate
    #[arg(long)]
    exit_zero: bool,

    /// The day on which exceptions are judged [default: today, UTC]
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,

    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,

    /// The kubeconfig [env: SECRETFENCE_KUBECONFIG] [default: KUBECONFIG, else the pod's own access, else ~/.kube/config]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = "Cluster", value_parser = NonEmptyStringValueParser::new())]
    context: Option<String>,
}

/// The forms of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: by owner, then namespaces, exceptions and what was left out
    Text,
    /// For machines: one object
    Json,
    /// A line for each finding, for spreadsheets
    Csv,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// For people: one page, to be read and printed, with filters and sorting where there is JavaScript
    Html,
}

/// Runs an audit.
///
/// # Errors
/// Policies or an earlier audit that cannot be used; a cluster that cannot be reached; a report that cannot be written.
pub fn run(arguments: AuditArguments) -> anyhow::Result<ExitCode> {
    let AuditArguments { policies, namespaces, selector, include_left_out, explain, format, .. } = arguments;
    let AuditArguments { save, compare, as_of, color, kubeconfig, context, .. } = arguments;
    let AuditArguments { publish, metrics_file, exit_zero, as_enforced, .. } = arguments;
    let earlier = compare.as_deref().map(Earlier::read).transpose()?;
    let is_built_in = policies.is_empty();
    let policies = check::load(&policies)?;
    let policies = if as_enforced { policies.as_enforced() } else { policies };
    let connection = live::connection(kubeconfig, context);
    let cluster = Reader::new(&connection, live::PATIENCE).context("the cluster cannot be audited")?;
    // Before the work, which is for nothing without.
    let reports = publish.then(|| publish::Reports::find(&cluster, namespaces.clone())).transpose()?;
    let namespaces = explain.as_ref().map_or(namespaces, |wanted| vec![wanted.namespace.clone()]);
    let part = surroundings::Asked { namespaces, selector, include_left_out };
    let today = as_of.unwrap_or_else(today);
    let around = Surroundings::read(&cluster, &connection, &policies, part, today)?;
    if let Some(wanted) = explain {
        return explain::run(&wanted, &cluster, around, &policies, is_built_in, today, color);
    }
    let (mut audit, is_idle) = audit(&cluster, around, &policies, is_built_in, today);
    // What was found of a whole cluster is not lost with a file beside it; and as no error of what was read, this keeps
    // neither "gone" nor the removal of reports from being told.
    let unsaved = save.as_deref().and_then(|path| keep(&audit, path).err());
    if let Some(earlier) = earlier {
        earlier.apply(&mut audit);
    }
    if let Some(reports) = reports {
        reports.publish(&cluster, &mut audit, is_idle, color)?;
    }
    let unwritten = metrics_file.as_deref().and_then(|path| publish::write_metrics(&audit, path).err());
    audit.errors.extend(unsaved.iter().chain(&unwritten).map(|error| format!("{error:#}")));
    let code = match exit_code(&audit) {
        DENIED if exit_zero => OK,
        code => code,
    };
    unless_closed(write(&audit, format, code, color))?;
    Ok(ExitCode::from(code))
}

/// Judges every object of the part that is asked for; and whether no policy is about any of them.
fn audit(
    cluster: &Reader,
    around: Surroundings,
    policies: &PolicySet,
    is_built_in: bool,
    today: Date,
) -> (Audit, bool) {
    let kinds = crate::cluster::audit::kinds(policies);
    let mut auditor = Auditor::new(policies, &around, &kinds);
    let mut progress = progress::Progress::start();
    if let Some(part) = &around.part {
        cluster.workloads(part, &kinds, |read| match read {
            Read::Page(batch) => {
                let mut late = auditor.batch(&batch);
                while !late.pods.is_empty() {
                    read_again(cluster, &Late::part(part, &batch), &late, &mut auditor);
                    late = auditor.late(&batch, &late);
                }
                progress.tell(&batch.kind.resource, batch.items().count(), batch.remaining);
            }
            Read::Absent(kind) => auditor.absent(&kind),
            Read::ClusterScoped(kind) => auditor.cluster_scoped(&kind),
            Read::Failed(kind, error) => auditor.failed(&kind, &error),
        });
    }
    progress.end();
    let is_idle = auditor.is_idle();
    let (fold, mut errors, mut not_judged) = auditor.finish();
    let Surroundings { mut around, .. } = around;
    around.errors.append(&mut errors);
    around.not_judged.append(&mut not_judged);
    let mut audit = fold.finish(policies, today, around);
    audit.policies.is_built_in = is_built_in;
    (audit, is_idle)
}

/// The lists of which something is missing.
fn read_again(cluster: &Reader, part: &Part, late: &Late, auditor: &mut Auditor<'_>) {
    cluster.workloads(part, &late.kinds, |read| match read {
        Read::Page(batch) => auditor.again(&batch),
        Read::Absent(kind) => auditor.absent(&kind),
        Read::ClusterScoped(kind) => auditor.cluster_scoped(&kind),
        Read::Failed(kind, error) => auditor.failed(&kind, &error),
    });
}

fn exit_code(audit: &Audit) -> u8 {
    match audit {
        audit if !audit.errors.is_empty() => FAILED,
        audit if audit.denies() => DENIED,
        _ => OK,
    }
}

fn keep(audit: &Audit, path: &Path) -> anyhow::Result<()> {
    let written = beside::put(path, |out| audit::json::write_line(audit, &mut compare::Readable::of(out)));
    written.with_context(|| format!("--save {}", ShownPath(&path.to_string_lossy())))
}

/// `code`: with which it ends.
fn write(audit: &Audit, format: Format, code: u8, color: Colour) -> io::Result<()> {
    if format == Format::Text {
        return write_text(audit, color);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        Format::Text | Format::Json => audit::json::write(audit, &mut out)?,
        Format::Csv => audit::csv::write(audit, &mut out)?,
        Format::Sarif => audit::sarif::write(audit, code, &mut out)?,
        Format::Html => audit::html::write(audit, &mut out)?,
    }
    out.flush()?;
    if format == Format::Csv {
        // A table has no place for them.
        write_errors(audit, color)?;
        let mut beside = io::BufWriter::new(color.stream(io::stderr().lock()));
        audit.not_judged.iter().try_for_each(|sentence| writeln!(beside, "not judged: {}", ShownPath(sentence)))?;
        if audit.policies.as_enforced > 0 {
            audit::text::write_policies(audit, &mut beside)?;
        }
        beside.flush()?;
    }
    Ok(())
}

/// Findings and summary are what was asked for; what went wrong on the way is said on standard error, between them.
fn write_text(audit: &Audit, color: Colour) -> io::Result<()> {
    let mut out = io::BufWriter::new(color.stream(io::stdout().lock()));
    audit::text::write_owners(audit, &mut out)?;
    out.flush()?;
    write_errors(audit, color)?;
    audit::text::write_summary(audit, &mut out)?;
    out.flush()
}

fn write_errors(audit: &Audit, color: Colour) -> io::Result<()> {
    let mut errors = io::BufWriter::new(color.stream(io::stderr().lock()));
    audit::text::write_errors(audit, &mut errors)?;
    errors.flush()
}
