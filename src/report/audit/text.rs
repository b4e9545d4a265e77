//! Text for people: each owner with its findings, then namespaces, exceptions, and what was left out.

use std::io::{self, Write};

use super::{
    Audit, Compared, ExceptionUse, Fence, MISSED_BEFORE, NamespaceLine, Owner, Registration, Row, Template, Totals,
};
use crate::fence::Outcome;
use crate::fence::policy::ExceptionState;
use crate::report::text::{BOLD, GREEN, GoneLine, Path, RED, RESET, YELLOW, colour};

/// The owners that have findings, in their order. Escape codes for colour are written: the writer drops them where there is
/// none.
///
/// # Errors
/// Where the writer fails.
pub fn write_owners(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let is_compared = audit.compared.is_some();
    for owner in &audit.owners {
        // Of two audits that are compared, what both have alike is only counted.
        let rows: Vec<&Row> = owner.rows.iter().filter(|row| !row.known || row.slipped > 0).collect();
        if !rows.is_empty() {
            write_owner(owner, &rows, is_compared, out)?;
        }
    }
    Ok(())
}

/// What could not be read or judged.
///
/// # Errors
/// Where the writer fails.
pub fn write_errors(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    audit.errors.iter().try_for_each(|error| writeln!(out, "{RED}error{RESET}: {}", Path(error)))
}

/// What is to be said of namespaces, policies and the whole.
///
/// # Errors
/// Where the writer fails.
pub fn write_summary(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    write_namespaces(audit, out)?;
    audit.exceptions.iter().try_for_each(|exception| write_exception(exception, audit.sees_use_of(exception), out))?;
    write_left_out(audit, out)?;
    for sentence in &audit.not_judged {
        writeln!(out, "not judged: {sentence}")?;
    }
    if let Some(compared) = &audit.compared {
        let label = compared.gone_label();
        compared.gone.iter().try_for_each(|gone| writeln!(out, "{GREEN}{label}{RESET}: {}", GoneLine(gone)))?;
    }
    writeln!(out, "cluster: {}", Path(&audit.cluster.in_words()))?;
    write_totals(audit, out)?;
    write_policies(audit, out)
}

/// Which policies judged, and how: `by 3 policies (revision 5f1a0c7e93d2)`.
///
/// # Errors
/// Where the writer fails.
pub fn write_policies(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let policies = &audit.policies;
    write!(out, "by {} (revision {})", policies.in_words(|number| number.to_string()), policies.revision)?;
    if let Some(foretold) = policies.foretold() {
        write!(out, ", {foretold}")?;
    }
    if policies.is_built_in {
        write!(out, ": --policies names others")?;
    } else if audit.totals.dry_run > 0 {
        write!(out, ": --as-enforced judges those in dry run as if they enforced")?;
    }
    writeln!(out)
}

/// The line of an owner, with how many pods it has where something was found.
///
/// # Errors
/// Where the writer fails.
pub fn write_heading(owner: Option<&Owner>, [kind, namespace, name]: [&str; 3], out: &mut dyn Write) -> io::Result<()> {
    let beside = owner.map(beside).unwrap_or_default();
    writeln!(out, "{BOLD}{kind} {namespace}/{name}{RESET}{beside}")
}

/// One owner, with these of its findings.
fn write_owner(owner: &Owner, rows: &[&Row], is_compared: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{BOLD}{} {}/{}{RESET}{}", owner.kind, owner.namespace, owner.name, beside(owner))?;
    rows.iter().try_for_each(|row| write_row(owner, row, is_compared, out))?;
    writeln!(out)
}

fn write_row(owner: &Owner, row: &Row, is_compared: bool, out: &mut dyn Write) -> io::Result<()> {
    let finding = &row.finding;
    let new = match (is_compared, row.known) {
        (true, false) => "new, ",
        (true, true) => "known, ",
        (false, _) => "",
    };
    let dry_run = if row.is_enforced() { "" } else { " (dry run)" };
    let outcome = finding.outcome.name();
    writeln!(out, "  {new}{}{outcome}{dry_run}{RESET}: {}", colour(finding.outcome), Path(&finding.message))?;
    if row.slipped > 0 {
        let more = count(row.slipped, "pod");
        writeln!(out, "    {RED}slipped in{RESET}: {more} more than the earlier audit had")?;
    }
    if let Some(change) = row.change() {
        writeln!(out, "    change: {change}")?;
    }
    for note in finding.notes.iter().filter(|note| !finding.message.contains(&**note)) {
        writeln!(out, "    note: {note}")?;
    }
    if !row.in_template && owner.template == Template::Judged {
        let of = count(row.pods, "pod");
        writeln!(
            out,
            "    only {of} {}: the template does not have it",
            if row.pods == 1 { "has it" } else { "have it" }
        )?;
    }
    Ok(())
}

