//! The numbers of an audit, in the text format of Prometheus: for the textfile collector of the node exporter.

use std::io::{self, Write};

use super::{Audit, Totals, WouldBe};
use crate::fence::policy::ExceptionState;

/// Writes them, as of a second since 1970. A namespace without findings has no lines: their number is bounded by those.
///
/// # Errors
/// Where the writer fails.
pub fn write(audit: &Audit, now: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut family = |name: &str, help: &str, samples: &[(String, u64)]| -> io::Result<()> {
        writeln!(out, "# HELP secretfence_audit_{name} {help}\n# TYPE secretfence_audit_{name} gauge")?;
        samples.iter().try_for_each(|(labels, value)| writeln!(out, "secretfence_audit_{name}{labels} {value}"))
    };
    let one = |value: usize| [(String::new(), value as u64)];
    family("timestamp_seconds", "When the last audit ended.", &[(String::new(), now)])?;
    family(
        "errors",
        "What could not be read, judged or published: with one of them the rest is not the whole.",
        &one(audit.errors.len()),
    )?;
    family("owners", "What makes pods, as far as it was judged.", &one(audit.totals.owners))?;
    family("pods", "Pods that were judged.", &one(audit.totals.pods))?;
    family(
        "pods_missed",
        "Pods that exist although an enforcing policy denies or swaps a reference of theirs.",
        &one(audit.totals.missed),
    )?;
    family(
        "fenced_pods_missed",
        "Of the pods missed, those in namespaces whose fence is enforced or narrowed.",
        &one(audit.missed_in_fences()),
    )?;
    let namespaces = audit.namespaces.iter().flat_map(|line| {
        let namespace = escaped(&line.name);
        outcomes(&line.totals)
            .into_iter()
            .filter(|(_, value)| *value > 0)
            .map(move |(outcome, value)| (format!("{{namespace=\"{namespace}\",outcome=\"{outcome}\"}}"), value as u64))
    });
    let namespaces: Vec<_> = namespaces.collect();
    family("namespace_findings", "Findings of a namespace that has any, each once for its owner.", &namespaces)?;
    let all = outcomes(&audit.totals).map(|(outcome, value)| (format!("{{outcome=\"{outcome}\"}}"), value as u64));
    family("findings", "Findings of all namespaces, each once for its owner.", &all)?;
    family(
        "unsafe",
        "Of the findings denied and warned, those that a policy would swap, were that safe.",
        &one(audit.totals.not_safe),
    )?;
    let would_be = would_be(&audit.totals).map(|(outcome, value)| (format!("{{outcome=\"{outcome}\"}}"), value as u64));
    family("dry_run_findings", "Of the findings in dry run, what they would be.", &would_be)?;
    let states = [ExceptionState::Active, ExceptionState::Ending, ExceptionState::Expired].map(|state| {
        let count = audit.exceptions.iter().filter(|its| its.state == state).count();
        (format!("{{state=\"{}\"}}", crate::report::state_name(state)), count as u64)
    });
    family("exceptions", "Exceptions of the policies, by how they stand.", &states)?;
    let revision = format!("{{revision=\"{}\"}}", escaped(&audit.policies.revision));
    family("policy_set_info", "The policies that judged.", &[(revision, 1)])
}

