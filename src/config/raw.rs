//! The configuration as it is written: every key with its default, unknown keys refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::LogFormat;

mod edge;

pub(super) use self::edge::{
    RawAskLimits, RawEdge, RawEvents, RawGeo, RawGeoRule, RawOrders, RawSpeech, RawTokens, RawUnknown,
    RawUpstream,
};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) http: RawHttp,
    pub(super) delivery: RawDelivery,
    pub(super) edge: RawEdge,
    pub(super) origin: RawOrigin,
    pub(super) ops: RawOps,
    pub(super) log: RawLog,
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) workers: usize,
    pub(super) cors_origins: Vec<String>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) client_header: RawClientHeader,
    pub(super) listener: Vec<RawListener>,
    pub(super) limits: RawLimits,
    pub(super) compression: RawCompression,
}

/// `http.client_header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawClientHeader {
    XForwardedFor,
    Forwarded,
}

/// `[[http.listener]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    pub(super) address: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<PathBuf>,
    #[serde(default)]
    pub(super) proxy_protocol_from: Vec<String>,
}

/// `[http.limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) connections: usize,
    pub(super) connections_per_client: usize,
    pub(super) header_bytes: usize,
    pub(super) header_fields: usize,
    pub(super) target_bytes: usize,
    pub(super) handshake_s: u64,
    pub(super) header_s: u64,
    pub(super) idle_s: u64,
    pub(super) send_stall_s: u64,
    pub(super) http2_streams: u32,
    pub(super) read_buffer_bytes: usize,
    pub(super) read_buffers_per_connection: usize,
    pub(super) read_buffers_idle: usize,
    pub(super) unsent_kernel_bytes: u32,
    pub(super) blocking_threads: usize,
    pub(super) accept_backlog: u32,
}

/// `[http.compression]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCompression {
    pub(super) body_bytes_min: usize,
    pub(super) body_bytes_max: usize,
    pub(super) cache_mib: u64,
    pub(super) workers: usize,
    pub(super) queue: usize,
}

/// `[delivery]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDelivery {
    pub(super) zero_copy: bool,
    pub(super) tokens_per_core: usize,
    pub(super) hot_set_mib: u64,
    pub(super) disk: RawDisk,
    pub(super) disk_depth: usize,
    pub(super) disk_buffer_mib: u64,
}

/// `delivery.disk`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawDisk {
    Auto,
    IoUring,
    Threads,
}

/// `[origin]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawOrigin {
    pub(super) media: PathBuf,
    pub(super) asset_memory_mib: u64,
    pub(super) open_assets: u64,
    pub(super) asset_idle_s: u64,
    pub(super) notice_changes_ms: u64,
    pub(super) index: RawIndex,
    pub(super) index_dir: PathBuf,
    pub(super) index_mib: u64,
    pub(super) packed_audio: bool,
}

/// `origin.index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawIndex {
    Cache,
    Beside,
    Off,
}

/// `[ops]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawOps {
    pub(super) metrics_from: Vec<String>,
    pub(super) drain_s: u64,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) format: LogFormat,
    pub(super) level: String,
}

impl RawListener {
    /// Plain HTTP on `address`.
    pub(super) const fn plain(address: SocketAddr) -> Self {
        Self { address, certificate: None, key: None, proxy_protocol_from: Vec::new() }
    }
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            workers: 0,
            cors_origins: vec!["*".to_owned()],
            trusted_proxies: Vec::new(),
            client_header: RawClientHeader::XForwardedFor,
            listener: vec![RawListener::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))],
            limits: RawLimits::default(),
            compression: RawCompression::default(),
        }
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        let of = rillcast_http::limits::Limits::default();
        Self {
            connections: of.connections,
            connections_per_client: of.connections_per_client,
            header_bytes: of.header_bytes,
            header_fields: of.header_fields,
            target_bytes: of.target_bytes,
            handshake_s: of.handshake_time.as_secs(),
            header_s: of.header_time.as_secs(),
            idle_s: of.idle_time.as_secs(),
            send_stall_s: of.send_stall_time.as_secs(),
            http2_streams: of.http2_streams,
            read_buffer_bytes: of.read_buffer_bytes,
            read_buffers_per_connection: of.read_buffers_per_connection,
            read_buffers_idle: of.read_buffers_idle,
            unsent_kernel_bytes: of.unsent_kernel_bytes,
            blocking_threads: of.blocking_threads,
            accept_backlog: of.accept_backlog,
        }
    }
}

impl Default for RawCompression {
    fn default() -> Self {
        let of = rillcast_http::compress::CompressionLimits::default();
        Self {
            body_bytes_min: of.body_bytes_min,
            body_bytes_max: of.body_bytes_max,
            cache_mib: of.cache_bytes >> 20,
            workers: of.workers,
            queue: of.queue,
        }
    }
}

impl Default for RawDelivery {
    fn default() -> Self {
        let of = rillcast_http::Delivery::default();
        let cold = rillcast_http::ColdReadSettings::default();
        Self {
            zero_copy: of.zero_copy,
            tokens_per_core: of.tokens_per_core,
            hot_set_mib: rillcast_http::HotSetLimits::default().memory_bytes >> 20,
            disk: RawDisk::Auto,
            disk_depth: cold.depth.get(),
            disk_buffer_mib: cold.buffer_bytes >> 20,
        }
    }
}

impl Default for RawOrigin {
    fn default() -> Self {
        let of = rillcast_origin::vod::assets::AssetLimits::default();
        Self {
            media: PathBuf::from("media"),
            asset_memory_mib: of.memory_bytes >> 20,
            open_assets: of.count,
            asset_idle_s: of.idle.as_secs(),
            notice_changes_ms: u64::try_from(of.notice.as_millis()).unwrap_or(u64::MAX),
            index: RawIndex::Cache,
            index_dir: PathBuf::new(),
            index_mib: 4096,
            packed_audio: true,
        }
    }
}

impl Default for RawOps {
    fn default() -> Self {
        Self { metrics_from: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()], drain_s: 20 }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}
