//! Many at once, and being told to stop.

use std::net::TcpStream;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::client::{Transfer, get, wait_until};
use super::films::{Library, film, first, heavy_film};
use super::harness::server::Server;

const MASTER: &str = "/vod/a.mp4/master.m3u8";

fn signal(server: &Server, signal: Signal) {
    let id = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    kill_process(id.expect("a process"), signal).expect("our child");
}

#[test]
fn many_who_ask_first_at_once_get_the_same() {
    let library = Library::new();
    library.put("a.mp4", &film(60));
    library.put("bad.mp4", b"no movie at all");
    let server = library.serve();
    let address = server.address().to_owned();
    let ask = |path: &'static str| {
        let address = address.clone();
        thread::spawn(move || get(&address, path))
    };
    let good: Vec<_> = (0..50).map(|_| ask(MASTER)).collect();
    let bad: Vec<_> = (0..50).map(|_| ask("/vod/bad.mp4/master.m3u8")).collect();
    let answers = |asked: Vec<thread::JoinHandle<_>>| {
        asked.into_iter().map(|asked| asked.join().expect("answered")).collect::<Vec<_>>()
    };
    let (good, bad) = (answers(good), answers(bad));
    assert!(good.iter().all(|answer| answer.status == 200 && answer.body == good[0].body));
    assert!(bad.iter().all(|answer| answer.status == 422));
    assert_eq!(server.log().matches("an asset was refused").count(), 1, "opened once for all fifty");
}

#[test]
fn clients_that_leave_in_the_middle_harm_nobody() {
    let (_library, server) = Library::with("a.mp4", &heavy_film());
    let segment = first(&server, MASTER, "/v1/0.m4s");
    let whole = get(server.address(), &segment).body;
    for count in [0, 1, 100_000] {
        for _ in 0..5 {
            let mut transfer = Transfer::begin(server.address(), "GET", &segment, &[]);
            transfer.read(count);
            drop(transfer);
        }
    }
    assert!(get(server.address(), &segment).body == whole);
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way() {
    for how in [Signal::TERM, Signal::INT] {
        let (_library, mut server) = Library::with("a.mp4", &heavy_film());
        let segment = first(&server, MASTER, "/v1/0.m4s");
        let whole = get(server.address(), &segment).body;
        let mut transfer = Transfer::begin(server.address(), "GET", &segment, &[]);
        transfer.read(10_000);
        signal(&server, how);
        let address = server.address().to_owned();
        wait_until("nobody new is let in", || TcpStream::connect(&address).is_err());
        assert!(transfer.finish().body == whole, "the transfer under way ends whole");
        assert!(server.wait(), "exit code 0");
        assert!(server.log().contains("stopped"), "{}", server.log());
    }
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let (_library, mut server) = Library::with("a.mp4", &film(2));
    let idle = TcpStream::connect(server.address()).expect("it listens");
    assert_eq!(get(server.address(), MASTER).status, 200);
    signal(&server, Signal::TERM);
    assert!(server.wait(), "exit code 0");
    drop(idle);
}
