//! `rillcast index PATH…`: parses files before anyone asks for them, with the code that the server uses.
//!
//! ```text
//!  PATH ─┬─ a file ───────┬─▶ each: fresh, written, or refused and why ─▶ a line; the worst is the exit code
//!        └─ a directory: ─┘
//!           what the server lists
//! ```
//!
//! Invariant: what it writes is what a server with the same configuration finds, be it for the file, its folder or
//! the whole media directory.

mod progress;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rillcast_origin::asset_path::AssetPath;
use rillcast_origin::blob::directory::DirectoryStore;
use rillcast_origin::blob::{BlobError, BlobStore};
use rillcast_origin::index::{Indexes, RefreshError, Refreshed};
use rillcast_origin::vod::asset::OpenError;
use tokio::runtime::Handle;

use self::progress::Progress;
use crate::cli::IndexArgs;
use crate::config::{Config, IndexConfig};
use crate::inspect::printable;

/// What the command came to; the worst of all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Every file has a good index now.
    Indexed,
    /// A file is refused; the answer says why.
    Refused,
    /// A file could not be read, or its index not be written.
    Failed,
}

impl Exit {
    /// The exit code of the process.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Indexed => 0,
            Self::Refused => 1,
            Self::Failed => 2,
        }
    }
}

/// A file to be indexed, in the folder that its store is over.
struct Source {
    folder: usize,
    path: AssetPath,
    /// As the operator knows it.
    name: String,
}

/// Folders with what is to be indexed in them.
#[derive(Default)]
struct Sources {
    folders: Vec<(DirectoryStore, Indexes)>,
    files: Vec<Source>,
    exit: Option<Exit>,
}

/// Writes the index of each file that has none, and says so on `out`; failures on `err`.
///
/// # Errors
/// When the configuration cannot be used or says that there are no indexes, or nothing can be written to `out`.
pub(crate) fn run(args: &IndexArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let config = Config::of_file(args.config.as_deref())?;
    if let Some(advice) = config.index.advice() {
        bail!(advice);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let runtime = runtime.context("cannot start a runtime")?;
    let mut exit = Exit::Indexed;
    let mut sources = Sources::default();
    for path in &args.paths {
        if let Err(error) = runtime.block_on(sources.add(path, &config.index)) {
            writeln!(err, "rillcast index: {}: {error:#}", printable(&path.display().to_string()))?;
            exit = Exit::Failed;
        }
    }
    exit = exit.max(sources.exit.unwrap_or(Exit::Indexed));
    let mut progress = Progress::new(sources.files.len());
    for source in &sources.files {
        progress.begin(&source.name);
        let Some((store, indexes)) = sources.folders.get(source.folder) else { continue };
        let done = runtime.block_on(refresh(store, indexes, &source.path));
        exit = exit.max(progress.without(|| tell(&source.name, done, out, err))?);
    }
    out.flush()?;
    Ok(exit)
}

async fn refresh(
    store: &DirectoryStore,
    indexes: &Indexes,
    path: &AssetPath,
) -> Result<Refreshed, RefreshError> {
    let blob = store.open(path).await.map_err(OpenError::from)?;
    indexes.refresh(path, blob, rillcast_media::plan::Policy::VOD).await
}

/// One line about one file.
fn tell(
    name: &str,
    done: Result<Refreshed, RefreshError>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    let name = printable(name);
    match done {
        Ok(Refreshed::Fresh { bytes }) => {
            writeln!(out, "fresh    {name} ({} KiB)", kib(bytes))?;
            Ok(Exit::Indexed)
        }
        Ok(Refreshed::Written { bytes }) => {
            writeln!(out, "written  {name} ({} KiB)", kib(bytes))?;
            Ok(Exit::Indexed)
        }
        Err(RefreshError::Source(OpenError::Refused(refusal))) => {
            writeln!(out, "refused  {name}: {refusal}; `rillcast inspect` says more")?;
            Ok(Exit::Refused)
        }
        Err(error) => {
            writeln!(err, "rillcast index: {name}: {error}")?;
            Ok(Exit::Failed)
        }
    }
}

impl Sources {
    /// Adds the file at `path`, or the files that a server over the directory `path` would list.
    async fn add(&mut self, path: &Path, config: &IndexConfig) -> anyhow::Result<()> {
        let metadata = std::fs::metadata(path).context("cannot be looked at")?;
        if metadata.is_dir() {
            let store = self.folder(path, config)?;
            let listing = store.list().await.map_err(unlistable)?;
            if listing.truncated {
                self.exit = Some(Exit::Failed);
                bail!("there are more files than are listed: name its folders one by one");
            }
            let name = |file: &AssetPath| path.join(file.to_path()).display().to_string();
            let folder = self.folders.len().saturating_sub(1);
            let files = listing.blobs.into_iter().map(|blob| blob.path);
            self.files.extend(files.map(|file| Source { folder, name: name(&file), path: file }));
            return Ok(());
        }
        let (folder, file) = (path.parent().unwrap_or_else(|| Path::new("")), path.file_name());
        let file = file.and_then(|file| file.to_str()).context("its name is not UTF-8")?;
        let file = AssetPath::new(file).context("it is not served")?;
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
        self.folder(&folder, config)?;
        let (folder, name) = (self.folders.len().saturating_sub(1), path.display().to_string());
        self.files.push(Source { folder, path: file, name });
        Ok(())
    }

    /// Opens `folder` and where the indexes of its files are.
    fn folder(&mut self, folder: &Path, config: &IndexConfig) -> anyhow::Result<&DirectoryStore> {
        let store = DirectoryStore::new(folder).context("the folder cannot be opened")?;
        let settings = config.settings(folder).context("origin.index is \"off\" in the configuration")?;
        let indexes = Indexes::start(settings, Handle::current()).context("no thread can be started")?;
        let (store, _) = self.folders.push_mut((store, indexes));
        Ok(store)
    }
}

fn unlistable(error: BlobError) -> anyhow::Error {
    anyhow::Error::new(error).context("the folder cannot be listed")
}
