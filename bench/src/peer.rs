//! The yardstick: nginx, static files, sendfile, one process, everything cached that it can cache.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::process::{self, ProcessError, Running};
use crate::tls::Identity;

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
    /// The same files read past the page cache by threads: for cold data.
    pub(crate) direct: SocketAddr,
    /// The same files over TLS 1.3, HTTP/1.1 and HTTP/2.
    pub(crate) tls: SocketAddr,
}

/// Starts nginx on `core`; it serves `root` and writes below `scratch`.
///
/// # Errors
/// [`PeerError`].
pub(crate) fn start(
    root: &Path,
    scratch: &Path,
    identity: &Identity,
    core: usize,
) -> Result<Nginx, PeerError> {
    let folder = scratch.join("nginx");
    fs::create_dir_all(&folder)?;
    // An address of the whole path: nginx takes relative ones from its own prefix.
    let (root, folder) = (root.canonicalize()?, folder.canonicalize()?);
    let addresses = Addresses {
        large: free_address()?,
        small: free_address()?,
        direct: free_address()?,
        tls: free_address()?,
    };
    let process = start_with(&config(&root, &folder, addresses, identity), &folder, core, addresses.small)?;
    let Addresses { large, small, direct, tls } = addresses;
    Ok(Nginx { process, large, small, direct, tls })
}

/// Starts nginx with the configuration `text` in `folder` and waits until it takes connections at `address`.
///
/// # Errors
/// [`PeerError`].
pub(crate) fn start_with(
    text: &str,
    folder: &Path,
    core: usize,
    address: SocketAddr,
) -> Result<Running, PeerError> {
    let config_file = folder.join("nginx.conf");
    fs::write(&config_file, text)?;
    let mut command = process::command(program());
    command.arg("-p").arg(folder).arg("-c").arg(&config_file).arg("-e").arg(folder.join("error.log"));
    // For modules that make bodies in memory: without, glibc gives pages back after every request and
    // faults them in again. A static server does not care.
    for name in ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_"] {
        command.env(name, "268435456");
    }
    let mut process = Running::start(command, core, &folder.with_extension("log"))?;
    process.wait_until(START_LIMIT, |_| TcpStream::connect(address).is_ok())?;
    Ok(process)
}

/// nginx, also where Debian's users do not have its folder in their `PATH`.
pub(crate) fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if Path::new(debian).exists() { debian } else { "nginx" }
}

/// A loopback address that is free now.
///
/// # Errors
/// When there is none.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Where nginx listens.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    large: SocketAddr,
    small: SocketAddr,
    direct: SocketAddr,
    tls: SocketAddr,
}

/// What every nginx of the rig has in common, up to the servers of its `http` block.
pub(crate) fn common_config(folder: &Path, modules: &str) -> String {
    let folder = folder.display();
    format!(
        "{modules}daemon off;
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
"
    )
}

fn config(root: &Path, folder: &Path, addresses: Addresses, identity: &Identity) -> String {
    let Addresses { large, small, direct, tls } = addresses;
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let (root, common) = (root.display(), common_config(folder, ""));
    format!(
        "{common}  root {root};
  server {{ listen {large} backlog=4096; tcp_nopush on; }}
  server {{ listen {small} backlog=4096; tcp_nopush off; gzip_static on; }}
  server {{
    listen {direct} backlog=4096;
    sendfile off; aio threads; directio 512k; directio_alignment 4k; output_buffers 2 1m;
  }}
  server {{
    listen {tls} ssl http2 backlog=4096;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_buffer_size 64k; output_buffers 2 512k; http2_max_concurrent_streams 128; http2_chunk_size 64k;
  }}
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
    fn get(mut client: Client, path: &str, gzip: bool) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        let answer = client.get(path, gzip, |piece| {
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
        let identity = Identity::make(folder.path()).unwrap();
        let nginx = match start(&root, folder.path(), &identity, core) {
            Ok(nginx) => nginx,
            Err(error) if !Path::new(program()).exists() => {
                return Progress::default().tell(&format!("skipped, there is no nginx here: {error}"));
            }
            Err(error) => panic!("{error}"),
        };
        let plain = |address| Client::new(address);
        assert_eq!(get(plain(nginx.small), "/m.m3u8", false), (b"plain".to_vec(), false));
        assert_eq!(get(plain(nginx.small), "/m.m3u8", true), (b"coded".to_vec(), true));
        assert_eq!(get(plain(nginx.large), "/m.m3u8", false), (b"plain".to_vec(), false));
        assert_eq!(get(plain(nginx.direct), "/m.m3u8", false), (b"plain".to_vec(), false));
        let sealed = Client::over_tls(nginx.tls, &identity.client);
        assert_eq!(get(sealed, "/m.m3u8", false), (b"plain".to_vec(), false));
    }
}
