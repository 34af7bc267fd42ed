//! Varnish: objects in memory, a thread a request.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CachePeer, CachePeerError, ROOM_MIB, VARNISH};
use crate::peer::free_address;
use crate::process::{self, Running};

/// It compiles its configuration before it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Where Debian puts it, which is not in its users' `PATH`.
pub(crate) const PROGRAM: &str = "/usr/sbin/varnishd";

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
    let prepare = |source| CachePeerError::Prepare { peer: VARNISH, source };
    let folder = prepare_folder(scratch, origin).map_err(prepare)?;
    let address = free_address().map_err(prepare)?;
    let mut command = process::command(PROGRAM);
    // In the foreground, so that all of it is our child; without a jail, so that it needs no rights.
    command.args(["-F", "-j", "none", "-T", "none", "-n"]).arg(folder.join("work"));
    command.arg("-f").arg(folder.join("cache.vcl")).args(["-a", &address.to_string()]);
    command.args(["-s", &format!("malloc,{ROOM_MIB}m")]);
    command.args(["-p", "thread_pools=1", "-p", "thread_pool_min=100", "-p", "thread_pool_max=2000"]);
    let mut process = Running::start(command, core, &scratch.join("varnish.log"))?;
    process.wait_until(START_LIMIT, |_| TcpStream::connect(address).is_ok())?;
    Ok(Some(CachePeer { name: VARNISH, process, large: address, small: address, tls: None }))
}

fn prepare_folder(scratch: &Path, origin: SocketAddr) -> std::io::Result<PathBuf> {
    let folder = scratch.join("varnish");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("work"))?;
    let folder = folder.canonicalize()?;
    let (host, port) = (origin.ip(), origin.port());
    let config = format!("vcl 4.1;\nbackend default {{ .host = \"{host}\"; .port = \"{port}\"; }}\n");
    fs::write(folder.join("cache.vcl"), config)?;
    Ok(folder)
}
