//! `[edge]` as it is written.

use std::path::PathBuf;

use rillcast_edge::{
    admission::protect::AskLimits,
    cache::{freshness::Policy, memory::CacheLimits},
    upstream,
};
use serde::{Deserialize, Serialize};

/// `[edge]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawEdge {
    pub(in crate::config) node: String,
    pub(in crate::config) upstream: Vec<RawUpstream>,
    pub(in crate::config) ca_file: PathBuf,
    pub(in crate::config) cache_mib: u64,
    pub(in crate::config) object_mib: u64,
    pub(in crate::config) flights: u64,
    pub(in crate::config) negative_s: u64,
    pub(in crate::config) stale_max_s: u64,
    pub(in crate::config) ignored_parameters: Vec<String>,
    pub(in crate::config) tokens: RawTokens,
    pub(in crate::config) limits: RawAskLimits,
    pub(in crate::config) orders: RawOrders,
    pub(in crate::config) geo: RawGeo,
    pub(in crate::config) events: RawEvents,
}

/// `[edge.events]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawEvents {
    pub(in crate::config) url: String,
    pub(in crate::config) secret_file: PathBuf,
    pub(in crate::config) directory: PathBuf,
}

/// `[edge.orders]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawOrders {
    pub(in crate::config) source: String,
    pub(in crate::config) secret_file: PathBuf,
    pub(in crate::config) state: PathBuf,
}

/// `[edge.geo]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGeo {
    pub(in crate::config) database: PathBuf,
    pub(in crate::config) allow: Vec<String>,
    pub(in crate::config) deny: Vec<String>,
    pub(in crate::config) unknown: RawUnknown,
    pub(in crate::config) rule: Vec<RawGeoRule>,
}

/// `edge.geo.unknown`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RawUnknown {
    #[default]
    Refuse,
    Allow,
}

/// `[[edge.geo.rule]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGeoRule {
    pub(in crate::config) environment: Option<String>,
    pub(in crate::config) paths: Vec<String>,
    pub(in crate::config) allow: Vec<String>,
    pub(in crate::config) deny: Vec<String>,
}

/// `[edge.tokens]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTokens {
    pub(in crate::config) private: Vec<String>,
    pub(in crate::config) keys: PathBuf,
    pub(in crate::config) jwks: String,
    pub(in crate::config) jwks_ca_file: PathBuf,
    pub(in crate::config) jwks_allow_http: bool,
    pub(in crate::config) cookie: String,
    pub(in crate::config) sign_for: Vec<String>,
}

impl Default for RawTokens {
    fn default() -> Self {
        Self {
            private: vec!["/vod/private/".to_owned()],
            keys: PathBuf::new(),
            jwks: String::new(),
            jwks_ca_file: PathBuf::new(),
            jwks_allow_http: false,
            cookie: "rillcast_token".to_owned(),
            sign_for: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
        }
    }
}

/// `[edge.limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawAskLimits {
    pub(in crate::config) token_requests_per_s: u32,
    pub(in crate::config) token_burst: u32,
    pub(in crate::config) token_at_once: u32,
    pub(in crate::config) client_requests_per_s: u32,
    pub(in crate::config) client_burst: u32,
    pub(in crate::config) client_at_once: u32,
    pub(in crate::config) ipv4_prefix: u32,
    pub(in crate::config) ipv6_prefix: u32,
    pub(in crate::config) exempt: Vec<String>,
}

impl Default for RawAskLimits {
    fn default() -> Self {
        let AskLimits { token, client, prefixes, exempt: _ } = AskLimits::default();
        Self {
            token_requests_per_s: token.requests_per_s,
            token_burst: token.burst,
            token_at_once: token.at_once,
            client_requests_per_s: client.requests_per_s,
            client_burst: client.burst,
            client_at_once: client.at_once,
            ipv4_prefix: prefixes.ipv4,
            ipv6_prefix: prefixes.ipv6,
            exempt: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
        }
    }
}

/// `[[edge.upstream]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawUpstream {
    pub(in crate::config) url: String,
    #[serde(default)]
    pub(in crate::config) name: Option<String>,
    #[serde(default)]
    pub(in crate::config) host: Option<String>,
    #[serde(default = "one")]
    pub(in crate::config) weight: u16,
    #[serde(default)]
    pub(in crate::config) tier: u8,
    #[serde(default)]
    pub(in crate::config) http: RawSpeech,
    #[serde(default)]
    pub(in crate::config) check: Option<String>,
    #[serde(default = "requests")]
    pub(in crate::config) requests: usize,
    #[serde(default = "connect_ms")]
    pub(in crate::config) connect_ms: u64,
    #[serde(default = "head_ms")]
    pub(in crate::config) head_ms: u64,
    #[serde(default = "idle_ms")]
    pub(in crate::config) idle_ms: u64,
    #[serde(default = "silence_ms")]
    pub(in crate::config) silence_ms: u64,
}

/// `edge.upstream.http`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::config) enum RawSpeech {
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "1")]
    One,
    #[serde(rename = "2")]
    Two,
}

const fn one() -> u16 {
    1
}

fn requests() -> usize {
    upstream::UpstreamConfig::new("", "").in_flight_max
}

fn connect_ms() -> u64 {
    millis(upstream::Timeouts::default().connect)
}

fn head_ms() -> u64 {
    millis(upstream::Timeouts::default().head)
}

fn idle_ms() -> u64 {
    millis(upstream::Timeouts::default().idle)
}

fn silence_ms() -> u64 {
    millis(upstream::Timeouts::default().silence)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Default for RawEdge {
    fn default() -> Self {
        let (cache, policy) = (CacheLimits::default(), Policy::default());
        Self {
            node: "edge".to_owned(),
            upstream: Vec::new(),
            ca_file: PathBuf::new(),
            cache_mib: cache.memory_bytes >> 20,
            object_mib: cache.object_bytes_max >> 20,
            flights: 10_000,
            negative_s: policy.negative_max.as_secs(),
            stale_max_s: policy.stale_max.as_secs(),
            ignored_parameters: Vec::new(),
            tokens: RawTokens::default(),
            orders: RawOrders::default(),
            geo: RawGeo::default(),
            events: RawEvents::default(),
            limits: RawAskLimits::default(),
        }
    }
}

impl RawUpstream {
    /// One with every key, for the test that holds the example to the code.
    #[cfg(test)]
    pub(in crate::config) fn full() -> Self {
        Self {
            url: "http://origin:8080".to_owned(),
            name: Some(String::new()),
            host: Some(String::new()),
            weight: one(),
            tier: 0,
            http: RawSpeech::Auto,
            check: Some(String::new()),
            requests: requests(),
            connect_ms: connect_ms(),
            head_ms: head_ms(),
            idle_ms: idle_ms(),
            silence_ms: silence_ms(),
        }
    }
}
