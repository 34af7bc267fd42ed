//! A server for tests: the same answer to every request.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// Starts a server that answers everything with `answer` for as long as the test process lives.
pub(crate) fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    // An empty line ends a request.
                    if line.is_empty() && (&stream).write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
