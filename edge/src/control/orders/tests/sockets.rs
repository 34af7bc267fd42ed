//! Orders over HTTP, with real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::follower::{Edge, is_blanket};
use super::*;
use crate::control::link::{ControlLink, Secret};
use crate::control::orders::feed::service::{FeedBody, FeedService};
use crate::control::orders::feed::{SharedFeed, TAIL_ORDERS_MAX};
use crate::control::orders::ledger::Effect;
use crate::control::orders::order::Kind;
use crate::control::orders::source::Source;
use crate::control::orders::source::http::HttpSource;

const FAR: u64 = u64::MAX;
const AT: UnixMicros = UnixMicros(1);

/// What stands between edge and control plane.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    /// A proxy that collects whole answers: streams never come.
    Collects,
    /// One that takes away what asks for a stream.
    AsksForLines,
    /// The control plane is a release further.
    Newer,
    /// Something else answers there.
    Stranger,
    /// Another control plane answers for each tail.
    Mixed,
}

/// A control plane that listens.
struct Control {
    address: SocketAddr,
    served: Arc<Mutex<(FeedService, Between)>>,
    /// Streams and snapshots asked for.
    streams: Arc<AtomicUsize>,
    snapshots: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
    connections: Arc<Mutex<JoinSet<()>>>,
}

fn secret() -> Secret {
    Secret::new("edge-secret").expect("a secret")
}

impl Control {
    async fn start(feed: SharedFeed, between: Between) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let service = FeedService::new(feed, Some(secret())).with_heartbeat(Duration::from_millis(50));
        let control = Self {
            address: listener.local_addr().expect("an address"),
            served: Arc::new(Mutex::new((service, between))),
            streams: Arc::default(),
            snapshots: Arc::default(),
            tasks: JoinSet::new(),
            connections: Arc::default(),
        };
        control.listen(listener)
    }

    fn listen(mut self, listener: TcpListener) -> Self {
        let (served, streams) = (Arc::clone(&self.served), Arc::clone(&self.streams));
        let (snapshots, connections) = (Arc::clone(&self.snapshots), Arc::clone(&self.connections));
        self.tasks.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (served, streams, snapshots) =
                    (Arc::clone(&served), Arc::clone(&streams), Arc::clone(&snapshots));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (service, between) = served.lock().clone();
                    if request.uri().path().ends_with("/snapshot") {
                        snapshots.fetch_add(1, Ordering::Relaxed);
                    } else if !request.uri().query().unwrap_or_default().contains("wait=") {
                        streams.fetch_add(1, Ordering::Relaxed);
                    }
                    async move { Ok::<_, Infallible>(answer(service, between, request).await) }
                });
                connections.lock().spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        self
    }

    /// All connections end, as when the process is killed.
    fn cut(&self) {
        self.connections.lock().abort_all();
    }

    fn source(&self) -> Source {
        self.source_with(&secret())
    }

    fn source_with(&self, secret: &Secret) -> Source {
        let link =
            ControlLink::new(&format!("http://{}/internal/v1/orders", self.address), Some(secret), None);
        let (silence, wait) = (Duration::from_millis(400), Duration::from_secs(1));
        Source::Http(Box::new(HttpSource::with_patience(link.expect("a URL"), silence, wait)))
    }
}

async fn answer(service: FeedService, between: Between, request: Request<Incoming>) -> Response<FeedBody> {
    let (mut head, _) = request.into_parts();
    match between {
        Between::Nothing => service.answer(&head).await,
        Between::Newer => {
            let mut answer = service.answer(&head).await;
            answer.headers_mut().insert("rillcast-feed-version", 2.into());
            answer
        }
        Between::AsksForLines => {
            head.headers.remove("accept");
            service.answer(&head).await
        }
        Between::Collects => {
            let mut answer = service.answer(&head).await;
            if answer.headers()["content-type"] == "text/event-stream" {
                *answer.body_mut() = StreamBody::new(futures_util::stream::pending()).boxed_unsync();
            }
            answer
        }
        Between::Mixed if head.uri.path().ends_with("/tail") => {
            let other = Arc::new(OrderFeed::in_memory(feed_id("other")));
            FeedService::new(other, None).answer(&head).await
        }
        Between::Mixed => service.answer(&head).await,
        Between::Stranger => Response::new(Full::from("<html>welcome</html>").boxed_unsync()),
    }
}

