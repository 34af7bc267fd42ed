//! Where log lines go and how they look.

mod lines;

use std::io::{IsTerminal, Stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use self::lines::{Flusher, Lines};
use crate::config::{LogConfig, LogFormat};

/// The log of the process. Dropping it writes what waits.
pub(crate) struct Logs(
    #[expect(dead_code, reason = "it is held for what its end does")] Option<Flusher<Stderr>>,
);

/// Starts logging to standard error. A second call changes nothing.
pub(crate) fn start(config: &LogConfig) -> Logs {
    let filter = EnvFilter::new(&config.level);
    let for_people = std::io::stderr().is_terminal();
    let lines = Lines::new(std::io::stderr());
    let builder = fmt().with_env_filter(filter).with_writer(lines.clone()).with_ansi(for_people);
    let started = match config.format {
        LogFormat::Text => builder.with_target(false).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging had been started before");
        return Logs(None);
    }
    let flusher = lines.flush_in_background();
    if let Err(error) = &flusher {
        tracing::warn!(%error, "the access log is written late: there is no thread for it");
    }
    Logs(flusher.ok())
}
