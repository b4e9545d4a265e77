//! What stands around the findings: errors, exceptions, what was left out, what is gone.

use std::io::{self, Write};

use super::super::{Audit, ExceptionUse};
use super::{Grouped, Html, count};
use crate::fence::policy::ExceptionState;

/// Before everything else: with one of them the rest is not the whole.
pub(super) fn write_errors(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    if audit.errors.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section class=\"errors\" aria-labelledby=\"errors\">\n<h2 id=\"errors\">Not everything was judged</h2>"
    )?;
    writeln!(
        out,
        "<p>{}: what follows is not the whole, and a 0 may be what nobody could see.</p>",
        count(audit.errors.len(), "error")
    )?;
    write_list(&audit.errors, out)?;
    writeln!(out, "</section>")
}

/// What an earlier audit had, and this one has not.
pub(super) fn write_gone(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let Some(compared) = audit.compared.as_ref().filter(|compared| !compared.gone.is_empty()) else { return Ok(()) };
    let heading = match compared.other_policies {
        true => format!("Of {}, not found by these policies", compared.earlier()),
        false => format!("Gone since {}", compared.earlier()),
    };
    writeln!(out, "<section aria-labelledby=\"gone\">\n<h2 id=\"gone\">{heading}</h2>")?;
    let gone = compared.gone.iter();
    write_list(gone.map(|gone| format!("{} {}/{}: {}", gone.kind, gone.namespace, gone.name, gone.message)), out)?;
    writeln!(out, "</section>")
}

/// Every exception, and what it lets through.
pub(super) fn write_exceptions(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    if audit.exceptions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=\"exceptions\">\n<h2 id=\"exceptions\">Exceptions</h2>
<div class=\"scroll\" role=\"group\" aria-labelledby=\"exceptions\" tabindex=\"0\">
<table aria-labelledby=\"exceptions\">
<thead><tr><th scope=\"col\" data-sort=\"text\">Policy and rule</th><th scope=\"col\" data-sort=\"text\">Last day</th>\
         <th scope=\"col\" class=\"number\" data-sort=\"number\">References</th>\
         <th scope=\"col\" class=\"number\" data-sort=\"number\">Owners</th><th scope=\"col\">Used by</th><th scope=\"col\">What to do</th></tr></thead>
<tbody>"
    )?;
    audit.exceptions.iter().try_for_each(|exception| write_exception(exception, audit.sees_use_of(exception), out))?;
    writeln!(out, "</tbody>\n</table>\n</div>\n</section>")
}

fn write_exception(exception: &ExceptionUse, sees_all: bool, out: &mut dyn Write) -> io::Result<()> {
    let ExceptionUse { policy, rule, expires, state, references, owners, .. } = exception;
    let (class, what) = match state {
        ExceptionState::Active if *references == 0 && sees_all => ("unused", "nothing uses it: end it"),
        ExceptionState::Active if *references == 0 => ("active", "nothing that was judged uses it"),
        ExceptionState::Active => ("active", ""),
        ExceptionState::Ending if *references == 0 && sees_all => ("ending", "nothing uses it: let it end"),
        ExceptionState::Ending => ("ending", "it ends soon: end the need, or renew it"),
        ExceptionState::Expired => ("ended", "it ended: it allows nothing any more"),
    };
    writeln!(
        out,
        "<tr class=\"{class}\"><th scope=\"row\">{}/{}</th><td class=\"day\">{expires}</td><td class=\"number\">{}</td>\
         <td class=\"number\">{}</td><td>{}</td><td>{what}</td></tr>",
        Html(policy),
        Html(rule),
        Grouped(*references),
        Grouped(*owners),
        Html(&exception.users())
    )
}

/// The namespaces that were left out, and what cannot be known.
pub(super) fn write_not_judged(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    if audit.left_out.is_empty() && audit.not_judged.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section aria-labelledby=\"not-judged\">\n<h2 id=\"not-judged\">Not judged</h2>")?;
    let left_out = audit.left_out.iter().map(|its| format!("{}: {}", its.namespace, its.why));
    write_list(left_out.chain(audit.not_judged.iter().cloned()), out)?;
    writeln!(out, "</section>")
}

fn write_list(sentences: impl IntoIterator<Item = impl AsRef<str>>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<ul>")?;
    for sentence in sentences {
        writeln!(out, "<li>{}</li>", Html(sentence.as_ref()))?;
    }
    writeln!(out, "</ul>")
}
