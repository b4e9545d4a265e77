//! What is to be seen first: the numbers of all, and each namespace with its bar.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::super::{Audit, Fence, MISSED_BEFORE, NamespaceLine, Registration, Totals};
use super::{Grouped, Html, begin_row, count};
use crate::fence::Outcome;

/// The title, what was judged, and by what.
pub(super) fn write_header(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let Audit { policies, today, totals, namespaces, .. } = audit;
    writeln!(out, "<header>\n<h1>Secretfence audit</h1>")?;
    writeln!(out, "<p>Cluster: <strong>{}</strong></p>", Html(&audit.cluster.in_words()))?;
    writeln!(
        out,
        "<p>{}, {} and {} judged as of <time>{today}</time> by {} (revision <code>{}</code>){}. {}</p>",
        count(namespaces.len(), "namespace"),
        count(totals.owners, "owner"),
        count(totals.pods, "pod"),
        policies.in_words(|number| Grouped(number).to_string()),
        Html(&policies.revision),
        policies.foretold().map_or_else(String::new, |foretold| format!(", <strong>{foretold}</strong>")),
        match audit.registration {
            Registration::Installed => "The webhook is registered.",
            Registration::Missing => {
                "Nothing is registered: nothing is denied or swapped yet, and no namespace is left out."
            }
            Registration::Unknown => {
                "The registrations could not be read: what happens to pods now is not known, and no namespace is left out."
            }
        }
    )?;
    writeln!(out, "</header>")
}

/// The numbers of all, as tiles.
pub(super) fn write_numbers(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let Totals { denied, warned, dry_run, would_be, reads_files, must_be_told, missed, .. } = audit.totals;
    writeln!(out, "<ul class=\"numbers\">")?;
    let mut write = |class: &str, number: usize, what: &str, more: &str| {
        let class = if number == 0 { "none" } else { class };
        writeln!(out, "<li class=\"{class}\"><b>{}</b> {what} <span>{more}</span></li>", Grouped(number))
    };
    let one = |number: usize, one: &'static str, many: &'static str| if number == 1 { one } else { many };
    let not_safe = |outcome| format!("{} unsafe to swap", Grouped(audit.not_safe(outcome)));
    write("denied", denied, "denied", &not_safe(Outcome::Denied))?;
    write("told", must_be_told, "must be told", "swapped, once the program reads the file")?;
    write("files", reads_files, one(reads_files, "reads files", "read files"), "swapped, and nothing else to do")?;
    let warned_of = match audit.not_safe(Outcome::Warned) {
        0 => String::new(),
        _ => format!(", {}", not_safe(Outcome::Warned)),
    };
    write("warned", warned, "warned", &format!("said, and let through{warned_of}"))?;
    let would_be = match dry_run {
        0 => "said, and nothing else".to_owned(),
        _ => would_be.in_words(|number| Grouped(number).to_string()),
    };
    write("dry", dry_run, "in dry run", &would_be)?;
    let missed_are = match (audit.policies.as_enforced, audit.registration) {
        (0, Registration::Missing) if missed > 0 => MISSED_BEFORE,
        (0, _) => "they exist, though policies deny or swap them",
        _ => "not judged with --as-enforced",
    };
    write("missed", missed, one(missed, "pod missed", "pods missed"), missed_are)?;
    if let Some(compared) = &audit.compared {
        let (known, gone, label) = (Grouped(compared.known), Grouped(compared.gone.len()), compared.gone_label());
        let since = compared.earlier();
        write("new", compared.new, "new", &format!("since {since}: {known} known before, {gone} {label}"))?;
        let slipped = compared.slipped;
        write(
            "slipped",
            slipped,
            one(slipped, "pod slipped in", "pods slipped in"),
            "missed where a fence is or was, and not there before",
        )?;
    }
    writeln!(out, "</ul>")
}

/// The namespaces that have findings as a table, the worst first; the others by name.
pub(super) fn write_namespaces(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let numbered = audit.namespaces.iter().enumerate();
    let (mut found, clean): (Vec<_>, Vec<_>) = numbered.partition(|(_, line)| bar(&line.totals) > 0);
    found.sort_by_key(|(_, line)| (Reverse(line.totals.denied), Reverse(bar(&line.totals)), &line.name));
    writeln!(out, "<section aria-labelledby=\"namespaces\">\n<h2 id=\"namespaces\">Namespaces</h2>")?;
    audit.odd_labels().try_for_each(|sentence| writeln!(out, "<p class=\"label\">{}</p>", Html(&sentence)))?;
    if !found.is_empty() {
        write_table(&found, out)?;
    }
    let clean: Vec<&NamespaceLine> = clean.into_iter().map(|(_, line)| line).collect();
    write_clean(&clean, audit.as_far_as_read(), out)?;
    writeln!(out, "</section>")
}

/// Whether there is a row of this namespace to go to.
pub(super) fn anchor(index: usize) -> String {
    format!("n{index}")
}

