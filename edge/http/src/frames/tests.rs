//! The order in which those who waited for one body get it.

use std::{cell::RefCell, convert::Infallible, net::Ipv4Addr, rc::Rc, time::SystemTime};

use http::{Method, Response};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use prometheus::Registry;
use rillcast_sys::slab::{SlabLimits, Slabs};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::LocalSet,
};

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

/// What was written to whom, in order.
type Written = Rc<RefCell<Vec<(&'static str, usize)>>>;

/// A client that asks once, and takes all it is given.
struct Client {
    number: usize,
    asks: &'static [u8],
    written: Written,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Without any more it has gone away, which ends the connection when it is answered.
        buffer.put_slice(std::mem::take(&mut self.asks));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let what = if bytes.starts_with(b"HTTP/1.1 200") { "head" } else { "bytes" };
        let mut written = self.written.borrow_mut();
        if written.last() != Some(&(what, self.number)) {
            written.push((what, self.number));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What clients who wait for `growing` are written by hyper, which has ways of its own to ask for frames.
async fn order(growing: Growing) -> Vec<(&'static str, usize)> {
    let written = Written::default();
    let all = (0..WAITING).map(|number| {
        let asks = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let client = Client { number, asks, written: Rc::clone(&written) };
        let growing = growing.clone();
        let service = service_fn(move |_| {
            let body = frames(growing.body_for_many());
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        let connection =
            http1::Builder::new().half_close(true).serve_connection(TokioIo::new(client), service);
        tokio::task::spawn_local(connection)
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    written.take()
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
    // In one write with it.
    assert_eq!(order, (0..WAITING).map(|number| ("head", number)).collect::<Vec<_>>());
}
