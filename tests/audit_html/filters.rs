//! What the script adds: filters and sorting, by mouse and by keyboard.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{page, sample};

const ROWS: &str = "[...document.querySelectorAll('.findings tbody tr')].filter((row) => row.checkVisibility())";

/// The names of the owners that are seen, in order.
fn owners(browser: &mut Browser) -> Vec<String> {
    let names = browser.eval(&format!("{ROWS}.map((row) => row.querySelector('th').firstChild.data.trim())"));
    names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn set(browser: &mut Browser, id: &str, value: &str) {
    let event = if id == "text" { "input" } else { "change" };
    browser.eval(&format!(
        "(() => {{ const it = document.getElementById('{id}'); it.value = {}; it.dispatchEvent(new Event('{event}'));
         return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); }})()",
        json!(value)
    ));
}

fn shown(browser: &mut Browser) -> String {
    browser.text("document.getElementById('shown').textContent")
}

#[test]
fn filters_by_namespace_outcome_and_text_together() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::small()));
    assert_eq!(owners(&mut browser).len(), 11);
    assert_eq!(shown(&mut browser), "11 findings");
    set(&mut browser, "namespace", "shop");
    assert_eq!(owners(&mut browser), ["search", "search", "storefront", "storefront", "postgres"]);
    set(&mut browser, "outcome", "told");
    assert_eq!(owners(&mut browser), ["storefront", "storefront"]);
    set(&mut browser, "text", "Redis web");
    assert_eq!(owners(&mut browser), ["storefront"]);
    assert_eq!(shown(&mut browser), "1 of 11 findings");
    set(&mut browser, "text", "redis nowhere");
    assert_eq!(shown(&mut browser), "0 of 11 findings");
    browser.eval("document.getElementById('all').click()");
    assert_eq!(owners(&mut browser).len(), 11);
    assert!(browser.complaints().is_empty());
}

#[test]
fn every_outcome_of_the_filter_has_as_many_rows_as_the_summary_says() {
    let Some(mut browser) = Browser::start() else { return };
    let audit = sample::compared();
    browser.open(&page(&audit));
    let totals = audit.totals;
    let new = audit.compared.as_ref().unwrap().new;
    let expected = [
        ("denied", totals.denied),
        ("unsafe", totals.not_safe),
        ("told", totals.must_be_told),
        ("files", totals.reads_files),
        ("warned", totals.warned),
        ("dry", totals.dry_run),
        ("missed", audit.rows().filter(|(_, row)| row.missed() > 0).count()),
        ("new", new),
        ("slipped", audit.rows().filter(|(_, row)| row.slipped > 0).count()),
    ];
    let options =
        browser.eval("[...document.getElementById('outcome').options].map((option) => option.value).slice(1)");
    assert_eq!(options, expected.iter().map(|(name, _)| *name).collect::<Value>());
    for (name, number) in expected {
        set(&mut browser, "outcome", name);
        assert_eq!(owners(&mut browser).len(), number, "{name}");
    }
}

#[test]
fn a_namespace_of_the_summary_filters_its_findings() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::small()));
    let listed = browser.eval("[...document.getElementById('namespace').options].map((option) => option.value)");
    assert_eq!(listed, json!(["", "batch", "billing", "monitoring", "shop", "tools"]));
    browser
        .eval("[...document.querySelectorAll('.namespaces a')].find((link) => link.textContent === 'billing').click()");
    assert_eq!(owners(&mut browser), ["invoices", "invoices", "ledger"]);
    assert_eq!(browser.text("document.activeElement.id"), "findings");
}

#[test]
fn a_namespace_that_is_asked_for_in_another_tab_is_left_to_the_browser() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::small()));
    // After the page's own, and so that no tab is opened.
    browser.eval(
        "document.addEventListener('click', (event) => { window.left = !event.defaultPrevented; event.preventDefault(); })",
    );
    let link = "[...document.querySelectorAll('.namespaces a')].find((link) => link.textContent === 'billing')";
    for (key, is_left) in [("ctrlKey", true), ("metaKey", true), ("shiftKey", true), ("detail", false)] {
        let event = format!("new MouseEvent('click', {{bubbles: true, cancelable: true, {key}: true}})");
        browser.eval(&format!("{link}.dispatchEvent({event})"));
        assert_eq!(browser.eval("window.left"), json!(is_left), "{key}");
        assert_eq!(owners(&mut browser).len(), if is_left { 11 } else { 3 }, "{key}");
    }
}

#[test]
fn headings_sort_both_ways_by_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::small()));
    let heading = |name: &str| {
        format!("[...document.querySelectorAll('.findings th')].find((th) => th.textContent === '{name}')")
    };
    browser.eval(&format!("{}.querySelector('button').focus()", heading("Owner")));
    browser.press("Enter");
    let ascending = owners(&mut browser);
    assert!(ascending.is_sorted(), "{ascending:?}");
    let order = format!("{}.getAttribute('aria-sort')", heading("Owner"));
    assert_eq!(browser.text(&order), "ascending");
    browser.press("Enter");
    assert_eq!(browser.text(&order), "descending");
    assert!(owners(&mut browser).iter().rev().is_sorted());
    assert_eq!(browser.eval("document.querySelectorAll('.findings [aria-sort]').length"), 1);
    browser.eval(&format!("{}.querySelector('button').click()", heading("Pods")));
    let pods = browser.eval(&format!("{ROWS}.map((row) => parseInt(row.cells[5].textContent))"));
    let pods: Vec<u64> = pods.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect();
    assert!(pods.iter().rev().is_sorted() && pods[0] == 38, "{pods:?}");
    // The two that have no missed pod are the last, in the order that they had.
    browser.eval(&format!("{}.querySelector('button').click()", heading("Outcome")));
    let outcomes = browser.eval(&format!("{ROWS}.map((row) => row.className.split(' ')[0])"));
    let mut sorted: Vec<&str> = outcomes.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let order = ["denied", "warned", "swapped", "dry"];
    assert!(sorted.is_sorted_by_key(|name| order.iter().position(|each| each == name)), "{sorted:?}");
    sorted.dedup();
    assert_eq!(sorted, order);
    browser.eval("document.querySelector('.namespaces th button').click()");
    let names = browser.eval("[...document.querySelectorAll('.namespaces tbody th')].map((th) => th.textContent)");
    assert_eq!(names, json!(["batch", "billing", "monitoring", "shop", "tools"]));
}

/// In groups, whose order and sizes are not to be seen.
#[test]
fn sorts_and_filters_ten_thousand_rows() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::many(10_000)));
    assert_eq!(browser.number("document.querySelectorAll('.findings tbody tr').length"), 10_000.0);
    let names =
        |browser: &mut Browser| browser.eval(&format!("{ROWS}.map((row) => row.cells[2].firstChild.data.trim())"));
    browser.eval("document.querySelectorAll('.findings th button')[2].click()");
    let mut expected: Vec<String> = (0..10_000).map(|index| format!("service-{index}")).collect();
    expected.sort();
    assert_eq!(names(&mut browser), json!(expected));
    set(&mut browser, "outcome", "files");
    expected.retain(|name| name["service-".len()..].parse::<usize>().unwrap() % 7 == 3);
    assert_eq!(names(&mut browser), json!(expected));
    assert_eq!(shown(&mut browser), "1,429 of 10,000 findings");
}
