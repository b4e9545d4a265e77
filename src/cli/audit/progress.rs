//! How far it is: one line, on a terminal, and nothing elsewhere.

use std::io::{self, IsTerminal, Write};

use crate::cluster::audit::Batch;

/// How far it is.
pub(super) struct Progress {
    shows: bool,
    resource: String,
    count: u64,
}

impl Progress {
    pub(super) fn start() -> Progress {
        Progress { shows: io::stderr().is_terminal(), resource: String::new(), count: 0 }
    }

    pub(super) fn tell(&mut self, batch: &Batch) {
        if !self.shows {
            return;
        }
        if self.resource != batch.kind.resource {
            (self.resource, self.count) = (batch.kind.resource.clone(), 0);
        }
        self.count += batch.items().count() as u64;
        let of = batch.remaining.map_or_else(String::new, |more| format!(" of {}", self.count + more));
        self.line(&format!("{}: {}{of}", self.resource, self.count));
    }

    /// Leaves the line as it was.
    pub(super) fn end(&mut self) {
        if self.shows {
            self.line("");
        }
    }

    fn line(&self, text: &str) {
        // Nobody misses it.
        let mut out = io::stderr().lock();
        let _ = write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush());
    }
}
