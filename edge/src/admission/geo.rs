//! The country of an address, out of a file in MaxMind's format that the operator gives.
//!
//! ```text
//!  file ─ read whole, checked ─▶ Places ◀─ country(address): memory only, no lock
//!    └─ replaced by the operator: read anew, within CHECK_EVERY; a bad one changes nothing
//! ```
//!
//! Any database that says `country.iso_code` (MaxMind's Country, City and Enterprise, and those made like them) or
//! `country_code` will do. No file comes with the program: their licences do not allow it.
//! Format: <https://maxmind.github.io/MaxMind-DB/>, version 2.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use maxminddb::{PathElement, Reader};
use parking_lot::Mutex;

/// Bytes of a database.
pub const DATABASE_BYTES_MAX: u64 = 512 << 20;
/// How often the file is looked at.
pub const CHECK_EVERY: Duration = Duration::from_secs(30);
/// Networks that are looked at for a country before a database is said to have none.
const PROBED_NETWORKS: usize = 10_000;

/// A country by its two letters (ISO 3166-1 alpha-2), upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Takes two letters of either case.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    /// Its letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Where addresses are.
pub struct Places {
    path: PathBuf,
    database: ArcSwap<Reader<Vec<u8>>>,
    /// The file that is loaded.
    stamp: Mutex<Stamp>,
}

/// What tells one content of a file from another: device, inode, length, time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, u64, i64, i64);

/// A database that cannot be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// It cannot be read.
    #[error(
        "cannot read the database of countries {}: {error}. It is a file that you provide: GeoLite2-Country.mmdb, or another in MaxMind's format",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Too large.
    #[error("{} has more than {DATABASE_BYTES_MAX} bytes: a database of countries is smaller", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not a database.
    #[error(
        "{} is no database in MaxMind's format ({reason}). Give the .mmdb file itself, unpacked and whole, and put a new one in its place by renaming it",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A database of something else.
    #[error(
        "{} is a database of `{kind}` and names no country: give one of countries or cities",
        path.display()
    )]
    NoCountries {
        /// The file.
        path: PathBuf,
        /// What it says that it is.
        kind: String,
    },
}

impl fmt::Debug for Places {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Places").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Places {
    /// Reads the database at `path`. Blocks.
    ///
    /// # Errors
    /// When it cannot be read, or says nothing about countries.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, GeoError> {
        let path = path.into();
        let (database, stamp) = load(&path)?;
        Ok(Self { path, database: ArcSwap::from_pointee(database), stamp: Mutex::new(stamp) })
    }

    /// The country of `address`; none where the database knows none, as for private addresses. About a microsecond.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        country(&self.database.load(), address.to_canonical())
    }

    /// Reads the file anew if it is another than the one loaded, and says whether it was. Blocks.
    ///
    /// # Errors
    /// When there is another and it cannot be used; the one loaded goes on.
    pub fn refresh(&self) -> Result<bool, GeoError> {
        let mut stamp = self.stamp.lock();
        let meta = std::fs::metadata(&self.path);
        let meta = meta.map_err(|error| GeoError::Io { path: self.path.clone(), error })?;
        if Stamp::of(&meta) == *stamp {
            return Ok(false);
        }
        let (database, loaded) = load(&self.path)?;
        self.database.store(Arc::new(database));
        *stamp = loaded;
        Ok(true)
    }

    /// Keeps to the file until `stop`, looking at it every [`CHECK_EVERY`].
    pub async fn follow(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut complaint = None;
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(CHECK_EVERY) => {}
            }
            let places = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || places.refresh()).await {
                Ok(Ok(changed)) => {
                    if changed {
                        tracing::info!(path = %self.path.display(), "the database of countries was read anew");
                    }
                    complaint = None;
                }
                Ok(Err(error)) => {
                    let words = error.to_string();
                    if complaint.as_ref() != Some(&words) {
                        tracing::warn!(error = words, "the database of countries read before goes on");
                        complaint = Some(words);
                    }
                }
                // The runtime ends.
                Err(_) => return,
            }
        }
    }
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Self {
        Self(meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
    }
}

fn load(path: &Path) -> Result<(Reader<Vec<u8>>, Stamp), GeoError> {
    let (bytes, stamp) = read(path).map_err(|error| GeoError::Io { path: path.to_owned(), error })?;
    if bytes.len() as u64 > DATABASE_BYTES_MAX {
        return Err(GeoError::TooLarge { path: path.to_owned() });
    }
    let wrong = |error: maxminddb::MaxMindDbError| GeoError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let database = Reader::from_source(bytes).map_err(wrong)?;
    let networks = database.networks(maxminddb::WithinOptions::default()).map_err(wrong)?;
    for network in networks.take(PROBED_NETWORKS) {
        if of_entry(&network.map_err(wrong)?).is_some() {
            return Ok((database, stamp));
        }
    }
    Err(GeoError::NoCountries { path: path.to_owned(), kind: database.metadata().database_type.clone() })
}

/// The file, up to one byte more than it may have.
fn read(path: &Path) -> io::Result<(Vec<u8>, Stamp)> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(DATABASE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
}

fn country(database: &Reader<Vec<u8>>, address: IpAddr) -> Option<Country> {
    // Of a damaged entry, and of a version 6 address in a database of version 4, nothing is known.
    of_entry(&database.lookup(address).ok()?)
}

fn of_entry(entry: &maxminddb::LookupResult<'_, Vec<u8>>) -> Option<Country> {
    let at = |path: &[PathElement<'_>]| entry.decode_path::<&str>(path).ok().flatten().and_then(Country::new);
    at(&[PathElement::Key("country"), PathElement::Key("iso_code")])
        .or_else(|| at(&[PathElement::Key("country_code")]))
}

#[cfg(test)]
pub(super) mod tests;
