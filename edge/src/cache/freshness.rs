//! How long a response may be used (RFC 9111): headers and times in, a verdict out.
//!
//! ```text
//!  status, headers ─┐                    ┌─ Pass(Reason)     why not is a value, for logs and metrics
//!  requested,       ├─▶ evaluate ─▶ Verdict
//!  received         │                    └─ Store(Lifetime) ──▶ state(now): Fresh │ StaleWhileRevalidate │
//!  Policy ──────────┘                                                       StaleIfError │ Expired
//! ```
//!
//! Which field decides (RFC 9213 §2.2): `CDN-Cache-Control`, else `Surrogate-Control`, else `Cache-Control` and
//! `Expires`. Which number decides (§4.2.1): `s-maxage`, else `max-age`, else `Expires` less `Date`, else, for a few
//! negative answers, a second of our own, else, where an operator allows it, a tenth of the time since the last change.
//!
//! Origins say strange things. What cannot be read counts as the most restrictive thing it could mean; of two
//! directives that contradict each other the more restrictive counts; and no number goes beyond the [`Policy`].
//! Nothing here reads a clock.

mod age;
mod directives;
mod lifetime;
mod request;
mod revalidation;
#[cfg(test)]
mod tests;
mod vary;

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, StatusCode, header};

pub use lifetime::{CLOCK_SLACK, Lifetime, State};
pub use request::only_if_cached;
pub use revalidation::{NotOurs, add_conditions, freshen, without_connection_fields};
pub use vary::Variation;

use directives::Directives;

/// A response to a `GET` for the whole of a resource, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// Status of the response.
    pub status: StatusCode,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Time of day when the request was sent.
    pub requested: SystemTime,
    /// Time of day when the head of the response had arrived.
    pub received: SystemTime,
    /// What the request carried.
    pub credentials: Credentials,
}

/// Whether a request said who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// It did not; what viewers send never reaches an upstream.
    None,
    /// It had an `Authorization` field (§3.5).
    Authorization,
}

/// What an operator makes of what origins say. Every duration is a maximum or a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// No response is fresh for longer.
    pub fresh_max: Duration,
    /// No response is used for longer after it was fresh.
    pub stale_max: Duration,
    /// No 4xx is fresh for longer, whatever it says.
    pub negative_max: Duration,
    /// How long 404, 405, 410 and 414 are fresh when they say nothing. Bounded by `negative_max`.
    pub negative_default: Duration,
    /// No 5xx is fresh for longer; one that says nothing is not stored.
    pub server_error_max: Duration,
    /// How long a stale response may stand in for a failing origin that says nothing about it (§4.2.4).
    pub stale_if_error_default: Duration,
    /// Maximum of a guessed lifetime (§4.2.2); without one there is no guessing.
    pub heuristic_max: Option<Duration>,
    /// Request fields whose mention in `Vary` changes nothing, because no upstream ever sees them.
    pub vary_ignored: Vec<HeaderName>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            fresh_max: Duration::from_secs(365 * 24 * 3600),
            stale_max: Duration::from_secs(24 * 3600),
            negative_max: Duration::from_secs(60),
            negative_default: Duration::from_secs(1),
            server_error_max: Duration::from_secs(1),
            stale_if_error_default: Duration::ZERO,
            heuristic_max: None,
            vary_ignored: vec![
                header::ORIGIN,
                header::ACCESS_CONTROL_REQUEST_METHOD,
                header::ACCESS_CONTROL_REQUEST_HEADERS,
            ],
        }
    }
}

/// What to do with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it, and use it as the lifetime says.
    Store(Lifetime),
    /// Hand it on to whoever asked already, and forget it.
    Pass(Reason),
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A status that says nothing about the resource, or that we do not know (§3).
    Status,
    /// Only a part of a representation (§3.3): we ask for wholes.
    ContentRange,
    /// `no-store` (§5.2.2.5).
    NoStore,
    /// `private` (§5.2.2.7).
    Private,
    /// `no-cache` (§5.2.2.4) without a validator to ask with.
    NoCache,
    /// It sets a cookie, which is somebody's own (§7.3).
    SetCookie,
    /// `Vary: *` (§4.1).
    VaryStar,
    /// It varies by a field that we do not tell variants apart by.
    VaryUnsupported,
    /// It varies by coding, and has one that we do not know.
    Coding,
    /// The request had `Authorization`, and nothing allows sharing the response (§3.5).
    Authorization,
    /// Nothing says how long it is fresh, or that it never is.
    NoFreshness,
    /// It was too old when it came.
    StaleOnArrival,
}

impl Reason {
    /// A stable word for logs, metrics and `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::ContentRange => "content_range",
            Self::NoStore => "no_store",
            Self::Private => "private",
            Self::NoCache => "no_cache",
            Self::SetCookie => "set_cookie",
            Self::VaryStar => "vary_star",
            Self::VaryUnsupported => "vary_unsupported",
            Self::Coding => "coding",
            Self::Authorization => "authorization",
            Self::NoFreshness => "no_freshness",
            Self::StaleOnArrival => "stale_on_arrival",
        }
    }
}

/// What kind of answer a status is, as far as storing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It is worth keeping; `guess` if a lifetime may be guessed (RFC 9110 §15.1).
    Useful { guess: bool },
    /// The client's mistake, kept for a short while; `default` if also without being told to.
    Negative { default: bool },
    /// The origin's own trouble: kept only when it says so, and hardly at all.
    ServerError,
}

