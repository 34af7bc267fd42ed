//! The one thing a role gives to the server.

use std::time::{Duration, SystemTime};

use http::Method;

use crate::{
    reply::Reply,
    request::Request,
    trace::{Ended, Trace},
};

/// What is allowed where the handler does not say otherwise.
pub const READ_METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];

/// How often [`Handler::tend`] is called on each core.
pub const TEND_EVERY: Duration = Duration::from_secs(1);

/// Answers requests. One object is shared by all cores; its futures stay on the core of their connection and need
/// not be `Send`.
///
/// The server has already refused what no handler should see (bad framing, control bytes, methods outside
/// [`Self::allowed_methods`]) and answers `OPTIONS` itself. `HEAD` is handled as `GET`; only the body is left out.
pub trait Handler: Send + Sync + 'static {
    /// What it keeps on each core, for requests of that core only: neither locked nor shared.
    type Local: 'static;

    /// What it keeps on a core that starts now. Called on the core's own thread.
    fn local(&self) -> Self::Local;

    /// Answers one request, of which it may take the body. The future is dropped when the client goes away.
    fn handle(&self, local: &Self::Local, request: &mut Request) -> impl Future<Output = Reply>;

    /// The class of routes `path` belongs to: the only thing metrics and the access log know about an address.
    fn route(&self, local: &Self::Local, path: &str) -> RouteClass;

    /// The methods allowed for `path`; others are answered 405 with `Allow`.
    fn allowed_methods(&self, path: &str) -> &'static [Method] {
        let _ = path;
        READ_METHODS
    }

    /// What the access log may print of `path`; by default nothing, because a path may carry a token.
    fn logged_path<'a>(&self, local: &Self::Local, path: &'a str) -> Option<std::borrow::Cow<'a, str>> {
        let _ = (local, path);
        None
    }

    /// What the notes about a request begin with ([`Request::trace`]).
    fn trace(&self) -> Trace {
        Trace::default()
    }

    /// Told of each request that it was given, once that has ended, on the core that served it. Must not wait: it is
    /// called between two requests.
    fn ended(&self, local: &Self::Local, ended: &Ended<'_>) {
        let _ = (local, ended);
    }

    /// Called on each core every [`TEND_EVERY`], and once more (`is_last`) when its last connection has ended. `now` is
    /// the time of day. Must not wait.
    fn tend(&self, local: &Self::Local, now: SystemTime, is_last: bool) {
        let _ = (local, now, is_last);
    }
}

/// A class of routes, such as `segment` or `playlist`: a short word from a small closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteClass(pub &'static str);

impl RouteClass {
    /// Requests that never reached a handler.
    pub const REFUSED: Self = Self("refused");
}