fn write_table(lines: &[(usize, &NamespaceLine)], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<p class=\"legend\" aria-hidden=\"true\"><span><i class=\"denied\"></i>denied</span>
<span><i class=\"warned\"></i>warned</span>
<span><i class=\"told\"></i>must be told</span>
<span><i class=\"files\"></i>reads files</span>
<span><i class=\"dry\"></i>dry run</span></p>
<div class=\"scroll\" role=\"group\" aria-labelledby=\"namespaces\" tabindex=\"0\">
<table class=\"namespaces rows\" aria-labelledby=\"namespaces\">
<thead><tr><th scope=\"col\" data-sort=\"text\">Namespace</th><th scope=\"col\" data-sort=\"text\">Label</th>\
         <th scope=\"col\" data-sort=\"text\">Fence</th><th scope=\"col\">Findings</th>"
    )?;
    for heading in ["Pods", "Denied", "Unsafe", "Warned", "Must be told", "Reads files", "Dry run", "Missed"] {
        let sorted = if heading == "Denied" { " aria-sort=\"descending\"" } else { "" };
        write!(out, "<th scope=\"col\" class=\"number\" data-sort=\"number\"{sorted}>{heading}</th>")?;
    }
    writeln!(out, "</tr></thead>")?;
    let longest = lines.iter().map(|(_, line)| bar(&line.totals)).max().unwrap_or(0);
    for (at, (index, line)) in lines.iter().enumerate() {
        begin_row(at, out)?;
        write_line(*index, line, longest, out)?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")
}

fn write_line(index: usize, line: &NamespaceLine, longest: usize, out: &mut dyn Write) -> io::Result<()> {
    let NamespaceLine { name, label, fence, totals } = line;
    let label = if label.text().is_empty() { "none" } else { label.text() };
    let (class, fence) = match fence {
        Fence::Enforced => ("enforced", "enforced"),
        Fence::Narrowed => ("narrowed", "narrowed"),
        Fence::DryRun => ("dry", "dry run"),
        Fence::Open => ("open", "open"),
        Fence::Unknown => ("unknown", "not known"),
    };
    write!(out, "<tr><th scope=\"row\"><a href=\"#{}\">{}</a></th>", anchor(index), Html(name))?;
    write!(out, "<td>{}</td><td class=\"fence {class}\">{fence}</td><td>", Html(label))?;
    write_bar(totals, longest, out)?;
    write!(out, "</td>")?;
    let Totals { pods, denied, warned, dry_run, reads_files, must_be_told, not_safe, missed, .. } = *totals;
    for number in [pods, denied, not_safe, warned, must_be_told, reads_files, dry_run, missed] {
        let class = if number == 0 { "number none" } else { "number" };
        write!(out, "<td class=\"{class}\">{}</td>", Grouped(number))?;
    }
    writeln!(out, "</tr>")
}

/// How many findings the bar of these numbers stands for.
fn bar(totals: &Totals) -> usize {
    parts(totals).into_iter().map(|(_, number)| number).sum()
}

fn parts(totals: &Totals) -> [(&'static str, usize); 5] {
    let Totals { denied, warned, reads_files, must_be_told, dry_run, .. } = *totals;
    [("denied", denied), ("warned", warned), ("told", must_be_told), ("files", reads_files), ("dry", dry_run)]
}

/// The columns beside it say the same in numbers.
fn write_bar(totals: &Totals, longest: usize, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "<svg class=\"bar\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")?;
    let share = |number: usize| 100.0 * number as f64 / longest.max(1) as f64;
    let mut before = 0;
    for (class, number) in parts(totals).into_iter().filter(|(_, number)| *number > 0) {
        let (x, width) = (share(before), share(number));
        write!(out, "<rect class=\"{class}\" x=\"{x:.2}\" width=\"{width:.2}\" height=\"1\"/>")?;
        before += number;
    }
    write!(out, "</svg>")
}

fn write_clean(clean: &[&NamespaceLine], as_far_as: &str, out: &mut dyn Write) -> io::Result<()> {
    if clean.is_empty() {
        return Ok(());
    }
    let of = |fence: Fence, what: &str| match clean.iter().filter(|line| line.fence == fence).count() {
        0 => String::new(),
        number => format!(", {} of them {what}", Grouped(number)),
    };
    let (open, narrowed) = (of(Fence::Open, "without a fence"), of(Fence::Narrowed, "with a narrowed one"));
    let summary = count(clean.len(), "namespace");
    writeln!(out, "<details><summary>{summary} without findings{as_far_as}{open}{narrowed}</summary>")?;
    writeln!(out, "<ul class=\"names\">")?;
    for line in clean {
        let fence = match line.fence {
            Fence::Open => " <span class=\"fence open\">open</span>",
            Fence::Narrowed => " <span class=\"fence narrowed\">narrowed</span>",
            Fence::Enforced | Fence::DryRun | Fence::Unknown => "",
        };
        writeln!(out, "<li>{}{fence}</li>", Html(&line.name))?;
    }
    writeln!(out, "</ul></details>")
}
