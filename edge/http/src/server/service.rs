//! The life of a request on one screen: name it, check it, ask the handler, respond, permit, send.

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, rc::Rc, time::SystemTime};

use futures_util::FutureExt as _;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts, uri::PathAndQuery,
};
use hyper::body::Incoming;

use super::{
    core::{Core, Hosted},
    drain::DrainWatch,
};
use crate::{
    access_log::{Beginning, Exchange},
    activity::Activity,
    admission,
    body::Body,
    client_address,
    cors::{is_preflight, method_list},
    frames::{Carrier, Frames},
    handler::{Handler, READ_METHODS},
    problem::Problem,
    reply::{RawReply, Reply, Representation},
    request::{self, ClientAddress, RequestBody, Transport},
    request_id::RequestId,
    respond::method_not_allowed,
    trace::Trace,
};

/// Answers the requests of one connection.
pub(super) struct Service<H: Handler> {
    pub(super) core: Rc<Core<H>>,
    pub(super) activity: Rc<Activity>,
    pub(super) carrier: Carrier,
    pub(super) drain: DrainWatch,
    pub(super) peer: SocketAddr,
    pub(super) transport: Transport,
}

/// A reply, and what the server itself knows of it.
struct Decision {
    reply: Reply,
    /// The methods to permit, when the request was a preflight.
    preflight: Option<&'static [Method]>,
    /// Whether the request was too broken to go on with this connection.
    is_last: bool,
}

impl From<Reply> for Decision {
    fn from(reply: Reply) -> Self {
        Self { reply, preflight: None, is_last: false }
    }
}

/// A request that was looked at, and what is known of the answer.
struct Taken {
    request: request::Request,
    exchange: Exchange,
    /// None where the handler is to be asked.
    decision: Option<Decision>,
    is_chunked: bool,
}

impl<H: Handler> Service<H> {
    /// Answers one request. The future is dropped when the client goes away.
    pub(super) fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Frames>, Infallible>> {
        // Outside of the future: one that waits would keep the room that this takes.
        let Taken { mut request, exchange, mut decision, is_chunked } = self.take(request);
        async move {
            let Decision { reply, preflight, is_last } = match decision.take() {
                Some(decision) => decision,
                None => self.ask(&mut request, &exchange).await.into(),
            };
            let reply = self.warm(&request, reply);
            let responder = &self.core.shared.responder;
            let (mut head, body) = responder.respond(&request, reply).await.into_parts();
            if let Some(methods) = preflight {
                responder.cors.answer_preflight(methods, &mut head.headers);
            }
            // A drain may have begun while the connection was not looking.
            let is_draining = self.drain.has_begun();
            if (is_last || is_chunked || is_draining) && !self.transport.is_http2() {
                head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            exchange.answered(head.status);
            let body = Frames::new(body, self.carrier.clone(), exchange);
            Ok(Response::from_parts(head, body))
        }
    }

    /// Names a request and answers it where the server can by itself.
    fn take(&self, request: Request<Incoming>) -> Taken {
        let shared = &self.core.shared;
        let (Parts { method, uri, version, headers, .. }, incoming) = request.into_parts();
        let id = RequestId::from_headers(&headers).unwrap_or_else(|| self.core.ids.make());
        let client = client_address::resolve(self.peer, &headers, &shared.trusted_proxies);
        let received = (shared.time_of_day)();
        let exchange = self.begin(&method, &id, client, received);
        // hyper has resolved a Transfer-Encoding beside a Content-Length; what is behind such a request cannot be
        // trusted to be one (RFC 9112 §6.1).
        let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
        let (target, refusal) = match admission::admit(&method, &uri, version, &headers, &shared.limits) {
            Ok(target) => (target, None),
            Err(problem) => (
                PathAndQuery::from_static("/"),
                Some(Decision { is_last: true, ..Reply::from(problem).into() }),
            ),
        };
        let mut request = request::Request {
            method,
            target,
            headers,
            client,
            id,
            transport: self.transport,
            received,
            body: RequestBody::incoming(incoming),
            trace: Trace::default(),
        };
        let decision = refusal.or_else(|| self.decide(&mut request, &exchange));
        Taken { request, exchange, decision, is_chunked }
    }

    /// Gives the entity its bytes from memory, where they are hot and the transport cannot send from a file. A
    /// question with a condition is mostly answered without any.
    fn warm(&self, request: &request::Request, mut reply: Reply) -> Reply {
        let is_read = request.method == Method::GET && !request.headers.contains_key(header::IF_NONE_MATCH);
        if let Reply::Entity(Representation { prepared, .. }) = &mut reply
            && let Some(content) = prepared.entity().content
            && is_read
            && self.transport != Transport::PlainHttp1
            // What a handler keeps lies in memory already.
            && let Some(own) = Rc::get_mut(prepared)
        {
            let now = (self.core.observer.monotonic)();
            if let Some(hot) = self.core.shared.hot_set.warm(content, &own.entity().body, now) {
                own.replace_body(hot);
            }
        }
        reply
    }

    fn begin(
        &self,
        method: &Method,
        id: &RequestId,
        client: ClientAddress,
        received: SystemTime,
    ) -> Exchange {
        let (id, method) = (id.clone(), method.clone());
        let beginning = Beginning { id, method, client: client.ip, transport: self.transport, received };
        Exchange::begin(Rc::clone(&self.core.observer), Rc::clone(&self.activity), beginning)
    }

    /// What the server replies by itself; none where the handler is to be asked, for which `request` is then made ready.
    fn decide(&self, request: &mut request::Request, exchange: &Exchange) -> Option<Decision> {
        let Hosted { handler, local } = &*self.core.hosted;
        let path = request.target.path();
        if path == "*" {
            return Some(options(READ_METHODS).into());
        }
        let shown = exchange.is_logged().then(|| handler.logged_path(local, path)).flatten();
        exchange.routed(handler.route(local, path), shown.map(Into::into));
        let allowed = handler.allowed_methods(path);
        if request.method == Method::OPTIONS {
            let preflight = is_preflight(&request.method, &request.headers).then_some(allowed);
            return Some(Decision { preflight, ..options(allowed).into() });
        }
        if !allowed.contains(&request.method) {
            return Some(Reply::from(method_not_allowed(allowed)).into());
        }
        request.trace = handler.trace();
        exchange.asked(request.trace.clone());
        None
    }

    /// The handler's reply.
    async fn ask(&self, request: &mut request::Request, exchange: &Exchange) -> Reply {
        let Hosted { handler, local } = &*self.core.hosted;
        // A bug in one answer must not cost the other streams of the connection theirs.
        let handled = AssertUnwindSafe(handler.handle(local, request)).catch_unwind().await;
        handled.unwrap_or_else(|_| {
            exchange.panicked();
            Problem::internal().into()
        })
    }
}

/// 204 with the allowed methods.
fn options(allowed: &[Method]) -> Reply {
    let headers = HeaderMap::from_iter([(header::ALLOW, method_list(allowed))]);
    RawReply { status: StatusCode::NO_CONTENT, headers, body: Body::new() }.into()
}
