//! Server CPU per request: the webhook beside the ceiling, and the engine without a server.

use std::hint::black_box;
use std::time::Instant;

use secretfence::fence::{Endpoint, answer};

use crate::Setting;
use crate::ceiling::Work;
use crate::client::{BUSY, Cost, Request, post};
use crate::rounds::Rounds;
use crate::server::Server;
use crate::support;
use crate::table::Table;

pub const IN_FLIGHT: usize = 16;

/// Name, bytes, and how often the ceiling a review may cost.
pub const BODIES: [(&str, &[u8], f64); 3] =
    [("4 KB", support::SMALL, 1.6), ("13 KB", support::TYPICAL, 2.5), ("225 KB", support::BIG, 3.6)];

/// One row: a server and what it is asked, or the engine in this process.
struct Row<'a> {
    name: &'static str,
    how: How<'a>,
    has_goal: bool,
    /// By body.
    figures: Vec<Rounds>,
    least_busy: f64,
}

enum How<'a> {
    Served(&'a Server, &'static str),
    InProcess(Endpoint),
}

/// Rows of servers and columns of bodies. The first row is what the others are compared with.
pub fn table(setting: &Setting) -> Table {
    let ceiling = |work| Server::ceiling(work, &setting.files, |command| setting.cores.one(command));
    let (constant, ignored, typed) = (ceiling(Work::Constant), ceiling(Work::Ignored), ceiling(Work::Typed));
    let webhook = Server::webhook(&setting.files, "ten", |command| setting.cores.one(command));
    assert_judges(setting, &webhook);
    let mut rows = [
        Row::new("ceiling: reads the body, answers a constant", How::Served(&constant, "/validate"), false),
        Row::new("ceiling, with `IgnoredAny` of the body", How::Served(&ignored, "/validate"), false),
        Row::new("ceiling, with a typed `Pod`", How::Served(&typed, "/validate"), false),
        Row::new("`/validate`", How::Served(&webhook, "/validate"), true),
        Row::new("`/mutate`", How::Served(&webhook, "/mutate"), true),
        Row::new("`answer()` alone, validate", How::InProcess(support::VALIDATE), false),
        Row::new("`answer()` alone, mutate", How::InProcess(support::MUTATE), false),
    ];
    for (body, (name, bytes, _)) in BODIES.iter().enumerate() {
        for round in 0..setting.rounds {
            eprintln!("cost: {name}, round {} of {}", round + 1, setting.rounds);
            for row in &mut rows {
                let cost = row.how.measure(setting, bytes);
                row.figures[body].push(cost.per_request);
                row.least_busy = row.least_busy.min(cost.busy);
            }
        }
    }
    shown(&rows)
}

impl<'a> Row<'a> {
    fn new(name: &'static str, how: How<'a>, has_goal: bool) -> Row<'a> {
        Row { name, how, has_goal, figures: vec![Rounds::default(); BODIES.len()], least_busy: 1.0 }
    }
}

impl How<'_> {
    fn measure(&self, setting: &Setting, body: &[u8]) -> Cost {
        match self {
            How::Served(server, path) => setting.clients.load(server, &post(path, body), IN_FLIGHT, setting.time),
            How::InProcess(endpoint) => Cost { per_request: alone(setting, *endpoint, body), busy: 1.0 },
        }
    }
}

/// Microseconds of a call of the engine, on a core of the load.
fn alone(setting: &Setting, endpoint: Endpoint, body: &[u8]) -> f64 {
    let (policies, facts) = (support::ten(), support::facts());
    let (mut calls, begin) = (0_u32, Instant::now());
    while begin.elapsed() < setting.time / 5 {
        for _ in 0..20 {
            black_box(answer(black_box(body), endpoint, &policies, &facts).is_ok());
        }
        calls += 20;
    }
    begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// What is measured is what it is said to be: a swap with its patch, and a denial.
pub fn assert_judges(setting: &Setting, webhook: &Server) {
    for (name, bytes, _) in BODIES {
        let ask = |path| -> Request { post(path, bytes) };
        let mutated = setting.clients.ask(webhook.address, &ask("/mutate"));
        assert!(mutated.contains(r#""patch":"#), "{name} is not swapped: {mutated}");
        let validated = setting.clients.ask(webhook.address, &ask("/validate"));
        assert!(validated.contains(r#""allowed":false"#), "{name} is not denied: {validated}");
    }
}

/// Of each figure the least and the median; of the ratios, round by round, the median, with the goal behind.
fn shown(rows: &[Row<'_>]) -> Table {
    let names = BODIES.iter().flat_map(|(name, ..)| [format!("{name}: µs, min / median"), "times".to_owned()]);
    let head: Vec<_> = [String::new()].into_iter().chain(names).chain(["busy".to_owned()]).collect();
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let figures = BODIES.iter().zip(&row.figures).zip(&rows[0].figures).flat_map(|(((_, _, goal), its), first)| {
            let times = its.over(first).median();
            let goal = if row.has_goal { format!(" (goal {goal})") } else { String::new() };
            [format!("{:.1} / {:.1}", its.min(), its.median()), format!("{times:.2}{goal}")]
        });
        let busy = match row.how {
            How::InProcess(_) => String::new(),
            How::Served(..) if row.least_busy < BUSY => format!("{:.0} %: not busy", (row.least_busy * 100.0).floor()),
            How::Served(..) => format!("{:.0} %", row.least_busy * 100.0),
        };
        table.row([row.name.to_owned()].into_iter().chain(figures).chain([busy]));
    }
    table
}
