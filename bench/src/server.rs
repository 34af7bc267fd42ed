//! The server under test: `rillcast serve` on one core, with its shipped configuration.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::peer::free_address;
use crate::process::{self, ProcessError, Running};

/// Our server answers within this time of its start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Why there is nothing to measure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// Nobody built it.
    #[error("there is no server at {0}: build it (`cargo build --release`) or name one with --server")]
    Missing(PathBuf),
    /// No port or folder for it.
    #[error("preparing the server: {0}")]
    Prepare(#[from] io::Error),
    /// It did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// How to start it.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The binary.
    pub(crate) program: PathBuf,
    /// Its configuration; its own defaults without.
    pub(crate) config: Option<PathBuf>,
    /// Further arguments.
    pub(crate) arguments: Vec<String>,
}

/// Our server, running.
#[derive(Debug)]
pub(crate) struct Ours {
    /// The process.
    pub(crate) process: Running,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// The path of the multivariant playlist of the file `name` in the media folder.
pub(crate) fn master_path(name: &str) -> String {
    format!("/vod/{name}/master.m3u8")
}

/// Starts it on `core` over the folder `media`, with what it prints in `scratch`, and waits for the
/// line with its address.
///
/// # Errors
/// [`ServerError`].
pub(crate) fn start(launch: &Launch, media: &Path, scratch: &Path, core: usize) -> Result<Ours, ServerError> {
    if !launch.program.exists() {
        return Err(ServerError::Missing(launch.program.clone()));
    }
    let address = free_address()?;
    let mut command = process::command(launch.program.canonicalize()?);
    command.arg("serve").arg("--media").arg(media).arg("--listen").arg(address.to_string());
    if let Some(config) = &launch.config {
        command.arg("--config").arg(config);
    }
    command.args(&launch.arguments);
    // Its own indexes, which go when the media go: a copy made for a measurement finds none of a run before.
    command.env("CACHE_DIRECTORY", media.join(".cache"));
    let mut process = Running::start(command, core, &scratch.join("rillcast.log"))?;
    let answers = || TcpStream::connect(address).is_ok();
    process.wait_until(START_LIMIT, |said| said.contains("http://") && answers())?;
    Ok(Ours { process, address })
}
