//! How the page looks, sounds and prints, and that nothing in it is broken.

use serde_json::json;

use crate::browser::Browser;
use crate::{page, sample};

#[test]
fn nothing_complains_and_nothing_is_fetched() {
    let Some(mut browser) = Browser::start() else { return };
    for audit in [sample::small(), sample::compared(), sample::empty(), sample::many(300)] {
        browser.open(&page(&audit));
        assert_eq!(browser.complaints(), [""; 0]);
        assert_eq!(browser.text("document.title"), "Secretfence audit of 2026-11-21");
        assert_eq!(browser.text("document.compatMode"), "CSS1Compat");
    }
}

/// So that the test above can fail.
#[test]
fn what_a_page_does_wrong_is_heard() {
    let Some(mut browser) = Browser::start() else { return };
    let page = String::from_utf8(page(&sample::small())).unwrap();
    for wrong in [
        "<p style=\"color: red\">",
        "<script>document.title = 'owned'</script>",
        "<img src=\"https://evil.example/x\">",
    ] {
        browser.open(page.replacen("<main>", &format!("<main>{wrong}"), 1).as_bytes());
        assert!(!browser.complaints().is_empty(), "{wrong}");
        assert_eq!(browser.text("document.title"), "Secretfence audit of 2026-11-21");
    }
}

#[test]
fn hostile_names_are_read_and_never_run() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::hostile()));
    // Sorting and filtering move what is hostile about, into options too.
    browser.eval("document.querySelectorAll('th button').forEach((button) => button.click())");
    browser.eval("document.querySelectorAll('.namespaces a').forEach((link) => link.click())");
    assert_eq!(browser.complaints(), [""; 0]);
    assert_eq!(browser.text("document.title"), "Secretfence audit of 2026-11-21");
    assert_eq!(
        browser.eval(
            "document.querySelectorAll('img, base, svg:not(.bar), [onload], [onfocus], main style, main script').length"
        ),
        0
    );
    let text = browser.text("document.body.textContent");
    assert!(
        text.contains("<style>body { display: none }</style><!--") && text.contains("\\u{202e}\\u{0}\\u{1b}[2J<meta")
    );
}

#[test]
fn all_is_there_without_javascript_and_no_control_is_dead() {
    let Some(mut browser) = Browser::start() else { return };
    browser.without_script();
    browser.open(&page(&sample::compared()));
    // Groups of rows are laid out once they are painted: a picture waits for that.
    browser.picture();
    let visible = browser.text("document.body.innerText");
    for (owner, row) in sample::compared().rows() {
        assert!(visible.contains(&owner.name) && visible.contains(&row.finding.message), "{}", row.finding.message);
        assert!(row.change().is_none_or(|change| visible.contains(&change)));
    }
    let dead = "[...document.querySelectorAll('button, input, select')].filter((it) => it.checkVisibility()).length";
    assert_eq!(browser.eval(dead), 0);
    // Each namespace leads to the first of its findings.
    let links = "[...document.querySelectorAll('.namespaces a')].map((link) => \
                 [link.textContent, document.querySelector(link.getAttribute('href')).cells[1].textContent])";
    for link in browser.eval(links).as_array().unwrap() {
        assert_eq!(link[0], link[1]);
    }
}

#[test]
fn every_word_has_contrast_in_light_and_dark_and_on_paper() {
    let Some(mut browser) = Browser::start() else { return };
    for (medium, scheme) in [("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")] {
        browser.medium(medium, scheme);
        browser.open(&page(&sample::compared()));
        let faint = browser.eval(include_str!("contrast.js"));
        assert_eq!(faint, json!([]), "{medium}, {scheme}");
        let background = browser.text("getComputedStyle(document.body).backgroundColor");
        let is_dark = (medium, scheme) == ("screen", "dark");
        assert_eq!(background == "rgb(255, 255, 255)", !is_dark, "{medium}, {scheme}: {background}");
    }
}

#[test]
fn everything_that_acts_is_reached_by_the_tab_key_and_shows_it() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::compared()));
    let mut reached = Vec::new();
    for _ in 0..60 {
        browser.press("Tab");
        let at = browser.eval(
            "(() => { const it = document.activeElement; if (it === document.body) return null;
               const style = getComputedStyle(it); const box = it.getBoundingClientRect();
               return [it.id || it.className || it.closest('th')?.textContent || it.tagName,
                 style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, box.top >= 0 && box.bottom <= innerHeight + 600]; })()",
        );
        if at.is_null() {
            break;
        }
        assert_eq!(at[1], true, "no outline: {at}");
        assert_eq!(at[2], true, "not on the screen: {at}");
        reached.push(at[0].as_str().unwrap().to_owned());
    }
    assert_eq!(reached[0], "skip");
    for control in [
        "namespace",
        "outcome",
        "text",
        "all",
        "scroll",
        "Outcome",
        "Namespace",
        "Owner",
        "Container",
        "Pods",
        "Missed",
    ] {
        assert!(reached.iter().any(|each| each == control), "{control}: {reached:?}");
    }
    // Every control has a name for those who do not see it.
    let nameless = "[...document.querySelectorAll('input, select')].filter((it) => !it.labels.length).length";
    assert_eq!(browser.eval(nameless), 0);
}

