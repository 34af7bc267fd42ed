//! Which request goes where: the composition of the roles behind one server.
//!
//! | path | answered by |
//! |---|---|
//! | `/vod/…` | the edge role, in front of the origin role in this process |
//! | `/library.json` | the origin's store, listed |
//! | `/healthz` `/readyz` `/metrics` | operations |
//! | `/` and its files | the page |
//!
//! In front of other machines the edge answers all but operations. Rules of countries concern all but operations.

mod library;
mod page;
mod pass;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus::Registry;
use rillcast_edge::admission::authorize::inner_path;
use rillcast_edge::edge::{Edge, EdgeLocal, Near};
use rillcast_http::{Ended, Handler, Networks, Problem, Readiness, Reply, Request, RouteClass, Trace, ops};
use rillcast_origin::{Origin, Recent};

pub(crate) use self::pass::Pass;

/// The handler of the data plane.
pub(crate) struct Front {
    /// The edge role, with the origin role behind it if that is in this process.
    pub(crate) edge: Edge<NearOrigin>,
    /// What lets the page see what is private.
    pub(crate) pass: Pass,
    /// What `/metrics` prints.
    pub(crate) registry: Registry,
    /// Who may read it.
    pub(crate) metrics_from: Networks,
    /// What `/readyz` says.
    pub(crate) readiness: Readiness,
}

/// The origin role in this process.
pub(crate) struct NearOrigin(pub(crate) Arc<Origin>);

impl Near for NearOrigin {
    type Local = Recent;

    fn local(&self) -> Recent {
        self.0.recent()
    }

    async fn serve(&self, recent: &Recent, request: &Request, path: &str) -> Reply {
        self.0.serve(recent, path, request.received).await
    }
}

impl Handler for Front {
    type Local = EdgeLocal<Recent>;

    fn local(&self) -> Self::Local {
        self.edge.local()
    }

    async fn handle(&self, local: &Self::Local, request: &mut Request) -> Reply {
        match request.path() {
            path if Origin::owns(inner_path(path)) => self.edge.serve(local, request).await,
            "/healthz" => ops::healthz(),
            "/readyz" => ops::readyz(&self.readiness),
            "/metrics" if self.metrics_from.contains(request.client.ip) => ops::metrics(&self.registry),
            path => match self.edge.near() {
                None => self.edge.serve(local, request).await,
                Some(NearOrigin(origin)) => match self.edge.admit_open(request) {
                    Err(refusal) => refusal,
                    Ok(()) if path == "/library.json" => {
                        Box::pin(library::reply(origin, &self.edge, &self.pass, request)).await
                    }
                    Ok(()) => page::reply(path).unwrap_or_else(|| Problem::not_found().into()),
                },
            },
        }
    }

    fn route(&self, local: &Self::Local, path: &str) -> RouteClass {
        RouteClass(match (inner_path(path), local.near()) {
            ("/healthz" | "/readyz" | "/metrics", _) => "ops",
            (path, Some(recent)) if Origin::owns(path) => Origin::class(recent, path).unwrap_or("unknown"),
            (_, None) => "edge",
            ("/library.json", _) => "library",
            (path, _) if page::has(path) => "page",
            _ => "unknown",
        })
    }

    fn logged_path<'a>(&self, local: &Self::Local, path: &'a str) -> Option<Cow<'a, str>> {
        Some(local.redacted(path))
    }

    fn trace(&self) -> Trace {
        self.edge.trace()
    }

    fn ended(&self, local: &Self::Local, ended: &Ended<'_>) {
        self.edge.ended(local, ended);
    }

    fn tend(&self, local: &Self::Local, now: SystemTime, is_last: bool) {
        self.edge.tend(local, now, is_last);
    }
}
