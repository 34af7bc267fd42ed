//! HTTP/2: many streams, files, readers that do not read, and GOAWAY.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rillcast_http::Listener;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{
    harness::{PATIENCE, Rig, block_on, media, wait_until, write_file},
    tls::{client_config, renew},
};

/// A task of a test; the test's runtime owns it and ends with it.
#[expect(clippy::disallowed_methods, reason = "a test drives its own runtime")]
fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::task::spawn(future)
}

type Sender = SendRequest<Empty<Bytes>>;

/// HTTP/2 without TLS, with windows as browsers have them: 64 KiB a stream.
async fn connect_plain(address: SocketAddr) -> Sender {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    sender
}

fn get(target: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://localhost{target}")).body(Empty::new()).unwrap()
}

async fn read(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The body at `target` over HTTP/2 without TLS.
pub(crate) fn get_plain(address: SocketAddr, target: &str) -> Bytes {
    block_on(async {
        let mut sender = connect_plain(address).await;
        read(sender.send_request(get(target)).await.unwrap()).await
    })
}

#[tokio::test]
async fn alpn_chooses_http2_and_files_arrive_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (files, certificate) = renew(directory.path());
    let bytes = media(5 << 20);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config| {
        config.listeners = vec![Listener::tls("[::1]:0".parse().unwrap(), files)];
    });
    let config = client_config(certificate, &["h2", "http/1.1"]);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(rig.address()).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    spawn(connection);

    assert_eq!(read(sender.send_request(get("/who")).await.unwrap()).await, "::1 https2");
    assert!(read(sender.send_request(get("/file")).await.unwrap()).await == bytes);
    let mut part = get("/file");
    part.headers_mut().insert(header::RANGE, "bytes=100000-4000000".parse().unwrap());
    let part = sender.send_request(part).await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert!(read(part).await == bytes[100_000..=4_000_000]);
    let mut head = get("/file");
    *head.method_mut() = http::Method::HEAD;
    let head = sender.send_request(head).await.unwrap();
    assert_eq!(head.headers()[header::CONTENT_LENGTH], "5242880");
    assert!(read(head).await.is_empty());
}

#[tokio::test]
async fn a_hundred_streams_are_open_at_once() {
    let rig = Rig::start(|_| {});
    let mut sender = connect_plain(rig.address()).await;
    let held: Vec<_> = (0..100).map(|_| spawn(sender.send_request(get("/held")))).collect();
    while rig.arrived() < 100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(read(sender.send_request(get("/memory")).await.unwrap()).await, "hello");
    rig.stage.gate.add_permits(100);
    for response in held {
        assert_eq!(read(response.await.unwrap().unwrap()).await, "let go");
    }
}

