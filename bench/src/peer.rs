//! The yardstick: nginx, static files, sendfile, one process, everything cached that it can cache.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::process::{self, ProcessError, Running};

/// nginx answers within this time of its start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no yardstick.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// Its files or ports could not be had.
    #[error("preparing nginx: {0}")]
    Prepare(#[from] io::Error),
    /// It did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    /// The process.
    pub(crate) process: Running,
    /// Where large files are served as fast as they can be.
    pub(crate) large: SocketAddr,
    /// The same files with `tcp_nopush off`: with it, bodies near 100 kB stall 44 ms on loopback.
    /// Also answers gzip requests with the `.gz` beside a playlist.
    pub(crate) small: SocketAddr,
}

/// Starts nginx on `core`; it serves `root` and writes below `scratch`.
///
/// # Errors
/// [`PeerError`].
pub(crate) fn start(root: &Path, scratch: &Path, core: usize) -> Result<Nginx, PeerError> {
    let folder = scratch.join("nginx");
    fs::create_dir_all(&folder)?;
    // An address of the whole path: nginx takes relative ones from its own prefix.
    let (root, folder) = (root.canonicalize()?, folder.canonicalize()?);
    let (large, small) = (free_address()?, free_address()?);
    let config_file = folder.join("nginx.conf");
    fs::write(&config_file, config(&root, &folder, large, small))?;
    let mut command = process::command("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&config_file).arg("-e").arg(folder.join("error.log"));
    let mut process = Running::start(command, core, &folder.join("nginx.log"))?;
    process.wait_until(START_LIMIT, |_| TcpStream::connect(small).is_ok())?;
    Ok(Nginx { process, large, small })
}

/// A loopback address that is free now.
///
/// # Errors
/// When there is none.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn config(root: &Path, folder: &Path, large: SocketAddr, small: SocketAddr) -> String {
    let (root, folder) = (root.display(), folder.display());
    format!(
        "daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; multi_accept on; }}
http {{
  default_type application/octet-stream;
  types {{ video/mp4 mp4 m4s; application/vnd.apple.mpegurl m3u8; }}
  access_log off;
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nodelay on;
  keepalive_timeout 300;
  keepalive_requests 100000000;
  reset_timedout_connection on;
  open_file_cache max=20000 inactive=5m;
  open_file_cache_valid 2m;
  open_file_cache_min_uses 1;
  open_file_cache_errors on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  root {root};
  server {{ listen {large} backlog=4096; tcp_nopush on; }}
  server {{ listen {small} backlog=4096; tcp_nopush off; gzip_static on; }}
}}
"
    )
}
