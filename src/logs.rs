//! Where log lines go and how they look.

mod lines;

use std::io::{IsTerminal, Stderr};
use std::sync::Arc;

use rillcast_http::{AccessLog, LineFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use self::lines::{Flusher, Lines};
use crate::config::{LogConfig, LogFormat};

/// The log of the process. Dropping it writes what waits.
pub(crate) struct Logs {
    lines: Lines<Stderr>,
    format: LogFormat,
    #[expect(dead_code, reason = "it is held for what its end does")]
    flusher: Option<Flusher<Stderr>>,
}

impl Logs {
    /// The access log, where the filter wants it: its target is `rillcast::access`, its level `info`.
    pub(crate) fn access_log(&self) -> Option<AccessLog> {
        let is_wanted = tracing::enabled!(target: "rillcast::access", tracing::Level::INFO);
        let format = match self.format {
            LogFormat::Text => LineFormat::Text,
            LogFormat::Json => LineFormat::Json,
        };
        let lines = self.lines.clone();
        is_wanted.then(|| AccessLog { format, take: Arc::new(move |line| lines.push(line)) })
    }
}

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
    }
    let flusher = lines.flush_in_background();
    if let Err(error) = &flusher {
        tracing::warn!(%error, "the access log is written late: there is no thread for it");
    }
    Logs { lines, format: config.format, flusher: flusher.ok() }
}
