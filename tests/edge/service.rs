//! A service of the operator: answers everything with one text, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Said {
    answer: String,
    heard: Vec<String>,
}

/// The service; its thread lasts as long as the test's process.
pub(crate) struct Service {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
}

impl Service {
    pub(crate) fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let said = Arc::new(Mutex::new(Said { answer, heard: Vec::new() }));
        let shared = Arc::clone(&said);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // A client that goes away is none of our business.
                let _ = serve(&socket, &shared);
            }
        });
        Self { address, said }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it answers from now on.
    pub(crate) fn answer(&self, answer: String) {
        self.said.lock().expect("no thread dies with it").answer = answer;
    }

    /// Heads and bodies of all requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.said.lock().expect("no thread dies with it").heard.clone()
    }
}

fn serve(mut socket: &TcpStream, said: &Mutex<Said>) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket);
    let (mut request, mut len) = (String::new(), 0);
    loop {
        let start = request.len();
        reader.read_line(&mut request)?;
        let line = request[start..].trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    request.push_str(&String::from_utf8_lossy(&body));
    let answer = {
        let mut said = said.lock().expect("no thread dies with it");
        said.heard.push(request);
        said.answer.clone()
    };
    write!(socket, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
}
