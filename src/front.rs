//! Which request goes where: the composition of the roles behind one server.
//!
//! | path | answered by |
//! |---|---|
//! | `/vod/…` | the origin role |
//! | `/library.json` | the origin's store, listed |
//! | `/healthz` `/readyz` `/metrics` | operations |
//! | `/` and its files | the page |

mod library;
mod page;

use std::borrow::Cow;
use std::sync::Arc;

use prometheus::Registry;
use rillcast_http::{Handler, Networks, Problem, Readiness, Reply, Request, RouteClass, ops};
use rillcast_origin::{Origin, Recent};

/// The handler of the data plane.
pub(crate) struct Front {
    /// The origin role, in this process.
    pub(crate) origin: Arc<Origin>,
    /// What `/metrics` prints.
    pub(crate) registry: Registry,
    /// Who may read it.
    pub(crate) metrics_from: Networks,
    /// What `/readyz` says.
    pub(crate) readiness: Readiness,
}

impl Handler for Front {
    type Local = Recent;

    fn local(&self) -> Recent {
        self.origin.recent()
    }

    async fn handle(&self, recent: &Recent, request: Request) -> Reply {
        match request.path() {
            path if Origin::owns(path) => self.origin.serve(recent, path, request.received).await,
            "/library.json" => Box::pin(library::reply(&self.origin)).await,
            "/healthz" => ops::healthz(),
            "/readyz" => ops::readyz(&self.readiness),
            "/metrics" if self.metrics_from.contains(request.client.ip) => ops::metrics(&self.registry),
            path => page::reply(path).unwrap_or_else(|| Problem::not_found().into()),
        }
    }

    fn route(&self, recent: &Recent, path: &str) -> RouteClass {
        RouteClass(match path {
            path if Origin::owns(path) => Origin::class(recent, path).unwrap_or("unknown"),
            "/library.json" => "library",
            "/healthz" | "/readyz" | "/metrics" => "ops",
            path if page::has(path) => "page",
            _ => "unknown",
        })
    }

    fn logged_path<'a>(&self, path: &'a str) -> Option<Cow<'a, str>> {
        Some(Cow::Borrowed(path))
    }
}
