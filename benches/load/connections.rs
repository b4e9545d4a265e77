//! Many connections: what a request costs beside others, and what a connection at rest takes.

use crate::Setting;
use crate::ceiling::Work;
use crate::client::post;
use crate::cost::{BODIES, IN_FLIGHT};
use crate::rounds::Rounds;
use crate::server::Server;
use crate::support;
use crate::table::Table;

const MANY: [usize; 3] = [IN_FLIGHT, 64, 256];
const COST_GOAL: f64 = 1.4;

const IDLE: usize = 1000;
/// Before those that are counted: what the first ones take is not theirs alone.
const FIRST: usize = 50;
const IDLE_GOAL: f64 = 30.0;

/// Server CPU per request of `/validate`, and of the ceiling, with more of them in flight.
pub fn cost_table(setting: &Setting, figures: &mut Table) -> Table {
    let ceiling = Server::ceiling(Work::Constant, &setting.files, |command| setting.cores.one(command));
    let webhook = Server::webhook(&setting.files, "ten", |command| setting.cores.one(command));
    let head = MANY.map(|many| format!("{many} in flight: µs, min / median"));
    let mut table = Table::new(&["", &head[0], &head[1], &head[2], "256 / 16"]);
    for (name, body, _) in BODIES {
        let request = post("/validate", body);
        let mut costs = [[const { Vec::new() }; MANY.len()], [const { Vec::new() }; MANY.len()]];
        for round in 0..setting.rounds {
            eprintln!("connections: {name}, round {} of {}", round + 1, setting.rounds);
            for (column, many) in MANY.into_iter().enumerate() {
                for (server, costs) in [&ceiling, &webhook].into_iter().zip(&mut costs) {
                    costs[column].push(setting.clients.load(server, &request, many, setting.time).per_request);
                }
            }
        }
        for (server, costs) in ["ceiling", "`/validate`"].into_iter().zip(costs) {
            let costs = costs.map(Rounds::from_iter);
            let times = costs[2].over(&costs[0]).median();
            let cells = costs.iter().map(|costs| format!("{:.1} / {:.1}", costs.min(), costs.median()));
            let row = [format!("{server}, {name}")].into_iter().chain(cells).chain([format!("{times:.2}")]);
            table.row(row);
            if server != "ceiling" {
                let what = format!("CPU per request at 256 in flight, times that at {IN_FLIGHT}: {server}, {name}");
                figures.row([what, format!("{times:.2}"), format!("{COST_GOAL}")]);
            }
        }
    }
    table
}

/// Memory of a connection that has shaken hands, asked once, and rests.
pub fn memory(setting: &Setting, figures: &mut Table) {
    eprintln!("connections: {IDLE} at rest");
    let webhook = Server::webhook(&setting.files, "ten", |command| setting.cores.all(command));
    let request = post("/validate", support::SMALL);
    let _first = setting.clients.hold(webhook.address, &request, FIRST);
    let before = webhook.resident();
    let _idle = setting.clients.hold(webhook.address, &request, IDLE);
    let each = webhook.resident().saturating_sub(before) as f64 / IDLE as f64 / 1024.0;
    let what = format!("memory of an idle connection, of {IDLE} after one request each");
    figures.row([what, format!("{each:.1} KiB"), format!("{IDLE_GOAL} KiB")]);
}
