//! The edge: where its responses come from, what it may keep, and whom it listens to.

mod control;
mod geo;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rillcast_edge::admission::private_paths::PrivatePaths;
use rillcast_edge::admission::protect::{Allowance, AskLimits, Prefixes};
use rillcast_edge::admission::territory::Territory;
use rillcast_edge::cache::freshness::Policy;
use rillcast_edge::cache::key::{KeyRules, TRACKING};
use rillcast_edge::cache::memory::CacheLimits;
use rillcast_edge::far::FarConfig;
use rillcast_edge::live_hold::HoldLimits;
use rillcast_edge::upstream::{CheckConfig, Speech, Timeouts, Trust, UpstreamConfig, UpstreamsConfig};

use rillcast_http::Networks;

pub(crate) use self::control::{EventsConfig, JwksConfig, OrdersConfig, OrdersFrom, Service};
use super::raw::{RawAskLimits, RawEdge, RawSpeech, RawTokens, RawUpstream};
use super::{ConfigError, MIB, networks};

/// The edge role.
#[derive(Debug)]
pub(crate) struct EdgeConfig {
    /// Where its responses come from; from the origin in this process without.
    pub(crate) far: Option<(UpstreamsConfig, FarConfig)>,
    /// Whom it trusts that speaks TLS: upstreams and the control plane.
    pub(crate) trust: Trust,
    /// Who may see what.
    pub(crate) tokens: TokenConfig,
    /// Where orders come from, if there are any.
    pub(crate) orders: Option<OrdersConfig>,
    /// Where events go, if they are wanted.
    pub(crate) events: Option<EventsConfig>,
    /// What this node is called.
    pub(crate) node: String,
    /// The database of countries, if there is one.
    pub(crate) countries: Option<PathBuf>,
    /// Which countries may see what.
    pub(crate) territory: Territory,
    /// How much viewers may ask.
    pub(crate) limits: AskLimits,
}

/// Who may see what.
#[derive(Debug)]
pub(crate) struct TokenConfig {
    /// What needs a token.
    pub(crate) private: PrivatePaths,
    /// The file of the keys that are trusted; a key of our own, made at the start, without.
    pub(crate) keys: Option<PathBuf>,
    /// Where more keys are fetched.
    pub(crate) jwks: Option<JwksConfig>,
    /// The cookie that may hold a token.
    pub(crate) cookie: String,
    /// Whom the page is given tokens for.
    pub(crate) sign_for: Networks,
}

/// Types what the file says.
///
/// # Errors
/// [`ConfigError`]. What is wrong with upstreams shows when they are set up.
pub(super) fn check(raw: &RawEdge) -> Result<EdgeConfig, ConfigError> {
    let trust = path(&raw.ca_file).map_or(Trust::WebRoots, Trust::File);
    Ok(EdgeConfig {
        far: far(raw, &trust)?,
        trust,
        tokens: tokens(&raw.tokens)?,
        orders: control::orders(&raw.orders)?,
        events: control::events(&raw.events)?,
        node: raw.node.clone(),
        countries: path(&raw.geo.database),
        territory: geo::territory(&raw.geo)?,
        limits: limits(&raw.limits)?,
    })
}

/// A path that may be left empty.
fn path(raw: &Path) -> Option<PathBuf> {
    (!raw.as_os_str().is_empty()).then(|| raw.to_owned())
}

fn limits(raw: &RawAskLimits) -> Result<AskLimits, ConfigError> {
    Ok(AskLimits {
        token: Allowance {
            requests_per_s: raw.token_requests_per_s,
            burst: raw.token_burst,
            at_once: raw.token_at_once,
        },
        client: Allowance {
            requests_per_s: raw.client_requests_per_s,
            burst: raw.client_burst,
            at_once: raw.client_at_once,
        },
        exempt: networks("edge.limits.exempt", &raw.exempt)?,
        prefixes: Prefixes { ipv4: raw.ipv4_prefix, ipv6: raw.ipv6_prefix },
    })
}

fn tokens(raw: &RawTokens) -> Result<TokenConfig, ConfigError> {
    let private = PrivatePaths::new(raw.private.iter().map(String::as_str));
    let is_cookie = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if raw.cookie.is_empty() || !raw.cookie.bytes().all(is_cookie) {
        return Err(ConfigError::Cookie { name: raw.cookie.clone() });
    }
    Ok(TokenConfig {
        private: private.map_err(|source| ConfigError::Private { source })?,
        keys: path(&raw.keys),
        jwks: control::jwks(raw)?,
        cookie: raw.cookie.clone(),
        sign_for: networks("edge.tokens.sign_for", &raw.sign_for)?,
    })
}

fn far(raw: &RawEdge, trust: &Trust) -> Result<Option<(UpstreamsConfig, FarConfig)>, ConfigError> {
    if raw.upstream.is_empty() {
        return Ok(None);
    }
    let mut upstreams = UpstreamsConfig::new(raw.node.clone(), raw.upstream.iter().map(upstream).collect());
    upstreams.trust = trust.clone();
    let policy = Policy {
        negative_max: Duration::from_secs(raw.negative_s),
        stale_max: Duration::from_secs(raw.stale_max_s),
        ..Policy::default()
    };
    let ignored = TRACKING.iter().copied().chain(raw.ignored_parameters.iter().map(String::as_str));
    let rules = KeyRules::new(ignored).map_err(|source| ConfigError::Parameter { source })?;
    let cache = CacheLimits { memory_bytes: raw.cache_mib * MIB, object_bytes_max: raw.object_mib * MIB };
    let flights_max = usize::try_from(raw.flights).unwrap_or(usize::MAX);
    Ok(Some((upstreams, FarConfig { cache, policy, rules, flights_max, holds: HoldLimits::default() })))
}

fn upstream(raw: &RawUpstream) -> UpstreamConfig {
    let name = raw.name.clone().unwrap_or_else(|| name_of(&raw.url));
    let defaults = UpstreamConfig::new(name, raw.url.clone());
    UpstreamConfig {
        host: raw.host.clone(),
        weight: raw.weight,
        tier: raw.tier,
        speech: match raw.http {
            RawSpeech::Auto => Speech::Negotiated,
            RawSpeech::One => Speech::Http1,
            RawSpeech::Two => Speech::Http2,
        },
        timeouts: Timeouts {
            connect: Duration::from_millis(raw.connect_ms),
            head: Duration::from_millis(raw.head_ms),
            idle: Duration::from_millis(raw.idle_ms),
            silence: Duration::from_millis(raw.silence_ms),
            ..defaults.timeouts
        },
        in_flight_max: raw.requests,
        check: raw.check.as_ref().map(CheckConfig::new),
        ..defaults
    }
}

/// What an upstream without a name is called: its host and port, as far as they can be a label.
fn name_of(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || ".-_".contains(char) { char } else { '_' })
        .collect()
}
