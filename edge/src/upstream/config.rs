//! What the operator says of the upstreams, and what of it cannot be.

use std::{collections::HashSet, fmt, path::PathBuf, sync::Arc, time::Duration};

use http::{
    StatusCode, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

/// Most upstreams in one list.
pub const UPSTREAMS_MAX: usize = 64;
/// Longest name of an upstream or a node, in bytes: it becomes a label of figures and stands in a header.
pub const NAME_BYTES_MAX: usize = 64;
/// Largest weight of an upstream.
pub const WEIGHT_MAX: u16 = 1000;
/// Most attempts that may be allowed for one fetch.
pub const ATTEMPTS_MAX: u32 = 10;
/// Most resumptions in vain that may be allowed for one body.
pub const RESUMES_MAX: u32 = 20;
/// Bytes of a body that earn it back one of its resumptions.
pub const RESUME_EARNED_BYTES: u64 = 1 << 20;
/// Most requests in flight, or waiting, that may be allowed at one upstream.
pub const IN_FLIGHT_MAX: usize = 65_536;

/// All upstreams of an edge, and what holds for each of them.
#[derive(Debug, Clone)]
pub struct UpstreamsConfig {
    /// One or more, [`UPSTREAMS_MAX`] at most.
    pub upstreams: Vec<UpstreamConfig>,
    /// This node's name, by which it recognises its own requests when they come back (RFC 8586).
    pub node: String,
    /// Who vouches for the certificates of upstreams.
    pub trust: Trust,
    /// When a failed request is asked again.
    pub retry: RetryPolicy,
}

impl UpstreamsConfig {
    /// These upstreams, with usual policies.
    pub fn new(node: impl Into<String>, upstreams: Vec<UpstreamConfig>) -> Self {
        Self { upstreams, node: node.into(), trust: Trust::WebRoots, retry: RetryPolicy::default() }
    }
}

/// An origin, or another edge.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name in logs and figures, and what decides its share of the keys; unique.
    pub name: String,
    /// `http://host:port` or `https://host:port`, no path.
    pub url: String,
    /// What is asked for as `Host` and as the certificate's name, when it is not the URL's.
    pub host: Option<String>,
    /// Share of the keys of its tier, 1 to [`WEIGHT_MAX`].
    pub weight: u16,
    /// Upstreams of a tier are asked only while none of a lower one can be.
    pub tier: u8,
    /// What is spoken.
    pub speech: Speech,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Requests at once; over HTTP/1.1 each has a connection of its own.
    pub in_flight_max: usize,
    /// Requests that wait for a place among those; one more is refused.
    pub waiting_max: usize,
    /// When it is taken out for failing.
    pub passive: PassivePolicy,
    /// How it is asked for its health.
    pub check: Option<CheckConfig>,
}

impl UpstreamConfig {
    /// An upstream of weight one in the first tier, with usual limits and no checks.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            host: None,
            weight: 1,
            tier: 0,
            speech: Speech::Negotiated,
            timeouts: Timeouts::default(),
            in_flight_max: 256,
            waiting_max: 1024,
            passive: PassivePolicy::default(),
            check: None,
        }
    }
}

/// Which version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// HTTP/2 when TLS agrees on it, HTTP/1.1 otherwise.
    Negotiated,
    /// HTTP/1.1 always.
    Http1,
    /// HTTP/2 always, on plain connections without asking.
    Http2,
}

/// Who vouches for certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that browsers trust.
    WebRoots,
    /// Those in this PEM file, and no others.
    File(PathBuf),
}

/// Patience with one upstream.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection, from the name to the end of the TLS handshake; also for a place in the queue.
    pub connect: Duration,
    /// From a sent request to the head of the response, unless a request brings a deadline of its own.
    pub head: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// Without a head for so long, or without a piece of a body of known length, another upstream is asked if one is well.
    /// What is asked to be held is waited for.
    pub silence: Duration,
    /// How long an unused connection is kept.
    pub keep: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            silence: Duration::from_secs(2),
            keep: Duration::from_secs(20),
        }
    }
}

