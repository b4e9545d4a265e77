//! The log: text or JSON, on standard error.
//!
//! Values go in as string fields, never into the message: the formatter escapes the control characters of fields, so
//! nothing that a tenant chose can end a line or reach a terminal.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;

use super::writer::{self, LogGuard};

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level does not parse.
    #[error(
        "--log-level {level:?}: expected error, warn, info, debug, trace, or directives such as \
         \"info,secretfence=debug\""
    )]
    Level {
        /// As given.
        level: String,
    },
    /// The process has a log already.
    #[error("the log was started twice")]
    Started,
    /// No thread to write it.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(std::io::Error),
}

/// Starts the log of this process. It ends when the guard is dropped.
pub fn start(format: LogFormat, level: &str) -> Result<LogGuard, LogError> {
    let filter = filter(level).ok_or_else(|| LogError::Level { level: level.to_owned() })?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (lines, guard) = writer::start(format, std::io::stderr()).map_err(LogError::Thread)?;
    let builder = SubscriberBuilder::default().with_writer(lines).with_ansi(colour).with_target(false);
    let started = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(builder.with_env_filter(filter).finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.with_env_filter(filter).json().flatten_event(true).finish())
        }
    };
    started.map_err(|_| LogError::Started)?;
    std::panic::set_hook(Box::new(|panic| {
        // Where, and not what: the message of a panic may quote the review, values and all.
        let place = panic.location().map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()));
        tracing::error!(place = &*place, "a defect of secretfence: please report the place");
    }));
    Ok(guard)
}

/// The client of the API server says each failure in a line of its own, without telling of what: the watches say it once.
const CLIENT: &str = "kube_client=off";

/// A word that is no level is the name of a module to `EnvFilter`: a slip such as `warning` would silence all others.
fn filter(level: &str) -> Option<EnvFilter> {
    let is_level = |directive: &str| !directive.is_empty() && LevelFilter::from_str(directive).is_ok();
    let is_known = |directive: &str| directive.contains(['=', '[']) || is_level(directive);
    level.split(',').all(is_known).then(|| EnvFilter::from_str(&format!("{CLIENT},{level}")).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_an_error_and_not_silence() {
        for level in ["info", "off", "WARN", "info,secretfence=debug", "info,hyper=off"] {
            assert!(filter(level).is_some(), "{level}");
        }
        for level in ["", " ", "loud", "warning", "info,loud", "info,", "secretfence=loud"] {
            assert!(filter(level).is_none(), "{level}");
        }
    }

    #[test]
    fn the_client_of_the_api_server_is_silent_unless_asked() {
        assert!(filter("info").is_some_and(|filter| filter.to_string().contains(CLIENT)));
        let asked = filter("info,kube_client=debug").unwrap().to_string();
        assert!(asked.contains("kube_client=debug") && !asked.contains(CLIENT), "{asked}");
    }
}
