//! One HTML file for people: nothing beside it, readable without JavaScript, sorted and filtered with it.
//!
//! ```text
//! summary.rs   the numbers, and each namespace with its bar
//! findings.rs  the long table: a row for each finding of an owner
//! advice.rs    what to do about them
//! remarks.rs   exceptions, what was left out, what is gone
//! page.css, page.js
//! ```
//!
//! Names are hostile: whatever is not a word of this module goes through `Html`. The page's own style and script are the
//! only ones that its Content-Security-Policy lets run, by their hashes, so that markup which got through would still be
//! dead. That forbids `style` attributes, too: bars are SVG, whose sizes are attributes of their own.
//!
//! The page says no time and nothing of the machine: of one audit it is the same, byte by byte.

mod advice;
mod findings;
mod remarks;
mod summary;

use std::fmt;
use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::Audit;
use crate::fence::name::acts_on_a_terminal;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the audit as one HTML document.
///
/// # Errors
/// Where the writer fails.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    write_head(audit, out)?;
    writeln!(out, "<body>\n<a class=\"skip\" href=\"#findings\">Skip to the findings</a>")?;
    summary::write_header(audit, out)?;
    writeln!(out, "<main>")?;
    remarks::write_errors(audit, out)?;
    summary::write_numbers(audit, out)?;
    summary::write_namespaces(audit, out)?;
    findings::write(audit, out)?;
    advice::write(audit, out)?;
    remarks::write_gone(audit, out)?;
    remarks::write_exceptions(audit, out)?;
    remarks::write_not_judged(audit, out)?;
    writeln!(out, "</main>")?;
    writeln!(
        out,
        "<footer>Written by {} {}. No value of a variable or of a Secret is in this file.</footer>",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    )?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

fn write_head(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    // An icon that is empty, or browsers ask the server for one, which the policy forbids.
    write!(
        out,
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; \
         base-uri 'none'; form-action 'none'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta name=\"referrer\" content=\"no-referrer\">
<meta name=\"robots\" content=\"noindex\">
<title>Secretfence audit of {}</title>
<link rel=\"icon\" href=\"data:,\">
<style>{STYLE}</style>
</head>
",
        hash(STYLE),
        hash(SCRIPT),
        audit.today
    )
}

/// As Content-Security-Policy names the source of an inline element (CSP Level 3, 2.3.1).
fn hash(source: &str) -> String {
    format!("sha256-{}", base64_simd::STANDARD.encode_to_string(Sha256::digest(source)))
}

/// Text between tags or in a quoted attribute. What acts on a terminal is spelt out: the file may be read in one, and
/// what reorders or hides text would do so in a browser, too.
struct Html<'t>(&'t str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let mut written = 0;
        for (at, character) in text.char_indices() {
            let entity = match character {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                '\u{fffe}' | '\u{ffff}' => "",
                _ if acts_on_a_terminal(character) => "",
                _ => continue,
            };
            f.write_str(&text[written..at])?;
            match entity {
                "" => write!(f, "{}", character.escape_unicode())?,
                entity => f.write_str(entity)?,
            }
            written = at + character.len_utf8();
        }
        f.write_str(&text[written..])
    }
}

/// Rows of a group in a long table: a browser lays out only the groups that are on the screen, and takes the others to be as
/// high as the style's `contain-intrinsic-size` says of so many.
const GROUP: usize = 50;

/// Begins a group of rows where it is time for one.
fn begin_row(index: usize, out: &mut dyn Write) -> io::Result<()> {
    match index {
        0 => writeln!(out, "<tbody>"),
        _ if index.is_multiple_of(GROUP) => writeln!(out, "</tbody>\n<tbody>"),
        _ => Ok(()),
    }
}

/// `1 pod`, `2 pods`.
fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", Grouped(number), if number == 1 { "" } else { "s" })
}

/// A number for people: `12,345`.
struct Grouped(usize);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        let hostile = "</td><img src=x onerror='alert(1)'>\"&amp;\u{0}\n\u{1b}\u{202e}\u{ffff}é";
        let expected = "&lt;/td&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&quot;&amp;amp;\\u{0}\\u{a}\\u{1b}\\u{202e}\\u{ffff}é";
        assert_eq!(Html(hostile).to_string(), expected);
    }

    #[test]
    fn groups_digits() {
        let grouped = [0, 999, 1000, 12_345, 1_000_000].map(|number| Grouped(number).to_string());
        assert_eq!(grouped, ["0", "999", "1,000", "12,345", "1,000,000"]);
    }

    #[test]
    fn style_and_script_are_hashed_as_browsers_read_them() {
        for source in [STYLE, SCRIPT] {
            // The HTML parser turns these into something else before it hashes.
            assert!(!source.contains('\r') && !source.contains('\0') && source.is_ascii());
            assert!(!source.contains("</") && !source.contains("<!--"), "it would end, or hide, its own element");
        }
    }
}
