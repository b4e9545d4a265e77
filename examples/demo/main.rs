//! The webhook at work, without a cluster: `cargo run --release --example demo`.
//!
//! Starts the real server on the loopback with a certificate made for it, calls it over TLS as an API server would, and
//! prints what it makes of the workloads beside this file.

mod api_server;
mod story;
mod yaml;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Colours only on a terminal, and not with NO_COLOR.
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    match story::tell(&mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough: `| head`.
        Err(error)
            if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
