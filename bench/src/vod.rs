//! nginx-vod-module beside us, when its dynamic module is named: the peer that does the same job.
//!
//! It makes other bytes of the same media, so its requests are read from its own playlists, and nothing
//! is compared but the cost. Configured at its best: metadata cached, segments of the same length.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::fetch::{Client, FetchError};
use crate::load::Request;
use crate::peer::{self, PeerError, common_config, free_address};
use crate::playlist;
use crate::process::Running;

/// Why the module is not there to compare with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VodError {
    /// Whoever named it made a mistake.
    #[error("NGINX_VOD_MODULE: there is no file at {0}")]
    Missing(PathBuf),
    /// nginx did not take it: built for another version, or not this module.
    #[error("nginx with the module {module}: {source}")]
    Refused { module: PathBuf, source: PeerError },
    /// Its folder could not be made.
    #[error("preparing nginx-vod-module: {0}")]
    Prepare(#[from] io::Error),
}

/// A running nginx with the module.
#[derive(Debug)]
pub(crate) struct Vod {
    /// The process.
    pub(crate) process: Running,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// What of an asset is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Segments of the video track.
    Video,
    /// Segments of the audio track.
    Audio,
    /// The media playlist.
    Playlist,
}

/// Starts nginx with `module` on `core`, over the files in `media`.
///
/// # Errors
/// [`VodError`].
pub(crate) fn start(module: &Path, media: &Path, scratch: &Path, core: usize) -> Result<Vod, VodError> {
    if !module.is_file() {
        return Err(VodError::Missing(module.to_owned()));
    }
    let folder = scratch.join("nginx-vod");
    fs::create_dir_all(&folder)?;
    let (module, media, folder) = (module.canonicalize()?, media.canonicalize()?, folder.canonicalize()?);
    let address = free_address()?;
    let text = config(&module, &media, &folder, address);
    let process = peer::start_with(&text, &folder, core, address)
        .map_err(|source| VodError::Refused { module: module.clone(), source })?;
    Ok(Vod { process, address })
}

impl Vod {
    /// Requests for `kind` of every file in `names`, with the lengths it answers.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(crate) fn requests(&self, names: &[String], kind: Kind) -> Result<Vec<Request>, FetchError> {
        let mut client = Client::new(self.address);
        let mut requests = Vec::new();
        for name in names {
            let track = if matches!(kind, Kind::Audio) { "a1" } else { "v1" };
            let playlist = format!("/fmp4/{name}/index-{track}.m3u8");
            let paths = match kind {
                Kind::Playlist => vec![playlist],
                Kind::Video | Kind::Audio => {
                    let uris = playlist::segments(&client.text(&playlist)?);
                    uris.iter().map(|uri| playlist::resolve(&playlist, uri)).collect()
                }
            };
            for path in paths {
                let answer = client.get(&path, false, |_| Ok(()))?;
                requests.push(Request::get(&path, false, answer.bytes));
            }
        }
        Ok(requests)
    }
}

fn config(module: &Path, media: &Path, folder: &Path, address: SocketAddr) -> String {
    let (module, media) = (module.display(), media.display());
    let common = common_config(folder, &format!("load_module {module};\n"));
    format!(
        "{common}  vod_mode local;
  vod_segment_duration 6000;
  vod_align_segments_to_key_frames on;
  vod_manifest_segment_durations_mode accurate;
  vod_metadata_cache metadata 2048m;
  vod_hls_container_format fmp4;
  server {{
    listen {address} backlog=4096; tcp_nopush on;
    location /fmp4/ {{ vod hls; alias {media}/; }}
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Cores;

    #[test]
    fn a_wrong_path_is_said_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let error = start(Path::new("/no/such/module.so"), folder.path(), folder.path(), 0).unwrap_err();
        assert_eq!(error.to_string(), "NGINX_VOD_MODULE: there is no file at /no/such/module.so");
    }

    #[test]
    fn a_file_that_is_no_module_is_named_with_what_nginx_says() {
        if !Path::new(peer::program()).exists() {
            return crate::progress::Progress::default().tell("skipped, there is no nginx here");
        }
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("not-a-module.so");
        fs::write(&module, b"text").unwrap();
        let core = Cores::of_this_machine().unwrap().server;
        let error = start(&module, folder.path(), folder.path(), core).unwrap_err().to_string();
        assert!(error.contains("not-a-module.so") && error.contains("dlopen"), "{error}");
    }
}
