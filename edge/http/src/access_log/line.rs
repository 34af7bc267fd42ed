//! The text of an access line. Written by hand into a buffer that the core keeps: at a hundred thousand requests a
//! second a general formatter was a tenth of the work.
//!
//! Both forms have the fields of every other line of the log, so that one reader does for all: text as
//! `tracing-subscriber` writes it, JSON as one flat object. Values are as safe as they are there: what a client wrote is
//! quoted, and its control bytes and quotes are escaped.

use std::{
    cell::{Cell, RefCell},
    fmt::{self, Write as _},
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::Exchange;
use crate::trace::Trace;

/// Seconds as `2026-11-21T13:59:50`.
const SECOND_BYTES: usize = 19;

/// What takes a line.
pub type TakeLine = dyn Fn(&[u8]) + Send + Sync;

/// How the access log looks and who takes its lines.
#[derive(Clone)]
pub struct AccessLog {
    /// Its form.
    pub format: LineFormat,
    /// Takes each line with its end, on the core that served the request: it must not wait for anybody.
    pub take: Arc<TakeLine>,
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("format", &self.format).finish_non_exhaustive()
    }
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// `time  INFO key=value …`.
    Text,
    /// One object a line.
    Json,
}

/// Writes the lines of one core.
#[derive(Debug)]
pub(crate) struct LineWriter {
    log: AccessLog,
    buffer: RefCell<Vec<u8>>,
    /// The last second that was written, and its text: nearly every line has the second of the one before.
    second: Cell<Option<(u64, [u8; SECOND_BYTES])>>,
}

impl LineWriter {
    pub(crate) fn new(log: AccessLog) -> Self {
        Self { log, buffer: RefCell::default(), second: Cell::default() }
    }

    /// Gives the line of `exchange` on, which has ended with `outcome` after `duration`.
    pub(super) fn write(&self, exchange: &Exchange, outcome: &str, duration: Duration) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        let at = exchange.beginning.received.checked_add(duration);
        let mut line = Line { out: &mut buffer, format: self.log.format };
        self.open(&mut line, at.unwrap_or(exchange.beginning.received));
        let beginning = &exchange.beginning;
        line.bare(key!("request_id"), beginning.id.as_str());
        line.bare(key!("method"), beginning.method.as_str());
        line.quoted(key!("route"), exchange.route.get().0);
        if let Some(path) = exchange.path.borrow().as_deref() {
            line.quoted(key!("path"), path);
        }
        line.number(key!("status"), exchange.status.get().map_or(0, |status| status.as_u16().into()));
        line.number(key!("bytes"), exchange.sent.get());
        line.number(key!("duration_us"), u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        line.address(key!("client"), beginning.client);
        line.quoted(key!("transport"), beginning.transport.as_str());
        line.quoted(key!("outcome"), outcome);
        let noted = exchange.trace.get();
        if let Some(word) = noted.and_then(Trace::cache) {
            line.quoted(key!("cache"), word);
        }
        if let Some(word) = noted.and_then(Trace::detail) {
            line.quoted(key!("detail"), word);
        }
        line.close();
        (self.log.take)(&buffer);
    }

    fn open(&self, line: &mut Line<'_>, at: SystemTime) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let second = match self.second.get() {
            Some((number, text)) if number == since.as_secs() => text,
            _ => {
                let text = second_text(since.as_secs());
                self.second.set(Some((since.as_secs(), text)));
                text
            }
        };
        if line.format == LineFormat::Json {
            line.out.extend_from_slice(b"{\"timestamp\":\"");
        }
        line.out.extend_from_slice(&second);
        line.out.push(b'.');
        let mut micros = *b"000000";
        let mut left = since.subsec_micros();
        for digit in micros.iter_mut().rev() {
            *digit = b'0'.saturating_add(u8::try_from(left % 10).unwrap_or(0));
            left /= 10;
        }
        line.out.extend_from_slice(&micros);
        line.out.extend_from_slice(match line.format {
            LineFormat::Text => b"Z  INFO".as_slice(),
            LineFormat::Json => b"Z\",\"level\":\"INFO\",\"target\":\"rillcast::access\"",
        });
    }
}

/// Seconds since 1970 as text; all zeros beyond the year 9999.
fn second_text(seconds: u64) -> [u8; SECOND_BYTES] {
    let text = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let text = text.map(|time| time.to_string()).unwrap_or_default();
    let text = text.as_bytes().first_chunk();
    *text.unwrap_or(b"0000-00-00T00:00:00")
}

/// The name of a field with what stands around it: one copy instead of three.
#[derive(Clone, Copy)]
struct Key {
    in_text: &'static str,
    in_json: &'static str,
}

macro_rules! key {
    ($name:literal) => {
        Key { in_text: concat!(" ", $name, "="), in_json: concat!(",\"", $name, "\":") }
    };
}
use key;

/// A line that is being written.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    format: LineFormat,
}

impl Line<'_> {
    fn key(&mut self, key: Key) {
        let key = match self.format {
            LineFormat::Text => key.in_text,
            LineFormat::Json => key.in_json,
        };
        self.out.extend_from_slice(key.as_bytes());
    }

    /// A value that is a token: text has it without quotes.
    fn bare(&mut self, key: Key, token: &str) {
        if self.format == LineFormat::Json {
            return self.quoted(key, token);
        }
        self.key(key);
        self.out.extend_from_slice(token.as_bytes());
    }

    fn quoted(&mut self, key: Key, value: &str) {
        self.key(key);
        // Without a way out in the middle many bytes are looked at in one step.
        let is_odd = |byte: u8| !matches!(byte, b' '..=b'~') | matches!(byte, b'"' | b'\\' | b'\'');
        if !value.bytes().fold(false, |any, byte| any | is_odd(byte)) {
            self.out.push(b'"');
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
            return;
        }
        match self.format {
            LineFormat::Text => self.format_args(format_args!("{value:?}")),
            LineFormat::Json => self.format_args(format_args!("{}", serde_json::Value::from(value))),
        }
    }

    fn number(&mut self, key: Key, value: u64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn address(&mut self, key: Key, address: IpAddr) {
        self.key(key);
        let quote = (self.format == LineFormat::Json).then_some(b'"');
        self.out.extend(quote);
        match address {
            IpAddr::V4(address) => {
                let mut dot = None;
                for octet in address.octets() {
                    self.out.extend(dot.replace(b'.'));
                    self.out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            IpAddr::V6(address) => self.format_args(format_args!("{address}")),
        }
        self.out.extend(quote);
    }

    fn format_args(&mut self, arguments: fmt::Arguments<'_>) {
        // A buffer takes everything.
        let _ = Text(self.out).write_fmt(arguments);
    }

    fn close(self) {
        self.out.extend_from_slice(match self.format {
            LineFormat::Text => b"\n".as_slice(),
            LineFormat::Json => b"}\n",
        });
    }
}

/// Bytes that text is appended to.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
