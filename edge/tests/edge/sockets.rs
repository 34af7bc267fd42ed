//! Over sockets of 127.0.0.1.

use std::{sync::Arc, time::SystemTime};

use prometheus::Registry;
use rillcast_edge::upstream::{UpstreamConfig, UpstreamError, UpstreamMetrics, Upstreams, UpstreamsConfig};

use crate::{
    harness::{
        object::{Cut, Object},
        origin::{Act, Origin, Then},
    },
    setting::{demand, read, read_whole},
};

fn config(urls: &[String]) -> UpstreamsConfig {
    let named = urls.iter().enumerate();
    let listed = named.map(|(index, url)| UpstreamConfig::new(format!("o{index}"), url)).collect();
    UpstreamsConfig::new("test", listed)
}

fn of(config: &UpstreamsConfig) -> Upstreams {
    let metrics = UpstreamMetrics::register(&Registry::new()).unwrap();
    Upstreams::new(config, &metrics, || SystemTime::UNIX_EPOCH).unwrap()
}

fn upstreams(urls: &[String]) -> Upstreams {
    of(&config(urls))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_come_whole_over_a_socket() {
    let body: Vec<u8> = (0..3_000_000u32).map(|index| (index % 251) as u8).collect();
    let origin = Origin::new({
        let body = body.clone();
        move |_| Act::ok(&body)
    });
    let listening = origin.listen().await;
    let upstreams = upstreams(&[listening.url()]);
    for _ in 0..2 {
        let mut response = upstreams.fetch(demand("/")).await.unwrap();
        assert!(read_whole(&mut response).await == body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_in_the_middle_is_told() {
    let origin =
        Origin::new(|_| Act::say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").then(Then::Reset));
    let listening = origin.listen().await;
    let mut response = upstreams(&[listening.url()]).fetch(demand("/")).await.unwrap();
    let (bytes, end) = read(&mut response).await;
    // A reset may overtake bytes that were sent before it.
    assert!(b"hello".starts_with(bytes.as_slice()));
    assert!(matches!(end, Err(UpstreamError::Broken { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_dies_in_the_middle_is_replaced_by_another() {
    // More than sockets hold, so that the reset comes while the body is on its way.
    const LEN: usize = 8 << 20;
    let object = Arc::new(Object::tagged(LEN, "\"one\""));
    let origin = |cut: Option<Cut>| {
        let object = Arc::clone(&object);
        Origin::new(move |asked| match cut {
            Some(_) if asked.nth > 0 => Act::silent(Then::Reset),
            cut => object.act(asked, cut),
        })
    };
    let dying = origin(Some(Cut { at: LEN / 2, then: Then::Reset }));
    let well = origin(None);
    let (first, second) = (dying.listen().await, well.listen().await);
    let mut config = config(&[first.url(), second.url()]);
    config.upstreams[1].tier = 1;
    let mut response = of(&config).fetch(demand("/")).await.unwrap();
    let (bytes, end) = read(&mut response).await;
    end.unwrap();
    assert!(bytes == object.bytes);
    assert_eq!(response.upstream.as_str(), "o0");
    assert_eq!(well.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_an_error_of_the_connection() {
    // Bound, so that nobody else gets the port, but never listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let error = upstreams(&[url]).fetch(demand("/")).await.err().unwrap();
    assert_eq!(error.reason(), "connect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_with_several_addresses_is_tried_at_each() {
    let listening = Origin::new(|_| Act::ok(b"hello")).listen().await;
    // Where it is ::1 as well, nobody listens there.
    let url = format!("http://localhost:{}", listening.address.port());
    let mut response = upstreams(&[url]).fetch(demand("/")).await.unwrap();
    assert_eq!(read_whole(&mut response).await, b"hello");
}
