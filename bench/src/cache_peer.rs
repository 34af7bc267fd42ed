//! The caches that ours is measured beside: nginx with `proxy_cache` is the yardstick; Varnish and Traffic Server are
//! there where they are installed. Each keeps to one core, has room for everything, and keeps what its origin says.

mod nginx;
mod traffic_server;
mod varnish;

use std::io;
use std::net::SocketAddr;

pub(crate) use nginx::start as start_nginx;
pub(crate) use traffic_server::{PROGRAM as TRAFFIC_SERVER_PROGRAM, start as start_traffic_server};
pub(crate) use varnish::{PROGRAM as VARNISH_PROGRAM, start as start_varnish};

use crate::process::{ProcessError, Running};

/// As the report calls them.
pub(crate) const NGINX: &str = "nginx proxy_cache";
pub(crate) const VARNISH: &str = "Varnish";
pub(crate) const TRAFFIC_SERVER: &str = "Traffic Server";
/// Room that each has for objects, in MiB: more than all of them.
pub(crate) const ROOM_MIB: u32 = 2048;

/// Why a cache is not there to compare with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CachePeerError {
    /// Its files or ports could not be had.
    #[error("preparing {peer}: {source}")]
    Prepare { peer: &'static str, source: io::Error },
    /// It did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A running cache.
#[derive(Debug)]
pub(crate) struct CachePeer {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// The process, of which others may be children.
    pub(crate) process: Running,
    /// Where it is asked for large bodies.
    pub(crate) large: SocketAddr,
    /// Where it is asked for small ones.
    pub(crate) small: SocketAddr,
    /// Where it speaks TLS, if so.
    pub(crate) tls: Option<SocketAddr>,
}
