//! How far it is: one line, on a terminal, and nothing elsewhere.

use std::io::{self, IsTerminal, Write};

/// How far it is.
pub(super) struct Progress<W> {
    /// None where nobody looks.
    terminal: Option<W>,
    resource: String,
    count: u64,
}

impl Progress<io::Stderr> {
    pub(super) fn start() -> Progress<io::Stderr> {
        let stderr = io::stderr();
        Progress::on(stderr.is_terminal().then_some(stderr))
    }
}

impl<W: Write> Progress<W> {
    fn on(terminal: Option<W>) -> Progress<W> {
        Progress { terminal, resource: String::new(), count: 0 }
    }

    /// So many more of a resource have come; `remaining`: so many are to come in this list, where somebody knows.
    pub(super) fn tell(&mut self, resource: &str, more: usize, remaining: Option<u64>) {
        if self.terminal.is_none() {
            return;
        }
        if self.resource != resource {
            (self.resource, self.count) = (resource.to_owned(), 0);
        }
        self.count += more as u64;
        let of = remaining.map_or_else(String::new, |remaining| format!(" of {}", self.count + remaining));
        self.line(&format!("{resource}: {}{of}", self.count));
    }

    /// Leaves the line as it was.
    pub(super) fn end(mut self) {
        self.line("");
    }

    fn line(&mut self, text: &str) {
        if let Some(out) = &mut self.terminal {
            // Nobody misses it.
            let _ = write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sees_one_line_that_is_gone_at_the_end() {
        let mut written = Vec::new();
        let mut progress = Progress::on(Some(&mut written));
        progress.tell("deployments", 2, None);
        progress.tell("pods", 500, Some(700));
        progress.tell("pods", 500, Some(200));
        progress.tell("pods", 200, None);
        progress.end();
        let lines = ["deployments: 2", "pods: 500 of 1200", "pods: 1000 of 1200", "pods: 1200", ""];
        let expected: String = lines.iter().map(|line| format!("\r\x1b[2K{line}")).collect();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
