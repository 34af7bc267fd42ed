//! TLS and HTTP/2, over sockets.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use prometheus::Registry;
use rillcast_edge::upstream::{
    HEAD_FIELDS_MAX, Speech, Trust, UpstreamConfig, UpstreamError, UpstreamMetrics, Upstreams,
    UpstreamsConfig, error::Break,
};
use tokio::sync::{Barrier, Notify};

use crate::{
    harness::served::{App, Authority, Body, Served},
    setting::{demand, read, read_whole},
};

const NAME: &str = "origin.example";

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// These bytes, and, when it is said so, the end of the stream without an end of the body.
fn cut(bytes: &'static [u8], now: Arc<Notify>) -> Body {
    let end = stream::once(async move {
        now.notified().await;
        Err(io::Error::other("cut"))
    });
    let start = stream::iter([Ok(Frame::data(Bytes::from_static(bytes)))]);
    BodyExt::boxed(StreamBody::new(start.chain(end)))
}

/// An app that answers at once.
fn app(answer: impl Fn(&http::request::Parts, usize) -> Response<Body> + Send + Sync + 'static) -> Arc<App> {
    Arc::new(move |request, nth| {
        let response = answer(&request.into_parts().0, nth);
        Box::pin(async move { response })
    })
}

/// Says which version it was asked in, and for whom.
fn echo() -> Arc<App> {
    app(|parts, _| {
        let host = parts.uri.host().map_or_else(
            || parts.headers.get("host").map(|host| host.to_str().unwrap().to_owned()),
            |host| Some(host.to_owned()),
        );
        let version = if parts.version == Version::HTTP_2 { "2" } else { "1.1" };
        Response::new(whole(format!("{version} {}", host.unwrap_or_default())))
    })
}

struct Way<'a> {
    url: String,
    host: Option<&'a str>,
    speech: Speech,
    trust: Option<&'a Path>,
}

