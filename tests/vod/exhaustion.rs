//! A server that has no file left to open: what is under way goes on, what is new waits or is told to come again.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::client::{DEADLINE, Transfer, get, wait_until};
use super::films::{Library, film, first, heavy_film};
use super::harness::server::Server;

/// Files and connections that the server may have open: what it needs itself, and some dozens.
const OPEN_FILES: u32 = 96;
/// Files opened besides, by more connections than that.
const CROWD: usize = 120;

#[test]
fn without_a_free_file_transfers_go_on_and_what_is_new_comes_later() {
    let library = Library::new();
    library.put("a.mp4", &heavy_film());
    library.put("b.mp4", &film(4));
    let config = library.outer().join("one-core.toml");
    fs::write(&config, "[http]\nworkers = 1\n[origin]\nindex = \"off\"\n").expect("writable");
    let args = ["--config", &config.to_string_lossy()];
    let server = Server::start_with_few_files(OPEN_FILES, &library.media(), &args);

    let segment = first(&server, "/vod/a.mp4/master.m3u8", "/v1/0.m4s");
    let whole = get(server.address(), &segment).body;
    let mut transfer = Transfer::begin(server.address(), "GET", &segment, &[]);
    transfer.read(10_000);
    let mut early = TcpStream::connect(server.address()).expect("the server listens");
    early.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");

    let connect = |_| TcpStream::connect(server.address()).expect("the kernel queues it");
    let crowd: Vec<TcpStream> = (0..CROWD).map(connect).collect();
    wait_until("the server has no file left", || server.log().contains("accepting failed"));

    let ask = format!(
        "GET /vod/b.mp4/master.m3u8 HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address()
    );
    early.write_all(ask.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    early.read_to_string(&mut answer).expect("an answer in text");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(transfer.finish().body == whole, "who was served is served to the end");

    drop(crowd);
    wait_until("the failure is not remembered", || {
        get(server.address(), "/vod/b.mp4/master.m3u8").status == 200
    });
    let told = |what: &str| server.log().lines().filter(|line| line.contains(what)).count();
    assert_eq!(told("reading a source failed"), 1, "{}", server.log());
}
