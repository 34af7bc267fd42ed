//! Between what each number of the configuration must lie: what works, with room for every sensible machine.
//!
//! Past these a value is a slip of the pen; unchecked, it would end in a panic or in a server that serves nobody.

use std::ops::RangeInclusive;

use rillcast_edge::admission::protect::BURST_MAX;

use super::ConfigError;
use super::raw::{RawAskLimits, RawConfig, RawHttp};

const DAY_S: u64 = 86_400;
const MIB: u64 = 1 << 20;

/// One number with its key and bounds.
type Bound = (&'static str, u64, RangeInclusive<u64>);

/// Checks every number of `raw`.
///
/// # Errors
/// [`ConfigError::OutOfBounds`] with the first key that is wrong.
pub(super) fn check(raw: &RawConfig) -> Result<(), ConfigError> {
    let of = &raw.origin;
    let roles: [Bound; 15] = [
        (
            "delivery.tokens_per_core",
            u64::try_from(raw.delivery.tokens_per_core).unwrap_or(u64::MAX),
            0..=MIB,
        ),
        ("delivery.hot_set_mib", raw.delivery.hot_set_mib, 0..=MIB),
        ("delivery.disk_depth", u64::try_from(raw.delivery.disk_depth).unwrap_or(u64::MAX), 1..=1024),
        ("delivery.disk_buffer_mib", raw.delivery.disk_buffer_mib, 0..=65_536),
        ("edge.cache_mib", raw.edge.cache_mib, 16..=MIB),
        ("edge.object_mib", raw.edge.object_mib, 1..=4096),
        ("edge.flights", raw.edge.flights, 1..=1_000_000),
        ("edge.negative_s", raw.edge.negative_s, 0..=DAY_S),
        ("edge.stale_max_s", raw.edge.stale_max_s, 0..=30 * DAY_S),
        ("origin.asset_memory_mib", of.asset_memory_mib, 1..=MIB),
        ("origin.open_assets", of.open_assets, 1..=1_000_000),
        ("origin.asset_idle_s", of.asset_idle_s, 1..=365 * DAY_S),
        ("origin.index_mib", of.index_mib, 1..=1024 * MIB),
        ("origin.notice_changes_ms", of.notice_changes_ms, 0..=60_000),
        ("ops.drain_s", raw.ops.drain_s, 0..=DAY_S),
    ];
    for (key, value, range) in roles.into_iter().chain(http(&raw.http)).chain(limits(&raw.edge.limits)) {
        if !range.contains(&value) {
            return Err(ConfigError::OutOfBounds { key, value, least: *range.start(), most: *range.end() });
        }
    }
    Ok(())
}

fn http(raw: &RawHttp) -> impl Iterator<Item = Bound> {
    let (of, compression) = (&raw.limits, &raw.compression);
    // What does not fit is out of bounds all the same.
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    [
        ("http.workers", wide(raw.workers), 0..=1024),
        ("http.limits.connections", wide(of.connections), 1..=1_000_000),
        ("http.limits.connections_per_client", wide(of.connections_per_client), 1..=1_000_000),
        ("http.limits.header_bytes", wide(of.header_bytes), 8192..=MIB),
        ("http.limits.header_fields", wide(of.header_fields), 1..=1000),
        ("http.limits.target_bytes", wide(of.target_bytes), 64..=65_534),
        ("http.limits.handshake_s", of.handshake_s, 1..=DAY_S),
        ("http.limits.header_s", of.header_s, 1..=DAY_S),
        ("http.limits.idle_s", of.idle_s, 1..=DAY_S),
        ("http.limits.send_stall_s", of.send_stall_s, 1..=DAY_S),
        ("http.limits.http2_streams", u64::from(of.http2_streams), 1..=10_000),
        ("http.limits.read_buffer_bytes", wide(of.read_buffer_bytes), 8192..=64 * MIB),
        ("http.limits.read_buffers_per_connection", wide(of.read_buffers_per_connection), 1..=1024),
        ("http.limits.read_buffers_idle", wide(of.read_buffers_idle), 0..=1_000_000),
        ("http.limits.unsent_kernel_bytes", u64::from(of.unsent_kernel_bytes), 4096..=1 << 30),
        ("http.limits.blocking_threads", wide(of.blocking_threads), 1..=1024),
        ("http.limits.accept_backlog", u64::from(of.accept_backlog), 1..=65_535),
        ("http.compression.body_bytes_min", wide(compression.body_bytes_min), 0..=1024 * MIB),
        ("http.compression.body_bytes_max", wide(compression.body_bytes_max), 0..=1024 * MIB),
        ("http.compression.cache_mib", compression.cache_mib, 0..=MIB),
        ("http.compression.workers", wide(compression.workers), 1..=1024),
        ("http.compression.queue", wide(compression.queue), 0..=1_000_000),
    ]
    .into_iter()
}

fn limits(of: &RawAskLimits) -> [Bound; 8] {
    let (rate, burst, at_once) = (0..=1_000_000, 1..=u64::from(BURST_MAX), 0..=1_000_000);
    [
        ("edge.limits.token_requests_per_s", of.token_requests_per_s.into(), rate.clone()),
        ("edge.limits.token_burst", of.token_burst.into(), burst.clone()),
        ("edge.limits.token_at_once", of.token_at_once.into(), at_once.clone()),
        ("edge.limits.client_requests_per_s", of.client_requests_per_s.into(), rate),
        ("edge.limits.client_burst", of.client_burst.into(), burst),
        ("edge.limits.client_at_once", of.client_at_once.into(), at_once),
        ("edge.limits.ipv4_prefix", of.ipv4_prefix.into(), 8..=32),
        ("edge.limits.ipv6_prefix", of.ipv6_prefix.into(), 16..=128),
    ]
}
