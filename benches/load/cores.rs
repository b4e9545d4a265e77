//! One core for the server that is measured, the others for the load.

use std::fmt;
use std::process::Command;

pub struct Cores {
    server: usize,
    load: Vec<usize>,
}

impl Cores {
    /// Takes the first core that this process may use for servers, and keeps itself to the others.
    pub fn split() -> Cores {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc, which Linux has");
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list of cores");
        let mut cores = parse(allowed.trim());
        assert!(cores.len() >= 2, "a core for the server and one for the load are needed, and there is {allowed}");
        let cores = Cores { server: cores.remove(0), load: cores };
        let list = cores.load.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let pinned = Command::new("taskset").args(["-pc", &list, &std::process::id().to_string()]).output();
        let pinned = pinned.expect("taskset is needed (Debian: apt-get install util-linux)");
        assert!(pinned.status.success(), "taskset: {}", String::from_utf8_lossy(&pinned.stderr));
        cores
    }

    /// How many the load has.
    pub fn load(&self) -> usize {
        self.load.len()
    }

    /// The program, on the servers' core.
    pub fn one(&self, program: Command) -> Command {
        on(&[self.server], program)
    }

    /// The program, on every core.
    pub fn all(&self, program: Command) -> Command {
        let all: Vec<_> = std::iter::once(self.server).chain(self.load.iter().copied()).collect();
        on(&all, program)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let (model, core, others) = (model.unwrap_or("a processor"), self.server, self.load.len());
        write!(f, "{model}: servers on core {core}, the load on {others} others")
    }
}

/// `0-2,4`
fn parse(list: &str) -> Vec<usize> {
    let core = |text: &str| text.parse::<usize>().expect("the number of a core");
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        core(first)..=core(last)
    };
    list.split(',').flat_map(range).collect()
}

fn on(cores: &[usize], program: Command) -> Command {
    let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut command = Command::new("taskset");
    command.args(["-c", &list]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