impl Way<'_> {
    fn upstreams(&self) -> Upstreams {
        let mut upstream = UpstreamConfig::new("o", self.url.as_str());
        upstream.host = self.host.map(str::to_owned);
        upstream.speech = self.speech;
        // The test's own patience is that of whoever runs it.
        upstream.timeouts.connect = Duration::from_secs(60);
        upstream.timeouts.head = Duration::from_secs(60);
        let mut config = UpstreamsConfig::new("test", vec![upstream]);
        config.trust = self.trust.map_or(Trust::WebRoots, |path| Trust::File(path.to_owned()));
        let metrics = UpstreamMetrics::register(&Registry::new()).unwrap();
        Upstreams::new(&config, &metrics, || SystemTime::UNIX_EPOCH).unwrap()
    }

    async fn body(&self) -> Result<String, UpstreamError> {
        let mut response = self.upstreams().fetch(demand("/")).await?;
        Ok(String::from_utf8(read_whole(&mut response).await).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_agrees_on_what_both_speak() {
    let authority = Authority::new();
    let file = authority.file();
    for (protocols, speech, spoken) in [
        (&["h2", "http/1.1"][..], Speech::Negotiated, Some("2 origin.example")),
        (&["http/1.1"], Speech::Negotiated, Some("1.1 origin.example")),
        (&[], Speech::Negotiated, Some("1.1 origin.example")),
        (&["h2", "http/1.1"], Speech::Http1, Some("1.1 origin.example")),
        (&["h2"], Speech::Http2, Some("2 origin.example")),
        (&["http/1.1"], Speech::Http2, None),
    ] {
        let origin = Served::start(Some(authority.server_config(NAME, protocols)), echo()).await;
        let url = format!("https://{}", origin.address);
        let way = Way { url, host: Some(NAME), speech, trust: Some(file.path()) };
        assert_eq!(way.body().await.ok().as_deref(), spoken, "{protocols:?} {speech:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_name_or_authority_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (file, strange_file) = (authority.file(), stranger.file());
    let origin = Served::start(Some(authority.server_config(NAME, &["h2"])), echo()).await;
    let url = format!("https://{}", origin.address);
    for (host, trust) in [
        (Some(NAME), Some(strange_file.path())),
        (Some(NAME), None),
        (Some("other.example"), Some(file.path())),
        (None, Some(file.path())),
    ] {
        let way = Way { url: url.clone(), host, speech: Speech::Negotiated, trust };
        let error = way.body().await.unwrap_err();
        assert_eq!(error.reason(), "connect", "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http2_is_spoken_where_it_is_known() {
    let origin = Served::start(None, echo()).await;
    let url = format!("http://{}", origin.address);
    let way = Way { url, host: None, speech: Speech::Http2, trust: None };
    assert_eq!(way.body().await.unwrap(), "2 127.0.0.1");
}

/// Fetches `count` at once from an origin that answers none before all have come; how many connections that takes.
async fn crowd(count: usize) -> usize {
    let all_here = Arc::new(Barrier::new(count));
    let app: Arc<App> = Arc::new(move |_, _| {
        let all_here = Arc::clone(&all_here);
        Box::pin(async move {
            all_here.wait().await;
            Response::new(whole("x"))
        })
    });
    let authority = Authority::new();
    let file = authority.file();
    let origin = Served::start(Some(authority.server_config(NAME, &["h2"])), app).await;
    let url = format!("https://{}", origin.address);
    let upstreams =
        Way { url, host: Some(NAME), speech: Speech::Negotiated, trust: Some(file.path()) }.upstreams();
    let fetched = join_all((0..count).map(|_| upstreams.fetch(demand("/")))).await;
    for response in fetched {
        assert_eq!(read_whole(&mut response.unwrap()).await, b"x");
    }
    origin.connections()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_a_connection_up_to_its_limit() {
    assert_eq!(crowd(100).await, 1);
    assert_eq!(crowd(101).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_nobody_reads_do_not_hold_up_others_on_their_connection() {
    const LEN: usize = 1 << 20;
    let bytes = Bytes::from(vec![7; LEN]);
    let origin = Served::start(None, app(move |_, _| Response::new(whole(bytes.clone())))).await;
    let url = format!("http://{}", origin.address);
    let upstreams = Way { url, host: None, speech: Speech::Http2, trust: None }.upstreams();
    let unread = join_all((0..99).map(|_| upstreams.fetch(demand("/")))).await;
    for _ in 0..20 {
        let mut response = upstreams.fetch(demand("/")).await.unwrap();
        assert_eq!(read_whole(&mut response).await.len(), LEN);
    }
    assert!(unread.iter().all(Result::is_ok));
    assert_eq!(origin.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_is_gone_on_with() {
    let now = Arc::new(Notify::new());
    let app = app({
        let now = Arc::clone(&now);
        move |parts, nth| {
            let response = Response::builder().header("etag", "\"one\"");
            if nth == 0 {
                return response.header("content-length", "9").body(cut(b"hel", Arc::clone(&now))).unwrap();
            }
            assert_eq!(parts.headers["range"], "bytes=3-");
            let response =
                response.status(StatusCode::PARTIAL_CONTENT).header("content-range", "bytes 3-8/9");
            response.body(whole("lolong")).unwrap()
        }
    });
    let origin = Served::start(None, app).await;
    let url = format!("http://{}", origin.address);
    let upstreams = Way { url, host: None, speech: Speech::Http2, trust: None }.upstreams();
    let mut response = upstreams.fetch(demand("/")).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "hel");
    now.notify_one();
    assert_eq!(read_whole(&mut response).await, b"lolong");
    // The stream broke, not the connection.
    assert_eq!((origin.requests(), origin.connections()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_wrong_is_told_over_http2() {
    for (announced, sent) in [("9", "hello"), ("3", "hello")] {
        let app = app(move |_, _| {
            // hyper takes a length that it cannot know at its word.
            let frames = [Ok(Frame::data(Bytes::from_static(sent.as_bytes())))];
            let body = BodyExt::boxed(StreamBody::new(stream::iter(frames)));
            Response::builder().header("content-length", announced).body(body).unwrap()
        });
        let origin = Served::start(None, app).await;
        let url = format!("http://{}", origin.address);
        let upstreams = Way { url, host: None, speech: Speech::Http2, trust: None }.upstreams();
        // The head and the bytes that contradict it may come as one, so that there is no response at all.
        match upstreams.fetch(demand("/")).await {
            Ok(mut response) => {
                let (bytes, end) = read(&mut response).await;
                assert!(bytes.len() <= announced.parse().unwrap());
                assert!(matches!(end, Err(UpstreamError::Broken { why: Break::Ended | Break::TooLong, .. })));
            }
            Err(error) => assert_eq!(error.reason(), "reset", "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_over_http2_have_the_same_limits() {
    for (fields, fits) in [(HEAD_FIELDS_MAX - 2, true), (HEAD_FIELDS_MAX + 1, false)] {
        let app = app(move |_, _| {
            let fields = (0..fields).map(|index| (format!("x-{index}"), "v"));
            let response = fields.fold(Response::builder(), |made, (name, value)| made.header(name, value));
            response.body(whole("")).unwrap()
        });
        let origin = Served::start(None, app).await;
        let url = format!("http://{}", origin.address);
        let way = Way { url, host: None, speech: Speech::Http2, trust: None };
        assert_eq!(way.body().await.map_err(|error| error.reason()).is_ok(), fits, "{fields}");
    }
}
