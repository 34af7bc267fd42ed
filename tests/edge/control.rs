//! A control plane on a socket, and what an edge process makes of its orders.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rillcast_edge::control::link::Secret;
use rillcast_edge::control::orders::feed::service::FeedService;
use rillcast_edge::control::orders::feed::{OrderFeed, SharedFeed};
use rillcast_edge::control::orders::order::{Order, UnixMicros};
use rillcast_edge::control::orders::snapshot::FeedId;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::{Answer, wait_until};
use crate::films::film;
use crate::pair::{PRIVATE, Pair};

/// After every token of a test has ended, microseconds since 1970.
const LATER: u64 = 4_102_444_800_000_000;
const SECRET: &str = "between-us";

/// How orders travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As server-sent events.
    Stream,
    /// By long poll: something in between takes away what asks for a stream.
    Poll,
}

/// The control plane; its thread lasts as long as the test's process.
struct Control {
    address: SocketAddr,
    feed: Arc<Mutex<SharedFeed>>,
    /// Connections, to be cut.
    connections: Arc<Mutex<JoinSet<()>>>,
}

fn feed(name: &str) -> SharedFeed {
    Arc::new(OrderFeed::in_memory(FeedId::parse(name).expect("an id")))
}

impl Control {
    fn start(way: Way) -> Self {
        let (say, address) = std::sync::mpsc::sync_channel(1);
        let (feed, connections) = (Arc::new(Mutex::new(feed("first"))), Arc::default());
        let (served, kept) = (Arc::clone(&feed), Arc::clone(&connections));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                say.send(listener.local_addr().expect("it is bound")).expect("the test waits");
                serve(&listener, way, &served, &kept).await;
            });
        });
        Self { address: address.recv().expect("it listens"), feed, connections }
    }

    /// An edge that follows it, in front of an origin.
    fn pair(&self) -> Pair {
        Pair::following(&film(2), "", |folder| {
            let secret = folder.join("secret");
            fs::write(&secret, SECRET).expect("writable");
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("ours");
            format!("source = \"http://{}/orders\"\nsecret_file = \"{}\"", self.address, secret.display())
        })
    }

    /// Gives an order with these fields.
    fn order(&self, fields: &str) {
        let order = Order::parse(format!(r#"{{"v":1,"seq":1,{fields}}}"#).as_bytes()).expect("an order");
        let feed = self.feed.lock().expect("nobody panics with it");
        feed.append(order.body, UnixMicros(1)).expect("it is given");
    }

    /// Its history is lost, as with a process that kept it in memory.
    fn forget(&self) {
        *self.feed.lock().expect("nobody panics with it") = feed("second");
        self.connections.lock().expect("nobody panics with it").abort_all();
    }
}

async fn serve(
    listener: &TcpListener,
    way: Way,
    feed: &Arc<Mutex<SharedFeed>>,
    connections: &Mutex<JoinSet<()>>,
) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let feed = Arc::clone(feed);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let feed = Arc::clone(&feed.lock().expect("nobody panics with it"));
            async move {
                let (mut head, _) = request.into_parts();
                if way == Way::Poll {
                    head.headers.remove("accept");
                }
                Ok::<_, Infallible>(FeedService::new(feed, Secret::new(SECRET)).answer(&head).await)
            }
        });
        connections.lock().expect("nobody panics with it").spawn(async move {
            // An edge that goes away is none of our business.
            drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
        });
    }
}

fn is_hit(answer: &Answer) -> bool {
    let mut members = answer.headers.iter().filter(|(name, _)| name == "cache-status");
    members.next_back().is_some_and(|(_, value)| value.contains("; hit"))
}

#[test]
fn what_a_control_plane_orders_over_http_is_in_force_and_after_a_restart_without_it() {
    for way in [Way::Stream, Way::Poll] {
        let control = Control::start(way);
        let mut pair = control.pair();
        let master = format!("/vod/{PRIVATE}/master.m3u8");
        let [revoked, kept] = ["s-1", "s-2"].map(|session| format!("/t/{}{master}", pair.token(session)));
        let segment = format!("/t/{}{}", pair.token("s-2"), pair.address(".m4s"));
        assert_eq!((pair.get(&revoked).status, pair.get(&kept).status), (200, 200), "{way:?}");
        assert!(!is_hit(&pair.get(&segment)), "{way:?}");
        wait_until("it is kept", || is_hit(&pair.get(&segment)));

        control.order(&format!(r#""kind":"revoke","what":"session","id":"s-1","until_us":{LATER}"#));
        wait_until("the session is revoked", || pair.get(&revoked).status == 401);
        assert_eq!(pair.get(&revoked).json()["type"], "/problems/token_revoked");
        assert!(is_hit(&pair.get(&segment)), "{way:?}: nothing else changes");
        control.order(r#""kind":"purge","what":"prefix","prefix":"/vod/private/""#);
        wait_until("the segment is fetched anew", || !is_hit(&pair.get(&segment)));
        assert_eq!(pair.get(&kept).status, 200, "{way:?}");

        let ended = control.address;
        drop(control);
        pair.restart(|folder| point_elsewhere(&folder.join("edge.toml"), ended));
        assert_eq!((pair.get(&revoked).status, pair.get(&kept).status), (401, 200), "{way:?}");
        assert!(!pair.into_logs().contains(SECRET), "a log shows the secret");
    }
}

/// Nobody listens there.
fn point_elsewhere(config: &Path, address: SocketAddr) {
    let text = fs::read_to_string(config).expect("ours");
    fs::write(config, text.replace(&address.to_string(), "127.0.0.1:1")).expect("writable");
}

#[test]
fn what_was_kept_when_orders_were_missed_is_not_shown_without_its_origin() {
    let control = Control::start(Way::Stream);
    let mut pair = control.pair();
    let segment = format!("/t/{}{}", pair.token("s"), pair.address(".m4s"));
    // The edge must follow the first history before it can miss any of it.
    control.order(r#""kind":"purge","what":"all""#);
    wait_until("the edge follows", || {
        let figures = crate::client::get(pair.edge().address(), "/metrics");
        figures.text().contains("rillcast_orders_seq 1")
    });
    pair.get(&segment);
    pair.kill_origin();
    wait_until("it is kept", || is_hit(&pair.get(&segment)));
    control.forget();
    wait_until("it is doubted", || pair.get(&segment).status == 502);
}
