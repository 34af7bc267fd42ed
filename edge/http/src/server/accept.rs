//! Accepting connections on one socket, owning them, and letting them end.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
};

use super::{
    connection::{Connection, Rules},
    core::Core,
    drain::DrainWatch,
};
use crate::{handler::Handler, socket::zero_copy::CoreCourier, wakes::Relayed, watchdog::Watched};

/// Wait after `accept` failed for want of something that only time brings, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The task of one listening socket; owner of its connections.
pub(super) struct Acceptor<H: Handler> {
    listener: TcpListener,
    admission: Admission<H>,
    drain: DrainWatch,
}

/// What every connection of a listener gets.
struct Admission<H: Handler> {
    rules: Rc<Rules>,
    core: Rc<Core<H>>,
    courier: Option<CoreCourier>,
    drain: DrainWatch,
}

impl<H: Handler> Acceptor<H> {
    pub(super) fn new(
        listener: TcpListener,
        rules: Rules,
        core: Rc<Core<H>>,
        courier: Option<CoreCourier>,
        drain: DrainWatch,
    ) -> Self {
        let admission = Admission { rules: Rc::new(rules), core, courier, drain: drain.clone() };
        Self { listener, admission, drain }
    }

    /// Accepts until told to stop, then waits for what is open; returns how many connections were cut.
    pub(super) async fn run(mut self) -> usize {
        let mut connections = JoinSet::new();
        let mut is_told = false;
        let until = loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        is_told = false;
                        self.admission.admit(stream, peer, &mut connections);
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        // Once until it goes well again, not twenty times a second.
                        if !std::mem::replace(&mut is_told, true) {
                            tracing::warn!(%error, "accepting failed: new connections wait");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next(), if !connections.is_empty() => report(ended),
                until = self.drain.begun() => break until,
            }
        };
        match self.listener.into_std() {
            Ok(listener) => self.admission.admit_queued(&listener, &mut connections),
            Err(error) => tracing::warn!(%error, "queued connections are lost"),
        }
        finish(connections, until).await
    }
}

impl<H: Handler> Admission<H> {
    /// Takes in what the kernel had queued: closing the socket would reset it. Asks the kernel itself, because the
    /// runtime may not have heard of the latest yet.
    fn admit_queued(&self, listener: &std::net::TcpListener, connections: &mut JoinSet<()>) {
        for _ in 0..self.core.shared.limits.accept_backlog {
            let Ok((stream, peer)) = listener.accept() else { break };
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => self.admit(stream, peer, connections),
                Err(error) => tracing::warn!(%error, "a queued connection is lost"),
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let metrics = &self.core.observer.metrics;
        metrics.accepted.inc();
        let Some(open) = self.core.shared.connections.open() else {
            metrics.ended("too_many");
            return;
        };
        let connection = Connection {
            peer,
            core: Rc::clone(&self.core),
            courier: self.courier.clone(),
            rules: Rc::clone(&self.rules),
            drain: self.drain.clone(),
            open,
        };
        let watched = Watched::new(connection.serve(stream), &self.core.watchdog);
        connections.spawn_local(Relayed::new(watched, &self.core.wakes));
    }
}

async fn finish(mut connections: JoinSet<()>, until: Option<Instant>) -> usize {
    if let Some(until) = until {
        let all = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout_at(until.into(), all).await.is_ok() {
            return 0;
        }
    }
    while let Some(ended) = connections.try_join_next() {
        report(ended);
    }
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection died: this is a bug");
    }
}

/// A connection that broke before we took it says nothing about the next; anything else does.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
