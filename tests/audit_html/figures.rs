//! How long ten thousand rows take.

use serde_json::Value;

use crate::browser::Browser;
use crate::{page, sample};

const ROWS: usize = 10_000;

/// What a reader does, in this order.
const ACTIONS: [(&str, &str); 9] = [
    ("text, at once", "set('text', 'service-99', 'input')"),
    ("text", "set('text', 'service-9', 'input')"),
    ("text, of none", "set('text', 'nowhere', 'input')"),
    ("show all", "document.getElementById('all').click()"),
    ("outcome", "set('outcome', 'denied', 'change')"),
    ("namespace", "set('namespace', 'team-0500', 'change')"),
    ("show all again", "document.getElementById('all').click()"),
    ("sort by owner", "document.querySelectorAll('.findings th button')[2].click()"),
    ("sort by pods", "document.querySelectorAll('.findings th button')[4].click()"),
];

/// From an action to the end of the next frame, in milliseconds.
fn timed(action: &str) -> String {
    format!(
        "(async () => {{
          const frame = () => new Promise((done) => requestAnimationFrame(() => {{
            const {{ port1, port2 }} = new MessageChannel();
            port1.onmessage = done;
            port2.postMessage(0);
          }}));
          const set = (id, value, event) => {{
            const it = document.getElementById(id);
            it.value = value;
            it.dispatchEvent(new Event(event));
          }};
          await frame();
          const begin = performance.now();
          {action};
          await frame();
          return performance.now() - begin;
        }})()"
    )
}

/// The first paint, and the end of loading.
const LOADED: &str = "new Promise((done) => {
  const look = () => {
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    const loaded = performance.getEntriesByType('navigation')[0].loadEventEnd;
    if (paint && loaded) done([paint.startTime, loaded]); else setTimeout(look, 20);
  };
  look();
})";

/// Milliseconds on the clock, and those that the page's main thread was at work.
struct Figure {
    what: &'static str,
    clock: f64,
    work: Option<f64>,
}

fn measure(browser: &mut Browser) -> Vec<Figure> {
    let loaded: Value = browser.eval(LOADED);
    let mut at_work = browser.milliseconds_of_work();
    let figure = |what, index: usize, work| Figure { what, clock: loaded[index].as_f64().unwrap(), work };
    let mut figures = vec![figure("first paint", 0, None), figure("all there", 1, Some(at_work))];
    for (what, action) in ACTIONS {
        let clock = browser.number(&timed(action));
        let now = browser.milliseconds_of_work();
        figures.push(Figure { what, clock, work: Some(now - at_work) });
        at_work = now;
    }
    figures
}

/// Generous: a page that lays out every row at each letter takes far longer.
#[test]
fn ten_thousand_rows_can_be_worked_with() {
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&page(&sample::many(ROWS)));
    for Figure { what, clock, .. } in measure(&mut browser) {
        assert!(clock < 10_000.0, "{what}: {clock:.0} ms");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
#[ignore = "prints figures: docs/audit-html.md has them"]
fn figures() {
    let (big, small) = (page(&sample::many(ROWS)), page(&sample::small()));
    println!("{ROWS} rows, {:.1} MB; milliseconds, the median of 9 and the least of them", big.len() as f64 / 1e6);
    let mut all: Vec<(&str, Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..9 {
        let mut browser = Browser::start().expect("a browser to measure with");
        browser.open(&big);
        let mut figures = measure(&mut browser);
        browser = Browser::start().unwrap();
        browser.open(&small);
        let paint = browser.eval(LOADED)[0].as_f64().unwrap();
        figures.insert(0, Figure { what: "first paint of 11 rows", clock: paint, work: None });
        for Figure { what, clock, work } in figures {
            match all.iter_mut().find(|(name, ..)| *name == what) {
                Some((_, clocks, works)) => {
                    clocks.push(clock);
                    works.extend(work);
                }
                None => all.push((what, vec![clock], work.into_iter().collect())),
            }
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().zip(times.first().copied())
    };
    for (what, mut clocks, mut works) in all {
        let (clock, least) = median(&mut clocks).unwrap();
        let work = median(&mut works).map_or(String::new(), |(work, least)| format!("at work {work:4.0} ({least:.0})"));
        println!("{what:24} {clock:5.0} ({least:.0})  {work}");
    }
}