fn feed() -> SharedFeed {
    Arc::new(OrderFeed::in_memory(feed_id("f")))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_come_over_a_stream_as_they_are_given() {
    let feed = feed();
    feed.append(key("k", KeyState::Active), AT).expect("given");
    let control = Control::start(Arc::clone(&feed), Between::Nothing).await;
    let mut edge = Edge::start(control.source(), None);
    edge.until("keys", |effect| matches!(effect, Effect::Keys(keys) if keys.len() == 1)).await;
    edge.until_begun().await;
    for number in 0..20 {
        feed.append(revoke(&format!("s{number}"), FAR), AT).expect("given");
        edge.until_revoked(&format!("s{number}")).await;
    }
    assert_eq!(control.streams.load(Ordering::Relaxed), 1, "one stream carried them all");
    assert_eq!(edge.metrics.applied(Kind::Revoke), 20);
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_goes_on_where_it_was() {
    let feed = feed();
    let control = Control::start(Arc::clone(&feed), Between::Nothing).await;
    let mut edge = Edge::start(control.source(), None);
    edge.until_begun().await;
    for number in 0..5 {
        feed.append(revoke(&format!("s{number}"), FAR), AT).expect("given");
        edge.until_revoked(&format!("s{number}")).await;
        control.cut();
    }
    assert_eq!((edge.metrics.snapshots(), edge.metrics.applied(Kind::Revoke)), (1, 5));
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_streams_do_not_come_through_lines_do() {
    for between in [Between::Collects, Between::AsksForLines] {
        let feed = feed();
        let control = Control::start(Arc::clone(&feed), between).await;
        let mut edge = Edge::start(control.source(), None);
        edge.until_begun().await;
        for number in 0..3 {
            feed.append(revoke(&format!("s{number}"), FAR), AT).expect("given");
            edge.until_revoked(&format!("s{number}")).await;
        }
        assert_eq!(edge.metrics.snapshots(), 1, "{between:?}");
        edge.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fell_too_far_behind_takes_a_snapshot_and_holds_all_for_stale() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let feed = feed();
    let control = Control::start(Arc::clone(&feed), Between::Nothing).await;
    let mut edge = Edge::start(control.source(), Some(&state));
    edge.until_begun().await;
    feed.append(revoke("first", FAR), AT).expect("given");
    edge.until_revoked("first").await;
    edge.stop().await;
    for _ in 0..=TAIL_ORDERS_MAX {
        feed.append(revoke("again", FAR), AT).expect("given");
    }
    let mut edge = Edge::start(control.source(), Some(&state));
    edge.until("both revocations", |effect| matches!(effect, Effect::Revocations(all) if all.len() == 2))
        .await;
    edge.until("a purge of all", is_blanket).await;
    feed.append(revoke("last", FAR), AT).expect("given");
    edge.until_revoked("last").await;
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_with_another_history_is_noticed() {
    let first = feed();
    first.append(revoke("s", FAR), AT).expect("given");
    let control = Control::start(first, Between::Nothing).await;
    let mut edge = Edge::start(control.source(), None);
    edge.until("revocations", |effect| matches!(effect, Effect::Revocations(all) if all.len() == 1)).await;
    let other: SharedFeed = Arc::new(OrderFeed::in_memory(feed_id("other")));
    control.served.lock().0 = FeedService::new(Arc::clone(&other), Some(secret()));
    control.cut();
    edge.until("the other state", |effect| matches!(effect, Effect::Revocations(all) if all.is_empty()))
        .await;
    edge.until("a purge of all", is_blanket).await;
    other.append(revoke("t", FAR), AT).expect("given");
    edge.until_revoked("t").await;
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_stays_while_nothing_good_answers() {
    let feed = feed();
    let control = Control::start(Arc::clone(&feed), Between::Nothing).await;
    let mut edge = Edge::start(control.source(), None);
    edge.until_begun().await;
    feed.append(revoke("s", FAR), AT).expect("given");
    edge.until_revoked("s").await;
    for between in [Between::Newer, Between::Stranger] {
        control.served.lock().1 = between;
        let failures = edge.metrics.failures.get();
        control.cut();
        while edge.metrics.failures.get() < failures + 2 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((edge.metrics.seq.get(), edge.metrics.revocations.get()), (1, 1));
    control.served.lock().1 = Between::Nothing;
    feed.append(revoke("t", FAR), AT).expect("given");
    edge.until_revoked("t").await;
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_control_planes_behind_one_address_are_waited_for_and_not_asked_in_a_circle() {
    let control = Control::start(feed(), Between::Mixed).await;
    let edge = Edge::start(control.source(), None);
    while edge.metrics.failures.get() < 3 {
        tokio::task::yield_now().await;
    }
    // One for each failure, and one more that may be under way.
    assert!(edge.metrics.snapshots() <= edge.metrics.failures.get() + 1);
    assert!(edge.metrics.snapshots() >= 3);
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_hears_nothing() {
    let control = Control::start(feed(), Between::Nothing).await;
    let edge = Edge::start(control.source_with(&Secret::new("edge-secreT").expect("a secret")), None);
    while edge.metrics.failures.get() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(edge.metrics.snapshots(), 0);
    edge.stop().await;
}

/// One request, without an edge.
async fn ask(service: &FeedService, uri: &str, accept: &str) -> Response<FeedBody> {
    let mut request = Request::get(uri).body(()).expect("a request");
    request.headers_mut().insert("accept", accept.parse().expect("a value"));
    service.answer(&request.into_parts().0).await
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_as_long_as_it_says_and_not_after_an_order() {
    let feed = feed();
    let service = FeedService::new(Arc::clone(&feed), None);
    let start = tokio::time::Instant::now();
    let empty = ask(&service, "/tail?feed=f&after=0&wait=25", "*/*").await;
    assert_eq!(start.elapsed(), Duration::from_secs(25));
    assert_eq!(empty.into_body().collect().await.expect("a body").to_bytes(), "");
    feed.append(revoke("s", FAR), AT).expect("given");
    let some = ask(&service, "/tail?feed=f&after=0&wait=999", "*/*").await;
    assert_eq!(start.elapsed(), Duration::from_secs(25), "it did not wait");
    let lines = some.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
    ask(&service, "/tail?feed=f&after=1&wait=999", "*/*").await;
    assert_eq!(start.elapsed(), Duration::from_secs(25 + 55), "no longer than the limit");
}

#[tokio::test]
async fn requests_that_are_no_reading_of_a_feed_are_refused() {
    let service = FeedService::new(feed(), None);
    let table = [
        ("/tail", StatusCode::BAD_REQUEST),
        ("/tail?feed=f", StatusCode::BAD_REQUEST),
        ("/tail?feed=f&after=x", StatusCode::BAD_REQUEST),
        ("/tail?feed=f&after=0&wait=soon", StatusCode::BAD_REQUEST),
        ("/tail?feed=g&after=0", StatusCode::GONE),
        ("/tail?feed=f&after=1", StatusCode::GONE),
        ("/", StatusCode::NOT_FOUND),
        ("/snapshot", StatusCode::OK),
        ("/tail?feed=f&after=0", StatusCode::OK),
    ];
    for (uri, status) in table {
        assert_eq!(ask(&service, uri, "*/*").await.status(), status, "{uri}");
    }
    let mut post = Request::post("/snapshot").body(()).expect("a request").into_parts().0;
    assert_eq!(service.answer(&post).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let guarded = FeedService::new(feed(), Some(secret()));
    post.method = http::Method::GET;
    assert_eq!(guarded.answer(&post).await.status(), StatusCode::UNAUTHORIZED);
}
