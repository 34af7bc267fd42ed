//! A client as players have one: it keeps its connection, and notices every answer that is not whole.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::clock::PATIENCE;

/// An answer that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends requests to one address, one after another.
pub(crate) struct Client {
    address: SocketAddr,
    kept: Option<BufReader<TcpStream>>,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The connection ended before the first byte of an answer.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// It ended, or made no sense, after that.
    #[error("an answer that is not whole: {0}")]
    Broken(String),
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, kept: None }
    }

    /// Asks for `path`. A connection that was used before may be ended by the server at any time, so a request that finds
    /// it so is sent once more on a new one, as every client does (RFC 9112 §9.3.1); nothing else is tried again.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        if let Some(kept) = self.kept.take() {
            match self.exchange(kept, path) {
                Err(Failure::Unanswered(_)) => {}
                outcome => return outcome,
            }
        }
        let socket = TcpStream::connect(self.address).map_err(|error| unanswered(&error))?;
        socket.set_nodelay(true).expect("it is a TCP socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        self.exchange(BufReader::new(socket), path)
    }

    fn exchange(&mut self, mut connection: BufReader<TcpStream>, path: &str) -> Result<Answer, Failure> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        connection.get_mut().write_all(request.as_bytes()).map_err(|error| unanswered(&error))?;
        let mut first = String::new();
        match connection.read_line(&mut first) {
            Ok(0) => return Err(Failure::Unanswered("the connection ended".to_owned())),
            Ok(_) => {}
            Err(error) if first.is_empty() => return Err(unanswered(&error)),
            Err(error) => return Err(broken(&error)),
        }
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Failure::Broken(format!("{first:?} is no status")))?;
        let (mut len, mut is_last) = (None, false);
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).map_err(|error| broken(&error))?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => len = value.trim().parse::<usize>().ok(),
                "connection" => is_last = value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let len = len.ok_or_else(|| Failure::Broken("an answer without a length".to_owned()))?;
        let mut body = vec![0; len];
        connection.read_exact(&mut body).map_err(|error| broken(&error))?;
        self.kept = (!is_last).then_some(connection);
        Ok(Answer { status, body })
    }
}

fn unanswered(error: &std::io::Error) -> Failure {
    Failure::Unanswered(error.to_string())
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::Broken(error.to_string())
}