impl Class {
    fn of(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            200 | 203 | 204 | 300 | 301 | 308 => Self::Useful { guess: true },
            302 | 303 | 307 => Self::Useful { guess: false },
            404 | 405 | 410 | 414 => Self::Negative { default: true },
            400 | 402 | 403 | 406 | 409 | 415 | 422 | 451 => Self::Negative { default: false },
            500..=599 => Self::ServerError,
            // The others are about this one request: its time, its conditions, its ranges, its credentials.
            _ => return None,
        })
    }
}

/// Decides whether a response is stored, and for how long it may be used.
///
/// Cost: a dozen look-ups in the headers; no allocation.
pub fn evaluate(exchange: &Exchange<'_>, policy: &Policy) -> Verdict {
    match lifetime(exchange, policy) {
        Ok(lifetime) => Verdict::Store(lifetime),
        Err(reason) => Verdict::Pass(reason),
    }
}

fn lifetime(exchange: &Exchange<'_>, policy: &Policy) -> Result<Lifetime, Reason> {
    let headers = exchange.headers;
    if exchange.status == StatusCode::PARTIAL_CONTENT || headers.contains_key(header::CONTENT_RANGE) {
        return Err(Reason::ContentRange);
    }
    let class = Class::of(exchange.status).ok_or(Reason::Status)?;
    let directives = Directives::of(headers);
    may_be_stored(exchange, &directives)?;
    let variation = Variation::of(headers, policy)?;

    let must_revalidate = directives.must_revalidate || directives.no_cache;
    let is_negative = !matches!(class, Class::Useful { .. });
    let fresh = if directives.no_cache {
        Duration::ZERO
    } else {
        fresh_for(exchange, policy, class, &directives).ok_or(Reason::NoFreshness)?
    };
    // A stale «not found» helps nobody, and a stale error would hide that the origin is well again.
    let stale = |seconds: Option<Duration>, default: Duration| {
        let allowed =
            if must_revalidate || is_negative { Duration::ZERO } else { seconds.unwrap_or(default) };
        allowed.min(policy.stale_max)
    };
    // `s-maxage` forbids staleness like `proxy-revalidate` (§5.2.2.10); an origin that says in the same breath how
    // stale a response may be used (RFC 5861) has thought of it, and is believed.
    let if_error = match directives.s_maxage {
        Some(_) => Duration::ZERO,
        None => policy.stale_if_error_default,
    };
    let lifetime = Lifetime {
        fresh,
        stale_while_revalidate: stale(directives.stale_while_revalidate, Duration::ZERO),
        stale_if_error: stale(directives.stale_if_error, if_error),
        must_revalidate,
        immutable: directives.immutable,
        negative: is_negative,
        variation,
        initial_age: age::initial(exchange),
        received: exchange.received,
    };
    let can_be_asked_about = !is_negative && revalidation::has_validator(headers);
    if can_be_asked_about || lifetime.state(exchange.received) != State::Expired {
        return Ok(lifetime);
    }
    Err(match () {
        () if directives.no_cache => Reason::NoCache,
        () if fresh.is_zero() => Reason::NoFreshness,
        () => Reason::StaleOnArrival,
    })
}

/// Whether anything forbids a shared cache to store the response (§3).
fn may_be_stored(exchange: &Exchange<'_>, directives: &Directives) -> Result<(), Reason> {
    // Every status that came this far is one we understand (§5.2.2.3).
    if directives.no_store && !directives.must_understand {
        return Err(Reason::NoStore);
    }
    if directives.private {
        return Err(Reason::Private);
    }
    if exchange.headers.contains_key(header::SET_COOKIE) {
        return Err(Reason::SetCookie);
    }
    let may_be_shared = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
    if exchange.credentials == Credentials::Authorization && !may_be_shared {
        return Err(Reason::Authorization);
    }
    Ok(())
}

/// The freshness lifetime (§4.2.1), bounded; `None` when there is none.
fn fresh_for(
    exchange: &Exchange<'_>,
    policy: &Policy,
    class: Class,
    directives: &Directives,
) -> Option<Duration> {
    let headers = exchange.headers;
    let date = age::date(headers).unwrap_or(exchange.received);
    let said = directives.s_maxage.or(directives.max_age).or_else(|| {
        let expires = (!directives.targeted).then(|| age::expires(headers))??;
        Some(expires.duration_since(date).unwrap_or(Duration::ZERO))
    });
    let (said, max) = match class {
        Class::Useful { guess } => {
            (said.or_else(|| guess.then(|| guessed(headers, date, policy))?), policy.fresh_max)
        }
        Class::Negative { default } => {
            (said.or_else(|| default.then_some(policy.negative_default)), policy.negative_max)
        }
        Class::ServerError => (said, policy.server_error_max),
    };
    said.map(|said| said.min(max))
}

/// A tenth of the time since the last change (§4.2.2), where guessing is allowed.
fn guessed(headers: &HeaderMap, date: SystemTime, policy: &Policy) -> Option<Duration> {
    let max = policy.heuristic_max?;
    let changed = age::last_modified(headers)?;
    Some((date.duration_since(changed).ok()? / 10).min(max))
}