/// The rows of the findings are grids to the layout.
#[test]
fn the_table_is_a_table_to_assistive_technology() {
    let Some(mut browser) = Browser::start() else { return };
    let audit = sample::small();
    browser.open(&page(&audit));
    browser
        .eval("document.querySelectorAll('section:not([aria-labelledby=findings])').forEach((each) => each.remove())");
    let roles = browser.roles();
    let count = |role: &str| roles.iter().filter(|each| *each == role).count();
    let rows = audit.rows().count();
    assert_eq!((count("table"), count("row"), count("columnheader")), (1, rows + 1, 7), "{roles:?}");
    assert_eq!((count("rowheader"), count("cell") + count("gridcell")), (rows, 6 * rows), "{roles:?}");
}

#[test]
fn fits_a_narrow_screen() {
    let Some(mut browser) = Browser::start() else { return };
    browser.size(360, 700);
    browser.open(&page(&sample::compared()));
    assert_eq!(browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0);
}

#[test]
fn no_number_of_a_namespace_is_out_of_its_frame() {
    let Some(mut browser) = Browser::start() else { return };
    for width in [360, 500, 800, 1100, 1150, 1280] {
        browser.size(width, 700);
        browser.open(&page(&sample::compared()));
        let hidden =
            "[...document.querySelectorAll('.scroll:has(.namespaces)')].map((it) => it.scrollWidth - it.clientWidth)";
        assert_eq!(browser.eval(hidden), json!([0]), "{width}");
        let said = "getComputedStyle(document.querySelector('.namespaces td:nth-child(12)'), '::before').content";
        assert_eq!(browser.text(said), if width < 1152 { "\"missed: \"" } else { "none" }, "{width}");
    }
}

#[test]
fn what_is_folded_is_printed_and_folded_again() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::compared()));
    let folded = "[...document.querySelectorAll('details')].map((it) => it.open)";
    browser.eval(
        "printed = []; addEventListener('beforeprint', () => printed.push(document.querySelector('details').open))",
    );
    assert_eq!(browser.eval(folded), json!([false]));
    browser.print();
    assert_eq!(browser.eval("printed"), json!([true]));
    assert_eq!(browser.eval(folded), json!([false]));
}

#[test]
fn prints_every_row_under_a_repeated_head() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::many(300)));
    browser.medium("print", "light");
    // Paper is no screen, however narrow.
    browser.size(700, 900);
    let display = |browser: &mut Browser, selector: &str| {
        browser.text(&format!("getComputedStyle(document.querySelector('{selector}')).display"))
    };
    assert_eq!(display(&mut browser, ".findings thead"), "table-header-group");
    assert_eq!(display(&mut browser, ".findings tbody tr"), "table-row");
    assert_eq!(display(&mut browser, ".filters"), "none");
    assert_eq!(
        browser.text("getComputedStyle(document.querySelector('.findings tbody')).contentVisibility"),
        "visible"
    );
    // Chromium paints no button at the head of the second page.
    assert_eq!(display(&mut browser, ".findings thead button"), "contents");
    browser.medium("", "");
    let printed = browser.print();
    assert!(printed.starts_with(b"%PDF-"));
    let marks: Vec<&[u8]> = printed.windows(12).filter(|at| at.starts_with(b"/Type /Page\n")).collect();
    // A dozen rows a page: were the groups off the screen left out, there would be three pages.
    assert!(marks.len() > 12, "{} pages", marks.len());
}

/// Writes pictures of every way to see it, to be looked at: `AUDIT_HTML=DIRECTORY cargo test … -- --ignored`.
#[test]
#[ignore = "writes pictures, and the one of the README"]
fn pictures() {
    let mut browser = Browser::start().expect("a browser to draw with");
    let small = page(&sample::small());
    browser.size(1240, 1040);
    browser.hide_scrollbars();
    browser.open(&small);
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/audit.png"), browser.picture()).unwrap();
    let Some(directory) = std::env::var_os("AUDIT_HTML").map(std::path::PathBuf::from) else { return };
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).unwrap();
    write("small.html", &small);
    write("many.html", &page(&sample::many(10_000)));
    write("hostile.html", &page(&sample::hostile()));
    for (name, audit) in [("small", sample::small()), ("compared", sample::compared()), ("hostile", sample::hostile())]
    {
        for scheme in ["light", "dark"] {
            for (width, height) in [(1280, 2000), (390, 2600)] {
                browser.medium("", scheme);
                browser.size(width, height);
                browser.open(&page(&audit));
                write(&format!("{name}-{scheme}-{width}.png"), &browser.picture());
            }
        }
        browser.medium("", "dark");
        write(&format!("{name}.pdf"), &browser.print());
    }
}