#[tokio::test]
async fn a_problem_of_one_stream_is_no_problem_of_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = write_file(directory.path(), &media(16 << 20));
    let rig = Rig::with_file(Some(path.clone()), |_| {});
    let mut sender = connect_plain(rig.address()).await;
    assert_eq!(sender.send_request(get("/panic")).await.unwrap().status(), 500);
    assert_eq!(sender.send_request(get("/%00")).await.unwrap().status(), 400);
    let unread = sender.send_request(get("/file")).await.unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
    assert!(unread.into_body().collect().await.is_err(), "the stream is reset");
    assert_eq!(read(sender.send_request(get("/memory")).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn streams_that_nobody_reads_hold_little_and_do_not_starve_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(1 << 20);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config| {
        config.limits.read_buffers_per_connection = 4;
    });
    let stream = TcpStream::connect(rig.address()).await.unwrap();
    let mut settings = http2::Builder::new(TokioExecutor::new());
    // A window that ends within a frame of ours, and a connection that is wide enough for all.
    settings.initial_stream_window_size(100_000).initial_connection_window_size(64 << 20);
    let (mut sender, connection) = settings.handshake(TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    let mut unread = Vec::new();
    for _ in 0..50 {
        unread.push(sender.send_request(get("/file")).await.unwrap());
    }
    for _ in 0..5 {
        assert!(read(sender.send_request(get("/file")).await.unwrap()).await == bytes);
        // Four large buffers, and what 47 more streams keep in small ones while their window is shut.
        assert!(rig.server.file_buffer_bytes() <= (4 * 64 + 51 * 2 * 16) << 10);
    }
    for response in unread {
        assert!(read(response).await == bytes);
    }
    drop(sender);
    wait_until("all buffers to come home", || rig.server.file_buffer_bytes() == 0);
}

#[tokio::test]
async fn a_drain_says_goaway_and_lets_streams_finish() {
    let rig = Rig::start(|_| {});
    let mut sender = connect_plain(rig.address()).await;
    let held = spawn(sender.send_request(get("/held")));
    while rig.arrived() < 1 {
        tokio::task::yield_now().await;
    }
    let Rig { server, stage, .. } = rig;
    let draining = spawn(server.drain(PATIENCE));
    // After GOAWAY the client's side refuses new streams by itself.
    while sender.send_request(get("/memory")).await.is_ok() {}
    stage.gate.add_permits(1);
    assert_eq!(read(held.await.unwrap().unwrap()).await, "let go");
    assert_eq!(draining.await.unwrap().cut, 0);
}

#[tokio::test]
async fn an_idle_connection_is_ended() {
    let rig = Rig::start(|config| config.limits.idle_time = std::time::Duration::from_secs(1));
    let stream = TcpStream::connect(rig.address()).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = spawn(connection);
    assert_eq!(read(sender.send_request(get("/memory")).await.unwrap()).await, "hello");
    // Ends without an error: the server said goodbye.
    tokio::time::timeout(PATIENCE, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_opens_no_window_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::with_file(Some(write_file(directory.path(), &media(4 << 20))), |config| {
        config.limits.send_stall_time = std::time::Duration::from_millis(100);
    });
    for (number, target) in (1..).zip(["/file", "/large"]) {
        let mut sender = connect_plain(rig.address()).await;
        // On a busy machine it may be gone before its answer is read.
        let _unread = sender.send_request(get(target)).await;
        while rig.figure("rillcast_http_connections_ended_total", "stalled") < number {
            tokio::task::yield_now().await;
        }
    }
    wait_until("all buffers to come home", || rig.server.file_buffer_bytes() == 0);
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn as_many_streams_as_may_be_and_not_one_more() {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const END_STREAM_AND_HEADERS: u8 = 5;
    const REFUSED_STREAM: u32 = 7;
    let rig = Rig::start(|config| config.limits.http2_streams = 2);
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    // :method GET, :scheme http, :path /held, :authority a (RFC 7541: static entries, then literals).
    let head = [&[0x82, 0x86, 0x04, 5][..], b"/held", &[0x01, 1], b"a"].concat();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    for id in [1, 3, 5] {
        sent.extend(frame(HEADERS, END_STREAM_AND_HEADERS, id, &head));
    }
    stream.write_all(&sent).await.unwrap();
    loop {
        let mut start = [0; 9];
        stream.read_exact(&mut start).await.unwrap();
        let [l2, l1, l0, kind, _flags, stream_id @ ..] = start;
        let mut payload = vec![0; u32::from_be_bytes([0, l2, l1, l0]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if kind == RST_STREAM {
            assert_eq!((u32::from_be_bytes(stream_id), payload), (5, REFUSED_STREAM.to_be_bytes().to_vec()));
            break;
        }
        assert_ne!(kind, HEADERS, "nothing is answered yet");
    }
    while rig.arrived() < 2 {
        tokio::task::yield_now().await;
    }
}

/// Eight segments asked for at once over a connection and streams that are wide enough for all of them: they arrive
/// side by side, so that none is late because another is long.
#[tokio::test]
async fn streams_share_their_connection_evenly() {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const WINDOW_UPDATE: u8 = 8;
    const END_STREAM: u8 = 1;
    const END_STREAM_AND_HEADERS: u8 = 5;
    const STREAMS: [u32; 8] = [1, 3, 5, 7, 9, 11, 13, 15];
    let directory = tempfile::tempdir().unwrap();
    let bytes = media(2 << 20);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |_| {});
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    let head = [&[0x82, 0x86, 0x04, 5][..], b"/file", &[0x01, 1], b"a"].concat();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE, then as much for the connection.
    sent.extend(frame(SETTINGS, 0, 0, &[&[0, 4][..], &(16_u32 << 20).to_be_bytes()].concat()));
    sent.extend(frame(WINDOW_UPDATE, 0, 0, &(64_u32 << 20).to_be_bytes()));
    for id in STREAMS {
        sent.extend(frame(HEADERS, END_STREAM_AND_HEADERS, id, &head));
    }
    stream.write_all(&sent).await.unwrap();
    let mut received = STREAMS.map(|_| Vec::new());
    let (mut ended, mut least_at_first_end) = (0, None);
    while ended < STREAMS.len() {
        let mut start = [0; 9];
        stream.read_exact(&mut start).await.unwrap();
        let [l2, l1, l0, kind, flags, stream_id @ ..] = start;
        let mut payload = vec![0; u32::from_be_bytes([0, l2, l1, l0]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if kind == DATA {
            let number = STREAMS.iter().position(|id| *id == u32::from_be_bytes(stream_id)).unwrap();
            received[number].extend(payload);
            if flags & END_STREAM != 0 {
                ended += 1;
                least_at_first_end.get_or_insert_with(|| received.iter().map(Vec::len).min().unwrap());
            }
        }
    }
    assert!(received.iter().all(|body| *body == bytes));
    assert!(least_at_first_end.unwrap() > bytes.len() / 2, "{least_at_first_end:?} of {}", bytes.len());
}

#[tokio::test]
async fn heads_are_read_to_the_limit_and_refused_beyond() {
    let rig = Rig::start(|config| config.limits.header_bytes = 10_000);
    let mut sender = connect_plain(rig.address()).await;
    // What `admission` counts: the target, and name, value and four bytes of each field.
    let room = 10_000 - "/memory".len() - "x".len() - 4;
    for (len, status) in [(room, 200), (room + 1, 431), (room + 20_000, 431)] {
        let mut request = get("/memory");
        request.headers_mut().insert("x", "p".repeat(len).parse().unwrap());
        assert_eq!(sender.send_request(request).await.unwrap().status(), status, "{len}");
    }
}
