//! What the kernel says of a webhook's process.

use std::fs;
use std::time::Duration;

use crate::webhook::Webhook;

/// In `/proc/PID/stat`, in ticks of which a second has 100 on every Linux that is in use.
const TICK: Duration = Duration::from_millis(10);

pub struct Figures(u32);

impl Figures {
    /// Of the process that serves now.
    pub fn of(webhook: &Webhook) -> Figures {
        let listen = format!("--listen=127.0.0.1:{}", webhook.port);
        let is_it = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            // The shell that guards it has the same words behind its own.
            words.first().is_some_and(|word| word.ends_with(b"secretfence")) && words.contains(&listen.as_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Figures(pids.find(is_it).expect("the webhook's process"))
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that ever was resident, in bytes.
    pub fn most_resident(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// What it has used of processors so far.
    pub fn processor(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        // Behind the name in brackets: utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        TICK * fields.skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum::<u32>()
    }

    fn status(&self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}
