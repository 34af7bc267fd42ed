//! What one core writes of its requests into its own tallies.

use std::{cell::RefCell, sync::Arc};

use super::{
    book::Book,
    per_core::{CoreTally, Finished, PollTally, RouteTally},
};
use crate::handler::RouteClass;

/// The figures of one core. Belongs to it.
#[derive(Debug)]
pub(crate) struct Ledger {
    routes: RefCell<Vec<Arc<RouteTally>>>,
    core: Arc<CoreTally>,
    book: Book,
}

impl Ledger {
    /// An empty ledger, entered in `book`.
    pub(crate) fn new(book: &Book) -> Self {
        let core = Arc::new(CoreTally::default());
        book.enter_core(Arc::clone(&core));
        Self { routes: RefCell::default(), core, book: book.clone() }
    }

    /// Where the core's watchdog writes.
    pub(crate) fn polls(&self) -> &Arc<PollTally> {
        &self.core.polls
    }

    /// Counts a request that begins.
    pub(crate) fn began(&self) {
        self.core.began.add(1);
    }

    /// Counts it when it has ended.
    pub(crate) fn finished(&self, request: Finished<'_>) {
        self.core.ended.add(1);
        self.of_route(request.route, |tally| tally.finished(request));
    }

    fn of_route(&self, route: RouteClass, count: impl FnOnce(&RouteTally)) {
        let mut routes = self.routes.borrow_mut();
        // A handful of classes: faster than hashing.
        if let Some(tally) = routes.iter().find(|tally| tally.route == route) {
            return count(tally);
        }
        let tally = Arc::new(RouteTally::new(route));
        self.book.enter_route(Arc::clone(&tally));
        count(&tally);
        routes.push(tally);
    }
}
