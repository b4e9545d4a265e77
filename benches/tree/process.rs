//! A command as a whole process: how long it takes, what it takes of the processors, and of memory.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process took.
pub struct Cost {
    /// Seconds.
    pub wall: f64,
    /// Seconds of all its threads, and of the processes that it started and waited for; in hundredths.
    pub cpu: f64,
    /// The most megabytes that were ever resident of it alone, as far as it lived long enough to be asked.
    pub memory: Option<u64>,
}

/// What `/proc` counts in, in seconds, as Linux shows it to every program.
pub const TICK: f64 = 0.01;

/// Runs it, with what it prints in a file.
pub fn run(command: &mut Command, output: &Path) -> Cost {
    let file = File::create(output).expect("a file for the output");
    let before = of_children();
    let start = Instant::now();
    let spawned = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = format!("/proc/{}/status", child.id());
    // Asked in a thread of its own, so that the end is seen at once.
    let watch = thread::spawn(move || {
        let mut most = None;
        while let Some(now) = resident(&status) {
            most = most.max(Some(now));
            thread::sleep(Duration::from_millis(20));
        }
        most
    });
    let status = child.wait().expect("it is ours to wait for");
    let wall = start.elapsed().as_secs_f64();
    let memory = watch.join().expect("it only reads");
    // Every tool here says by 0 that there is nothing, and by 1 or 2 that there is something to say.
    assert!(matches!(status.code(), Some(0..=2)), "{command:?}: {status}");
    Cost { wall, cpu: of_children() - before, memory }
}

/// The peak so far; none of a process that is gone.
fn resident(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024 / 1_000_000)
}

/// Seconds of processors that ended children took.
fn of_children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc, which Linux has");
    // The name of the program may hold anything; after it stand fields 3 and on.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(16 - 3).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number of ticks")).sum::<f64>() * TICK
}
