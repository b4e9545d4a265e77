//! Time from exec until connections are accepted, and until the webhook says that it is ready.

use crate::Setting;
use crate::rounds::Rounds;
use crate::server::time_start;
use crate::table::Table;

const LISTENING_GOAL: &str = "10 ms";
/// The set of policies, how many they are, and when it has to be ready with them.
const SETS: [(&str, usize, &str); 2] = [("ten", 10, "50 ms"), ("thousand", 1000, "200 ms")];

/// Starts in a round of figures: one takes no time.
const STARTS: usize = 4;

pub fn measure(setting: &Setting, figures: &mut Table) {
    let mut times = [const { (Vec::new(), Vec::new()) }; SETS.len()];
    for round in 0..setting.rounds * STARTS {
        eprintln!("start: {} of {}", round + 1, setting.rounds * STARTS);
        for ((set, ..), (listening, ready)) in SETS.iter().zip(&mut times) {
            let (until_listening, until_ready) = time_start(&setting.files, set);
            listening.push(until_listening.as_secs_f64() * 1e3);
            ready.push(until_ready.as_secs_f64() * 1e3);
        }
    }
    for ((_, count, ready_goal), (listening, ready)) in SETS.iter().zip(times) {
        for (what, times, goal) in [("listening", listening, LISTENING_GOAL), ("ready", ready, ready_goal)] {
            let times = Rounds::from_iter(times);
            let shown = format!("{:.1} / {:.1} ms", times.min(), times.median());
            figures.row([format!("exec to {what}, {count} policies, min / median"), shown, goal.to_owned()]);
        }
    }
}
