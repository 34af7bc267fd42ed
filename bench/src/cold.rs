//! The first playlist of a file the server never saw: time to the last byte, one request at a time.
//!
//! Every repetition has its own copy of the file, so that no index of an earlier one helps. Then the
//! server is started anew over the same copies: whatever index it kept is then present.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fetch::{Client, FetchError};
use crate::measure::median;
use crate::server::{self, Launch, ServerError, master_path};

/// Copies of each file, and so repetitions.
const REPETITIONS: usize = 3;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColdError {
    /// The copies could not be made.
    #[error("copying the long files: {0}")]
    Copy(#[from] io::Error),
    /// The server did not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// It did not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// First answers of one kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cold {
    /// Its name in reports and targets: `O6-front`.
    pub(crate) key: String,
    /// In words.
    pub(crate) title: String,
    /// Each from sending the request to the last byte.
    pub(crate) last_byte_ms: Vec<f64>,
}

impl Cold {
    /// The median.
    pub(crate) fn median_ms(&self) -> f64 {
        median(&self.last_byte_ms).unwrap_or(f64::NAN)
    }
}

/// Asks our server, started here, for the first playlist of copies of `front` and `end`.
///
/// # Errors
/// [`ColdError`].
pub(crate) fn measure(
    launch: &Launch,
    (front, end): (&Path, &Path),
    scratch: &Path,
    core: usize,
) -> Result<Vec<Cold>, ColdError> {
    let media = Copies { folder: scratch.join("cold") };
    fs::create_dir_all(&media.folder)?;
    for number in 0..REPETITIONS {
        fs::copy(front, media.folder.join(name("front", number)))?;
        fs::copy(end, media.folder.join(name("end", number)))?;
    }
    let mut found = Vec::new();
    let starts = [
        [
            ("O6-front", "front", "never touched, index in front"),
            ("O6-end", "end", "never touched, index at the end"),
        ],
        [
            ("O6-again-front", "front", "after a restart, index in front"),
            ("O6-again-end", "end", "after a restart, index at the end"),
        ],
    ];
    for kinds in starts {
        let server = server::start(launch, &media.folder, scratch, core)?;
        let mut colds = kinds.map(|(key, _, title)| Cold {
            key: key.to_owned(),
            title: format!("first playlist of 2 h, {title}"),
            last_byte_ms: Vec::with_capacity(REPETITIONS),
        });
        for number in 0..REPETITIONS {
            for (cold, (_, file, _)) in colds.iter_mut().zip(kinds) {
                let mut client = Client::new(server.address);
                let answer = client.get(&master_path(&name(file, number)), false, |_| Ok(()))?;
                cold.last_byte_ms.push(answer.last_byte.as_secs_f64() * 1e3);
            }
        }
        found.extend(colds);
    }
    Ok(found)
}

/// A folder of copies, removed when done with.
struct Copies {
    folder: PathBuf,
}

impl Drop for Copies {
    fn drop(&mut self) {
        // What stays behind is overwritten by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn name(kind: &str, number: usize) -> String {
    format!("{kind}{number}.mp4")
}
