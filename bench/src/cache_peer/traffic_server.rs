//! Apache Traffic Server as a reverse proxy: a RAM cache before a cache file.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CachePeer, CachePeerError, ROOM_MIB, TRAFFIC_SERVER};
use crate::measure;
use crate::peer::free_address;
use crate::process::{self, Running};

/// It lays out its cache file before it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Where Debian puts it.
pub(crate) const PROGRAM: &str = "/usr/bin/traffic_server";
/// Where Debian puts its plugins.
const PLUGINS: &str = "/usr/lib/trafficserver/modules";

/// Starts it on `core` in front of `origin`, if it is installed.
///
/// # Errors
/// [`CachePeerError`].
pub(crate) fn start(
    origin: SocketAddr,
    scratch: &Path,
    core: usize,
) -> Result<Option<CachePeer>, CachePeerError> {
    if !Path::new(PROGRAM).exists() {
        return Ok(None);
    }
    let prepare = |source| CachePeerError::Prepare { peer: TRAFFIC_SERVER, source };
    let address = free_address().map_err(prepare)?;
    let folder = prepare_folder(scratch, origin, address).map_err(prepare)?;
    let mut command = process::command(PROGRAM);
    command.arg(format!("--run-root={}", folder.display()));
    let mut process = Running::start(command, core, &scratch.join("traffic-server.log"))?;
    process.wait_until(START_LIMIT, |_| TcpStream::connect(address).is_ok())?;
    // Its threads take all cores when they start, whatever they were given.
    measure::bind_threads(process.pid(), core).map_err(prepare)?;
    Ok(Some(CachePeer { name: TRAFFIC_SERVER, process, large: address, small: address, tls: None }))
}

fn prepare_folder(scratch: &Path, origin: SocketAddr, address: SocketAddr) -> io::Result<PathBuf> {
    let folder = scratch.join("traffic-server");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for name in ["cache", "etc", "log", "run"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let folder = folder.canonicalize()?;
    let etc = folder.join("etc");
    fs::write(folder.join("runroot.yaml"), run_root(&folder))?;
    fs::write(etc.join("records.config"), records(&folder, address))?;
    fs::write(etc.join("remap.config"), format!("map / http://{origin}/\n"))?;
    fs::write(etc.join("storage.config"), format!("{} {ROOM_MIB}M\n", folder.join("cache").display()))?;
    let everybody =
        "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.0/8\n    action: allow\n    methods: ALL\n";
    fs::write(etc.join("ip_allow.yaml"), everybody)?;
    for name in ["plugin.config", "logging.yaml", "cache.config"] {
        fs::write(etc.join(name), "")?;
    }
    Ok(folder)
}

/// Where it finds what belongs to it.
fn run_root(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "prefix: /usr
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
includedir: /usr/include
libdir: /usr/lib
libexecdir: {PLUGINS}
sysconfdir: {folder}/etc
datadir: {folder}/cache
cachedir: {folder}/cache
localstatedir: {folder}/run
runtimedir: {folder}/run
logdir: {folder}/log
"
    )
}

/// One thread that serves, everything in RAM, followers read what is being written.
fn records(folder: &Path, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    let logs = folder.join("log");
    let values = [
        ("http.server_ports", format!("STRING {port}:ip-in={ip}")),
        ("exec_thread.autoconfig", "INT 0".to_owned()),
        ("exec_thread.limit", "INT 1".to_owned()),
        ("exec_thread.affinity", "INT 0".to_owned()),
        ("accept_threads", "INT 0".to_owned()),
        ("task_threads", "INT 1".to_owned()),
        ("cache.threads_per_disk", "INT 4".to_owned()),
        ("url_remap.remap_required", "INT 1".to_owned()),
        ("reverse_proxy.enabled", "INT 1".to_owned()),
        ("http.cache.http", "INT 1".to_owned()),
        ("cache.ram_cache.size", format!("INT {}", u64::from(ROOM_MIB) << 20)),
        ("cache.ram_cache.algorithm", "INT 1".to_owned()),
        ("cache.ram_cache_cutoff", "INT 16777216".to_owned()),
        ("cache.enable_read_while_writer", "INT 1".to_owned()),
        ("http.cache.open_read_retry_time", "INT 10".to_owned()),
        ("http.cache.max_open_read_retries", "INT 100".to_owned()),
        ("http.cache.open_write_fail_action", "INT 5".to_owned()),
        ("http.background_fill_active_timeout", "INT 0".to_owned()),
        ("http.background_fill_completed_threshold", "FLOAT 0.0".to_owned()),
        ("net.connections_throttle", "INT 8000".to_owned()),
        ("http.insert_response_via_str", "INT 0".to_owned()),
        ("admin.user_id", "STRING #-1".to_owned()),
        ("log.logging_enabled", "INT 0".to_owned()),
        ("log.logfile_dir", format!("STRING {}", logs.display())),
        ("diags.debug.enabled", "INT 0".to_owned()),
    ];
    values.iter().map(|(name, value)| format!("CONFIG proxy.config.{name} {value}\n")).collect()
}