/// How many pods there are, and how many of them should not be as they are.
fn beside(owner: &Owner) -> String {
    let pods = match (owner.template, owner.pods) {
        (Template::Itself, _) => None,
        (_, 0) => Some("no pod".to_owned()),
        (_, pods) => Some(count(pods, "pod")),
    };
    let missed = (owner.missed > 0).then(|| match owner.missed == owner.pods {
        true => format!("{YELLOW}missed{RESET}"),
        false => format!("{YELLOW}{} missed{RESET}", owner.missed),
    });
    let unknown = (owner.template == Template::Unknown).then(|| "its template is not known".to_owned());
    let slipped = (owner.slipped > 0).then(|| match owner.slipped == owner.pods {
        true => format!("{RED}slipped in{RESET}"),
        false => format!("{RED}{} slipped in{RESET}", owner.slipped),
    });
    let parts: Vec<String> = [pods, missed, slipped, unknown].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

/// How many namespaces are named in a line, or have a line of their own.
const NAMED: usize = 20;

fn write_namespaces(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let lines = &audit.namespaces;
    let found = |totals: &Totals| totals.denied + totals.warned + totals.swapped + totals.dry_run > 0;
    let (shown, clean): (Vec<&NamespaceLine>, Vec<&NamespaceLine>) = lines.iter().partition(|line| found(&line.totals));
    let mut table = vec![
        [
            "namespace",
            "label",
            "fence",
            "pods",
            "denied",
            "warned",
            "reads files",
            "must be told",
            "unsafe",
            "dry run",
            "missed",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    table.extend(shown.iter().map(|line| cells(line)));
    if !shown.is_empty() {
        write_table(&table, out)?;
    }
    let of = |fence: Fence, what: &str| match clean.iter().filter(|line| line.fence == fence).count() {
        0 => String::new(),
        number => format!(", {number} of them {what}"),
    };
    if !clean.is_empty() {
        let (open, narrowed) = (of(Fence::Open, "without a fence"), of(Fence::Narrowed, "with a narrowed one"));
        let clean = count(clean.len(), "namespace");
        writeln!(out, "{clean} without findings{}{open}{narrowed}", audit.as_far_as_read())?;
    }
    // Where nothing is registered that is all of them, and is said.
    if audit.registration != Registration::Missing {
        write_open(lines, out)?;
    }
    let odd: Vec<String> = audit.odd_labels().collect();
    odd.iter().take(NAMED).try_for_each(|sentence| writeln!(out, "{YELLOW}label{RESET}: {sentence}"))?;
    if odd.len() > NAMED {
        writeln!(out, "{YELLOW}label{RESET}: {} more of such values", odd.len() - NAMED)?;
    }
    if !lines.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// By name: those of the table, too, which may be long. A label that says so is told from none.
fn write_open(lines: &[NamespaceLine], out: &mut dyn Write) -> io::Result<()> {
    let open: Vec<&NamespaceLine> = lines.iter().filter(|line| line.fence == Fence::Open).collect();
    let named = open.iter().take(NAMED).map(|line| match line.label.text() {
        "" => line.name.clone(),
        label => format!("{} ({label})", line.name),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match open.len().saturating_sub(NAMED) {
        _ if open.is_empty() => Ok(()),
        0 => writeln!(out, "without a fence: {named}"),
        more => writeln!(out, "without a fence: {named}, and {more} more"),
    }
}

fn cells(line: &NamespaceLine) -> Vec<String> {
    let NamespaceLine { name, label, fence, totals } = line;
    let label = if label.text().is_empty() { "none" } else { label.text() };
    let fence = match fence {
        Fence::Enforced => "enforced",
        Fence::Narrowed => "narrowed",
        Fence::DryRun => "dry run",
        Fence::Open => "open",
        Fence::Unknown => "?",
    };
    let numbers = [
        totals.pods,
        totals.denied,
        totals.warned,
        totals.reads_files,
        totals.must_be_told,
        totals.not_safe,
        totals.dry_run,
        totals.missed,
    ];
    [name.clone(), label.to_owned(), fence.to_owned()]
        .into_iter()
        .chain(numbers.map(|number| number.to_string()))
        .collect()
}

/// Words to the left, numbers to the right.
fn write_table(table: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let width =
        |column: usize| table.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0);
    for (index, row) in table.iter().enumerate() {
        let (start, end) = if index == 0 { (BOLD, RESET) } else { ("", "") };
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            match column {
                0 => line.push_str(&format!("{cell:width$}")),
                1 | 2 => line.push_str(&format!("  {cell:width$}")),
                _ => line.push_str(&format!("  {cell:>width$}")),
            }
        }
        writeln!(out, "{start}{}{end}", line.trim_end())?;
    }
    Ok(())
}

/// `sees_all`: all that could use it was judged, so what nothing uses here nothing uses.
fn write_exception(exception: &ExceptionUse, sees_all: bool, out: &mut dyn Write) -> io::Result<()> {
    let ExceptionUse { policy, rule, expires, state, references, owners, .. } = exception;
    let used = match references {
        0 if sees_all => "nothing uses it".to_owned(),
        0 => "nothing that was judged uses it".to_owned(),
        _ => format!("{} of {}", count(*references, "reference"), count(*owners, "owner")),
    };
    match state {
        ExceptionState::Active if *references == 0 && sees_all => {
            writeln!(out, "exception {policy}/{rule} until {expires}: {used}: end it")
        }
        ExceptionState::Active => writeln!(out, "exception {policy}/{rule} until {expires}: {used}"),
        ExceptionState::Ending => {
            let then = if *references == 0 && sees_all { "let it end" } else { "end the need, or renew it" };
            writeln!(out, "{YELLOW}exception{RESET} {policy}/{rule} ends on {expires}: {used}: {then}")
        }
        ExceptionState::Expired => {
            writeln!(out, "{YELLOW}exception{RESET} {policy}/{rule} ended on {expires}: it allows nothing any more")
        }
    }?;
    write_users(exception, out)
}

fn write_users(exception: &ExceptionUse, out: &mut dyn Write) -> io::Result<()> {
    match exception.users() {
        users if users.is_empty() => Ok(()),
        users => writeln!(out, "  used by {users}"),
    }
}

fn write_left_out(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    match (audit.registration, &audit.left_out[..]) {
        (Registration::Missing, _) => {
            write!(out, "nothing is registered: nothing is denied or swapped yet, and no namespace is left out")?;
            if audit.totals.missed > 0 {
                write!(out, "; pods missed: {MISSED_BEFORE}")?;
            }
            writeln!(out)
        }
        (_, []) => Ok(()),
        (_, left_out) => {
            let names: Vec<&str> = left_out.iter().map(|its| &*its.namespace).collect();
            let (names, them) = (names.join(", "), if left_out.len() == 1 { "it" } else { "them" });
            writeln!(
                out,
                "left out: {names}: no registration asks about {them}, whatever the label says (--include-left-out)"
            )
        }
    }
}

fn write_totals(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let Totals { owners, pods, denied, warned, swapped, dry_run, would_be, missed, .. } = audit.totals;
    let Totals { reads_files, must_be_told, .. } = audit.totals;
    let namespaces = count(audit.namespaces.len(), "namespace");
    write!(out, "{namespaces}, {}, {}: ", count(owners, "owner"), count(pods, "pod"))?;
    let not_safe = |outcome| match audit.not_safe(outcome) {
        0 => String::new(),
        number => format!(" ({number} unsafe to swap)"),
    };
    write!(out, "{denied} denied{}, ", not_safe(Outcome::Denied))?;
    write!(out, "{warned} warned{}, {swapped} swapped", not_safe(Outcome::Warned))?;
    if swapped > 0 {
        write!(out, " ({reads_files} read files, {must_be_told} must be told)")?;
    }
    if dry_run > 0 {
        let would_be = would_be.in_words(|number| number.to_string());
        write!(out, "; {} in dry run ({would_be})", count(dry_run, "finding"))?;
    }
    if missed > 0 {
        write!(out, "; {} missed", count(missed, "pod"))?;
    }
    if let Some(compared) = &audit.compared {
        let Compared { known, new, slipped, gone, .. } = compared;
        let earlier = compared.earlier();
        write!(out, "; since {earlier}: {new} new, {known} known, {} {}", gone.len(), compared.gone_label())?;
        if *slipped > 0 {
            write!(out, ", {} slipped in", count(*slipped, "pod"))?;
        }
    }
    if !audit.errors.is_empty() {
        write!(out, "; {}", count(audit.errors.len(), "error"))?;
    }
    writeln!(out)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
