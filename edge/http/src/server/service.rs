//! The life of a request on one screen: name it, check it, ask the handler, respond, permit, send.

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, rc::Rc, time::SystemTime};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
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
    question::Question,
    reply::{RawReply, Reply, Representation},
    request::{self, ClientAddress, RequestBody, Transport},
    request_id::RequestId,
    respond::method_not_allowed,
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

impl<H: Handler> Service<H> {
    /// Answers one request. Dropped when the client goes away.
    pub(super) async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Frames>, Infallible> {
        let shared = &self.core.shared;
        let (head, incoming) = request.into_parts();
        let id = RequestId::from_headers(&head.headers).unwrap_or_else(|| self.core.ids.make());
        let client = client_address::resolve(self.peer, &head.headers, &shared.trusted_proxies);
        let now = (shared.time_of_day)();
        let exchange = self.begin(&head, &id, client, now);
        let question = Question::new(head.method.clone(), &head.headers, id, self.transport, now);
        // hyper has resolved a Transfer-Encoding beside a Content-Length; what is behind such a request cannot be
        // trusted to be one (RFC 9112 §6.1).
        let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);

        let decision = self.decide(head, incoming, &question, client, &exchange).await;
        let reply = self.warm(&question, decision.reply);
        let response = shared.responder.respond(&question, reply).await;

        let (mut head, body) = response.into_parts();
        if let Some(methods) = decision.preflight {
            shared.responder.cors.answer_preflight(methods, &mut head.headers);
        }
        // A drain may have begun while the connection was not looking.
        let is_draining = self.drain.has_begun();
        if (decision.is_last || is_chunked || is_draining) && !self.transport.is_http2() {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        exchange.answered(head.status);
        let body = Frames::new(body, self.carrier.clone(), exchange);
        Ok(Response::from_parts(head, body))
    }

    /// Gives the entity its bytes from memory, where they are hot and the transport cannot send from a file. A
    /// question with a condition is mostly answered without any.
    fn warm(&self, question: &Question, mut reply: Reply) -> Reply {
        let is_read =
            *question.method() == Method::GET && !question.headers().contains_key(header::IF_NONE_MATCH);
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

    fn begin(&self, head: &Parts, id: &RequestId, client: ClientAddress, received: SystemTime) -> Exchange {
        let (id, method) = (id.clone(), head.method.clone());
        let beginning = Beginning { id, method, client: client.ip, transport: self.transport, received };
        Exchange::begin(Rc::clone(&self.core.observer), Rc::clone(&self.activity), beginning)
    }

    /// What to reply: by the server where it can, by the handler else.
    async fn decide(
        &self,
        head: Parts,
        incoming: Incoming,
        question: &Question,
        client: ClientAddress,
        exchange: &Exchange,
    ) -> Decision {
        let limits = &self.core.shared.limits;
        let Parts { method, uri, version, headers, .. } = head;
        let target = match admission::admit(&method, &uri, version, &headers, limits) {
            Ok(target) => target,
            Err(problem) => return Decision { is_last: true, ..Reply::from(problem).into() },
        };
        let Hosted { handler, local } = &*self.core.hosted;
        if target.path() == "*" {
            return options(READ_METHODS).into();
        }
        let path = target.path();
        let shown = exchange.is_logged().then(|| handler.logged_path(local, path)).flatten();
        exchange.routed(handler.route(local, path), shown.map(Into::into));
        let allowed = handler.allowed_methods(path);
        if method == Method::OPTIONS {
            let preflight = is_preflight(&method, &headers).then_some(allowed);
            return Decision { preflight, ..options(allowed).into() };
        }
        if !allowed.contains(&method) {
            return Reply::from(method_not_allowed(allowed)).into();
        }
        let trace = handler.trace();
        exchange.asked(trace.clone());
        let request = request::Request {
            method,
            target,
            headers,
            client,
            id: question.id().clone(),
            transport: self.transport,
            received: question.received(),
            body: RequestBody::incoming(incoming),
            trace,
        };
        // A bug in one answer must not cost the other streams of the connection theirs.
        let handled = AssertUnwindSafe(handler.handle(local, request)).catch_unwind().await;
        let reply = handled.unwrap_or_else(|_| {
            exchange.panicked();
            Problem::internal().into()
        });
        reply.into()
    }
}

/// 204 with the allowed methods.
fn options(allowed: &[Method]) -> Reply {
    let headers = HeaderMap::from_iter([(header::ALLOW, method_list(allowed))]);
    RawReply { status: StatusCode::NO_CONTENT, headers, body: Body::new() }.into()
}