/// When a failed request is asked again. Only GET and HEAD are ever sent.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Attempts for one fetch, the first among them; 1 to [`ATTEMPTS_MAX`].
    pub attempts_max: u32,
    /// Statuses after which another upstream, never the same, is asked.
    pub statuses: Vec<StatusCode>,
    /// Retries earned by each request, in percent of one. Those after a failed connect are free: nobody did any work.
    pub budget_percent: u32,
    /// Retries a second that are always earned.
    pub budget_per_second: u32,
    /// Most retries that can be saved up.
    pub budget_saved_max: u32,
    /// How often the rest of a broken body may be asked for, 0 to [`RESUMES_MAX`]; [`RESUME_EARNED_BYTES`] that come earn one back.
    pub resumes_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            statuses: vec![
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            budget_percent: 20,
            budget_per_second: 10,
            budget_saved_max: 100,
            resumes_max: 3,
        }
    }
}

/// When an upstream that fails requests is left alone for a while.
#[derive(Debug, Clone, Copy)]
pub struct PassivePolicy {
    /// So many failures in a row, at least 1.
    pub failures_in_a_row: u32,
    /// Or this share of the requests of a window, in percent.
    pub failures_percent: u32,
    /// When the window has seen so many requests.
    pub requests_min: u32,
    /// Length of a window.
    pub window: Duration,
    /// Left alone for so long the first time; twice as long each further time.
    pub out_first: Duration,
    /// Never longer than this.
    pub out_max: Duration,
}

impl Default for PassivePolicy {
    fn default() -> Self {
        Self {
            failures_in_a_row: 5,
            failures_percent: 50,
            requests_min: 20,
            window: Duration::from_secs(10),
            out_first: Duration::from_secs(1),
            out_max: Duration::from_secs(60),
        }
    }
}

/// A question asked now and then: it is well when the answer is a 2xx.
#[derive(Debug, Clone)]
pub struct CheckConfig {
    /// What is asked for, e.g. `/healthz`.
    pub path: String,
    /// From one question to the next.
    pub every: Duration,
    /// For connection and head together.
    pub timeout: Duration,
    /// Good answers in a row after which a down upstream is up.
    pub rise: u32,
    /// Bad ones after which it is down.
    pub fall: u32,
}

impl CheckConfig {
    /// Asks for `path` every five seconds; three bad answers take it down, two good ones up.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
        }
    }
}

