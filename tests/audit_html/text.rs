//! The file itself.

use base64_simd::STANDARD;
use secretfence::report::audit::Registration;
use sha2::{Digest, Sha256};

use crate::{page, sample};

fn text(audit: &secretfence::report::audit::Audit) -> String {
    String::from_utf8(page(audit)).unwrap()
}

/// What stands between two marks, the first time.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn says_what_an_audit_found() {
    let text = text(&sample::small());
    // The style and the script are files of their own.
    let style = between(&text, "<style>", "</style>");
    let script = between(&text, "<script>", "</script>");
    let text = text.replace(style, "…").replace(script, "…");
    let policy = between(&text, "style-src '", "; img-src").to_owned();
    insta::assert_snapshot!(text.replace(&policy, "…"));
}

#[test]
fn is_the_same_each_time() {
    assert_eq!(page(&sample::compared()), page(&sample::compared()));
}

#[test]
fn lets_its_own_style_and_script_run_and_nothing_else() {
    let text = text(&sample::hostile());
    let policy = between(&text, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    let hash = |source: &str| STANDARD.encode_to_string(Sha256::digest(source));
    let style = hash(between(&text, "<style>", "</style>"));
    let script = hash(between(&text, "<script>", "</script>"));
    let expected = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; form-action 'none'"
    );
    assert_eq!(policy, expected);
    let before = text.find("Content-Security-Policy").unwrap();
    assert!(before < text.find("<style>").unwrap() && before < text.find("<title>").unwrap());
}

#[test]
fn hostile_names_add_no_markup() {
    let tags = |text: &str| {
        let mut tags: Vec<String> =
            text.split('<').skip(1).map(|tag| tag.split(['>', ' ', '\n']).next().unwrap().to_owned()).collect();
        tags.sort_unstable();
        tags
    };
    let outside = |text: &str| {
        let style = between(text, "<style>", "</style>").to_owned();
        let script = between(text, "<script>", "</script>").to_owned();
        text.replace(&style, "").replace(&script, "")
    };
    let (hostile, harmless) = (outside(&text(&sample::hostile())), outside(&text(&sample::compared())));
    let mut count = std::collections::BTreeMap::<String, isize>::new();
    tags(&hostile).into_iter().for_each(|tag| *count.entry(tag).or_default() += 1);
    tags(&harmless).into_iter().for_each(|tag| *count.entry(tag).or_default() -= 1);
    // There are more errors and fewer sentences; an owner is of another namespace than its line, and has no link.
    count.retain(|tag, number| *number != 0 && !["li", "/li", "p", "/p", "b", "/b"].contains(&tag.as_str()));
    assert!(count.is_empty(), "{count:?}");
    assert!(!hostile.contains(['\u{202e}', '\u{0}', '\u{1b}']));
}

#[test]
fn refers_to_nothing_outside_and_handles_no_event_in_line() {
    // It says the address of the API server, and does not lead there.
    let audit = sample::compared();
    let text = text(&audit).replace(&format!("{}</strong>", audit.cluster.server), "</strong>");
    for forbidden in ["http:", "https:", "src=", "url(", "@import", " style=\"", "javascript:"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    let tags = text.split('<').filter_map(|tag| tag.split('>').next());
    let mut words = tags.flat_map(|tag| tag.split_whitespace().skip(1));
    assert!(!words.any(|word| word.starts_with("on") && word.contains("=\"")));
}

/// Each part, and the number that it is about.
#[test]
fn says_what_to_do_about_each_outcome_that_occurs_and_no_other() {
    let small = sample::small();
    let all = text(&small);
    let advice = |text: &str| between(text, "<section class=\"advice\"", "</section>").to_owned();
    let parts = |text: &str| text.matches("<h3").count();
    assert_eq!(parts(&advice(&all)), 8, "{all}");
    assert!(all.contains("secretfence audit -p POLICIES --explain NAMESPACE/KIND/NAME"));
    assert!(all.contains("<a href=\"#what-to-do\">") && all.contains("<h2 id=\"what-to-do\""));
    let mut told = small.clone();
    told.owners.retain(|owner| owner.name == "storefront");
    let told = advice(&text(&sample::counted(told)));
    assert_eq!(parts(&told), 2, "{told}");
    assert!(told.contains("the program must be told") && told.contains("Pods missed") && !told.contains("By hand"));
    assert!(!text(&sample::empty()).contains("id=\"what-to-do\""));
}

#[test]
fn pods_that_are_missed_before_anything_is_registered_are_no_failure() {
    let mut audit = sample::small();
    let words =
        ["they exist; the policies would deny or swap them when they are made anew", "Nothing is registered yet"];
    assert!(words.iter().all(|words| !text(&audit).contains(words)));
    audit.registration = Registration::Missing;
    assert!(words.iter().all(|words| text(&audit).contains(words)));
    assert!(!text(&audit).contains("kubectl rollout restart"));
}

#[test]
fn what_could_not_be_read_stands_before_the_numbers_and_beside_what_was_not_found() {
    let (read, not_read) = (text(&sample::small()), text(&sample::compared()));
    assert!(not_read.find("id=\"errors\"").unwrap() < not_read.find("class=\"numbers\"").unwrap());
    assert!(not_read.contains("2 namespaces without findings, as far as it could be read, 1 of them"));
    assert!(read.contains("2 namespaces without findings, 1 of them"));
}

#[test]
fn says_with_which_audit_it_is_compared() {
    let mut audit = sample::compared();
    let said = text(&audit);
    assert!(
        said.contains("since the audit of 2026-11-20: 2 known before")
            && said.contains("Gone since the audit of 2026-11-20")
    );
    audit.compared.as_mut().unwrap().as_of = None;
    assert!(text(&audit).contains("since the earlier audit: 2 known before"));
}

#[test]
fn says_so_where_there_is_nothing_to_find() {
    let text = text(&sample::empty());
    assert!(text.contains("<p>None: the policies have nothing to say of what was judged.</p>"));
    assert!(!text.contains("<table") && !text.contains("id=\"filters\"") && !text.contains("class=\"errors\""));
}

#[test]
fn says_what_is_registered() {
    let mut audit = sample::empty();
    for (registration, words) in [
        (Registration::Installed, "The webhook is registered."),
        (Registration::Missing, "Nothing is registered: nothing is denied or swapped yet"),
        (Registration::Unknown, "The registrations could not be read"),
    ] {
        audit.registration = registration;
        assert!(text(&audit).contains(words), "{words}");
    }
}

#[test]
fn a_row_costs_less_than_a_kilobyte() {
    let rows = 10_000;
    let bytes = page(&sample::many(rows)).len() - page(&sample::empty()).len();
    assert!(bytes / rows < 1000, "{} bytes each", bytes / rows);
}
