//! The server under test: `rillcast serve` on one core, with its shipped configuration but for what a
//! measurement is about; the file it is started with stays in the scratch folder.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use toml::{Table, Value};

use crate::peer::free_address;
use crate::process::{self, ProcessError, Running};
use crate::tls::Identity;

/// Our server answers within this time of its start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Writing the indexes of all media takes less.
const INDEX_LIMIT: Duration = Duration::from_secs(600);

/// Why there is nothing to measure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// Nobody built it.
    #[error("there is no server at {0}: build it (`cargo build --release`) or name one with --server")]
    Missing(PathBuf),
    /// No port or folder for it.
    #[error("preparing the server: {0}")]
    Prepare(#[from] io::Error),
    /// The configuration it should have is no TOML.
    #[error("the server's configuration: {0}")]
    Config(#[from] toml::de::Error),
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

/// What a measurement needs of it.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// The media folder, of an origin.
    pub(crate) media: Option<&'a Path>,
    /// Listens for TLS too, as this.
    pub(crate) tls: Option<&'a Identity>,
    /// Configuration keys by their dotted paths: `delivery.hot_set_mib`.
    pub(crate) keys: &'a [(&'a str, Value)],
}

/// Our server, running.
#[derive(Debug)]
pub(crate) struct Ours {
    /// The process.
    pub(crate) process: Running,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it listens for TLS; nobody does when none was asked for.
    pub(crate) tls: SocketAddr,
}

/// The path of the multivariant playlist of the file `name` in the media folder.
pub(crate) fn master_path(name: &str) -> String {
    format!("/vod/{name}/master.m3u8")
}

impl<'a> Setup<'a> {
    /// The shipped configuration over the folder `media`.
    pub(crate) fn plain(media: &'a Path) -> Self {
        Self { media: Some(media), tls: None, keys: &[] }
    }

    /// The shipped configuration of an edge, with TLS as `identity`; `keys` say what it is in front of.
    pub(crate) fn edge(identity: &'a Identity, keys: &'a [(&'a str, Value)]) -> Self {
        Self { media: None, tls: Some(identity), keys }
    }
}

impl Launch {
    /// A command of the binary that is not `serve`.
    ///
    /// # Errors
    /// [`ServerError::Missing`].
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command, ServerError> {
        if !self.program.exists() {
            return Err(ServerError::Missing(self.program.clone()));
        }
        let mut command = process::command(self.program.canonicalize()?);
        command.args(arguments);
        Ok(command)
    }

    /// Starts it on `core` as `setup` says, with its configuration and what it prints in `scratch`, and
    /// waits for the line with its address.
    ///
    /// # Errors
    /// [`ServerError`].
    pub(crate) fn start(&self, setup: &Setup<'_>, scratch: &Path, core: usize) -> Result<Ours, ServerError> {
        let (address, tls) = (free_address()?, free_address()?);
        let listeners = listeners(address, setup.tls.map(|identity| (tls, identity)));
        let config = self.write_config(setup, listeners, scratch)?;
        let mut command = self.command(&["serve"])?;
        command.arg("--config").arg(&config);
        if let Some(media) = setup.media {
            command.arg("--media").arg(media);
        }
        command.args(&self.arguments);
        let mut process = Running::start(command, core, &scratch.join("rillcast.log"))?;
        let answers = || TcpStream::connect(address).is_ok();
        process.wait_until(START_LIMIT, |said| said.contains("http://") && answers())?;
        Ok(Ours { process, address, tls })
    }

    /// Has it write the index of every file in the folder `media` ahead.
    ///
    /// # Errors
    /// [`ServerError`].
    pub(crate) fn index(&self, media: &Path, scratch: &Path) -> Result<(), ServerError> {
        let listeners = listeners(free_address()?, None);
        let config = self.write_config(&Setup::plain(media), listeners, scratch)?;
        let mut command = self.command(&["index"])?;
        command.arg("--config").arg(config).arg(media);
        process::run_to_end("rillcast index", command, &scratch.join("index.log"), INDEX_LIMIT)?;
        Ok(())
    }

    fn write_config(
        &self,
        setup: &Setup<'_>,
        listeners: Value,
        scratch: &Path,
    ) -> Result<PathBuf, ServerError> {
        let mut table = match &self.config {
            Some(path) => fs::read_to_string(path)?.parse::<Table>()?,
            None => Table::new(),
        };
        set(&mut table, "http.listener", listeners);
        if let Some(media) = setup.media {
            // Its own indexes, which go when the media go: a copy made for a measurement finds none of a run before.
            let index_dir = std::path::absolute(media)?.join(".cache").display().to_string();
            set(&mut table, "origin.index_dir", Value::String(index_dir));
        }
        for (key, value) in setup.keys {
            set(&mut table, key, value.clone());
        }
        let config = scratch.join("rillcast.toml");
        fs::write(&config, table.to_string())?;
        Ok(config)
    }
}

fn listeners(plain: SocketAddr, tls: Option<(SocketAddr, &Identity)>) -> Value {
    let text = |text: String| Value::String(text);
    let mut list = vec![Value::Table(Table::from_iter([("address".to_owned(), text(plain.to_string()))]))];
    if let Some((address, identity)) = tls {
        list.push(Value::Table(Table::from_iter([
            ("address".to_owned(), text(address.to_string())),
            ("certificate".to_owned(), text(identity.certificate.display().to_string())),
            ("key".to_owned(), text(identity.key.display().to_string())),
        ])));
    }
    Value::Array(list)
}

/// Sets the key at the dotted path `path`, and makes the tables on the way.
fn set(table: &mut Table, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        set(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_where_its_path_says_and_leaves_its_neighbours() {
        let mut table: Table = "[http]\nworkers = 2\n[log]\nlevel = 'warn'\n".parse().unwrap();
        set(&mut table, "http.limits.connections", Value::Integer(7));
        set(&mut table, "log.level", Value::String("info".into()));
        set(&mut table, "log.level.odd", Value::Boolean(true));
        let want: Table =
            "[http]\nworkers = 2\n[http.limits]\nconnections = 7\n[log.level]\nodd = true\n".parse().unwrap();
        assert_eq!(table, want);
    }

    #[test]
    fn a_binary_that_nobody_built_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("rillcast");
        let launch = Launch { program, config: None, arguments: Vec::new() };
        let error = launch.start(&Setup::plain(folder.path()), folder.path(), 0).unwrap_err();
        assert!(matches!(error, ServerError::Missing(_)), "{error}");
    }
}
