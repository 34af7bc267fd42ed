//! A scripted origin: it says what it is told to, byte for byte, over sockets or over pipes in memory.
//!
//! What it answers is a function of the request, so that one origin can play many faults; what it was asked is kept.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use rillcast_edge::upstream::{
    Dial,
    dial::{Dialing, Pipe},
    error::ConnectError,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

/// What one connection in memory holds in each direction.
const PIPE_BYTES: usize = 1 << 20;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Which one it is at this origin, from 0.
    pub(crate) nth: usize,
    /// The request line and the fields.
    pub(crate) head: String,
}

impl Asked {
    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1")
    }

    /// The bytes that `Range: bytes=N-` or `bytes=N-M` asks for of `len`; none when there are none.
    pub(crate) fn range(&self, len: usize) -> Option<Range<usize>> {
        let (first, last) = self.field("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let end = if last.is_empty() { len } else { last.parse::<usize>().ok()?.saturating_add(1).min(len) };
        let part = first.parse().ok()?..end;
        (!part.is_empty()).then_some(part)
    }
}

/// What the origin does with a request.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// It waits so long first.
    pub(crate) after: Duration,
    /// Pieces sent one after the other, each after its own wait.
    pub(crate) pieces: Vec<(Duration, Bytes)>,
    /// What comes then.
    pub(crate) then: Then,
}

/// What an origin does after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It reads the next request.
    Stay,
    /// It ends the connection in good order.
    Close,
    /// It resets the connection.
    Reset,
    /// It says nothing more, for ever.
    Hang,
}

impl Act {
    /// These bytes, and then the next request.
    pub(crate) fn say(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Vec<u8> = bytes.into();
        Self { after: Duration::ZERO, pieces: vec![(Duration::ZERO, bytes.into())], then: Then::Stay }
    }

    /// A whole response with its `Content-Length`; `fields` are lines ended with `\r\n`.
    pub(crate) fn respond(status: u16, fields: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        Self::say([head.as_bytes(), body].concat())
    }

    /// A 200 with a body and nothing else.
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::respond(200, "", body)
    }

    /// Says nothing.
    pub(crate) fn silent(then: Then) -> Self {
        Self { after: Duration::ZERO, pieces: Vec::new(), then }
    }

    /// Then does this.
    #[must_use]
    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// Waits first.
    #[must_use]
    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// Says so much more, after a wait.
    #[must_use]
    pub(crate) fn and(mut self, wait: Duration, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Vec<u8> = bytes.into();
        self.pieces.push((wait, bytes.into()));
        self
    }
}

type Script = dyn Fn(&Asked) -> Act + Send + Sync;

/// An origin that plays a script. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Origin {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Origin {
    /// One that does what `script` says.
    pub(crate) fn new(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), asked: Arc::default() }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked so far.
    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn note(&self, head: String) -> Asked {
        let mut asked = self.asked.lock().unwrap();
        let one = Asked { nth: asked.len(), head };
        asked.push(one.clone());
        one
    }

    /// Plays on one connection until it ends; says whether it shall be reset.
    async fn play(&self, pipe: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Then> {
        while let Some(head) = read_head(pipe).await? {
            let act = (self.script)(&self.note(head));
            if !act.after.is_zero() {
                sleep(act.after).await;
            }
            for (wait, piece) in act.pieces {
                if !wait.is_zero() {
                    sleep(wait).await;
                }
                pipe.write_all(&piece).await?;
                pipe.flush().await?;
            }
            match act.then {
                Then::Stay => {}
                Then::Hang => {
                    // Until the other side goes.
                    while pipe.read(&mut [0; 64]).await? > 0 {}
                    return Ok(Then::Close);
                }
                then => return Ok(then),
            }
        }
        Ok(Then::Close)
    }

    /// Listens on a free port of 127.0.0.1 for as long as the result lives.
    pub(crate) async fn listen(&self) -> Listening {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = self.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let origin = origin.clone();
                connections.spawn(async move { origin.play_on_socket(stream).await });
            }
        });
        Listening { address, _tasks: tasks }
    }

    async fn play_on_socket(&self, mut stream: TcpStream) {
        // Whatever the client does to the connection is seen by the client.
        if let Ok(Then::Reset) = self.play(&mut stream).await {
            stream.set_zero_linger().unwrap();
        }
    }
}

/// The next head; `None` when the connection ends before it.
async fn read_head(pipe: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match pipe.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(String::from_utf8(head).unwrap()))
}

/// An origin on a socket.
pub(crate) struct Listening {
    /// Where.
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Listening {
    /// As an upstream's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Origins by name, reached over pipes in memory: no sockets, so that time can be paused.
#[derive(Clone, Default)]
pub(crate) struct Town {
    houses: Arc<Mutex<HashMap<String, House>>>,
    dialed: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<JoinSet<()>>>,
}

/// What is found at a name.
#[derive(Clone)]
enum House {
    Origin(Origin),
    /// Refuses connections.
    Shut,
    /// Lets nobody in and says nothing.
    Dark,
}

impl Town {
    /// Puts an origin at a name, in place of what was there.
    pub(crate) fn settle(&self, name: &str, origin: &Origin) {
        self.houses.lock().unwrap().insert(name.to_owned(), House::Origin(origin.clone()));
    }

    /// Makes a name refuse connections; those there are go on.
    pub(crate) fn shut(&self, name: &str) {
        self.houses.lock().unwrap().insert(name.to_owned(), House::Shut);
    }

    /// Makes a name swallow connections.
    pub(crate) fn darken(&self, name: &str) {
        self.houses.lock().unwrap().insert(name.to_owned(), House::Dark);
    }

    /// Names in the order of connections to them.
    pub(crate) fn dialed(&self) -> Vec<String> {
        self.dialed.lock().unwrap().clone()
    }

    /// Connections that have not ended.
    pub(crate) async fn connections(&self) -> usize {
        // Those that are about to end do so when it is their turn.
        sleep(Duration::from_millis(1)).await;
        let mut connections = self.connections.lock().unwrap();
        while connections.try_join_next().is_some() {}
        connections.len()
    }

    fn connect(&self, origin: Origin) -> DuplexStream {
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        self.connections.lock().unwrap().spawn(async move {
            // However it ends, the pipe ends with it.
            let _: io::Result<Then> = origin.play(&mut theirs).await;
        });
        ours
    }
}

impl Dial for Town {
    fn dial<'a>(&'a self, host: &'a str, _port: u16) -> Dialing<'a> {
        self.dialed.lock().unwrap().push(host.to_owned());
        let house = self.houses.lock().unwrap().get(host).cloned();
        Box::pin(async move {
            match house {
                Some(House::Origin(origin)) => Ok(Box::new(self.connect(origin)) as Box<dyn Pipe>),
                Some(House::Dark) => std::future::pending().await,
                Some(House::Shut) => Err(ConnectError::Io(io::ErrorKind::ConnectionRefused.into())),
                None => Err(ConnectError::NoAddress),
            }
        })
    }
}
