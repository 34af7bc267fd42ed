//! HTTP knowledge: the server, bodies and answers. Knows nothing of media.
//!
//! ```text
//!  socket ─accept─▶ [PROXY header] ─▶ [TLS] ─▶ h1 | h2 ─▶ admission ─▶ Handler ─▶ Reply
//!                                                                            │
//!  socket ◀─ frames (tokens, reads, hot set) ◀─ head + Body ◀─ respond (conditions, ranges, coding, CORS)
//! ```
//!
//! A [`Handler`] turns a [`Request`] into a [`Reply`], most often an [`Entity`]: a representation whose [`Body`] is
//! a list of [`BodySource`]s that nobody has read yet. Everything HTTP then follows from the description.

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod access_log;
mod activity;
mod admission;
mod batch;
pub mod body;
pub mod body_source;
mod buffer_pool;
pub mod client_address;
pub mod coding;
pub mod cold_reads;
pub mod compress;
pub mod conditional;
mod connection_count;
pub mod cors;
pub mod delivery;
pub mod entity;
pub mod entity_tag;
mod frames;
pub mod growing;
pub mod handler;
pub mod hot_set;
pub mod limits;
mod listen;
pub mod metrics;
pub mod networks;
pub mod ops;
mod pause;
pub mod prepared;
pub mod problem;
pub mod proxy_protocol;
pub mod range;
pub mod reply;
pub mod request;
pub mod request_id;
pub mod respond;
pub mod server;
mod socket;
mod tls;
pub mod trace;
pub mod wakes;
mod watchdog;

pub use access_log::{AccessLog, LineFormat, TakeLine};
pub use body::Body;
pub use body_source::{BodySource, ExtentError, FileExtent, FileIdentity, SourceFile};
pub use client_address::{ClientHeader, TrustedProxies};
pub use cold_reads::{ColdReadSettings, DiskWay};
pub use compress::{CompressionLimits, Compressor};
pub use cors::{AllowedOrigins, Cors};
pub use delivery::Delivery;
pub use entity::{Encoding, Entity};
pub use entity_tag::{EntityTag, EntityTagError};
pub use frames::FrameError;
pub use growing::{Growing, GrowingWriter};
pub use handler::{Handler, READ_METHODS, RouteClass, TEND_EVERY};
pub use hot_set::{ContentId, HotSetLimits};
pub use limits::Limits;
pub use listen::Listener;
pub use metrics::HttpMetrics;
pub use networks::{Network, NetworkError, Networks};
pub use ops::Readiness;
pub use prepared::Prepared;
pub use problem::Problem;
pub use reply::{Fields, RawReply, Redirect, Reply, Representation};
pub use request::{ClientAddress, Request, RequestBody, RequestBodyError, Transport};
pub use request_id::RequestId;
pub use respond::Responder;
/// What the process says to the system about its memory.
pub use rillcast_sys::huge_pages;
/// Files mapped to be read: the origin's index lies in one.
pub use rillcast_sys::map::Map;
/// Memory that sockets may hold on to: the edge's cache lies in it.
pub use rillcast_sys::slab::{AllocateError, SlabLimits, SlabUsage, Slabs};
pub use server::{DrainReport, Server, ServerConfig, StartError};
pub use tls::{TlsError, TlsFiles};
pub use trace::{Ended, Trace};
