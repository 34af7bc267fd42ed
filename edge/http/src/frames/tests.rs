//! The order in which those who waited for one body get it.

use std::{cell::RefCell, future::poll_fn, net::Ipv4Addr, rc::Rc, time::SystemTime};

use http::Method;
use http_body::Body as _;
use prometheus::Registry;
use rillcast_sys::slab::{SlabLimits, Slabs};
use tokio::task::LocalSet;

use super::*;
use crate::{
    access_log::{Beginning, Observer},
    activity::Activity,
    buffer_pool::BufferPool,
    growing::{Growing, Keeping, MEMORY_BYTES_MAX},
    metrics::HttpMetrics,
    request::Transport,
    request_id::RequestId,
};

const WAITING: usize = 100;

fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

fn frames(body: Body) -> Frames {
    let metrics = HttpMetrics::register(&Registry::new()).unwrap();
    let observer = Observer { ledger: metrics.ledger(), lines: None, at_end: None, metrics, monotonic: now };
    let beginning = Beginning {
        id: RequestId::INTERNAL,
        method: Method::GET,
        client: Ipv4Addr::LOCALHOST.into(),
        transport: Transport::PlainHttp1,
        received: SystemTime::UNIX_EPOCH,
    };
    let exchange = Exchange::begin(Rc::new(observer), Rc::new(Activity::new(now())), beginning);
    let buffers = BufferShare::new(&BufferPool::new(1024, 1), 1);
    let carrier = Carrier { buffers, cold: None, is_http2: false, outlet: None, backlog_bytes: 0 };
    Frames::new(body, carrier, exchange)
}

/// A body of this length that has come.
fn whole(len: u64) -> Growing {
    let slabs = Slabs::new(SlabLimits { memory_bytes: 4 << 20, slab_bytes: 4 << 20 }).unwrap();
    let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs), Some(len));
    writer.append(&mut vec![7; usize::try_from(len).unwrap()].into()).unwrap();
    writer.finish();
    growing
}

/// Who had come to its head and to its first bytes, in order.
async fn order(growing: Growing) -> Vec<(&'static str, usize)> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let all = (0..WAITING).map(|number| {
        let (mut frames, seen) = (frames(growing.body_for_many()), Rc::clone(&seen));
        tokio::task::spawn_local(async move {
            seen.borrow_mut().push(("head", number));
            let frame = poll_fn(|cx| Pin::new(&mut frames).poll_frame(cx)).await;
            assert!(frame.unwrap().unwrap().into_data().is_ok_and(|bytes| !bytes.is_empty()));
            seen.borrow_mut().push(("bytes", number));
        })
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    seen.take()
}

#[tokio::test]
async fn everybody_who_waited_has_the_head_before_anybody_has_bytes() {
    let order = LocalSet::new().run_until(order(whole(MEMORY_BYTES_MAX + 1))).await;
    let first_bytes = order.iter().position(|(what, _)| *what == "bytes");
    assert_eq!(first_bytes, Some(WAITING));
}

#[tokio::test]
async fn a_short_body_leaves_with_its_head() {
    let order = LocalSet::new().run_until(order(whole(MEMORY_BYTES_MAX))).await;
    assert_eq!(order.get(..2), Some(&[("head", 0), ("bytes", 0)][..]));
}
