//! Ending: what is under way finishes, what is idle closes, what takes too long is cut.

use std::{net::TcpStream, num::NonZeroUsize, pin::pin, time::Duration};

use futures_util::FutureExt as _;
use rillcast_http::DrainReport;

use crate::{
    client::{Client, request},
    harness::{PATIENCE, Rig, block_on, wait_until},
};

#[test]
fn what_is_under_way_finishes_and_what_is_idle_closes() {
    let rig = Rig::start(|_| {});
    let address = rig.address();
    let mut idle = Client::connect(address);
    assert_eq!(idle.get("/memory", &[]).status, 200);
    let mut silent = Client::connect(address);
    let mut busy = Client::connect(address);
    busy.send(request("GET", "/held", &[]));
    wait_until("the request to be held", || rig.arrived() == 1);
    wait_until("all to be accepted", || rig.server.connections() == 3);

    let Rig { server, stage, .. } = rig;
    let draining = std::thread::spawn(move || block_on(server.drain(PATIENCE)));
    assert!(idle.is_closed() && silent.is_closed());
    wait_until("new connections to be refused", || TcpStream::connect(address).is_err());

    stage.gate.add_permits(1);
    let answer = busy.read_answer(false);
    assert_eq!((answer.text(), answer.field("connection")), ("let go", "close"));
    assert!(busy.is_closed());
    assert_eq!(draining.join().unwrap(), DrainReport { cut: 0 });
}

#[test]
fn what_the_kernel_had_queued_is_still_answered() {
    let rig = Rig::start(|config| config.cores = NonZeroUsize::MIN);
    let mut blocking = Client::connect(rig.address());
    blocking.send(request("GET", "/block", &[]));
    wait_until("the core to be blocked", || rig.arrived() == 1);
    let mut queued = Client::connect(rig.address());
    queued.send(request("GET", "/memory", &[]));

    let Rig { server, stage, .. } = rig;
    block_on(async {
        let mut draining = pin!(server.drain(PATIENCE));
        assert!(draining.as_mut().now_or_never().is_none());
        stage.barrier.wait();
        assert_eq!(draining.await, DrainReport { cut: 0 });
    });
    for (client, text) in [(&mut blocking, "on we go"), (&mut queued, "hello")] {
        let answer = client.read_answer(false);
        assert_eq!((answer.text(), answer.field("connection")), (text, "close"));
        assert!(client.is_closed());
    }
}

#[test]
fn what_takes_longer_than_the_drain_is_cut_and_counted() {
    let rig = Rig::start(|_| {});
    let mut stuck: Vec<_> = (0..3).map(|_| Client::connect(rig.address())).collect();
    for client in &mut stuck {
        client.send(request("GET", "/held", &[]));
    }
    wait_until("the requests to be held", || rig.arrived() == 3);
    assert_eq!(block_on(rig.server.drain(Duration::ZERO)), DrainReport { cut: 3 });
    assert!(stuck.iter_mut().all(Client::is_closed));
}

#[test]
fn a_dropped_server_cuts_everything() {
    let rig = Rig::start(|_| {});
    let address = rig.address();
    let mut client = Client::connect(address);
    client.send(request("GET", "/held", &[]));
    wait_until("the request to be held", || rig.arrived() == 1);
    drop(rig);
    assert!(client.is_closed());
    wait_until("the port to be free", || TcpStream::connect(address).is_err());
}