/// Each finding is in one of these.
fn outcomes(totals: &Totals) -> [(&'static str, usize); 5] {
    let Totals { denied, warned, reads_files, must_be_told, dry_run, .. } = *totals;
    [
        ("denied", denied),
        ("warned", warned),
        ("readsFiles", reads_files),
        ("mustBeTold", must_be_told),
        ("dryRun", dry_run),
    ]
}

/// Each finding of a policy in dry run is in one of these.
fn would_be(totals: &Totals) -> [(&'static str, usize); 4] {
    let WouldBe { denied, warned, reads_files, must_be_told, .. } = totals.would_be;
    [("denied", denied), ("warned", warned), ("readsFiles", reads_files), ("mustBeTold", must_be_told)]
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::{Cluster, Fence, ModeLabel, NamespaceLine, Registration, Scope};
    use super::*;
    use crate::report::Policies;

    #[test]
    fn every_line_is_of_the_text_format_and_findings_add_up() {
        let totals =
            Totals { owners: 3, pods: 7, denied: 2, swapped: 3, reads_files: 1, must_be_told: 2, ..Totals::default() };
        let totals = Totals { not_safe: 1, ..totals };
        let would_be = WouldBe { denied: 1, swapped: 3, must_be_told: 3, ..WouldBe::default() };
        let totals = Totals { dry_run: 4, would_be, ..totals };
        let line = |name: &str, totals| NamespaceLine {
            name: name.to_owned(),
            label: ModeLabel::None,
            fence: Fence::Open,
            totals,
        };
        // A digit for each fence.
        let fences = [Fence::Enforced, Fence::Narrowed, Fence::DryRun, Fence::Open, Fence::Unknown];
        let missed = fences.into_iter().zip([1, 10, 100, 1_000, 10_000]).map(|(fence, missed)| NamespaceLine {
            fence,
            ..line(fence.name(), Totals { missed, ..Totals::default() })
        });
        let namespaces = [line("clean", Totals::default()), line("sh\"op", totals)].into_iter().chain(missed).collect();
        let totals = Totals { missed: 11_111, ..totals };
        let audit = Audit {
            policies: Policies { revision: "abc".to_owned(), count: 1, as_enforced: 0, is_built_in: false },
            today: jiff::civil::date(2026, 11, 21),
            rules: Vec::new(),
            totals,
            owners: Vec::new(),
            namespaces,
            exceptions: Vec::new(),
            registration: Registration::Missing,
            left_out: Vec::new(),
            cluster: Cluster::default(),
            scope: Scope::default(),
            not_judged: Vec::new(),
            errors: vec!["may not list jobs".to_owned()],
            compared: None,
        };
        let mut out = Vec::new();
        write(&audit, 1_790_000_000, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with("# ")).collect();
        assert_eq!(
            samples,
            [
                "secretfence_audit_timestamp_seconds 1790000000",
                "secretfence_audit_errors 1",
                "secretfence_audit_owners 3",
                "secretfence_audit_pods 7",
                "secretfence_audit_pods_missed 11111",
                "secretfence_audit_fenced_pods_missed 11",
                "secretfence_audit_namespace_findings{namespace=\"sh\\\"op\",outcome=\"denied\"} 2",
                "secretfence_audit_namespace_findings{namespace=\"sh\\\"op\",outcome=\"readsFiles\"} 1",
                "secretfence_audit_namespace_findings{namespace=\"sh\\\"op\",outcome=\"mustBeTold\"} 2",
                "secretfence_audit_namespace_findings{namespace=\"sh\\\"op\",outcome=\"dryRun\"} 4",
                "secretfence_audit_findings{outcome=\"denied\"} 2",
                "secretfence_audit_findings{outcome=\"warned\"} 0",
                "secretfence_audit_findings{outcome=\"readsFiles\"} 1",
                "secretfence_audit_findings{outcome=\"mustBeTold\"} 2",
                "secretfence_audit_findings{outcome=\"dryRun\"} 4",
                "secretfence_audit_unsafe 1",
                "secretfence_audit_dry_run_findings{outcome=\"denied\"} 1",
                "secretfence_audit_dry_run_findings{outcome=\"warned\"} 0",
                "secretfence_audit_dry_run_findings{outcome=\"readsFiles\"} 0",
                "secretfence_audit_dry_run_findings{outcome=\"mustBeTold\"} 3",
                "secretfence_audit_exceptions{state=\"active\"} 0",
                "secretfence_audit_exceptions{state=\"ending\"} 0",
                "secretfence_audit_exceptions{state=\"expired\"} 0",
                "secretfence_audit_policy_set_info{revision=\"abc\"} 1",
            ]
        );
        assert_eq!(text.matches("# TYPE secretfence_audit_").count(), 12);
    }
}
