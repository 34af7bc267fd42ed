//! The thread of one core, with a runtime of its own.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rillcast_sys::zero_copy::Courier;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{JoinSet, LocalSet},
    time::MissedTickBehavior,
};

use super::{
    accept::Acceptor,
    connection::Rules,
    core::{Core, Seed},
    drain::DrainWatch,
};
use crate::{
    handler::{Handler, TEND_EVERY},
    networks::Networks,
    tls::Certificate,
};

/// One listener's socket on one core.
pub(super) struct CoreListener {
    pub(super) socket: std::net::TcpListener,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// The certificate, on the core that looks after it.
    pub(super) reload: Option<Arc<Certificate>>,
    pub(super) proxy_protocol_from: Networks,
}

/// What a core says at its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CoreReport {
    /// Connections cut when the drain's time ran out.
    pub(super) cut: usize,
}

impl<H: Handler> Seed<H> {
    /// Starts the thread. It ends, and reports, once `drain` says when and all is finished or cut.
    pub(super) fn start(
        self,
        number: usize,
        listeners: Vec<CoreListener>,
        drain: DrainWatch,
    ) -> io::Result<(JoinHandle<()>, oneshot::Receiver<CoreReport>)> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(self.shared.limits.blocking_threads.max(1))
            .thread_name(format!("http-disk-{number}"))
            .build()?;
        let (acceptors, certificates) = match self.prepare(&runtime, listeners) {
            Ok(prepared) => prepared,
            Err(error) => {
                // Dropping it could block, and the caller may be asynchronous.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let (say, report) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("http-core-{number}")).spawn(move || {
            let done = LocalSet::new().block_on(&runtime, self.run(acceptors, certificates, drain));
            // A read of a dead disk must not hold the end up.
            runtime.shutdown_background();
            if say.send(done).is_err() {
                tracing::debug!("nobody waits for this core's report");
            }
        })?;
        Ok((thread, report))
    }

    /// Hands the sockets to the runtime, here where an error can still be told.
    #[expect(clippy::type_complexity, reason = "a pair that is taken apart at once")]
    fn prepare(
        &self,
        runtime: &Runtime,
        listeners: Vec<CoreListener>,
    ) -> io::Result<(Vec<(tokio::net::TcpListener, Rules)>, Vec<Arc<Certificate>>)> {
        let _entered = runtime.enter();
        let mut acceptors = Vec::with_capacity(listeners.len());
        let mut certificates = Vec::new();
        for CoreListener { socket, tls, reload, proxy_protocol_from } in listeners {
            let rules = Rules { tls: tls.map(Into::into), proxy_protocol_from };
            acceptors.push((tokio::net::TcpListener::from_std(socket)?, rules));
            certificates.extend(reload);
        }
        Ok((acceptors, certificates))
    }

    async fn run(
        self,
        listeners: Vec<(tokio::net::TcpListener, Rules)>,
        certificates: Vec<Arc<Certificate>>,
        drain: DrainWatch,
    ) -> CoreReport {
        let courier = self.tokens.clone().map(|tokens| Rc::new(RefCell::new(Courier::new(tokens))));
        let core = Rc::new(Core::new(self));
        let mut chores = JoinSet::new();
        chores.spawn_local(tend(Rc::clone(&core)));
        // It ends after the last connection.
        chores.spawn_local(core.wakes.relay());
        for certificate in certificates {
            chores.spawn_local(keep_fresh(certificate));
        }
        let mut acceptors = JoinSet::new();
        for (listener, rules) in listeners {
            let acceptor = Acceptor::new(listener, rules, Rc::clone(&core), courier.clone(), drain.clone());
            acceptors.spawn_local(acceptor.run());
        }
        let mut total = CoreReport::default();
        while let Some(ended) = acceptors.join_next().await {
            match ended {
                Ok(cut) => total.cut = total.cut.saturating_add(cut),
                Err(error) => tracing::error!(%error, "an acceptor died: this is a bug"),
            }
        }
        chores.shutdown().await;
        core.tend(true);
        total
    }
}

/// Lets the handler look after its things on this core, for ever.
async fn tend<H: Handler>(core: Rc<Core<H>>) {
    let mut ticks = tokio::time::interval(TEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        core.tend(false);
    }
}

/// Looks at the files of `certificate` now and then, for ever.
async fn keep_fresh(certificate: Arc<Certificate>) {
    let files = certificate.files();
    let path = files.certificate.display();
    let mut ticks = tokio::time::interval(files.reload_every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let reloading = Arc::clone(&certificate);
        match tokio::task::spawn_blocking(move || reloading.reload()).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => tracing::info!(%path, "a new certificate is in use"),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%path, error, "the new certificate is unusable, the old one stays");
            }
            Err(error) => tracing::error!(%path, %error, "reading a certificate died"),
        }
    }
}
