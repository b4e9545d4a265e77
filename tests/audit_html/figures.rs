//! How long ten thousand rows take.

use crate::browser::Browser;
use crate::{page, sample};

const ROWS: usize = 10_000;

/// From the change to the end of the next frame, in milliseconds.
const TIMES: &str = "(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel();
    port1.onmessage = done; port2.postMessage(0); }));
  const byId = (id) => document.getElementById(id);
  const times = {};
  const time = async (name, change) => {
    await frame();
    const begin = performance.now();
    change();
    await frame();
    times[name] = performance.now() - begin;
  };
  const set = (id, value, event) => () => { byId(id).value = value; byId(id).dispatchEvent(new Event(event)); };
  const press = (at) => () => document.querySelectorAll('.findings th button')[at].click();
  await time('text, the first', set('text', 'service-99', 'input'));
  await time('text', set('text', 'service-9', 'input'));
  await time('text, none', set('text', 'nowhere', 'input'));
  await time('all again', set('text', '', 'input'));
  await time('outcome', set('outcome', 'denied', 'change'));
  await time('namespace', set('namespace', 'team-0500', 'change'));
  await time('show all', () => byId('all').click());
  await time('sort by owner', press(2));
  await time('sort by pods', press(4));
  await time('to the end', () => scrollTo(0, document.body.scrollHeight));
  const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1;
  const loaded = performance.getEntriesByType('navigation')[0].loadEventEnd;
  return { 'first paint': paint, 'all there': loaded, ...times };
})()";

fn measure(browser: &mut Browser) -> Vec<(String, f64)> {
    let times = browser.eval(TIMES);
    times.as_object().unwrap().iter().map(|(name, time)| (name.clone(), time.as_f64().unwrap())).collect()
}

/// Generous: a page that lays everything out at once, or row by row, takes far longer.
#[test]
fn ten_thousand_rows_can_be_worked_with() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::many(ROWS)));
    for (what, milliseconds) in measure(&mut browser) {
        assert!(milliseconds < 10_000.0, "{what}: {milliseconds:.0} ms");
    }
    assert!(browser.complaints().is_empty());
}

#[test]
#[ignore = "prints figures: docs/audit-html.md has them"]
fn figures() {
    let page = page(&sample::many(ROWS));
    println!("{ROWS} rows, {:.1} MB", page.len() as f64 / 1e6);
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..7 {
        let mut browser = Browser::start().expect("a browser to measure with");
        browser.open(&page);
        for (what, time) in measure(&mut browser) {
            match all.iter_mut().find(|(name, _)| *name == what) {
                Some((_, times)) => times.push(time),
                None => all.push((what, vec![time])),
            }
        }
    }
    for (what, mut times) in all {
        times.sort_by(f64::total_cmp);
        println!(
            "{what:16} {:5.0} ms (median), {:5.0} to {:.0}",
            times[times.len() / 2],
            times[0],
            times[times.len() - 1]
        );
    }
}
