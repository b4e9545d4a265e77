//! How a judgement came about, for people: reference by reference.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::fence::Finding;
use crate::fence::explain::{Bystander, ExplainedReference, PolicyTrace};
use crate::fence::name::ShownPointer;
use crate::fence::policy::Mode;
use crate::report::change;

/// One reference: what it does, what becomes of it, and what each policy said. Under its line, where there is one.
///
/// # Errors
/// Where the writer fails.
pub fn write_reference(reference: &ExplainedReference, line: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    writeln!(out, "  {line}{} ({})", reference.sentence, ShownPointer(&reference.pointer).text())?;
    for finding in &reference.findings {
        writeln!(out, "    {}", decided(finding, &reference.policies))?;
        if let Some(reason) = finding.reason.as_ref().filter(|_| finding.reads == Some("unsafe")) {
            writeln!(out, "      not safe to swap: {reason}")?;
        }
        if let Some(change) = change(finding) {
            writeln!(out, "      change: {change}")?;
        }
        for note in &finding.notes {
            writeln!(out, "      note: {note}")?;
        }
    }
    for trace in &reference.policies {
        write_trace(trace, out)?;
    }
    Ok(())
}

/// The policies that are not about an object, and why.
///
/// # Errors
/// Where the writer fails.
pub fn write_bystanders(bystanders: &[Bystander], out: &mut dyn Write) -> io::Result<()> {
    bystanders
        .iter()
        .try_for_each(|Bystander { policy, why }| writeln!(out, "  policy {policy} is not about it: {why}"))
}

/// The outcome, and which rule of which policy it is from.
fn decided(finding: &Finding, traces: &[PolicyTrace]) -> String {
    let outcome = finding.outcome.name();
    let (Some(policy), Some(rule)) = (&finding.policy, &finding.rule) else {
        return format!("{outcome}: no rule is about it");
    };
    let dry_run = if finding.mode == Some(Mode::DryRun) { " (dry run)" } else { "" };
    let mut text = format!("{outcome}{dry_run} by {policy}/{rule}");
    if let Some(reads) = finding.reads.filter(|reads| *reads != "unsafe") {
        text.push_str(match reads {
            "files" => ", and its image reads the file",
            _ => ", and its program must be told to read the file",
        });
    }
    let mode = if finding.mode == Some(Mode::DryRun) { "dryRun" } else { "enforce" };
    let deciding = traces.iter().filter(|trace| trace.mode == mode && trace.decided.is_some());
    // Of several keys a policy is asked about each.
    let deciding: BTreeSet<&str> = deciding.map(|trace| &*trace.policy).collect();
    if deciding.len() > 1 {
        text.push_str(&format!(": the strictest of {} policies", deciding.len()));
    } else if !traces.iter().any(|trace| trace.decided.as_ref() == Some(rule) && trace.policy == *policy) {
        text.push_str(match rule.as_str() {
            "unknown-source" => ": no rule is about this source, and it may hand out secrets",
            _ => ": the rule on what it would become",
        });
    }
    text
}

fn write_trace(trace: &PolicyTrace, out: &mut dyn Write) -> io::Result<()> {
    let key = trace.key.as_ref().map(|key| format!(" on key \"{key}\"")).unwrap_or_default();
    let says = if trace.decided.is_some() { "" } else { ": no rule fits" };
    writeln!(out, "    {} ({}){key}{says}", trace.policy, trace.mode)?;
    for rule in &trace.rules {
        if rule.decides {
            writeln!(out, "      * {} ({}) decides", rule.rule, rule.action)?;
        } else {
            writeln!(out, "      - {} ({}): {}", rule.rule, rule.action, rule.why)?;
        }
    }
    Ok(())
}
