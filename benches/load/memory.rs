//! Resident memory: of a server at rest, and with as many big reviews as the load keeps in flight.

use std::process::Command;
use std::time::Duration;

use crate::Setting;
use crate::client::post;
use crate::cost::IN_FLIGHT;
use crate::server::Server;
use crate::support;
use crate::table::Table;

const IDLE_GOAL: &str = "12 MB";
const BUSY_GOAL: &str = "32 MB";

/// Threads of the server have memory of their own, so both are measured with one core and with all.
pub fn measure(setting: &Setting, figures: &mut Table) {
    let one = |command: Command| setting.cores.one(command);
    let all = |command: Command| setting.cores.all(command);
    for (cores, on) in [("one core", &one as &dyn Fn(Command) -> Command), ("all cores", &all)] {
        eprintln!("memory: {cores}");
        let webhook = Server::webhook(&setting.files, "ten", on);
        // Past the first look at the files.
        std::thread::sleep(Duration::from_secs(2));
        figures.row([
            format!("resident at rest, 10 policies, {cores}"),
            megabytes(webhook.resident()),
            IDLE_GOAL.to_owned(),
        ]);
        for path in ["/mutate", "/validate"] {
            setting.clients.load(&webhook, &post(path, support::BIG), IN_FLIGHT, setting.time);
        }
        let what = format!("most ever resident, {IN_FLIGHT} reviews of 225 KB in flight, {cores}");
        figures.row([what, megabytes(webhook.most_resident()), BUSY_GOAL.to_owned()]);
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
