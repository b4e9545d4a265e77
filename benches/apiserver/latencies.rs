//! What was measured: the median latency of each arrangement, and what it adds to nothing.

use std::time::Duration;

use crate::arrangements::Arrangement;
use crate::rounds::Rounds;
use crate::table::Table;

/// Two that are compared, and the goal for each body.
struct Compared {
    what: What,
    one: Arrangement,
    other: Arrangement,
    goals: Option<[f64; 3]>,
}

enum What {
    /// Over nothing.
    Added,
    Whole,
}

const COMPARED: [Compared; 7] = {
    use Arrangement::{Both, BothClean, InTree, Known, TwoYes, Validate, Yes};
    use What::{Added, Whole};
    [
        Compared { what: Added, one: Validate, other: InTree, goals: Some([1.3, 1.0, 0.5]) },
        Compared { what: Added, one: Yes, other: InTree, goals: None },
        Compared { what: Whole, one: BothClean, other: TwoYes, goals: Some([1.15; 3]) },
        Compared { what: Whole, one: Both, other: TwoYes, goals: Some([1.15; 3]) },
        Compared { what: Whole, one: Both, other: Known, goals: None },
        Compared { what: Added, one: Both, other: TwoYes, goals: None },
        Compared { what: Added, one: Both, other: Known, goals: None },
    ]
};

/// One size of pods.
pub struct Body {
    pub name: &'static str,
    pub latencies: Latencies,
}

/// By arrangement, in order: the median of each round, in milliseconds.
#[derive(Default)]
pub struct Latencies {
    medians: [Vec<f64>; Arrangement::ALL.len()],
}

impl Latencies {
    /// Adds a round, by arrangement.
    pub fn add(&mut self, round: Vec<Vec<Duration>>) {
        for (medians, took) in self.medians.iter_mut().zip(round) {
            medians.push(took.iter().map(|took| took.as_secs_f64() * 1e3).collect::<Rounds>().median());
        }
    }

    fn of(&self, arrangement: Arrangement) -> Rounds {
        self.medians[arrangement as usize].iter().copied().collect()
    }

    /// Round by round.
    fn added(&self, arrangement: Arrangement) -> Rounds {
        let (its, nothing) = (&self.medians[arrangement as usize], &self.medians[arrangement.nothing() as usize]);
        its.iter().zip(nothing).map(|(its, nothing)| its - nothing).collect()
    }
}

/// The median of the rounds' medians, and of what they add.
pub fn table(bodies: &[Body]) -> Table {
    let names = bodies.iter().flat_map(|Body { name, .. }| [format!("{name}: p50, ms"), "adds".to_owned()]);
    let head: Vec<_> = ["admission".to_owned()].into_iter().chain(names).collect();
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for arrangement in Arrangement::ALL {
        let cells = bodies.iter().flat_map(|Body { latencies, .. }| {
            let added = if arrangement.nothing() == arrangement {
                String::new()
            } else {
                format!("{:.2}", latencies.added(arrangement).median())
            };
            [format!("{:.2}", latencies.of(arrangement).median()), added]
        });
        table.row([arrangement.describe().to_owned()].into_iter().chain(cells));
    }
    table
}

/// The median of the rounds' ratios, between the least and the most of them.
pub fn ratios(bodies: &[Body]) -> Table {
    let head: Vec<_> = ["times"].into_iter().chain(bodies.iter().map(|body| body.name)).collect();
    let mut table = Table::new(&head);
    for Compared { what, one, other, goals } in COMPARED {
        let cells = bodies.iter().enumerate().map(|(index, Body { latencies, .. })| {
            let ratios = match what {
                What::Added => latencies.added(one).over(&latencies.added(other)),
                What::Whole => latencies.of(one).over(&latencies.of(other)),
            };
            let goal = goals.map_or_else(String::new, |goals| format!(" (goal {})", goals[index]));
            format!("{:.2} [{:.2}, {:.2}]{goal}", ratios.median(), ratios.min(), ratios.max())
        });
        let what = if matches!(what, What::Added) { "added" } else { "whole" };
        let name = format!("{what}: {}, beside {}", one.describe(), other.describe());
        table.row([name].into_iter().chain(cells));
    }
    table
}