/// Why upstreams cannot be set up; always the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamConfigError {
    /// None, or too many.
    #[error("{count} upstreams; there must be 1 to {UPSTREAMS_MAX}")]
    Count {
        /// How many.
        count: usize,
    },
    /// A name that cannot be a label.
    #[error("`{name}` is no name: 1 to {NAME_BYTES_MAX} characters of A-Z a-z 0-9 . _ -")]
    Name {
        /// The name.
        name: String,
    },
    /// Two of one name.
    #[error("two upstreams are called `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// No URL that can be asked.
    #[error("upstream `{name}`: `{url}` is not http://host[:port] or https://host[:port]")]
    Url {
        /// Of which upstream.
        name: String,
        /// The URL.
        url: String,
    },
    /// A figure out of its bounds.
    #[error("upstream `{name}`: {field} is {value}; it must be {min} to {max}")]
    Bounds {
        /// Of which upstream, or `retry`.
        name: String,
        /// Which figure.
        field: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A path that cannot be asked for.
    #[error("upstream `{name}`: `{path}` is no path to check")]
    CheckPath {
        /// Of which upstream.
        name: String,
        /// The path.
        path: String,
    },
    /// The file of authorities cannot be used.
    #[error("the authorities in {path}: {why}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The name of an upstream. Cloning is a reference count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamName(Arc<str>);

impl UpstreamName {
    pub(super) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// As text: a label of figures.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an upstream is: the URL, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// Name or address to connect to; an IPv6 address has no brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// `Host`, and `:authority`.
    pub(super) authority: Authority,
    /// The name on its certificate.
    pub(super) certificate_name: String,
}

impl Address {
    pub(super) fn read(config: &UpstreamConfig) -> Result<Self, UpstreamConfigError> {
        let bad = || UpstreamConfigError::Url { name: config.name.clone(), url: config.url.clone() };
        let url: Uri = config.url.parse().map_err(|_| bad())?;
        let scheme = url.scheme().filter(|scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS);
        let (scheme, authority) = (scheme.ok_or_else(bad)?, url.authority().ok_or_else(bad)?);
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none();
        if !is_bare || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad());
        }
        let named = config.host.as_deref().unwrap_or(authority.as_str());
        let named: Authority = named.parse().map_err(|_| bad())?;
        Ok(Self {
            scheme: scheme.clone(),
            host: without_brackets(authority.host()).to_owned(),
            port: port(authority, if *scheme == Scheme::HTTPS { 443 } else { 80 }).ok_or_else(bad)?,
            certificate_name: without_brackets(named.host()).to_owned(),
            authority: named,
        })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

/// The port that is written down, or the usual one; `None` for one that cannot be.
pub(super) fn port(authority: &Authority, usual: u16) -> Option<u16> {
    match authority.as_str().strip_prefix(authority.host())? {
        "" => Some(usual),
        written => written.strip_prefix(':')?.parse().ok().filter(|port| *port != 0),
    }
}

pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl UpstreamsConfig {
    /// Holds every figure against its bounds.
    pub(super) fn check(&self) -> Result<(), UpstreamConfigError> {
        let count = self.upstreams.len();
        if !(1..=UPSTREAMS_MAX).contains(&count) {
            return Err(UpstreamConfigError::Count { count });
        }
        let mut names = HashSet::new();
        for upstream in &self.upstreams {
            upstream.check()?;
            if !names.insert(upstream.name.as_str()) {
                return Err(UpstreamConfigError::Twice { name: upstream.name.clone() });
            }
        }
        let bound = Bound { name: "retry" };
        bound.holds("attempts_max", self.retry.attempts_max.into(), 1, ATTEMPTS_MAX.into())?;
        bound.holds("resumes_max", self.retry.resumes_max.into(), 0, RESUMES_MAX.into())
    }
}

impl UpstreamConfig {
    fn check(&self) -> Result<(), UpstreamConfigError> {
        if !is_name(&self.name) {
            return Err(UpstreamConfigError::Name { name: self.name.clone() });
        }
        let bound = Bound { name: &self.name };
        let in_flight_max = u64::try_from(IN_FLIGHT_MAX).unwrap_or(u64::MAX);
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        bound.holds("weight", self.weight.into(), 1, WEIGHT_MAX.into())?;
        bound.holds("in_flight_max", count(self.in_flight_max), 1, in_flight_max)?;
        bound.holds("waiting_max", count(self.waiting_max), 0, in_flight_max)?;
        bound.holds("failures_in_a_row", self.passive.failures_in_a_row.into(), 1, 1_000_000)?;
        bound.holds("failures_percent", self.passive.failures_percent.into(), 1, 100)?;
        for (field, duration) in [
            ("connect", self.timeouts.connect),
            ("head", self.timeouts.head),
            ("idle", self.timeouts.idle),
            ("silence", self.timeouts.silence),
            ("window", self.passive.window),
            ("out_first", self.passive.out_first),
        ] {
            bound.holds_millis(field, duration)?;
        }
        let Some(check) = &self.check else { return Ok(()) };
        bound.holds("rise", check.rise.into(), 1, 1000)?;
        bound.holds("fall", check.fall.into(), 1, 1000)?;
        bound.holds_millis("every", check.every)?;
        bound.holds_millis("timeout", check.timeout)?;
        let is_path = check.path.starts_with('/') && check.path.parse::<PathAndQuery>().is_ok();
        let wrong = || UpstreamConfigError::CheckPath { name: self.name.clone(), path: check.path.clone() };
        if is_path { Ok(()) } else { Err(wrong()) }
    }
}

/// Longest patience, in milliseconds: an hour.
const PATIENCE_MS_MAX: u64 = 3_600_000;

struct Bound<'a> {
    name: &'a str,
}

impl Bound<'_> {
    fn holds(&self, field: &'static str, value: u64, min: u64, max: u64) -> Result<(), UpstreamConfigError> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        Err(UpstreamConfigError::Bounds { name: self.name.to_owned(), field, value, min, max })
    }

    fn holds_millis(&self, field: &'static str, value: Duration) -> Result<(), UpstreamConfigError> {
        self.holds(field, u64::try_from(value.as_millis()).unwrap_or(u64::MAX), 1, PATIENCE_MS_MAX)
    }
}

/// Whether this may be a label, and stand in a header.
pub(super) fn is_name(name: &str) -> bool {
    let is_short = (1..=NAME_BYTES_MAX).contains(&name.len());
    is_short && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests;
