//! nginx with `proxy_cache`: the yardstick of all edge targets.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::{CachePeer, CachePeerError, NGINX, ROOM_MIB};
use crate::peer::{self, PeerError, common_config, free_address};
use crate::tls::Identity;

/// Where it listens: bodies near 100 kB stall with `tcp_nopush on`, large ones cost less with it.
struct Addresses {
    large: SocketAddr,
    small: SocketAddr,
    tls: SocketAddr,
}

/// Starts it on `core` in front of `origin`, with an empty cache below `scratch`.
///
/// # Errors
/// [`CachePeerError`].
pub(crate) fn start(
    origin: SocketAddr,
    scratch: &Path,
    identity: &Identity,
    core: usize,
) -> Result<CachePeer, CachePeerError> {
    let prepare = |source| CachePeerError::Prepare { peer: NGINX, source };
    let folder = scratch.join("nginx-cache");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(prepare)?;
    }
    fs::create_dir_all(&folder).map_err(prepare)?;
    let folder = folder.canonicalize().map_err(prepare)?;
    let address = || free_address().map_err(prepare);
    let addresses = Addresses { large: address()?, small: address()?, tls: address()? };
    let text = config(origin, &folder, &addresses, identity);
    let process = peer::start_with(&text, &folder, core, addresses.small).map_err(|error| match error {
        PeerError::Prepare(source) => prepare(source),
        PeerError::Process(error) => CachePeerError::Process(error),
    })?;
    let Addresses { large, small, tls } = addresses;
    Ok(CachePeer { name: NGINX, process, large, small, tls: Some(tls) })
}

fn config(origin: SocketAddr, folder: &Path, addresses: &Addresses, identity: &Identity) -> String {
    let Addresses { large, small, tls } = addresses;
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let (common, folder) = (common_config(folder, ""), folder.display());
    let location = "location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_cache objects; proxy_cache_key $uri; proxy_cache_lock on; proxy_cache_lock_timeout 10s;
    }";
    format!(
        "{common}
  proxy_cache_path {folder}/objects levels=1:2 keys_zone=objects:64m max_size={ROOM_MIB}m inactive=1h use_temp_path=off;
  upstream origin {{ server {origin}; keepalive 64; }}
  server {{ listen {large} backlog=4096; tcp_nopush on; {location} }}
  server {{ listen {small} backlog=4096; tcp_nopush off; {location} }}
  server {{
    listen {tls} ssl backlog=4096; tcp_nopush off;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_buffer_size 64k; output_buffers 2 512k;
    {location}
  }}
}}
"
    )
}
