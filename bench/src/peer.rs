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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Client;
    use crate::measure::Cores;
    use crate::progress::Progress;

    /// The body of `path`, and whether it came gzip-coded.
    fn get(address: SocketAddr, path: &str, gzip: bool) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        let answer = Client::new(address).get(path, gzip, |piece| {
            body.extend_from_slice(piece);
            Ok(())
        });
        (body, answer.unwrap().gzip)
    }

    #[test]
    fn nginx_serves_files_and_the_gzip_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("m.m3u8"), b"plain").unwrap();
        fs::write(root.join("m.m3u8.gz"), b"coded").unwrap();
        let core = Cores::of_this_machine().unwrap().server;
        let nginx = match start(&root, folder.path(), core) {
            Ok(nginx) => nginx,
            Err(error) if !Path::new("/usr/sbin/nginx").exists() => {
                return Progress::default().tell(&format!("skipped, there is no nginx here: {error}"));
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(get(nginx.small, "/m.m3u8", false), (b"plain".to_vec(), false));
        assert_eq!(get(nginx.small, "/m.m3u8", true), (b"coded".to_vec(), true));
        assert_eq!(get(nginx.large, "/m.m3u8", false), (b"plain".to_vec(), false));
    }
}
