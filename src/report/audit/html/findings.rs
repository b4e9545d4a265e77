//! The long table: a row for each finding of an owner.
//!
//! All rows are in the file, for readers without JavaScript. The script reads from a row's classes what it is, and from its cells the rest.

use std::collections::HashMap;
use std::io::{self, Write};

use super::super::{Audit, Owner, Row, Template, Totals};
use super::{Html, begin_row, count, summary};
use crate::fence::{Finding, Outcome};

/// The table, and what filters it where there is JavaScript.
pub(super) fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section aria-labelledby=\"findings\">\n<h2 id=\"findings\" tabindex=\"-1\">Findings</h2>")?;
    let number = audit.rows().count();
    if number == 0 {
        writeln!(out, "<p>None: the policies have nothing to say of what was judged.</p>\n</section>")?;
        return Ok(());
    }
    write_filters(audit, out)?;
    writeln!(out, "<p id=\"shown\" role=\"status\">{}</p>", count(number, "finding"))?;
    write_table(audit, out)?;
    writeln!(out, "</section>")
}

/// Hidden until the script has made it work. The script fills in the namespaces.
fn write_filters(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"filters\" id=\"filters\" role=\"search\" aria-label=\"Filter the findings\" hidden>
<label>Namespace <select id=\"namespace\" autocomplete=\"off\"><option value=\"\">all</option></select></label>
<label>Outcome <select id=\"outcome\" autocomplete=\"off\"><option value=\"\">all</option>"
    )?;
    let Totals { denied, warned, dry_run, reads_files, must_be_told, not_safe, missed, .. } = audit.totals;
    let (new, slipped) = audit.compared.as_ref().map_or((0, 0), |compared| (compared.new, compared.slipped));
    let classes = [
        ("denied", "denied", denied),
        ("unsafe", "unsafe to swap", not_safe),
        ("told", "swapped: must be told", must_be_told),
        ("files", "swapped: reads files", reads_files),
        ("warned", "warned", warned),
        ("dry", "in dry run", dry_run),
        ("missed", "pods missed", missed),
        ("new", "new", new),
        ("slipped", "pods slipped in", slipped),
    ];
    for (class, name, _) in classes.into_iter().filter(|(_, _, number)| *number > 0) {
        writeln!(out, "<option value=\"{class}\">{name}</option>")?;
    }
    writeln!(
        out,
        "</select></label>
<label class=\"grows\">Text <input type=\"search\" id=\"text\" autocomplete=\"off\" spellcheck=\"false\" \
         placeholder=\"owner, container, Secret, variable, rule\"></label>
<button type=\"button\" id=\"all\">Show all</button>
</div>"
    )
}

fn write_table(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<table class=\"findings rows\" aria-labelledby=\"findings\">
<thead><tr><th scope=\"col\" data-sort=\"rank\">Outcome</th>\
         <th scope=\"col\" data-sort=\"text\" aria-sort=\"ascending\">Namespace</th>\
         <th scope=\"col\" data-sort=\"text\">Owner</th><th scope=\"col\" data-sort=\"text\">Container</th>\
         <th scope=\"col\">Finding</th><th scope=\"col\" class=\"number\" data-sort=\"number\">Pods</th>\
         <th scope=\"col\" class=\"number\" data-sort=\"number\">Missed</th></tr></thead>"
    )?;
    let places: HashMap<&str, usize> =
        audit.namespaces.iter().enumerate().map(|(index, line)| (&*line.name, index)).collect();
    let mut namespace = None;
    for (index, (owner, row)) in audit.rows().enumerate() {
        begin_row(index, out)?;
        let is_first = namespace.replace(&*owner.namespace) != Some(&*owner.namespace);
        let anchor = places.get(&*owner.namespace).filter(|_| is_first).map(|index| summary::anchor(*index));
        write_row(owner, row, anchor.as_deref(), audit.compared.is_some(), out)?;
    }
    writeln!(out, "</tbody>\n</table>")
}

fn write_row(owner: &Owner, row: &Row, anchor: Option<&str>, is_compared: bool, out: &mut dyn Write) -> io::Result<()> {
    let finding = &row.finding;
    let (reads, how) = reads(finding);
    let outcome = finding.outcome.name();
    let is_new = is_compared && !row.known;
    write!(out, "<tr")?;
    if let Some(anchor) = anchor {
        write!(out, " id=\"{anchor}\"")?;
    }
    write!(out, " class=\"{}", if row.is_enforced() { outcome } else { "dry" })?;
    // What filters by number agrees with the numbers, and those are of what is enforced.
    let has_slipped = row.slipped > 0;
    let classes = [
        (row.is_enforced(), reads),
        (row.missed() > 0, "missed"),
        (is_new, "new"),
        (row.known, "known"),
        (has_slipped, "slipped"),
    ];
    for (_, class) in classes.iter().filter(|(is_so, class)| *is_so && !class.is_empty()) {
        write!(out, " {class}")?;
    }
    write!(out, "\"><td><b>{outcome}</b>")?;
    let dry_run = if row.is_enforced() { "" } else { "dry run" };
    let words = [how, dry_run, if is_new { "new" } else { "" }, if has_slipped { "slipped in" } else { "" }];
    for word in words.iter().filter(|word| !word.is_empty()) {
        write!(out, " <i>{word}</i>")?;
    }
    let (container, what) = (finding.container.as_deref().unwrap_or("the pod"), finding.kind);
    write!(out, "</td><td>{}</td><th scope=\"row\">{}", Html(&owner.namespace), Html(&owner.name))?;
    write!(out, " <i>{}</i></th><td>{} <i>{what}</i></td><td>", Html(&owner.kind), Html(container))?;
    write_sentences(owner, row, out)?;
    let of = if row.pods == owner.pods { String::new() } else { format!(" of {}", owner.pods) };
    let missed = match row.missed() {
        0 => String::new(),
        missed => missed.to_string(),
    };
    writeln!(out, "</td><td>{}{of}</td><td>{missed}</td></tr>", row.pods)
}

/// The class and the words for what a program makes of a swap.
fn reads(finding: &Finding) -> (&'static str, &'static str) {
    match (finding.reads, finding.outcome) {
        (Some("files"), _) => ("files", "reads files"),
        (Some("mustBeTold"), _) => ("told", "must be told"),
        (Some("unsafe"), Outcome::Denied | Outcome::Warned) => ("unsafe", "unsafe to swap"),
        _ => ("", ""),
    }
}

/// The finding's own words, then what is to be done.
fn write_sentences(owner: &Owner, row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let finding = &row.finding;
    write!(out, "{}", Html(&finding.message))?;
    if row.slipped > 0 {
        let more = count(row.slipped, "pod");
        write!(out, "<p class=\"slip\"><b>Slipped in:</b> {more} more than the earlier audit had</p>")?;
    }
    if let Some(change) = row.change() {
        write!(out, "<p class=\"change\"><b>Change:</b> {}</p>", Html(&change))?;
    }
    for note in finding.notes.iter().filter(|note| !finding.message.contains(&***note)) {
        write!(out, "<p><b>Note:</b> {}</p>", Html(note))?;
    }
    match owner.template {
        Template::Judged if !row.in_template => {
            let have = if row.pods == 1 { "has it" } else { "have it" };
            write!(out, "<p><b>Note:</b> only {} {have}: the template does not have it</p>", count(row.pods, "pod"))
        }
        Template::Unknown => write!(out, "<p><b>Note:</b> its template is not known</p>"),
        Template::Judged | Template::Itself => Ok(()),
    }
}
