//! Connections: TCP, or what a test puts in its place.

use std::{future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::error::ConnectError;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// One that does not answer leaves time for the next.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(1);

/// A connection, whatever carries it. One call through a table for each read costs nothing beside the read.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// A connection in the making.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Pipe>, ConnectError>> + Send + 'a>>;

/// Makes connections. Whoever calls it sets the time limit.
pub trait Dial: Send + Sync {
    /// A connection to `port` of `host`, a name or an address without brackets.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialing<'a>;
}

/// Resolves names by the system and connects by TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

impl Dial for Tcp {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialing<'a> {
        Box::pin(async move {
            let mut last = ConnectError::NoAddress;
            for address in lookup_host((host, port)).await?.take(ADDRESSES_MAX) {
                match timeout(ADDRESS_PATIENCE, connect(address)).await {
                    Ok(Ok(stream)) => return Ok(Box::new(stream) as Box<dyn Pipe>),
                    Ok(Err(error)) => last = error.into(),
                    Err(_) => last = io::Error::from(io::ErrorKind::TimedOut).into(),
                }
            }
            Err(last)
        })
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A request is one small write, which must not wait for others.
    stream.set_nodelay(true)?;
    Ok(stream)
}
