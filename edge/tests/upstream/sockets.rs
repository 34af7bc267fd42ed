//! Over sockets of 127.0.0.1.

use std::time::SystemTime;

use prometheus::Registry;
use rillcast_edge::upstream::{UpstreamConfig, UpstreamError, UpstreamMetrics, Upstreams, UpstreamsConfig};

use crate::{
    harness::origin::{Act, Origin, Then},
    setting::{demand, read, read_whole},
};

fn upstreams(urls: &[String]) -> Upstreams {
    let named = urls.iter().enumerate();
    let listed = named.map(|(index, url)| UpstreamConfig::new(format!("o{index}"), url)).collect();
    let metrics = UpstreamMetrics::register(&Registry::new()).unwrap();
    Upstreams::new(&UpstreamsConfig::new("test", listed), &metrics, || SystemTime::UNIX_EPOCH).unwrap()
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
async fn nobody_there_is_an_error_of_the_connection() {
    // Bound, so that nobody else gets the port, but never listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let error = upstreams(&[url]).fetch(demand("/")).await.err().unwrap();
    assert_eq!(error.reason(), "connect");
}
