//! A service of the operator: answers everything with one text as soon as it has one, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

#[derive(Default)]
struct Said {
    answer: Option<String>,
    heard: Vec<String>,
}

/// The service; its thread lasts as long as the test's process.
pub(crate) struct Service {
    address: SocketAddr,
    said: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
    /// Wakes whoever waits for an answer.
    has_answer: Condvar,
}

impl Service {
    pub(crate) fn answering(answer: String) -> Self {
        let service = Self::silent();
        service.answer(answer);
        service
    }

    /// One that takes requests, and answers none until it is told what.
    pub(crate) fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let said: Arc<Shared> = Arc::default();
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
        self.said.said.lock().expect("no thread dies with it").answer = Some(answer);
        self.said.has_answer.notify_all();
    }

    /// Heads and bodies of all requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.said.said.lock().expect("no thread dies with it").heard.clone()
    }
}

fn serve(mut socket: &TcpStream, shared: &Shared) -> std::io::Result<()> {
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
        let mut said = shared.said.lock().expect("no thread dies with it");
        said.heard.push(request);
        let has_none = |said: &mut Said| said.answer.is_none();
        let said = shared.has_answer.wait_while(said, has_none).expect("no thread dies with it");
        said.answer.clone().unwrap_or_default()
    };
    write!(socket, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
}
