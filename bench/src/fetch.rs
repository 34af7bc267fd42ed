//! One GET at a time, the body seen whole: for playlists, for the truth, and for cold answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::load::{Request, connection};
use crate::measure;
use crate::response::{Response, ResponseError};
use crate::tls;

/// A server that is silent for so long has failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Read at once.
const READ_BYTES: usize = 64 * 1024;

/// Why a resource could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The connection failed.
    #[error("GET {path}: {source}")]
    Io { path: String, source: io::Error },
    /// The server answered what is no HTTP.
    #[error("GET {path}: {source}")]
    Response { path: String, source: ResponseError },
    /// The server answered something else than 200.
    #[error("GET {path}: status {status}")]
    Status { path: String, status: u16 },
}

/// An answer whose body went elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// Length of the body as transferred.
    pub(crate) bytes: u64,
    /// Length of the head.
    pub(crate) head_bytes: u64,
    /// Whether it came gzip-coded.
    pub(crate) gzip: bool,
    /// From sending the request to the last byte.
    pub(crate) last_byte: Duration,
}

/// A connection kept open between requests.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// Number of the loopback address to ask from; any without.
    source: Option<usize>,
    tls: Option<Arc<ClientConfig>>,
    stream: Option<Stream>,
}

/// A connection, plain or TLS.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    /// A client of the server at `address`, not yet connected.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, source: None, tls: None, stream: None }
    }

    /// The same from loopback address number `source`.
    pub(crate) fn from_source(address: SocketAddr, source: usize) -> Self {
        Self { source: Some(source), ..Self::new(address) }
    }

    /// The same over TLS; it decrypts what it gets.
    pub(crate) fn over_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self { tls: Some(Arc::clone(config)), ..Self::new(address) }
    }

    /// Gets `path` and hands the body to `body` piece by piece.
    ///
    /// # Errors
    /// [`FetchError`]; the next request opens a new connection.
    pub(crate) fn get(
        &mut self,
        path: &str,
        gzip: bool,
        mut body: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Answer, FetchError> {
        let failed = |source| FetchError::Io { path: path.to_owned(), source };
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().map_err(failed)?,
        };
        let sent = measure::now();
        stream.both().write_all(&Request::get(path, gzip, 0).wire).map_err(failed)?;
        let mut response = Response::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut written = Ok(());
        while !response.is_done() {
            let count = stream.both().read(&mut buffer).map_err(failed)?;
            if count == 0 {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            }
            let supplied = response.supply(buffer.get(..count).unwrap_or_default(), |piece| {
                if written.is_ok() {
                    written = body(piece);
                }
            });
            supplied.map_err(|source| FetchError::Response { path: path.to_owned(), source })?;
        }
        let last_byte = sent.elapsed();
        written.map_err(failed)?;
        if response.keep_alive {
            self.stream = Some(stream);
        }
        if response.status != 200 {
            return Err(FetchError::Status { path: path.to_owned(), status: response.status });
        }
        let Response { body_bytes: bytes, head_bytes, gzip, .. } = response;
        Ok(Answer { bytes, head_bytes, gzip, last_byte })
    }

    /// Gets a text, such as a playlist.
    ///
    /// # Errors
    /// As [`Self::get`]; text that is not UTF-8 is an error too.
    pub(crate) fn text(&mut self, path: &str) -> Result<String, FetchError> {
        let mut bytes = Vec::new();
        self.get(path, false, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        String::from_utf8(bytes)
            .map_err(|error| FetchError::Io { path: path.to_owned(), source: io::Error::other(error) })
    }

    fn connect(&self) -> io::Result<Stream> {
        let stream = match self.source {
            Some(source) => connection::connect(self.address, source)?,
            None => TcpStream::connect_timeout(&self.address, SILENCE_LIMIT)?,
        };
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(config) => Ok(Stream::Tls(Box::new(tls::shake_hands(config, stream)?))),
        }
    }
}

/// Reading and writing.
trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

impl Stream {
    fn both(&mut self) -> &mut dyn Duplex {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.as_mut(),
        }
    }
}
