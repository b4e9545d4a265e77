//! Log lines written by a thread of their own: where nobody takes them, lines are lost rather than reviews delayed.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;

/// Lines that wait to be written: at about 1 KiB each this bounds the queue to 1 MiB.
const CAPACITY: usize = 1024;

/// How long the end of the process waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines, and never waits.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

/// Keeps the log; dropped, it waits for the lines that are under way.
#[derive(Debug)]
#[must_use = "without it the last lines are lost"]
pub struct LogGuard {
    stop: SyncSender<Vec<u8>>,
    writer: Option<JoinHandle<()>>,
}

/// Starts the thread.
pub(super) fn start(format: LogFormat, output: impl Write + Send + 'static) -> io::Result<(Lines, LogGuard)> {
    let (queue, lines) = sync_channel(CAPACITY);
    let lost = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lost);
    let writer =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(format, &lines, &counted, output))?;
    Ok((Lines { queue: queue.clone(), lost }, LogGuard { stop: queue, writer: Some(writer) }))
}

impl Write for Lines {
    /// The formatter hands over a whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(line.to_vec()) {
            self.lost.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let end = Instant::now() + PATIENCE;
        let Some(writer) = self.writer.take() else { return };
        // An empty line asks the thread to end; while the queue is full there is no place for it.
        while let Err(TrySendError::Full(_)) = self.stop.try_send(Vec::new()) {
            if Instant::now() > end {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        while !writer.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whoever reads the lines may be gone: there is nobody to tell then.
fn write(format: LogFormat, lines: &Receiver<Vec<u8>>, lost: &AtomicU64, mut output: impl Write) {
    for line in lines {
        if line.is_empty() {
            return;
        }
        let _ = output.write_all(&line);
        let count = lost.swap(0, Relaxed);
        if count > 0 {
            let what = "log lines lost: nobody took them in time";
            let _ = match format {
                LogFormat::Text => writeln!(output, "WARN {what} count={count}"),
                LogFormat::Json => writeln!(output, r#"{{"level":"WARN","message":"{what}","count":{count}}}"#),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// An output that blocks until it is let go.
    struct Stuck(Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_blocks_costs_lines_and_no_time_and_says_how_many() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let held = written.lock().unwrap();
        let (mut lines, guard) = start(LogFormat::Text, Stuck(Arc::clone(&written))).unwrap();
        for _ in 0..CAPACITY * 2 {
            lines.write_all(b"line\n").unwrap();
        }
        drop(held);
        drop(guard);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let count = text.lines().filter(|line| *line == "line").count();
        assert!((CAPACITY..CAPACITY + 2).contains(&count), "{count}");
        let lost = format!("count={}", CAPACITY * 2 - count);
        assert!(text.contains(&lost), "{text}");
    }
}
