//! Slow clients: how long one may take, by a clock that only the test moves.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::task::yield_now;

use super::*;

/// More than fits into the kernel.
const FILM_BYTES: usize = 4 << 20;
/// How far the clock goes at a time: three times, and a client that took nothing is stalled.
const TICK: Duration = Duration::from_secs(10);
/// Turns of the runtime after which a test gives up; never reached by one that passes.
const TURNS: u32 = 50_000_000;

/// A client that takes what the test says.
struct Rig {
    stage: Stage,
    served: Served,
    /// Bytes that the client took.
    taken: Cell<usize>,
}

impl Rig {
    async fn start(way: Way) -> Self {
        // The same for all, so that none of them has room again after what the client takes here.
        let limits = Limits { unsent_kernel_bytes: 1 << 20, ..Limits::default() };
        let stage = Stage::new(way, FILM_BYTES, limits);
        // Small at the client: what is in flight is a small part of what waits.
        let served = stage.serve(1 << 20, 8 << 10).await;
        Self { stage, served, taken: Cell::new(0) }
    }

    fn held(&self) -> u64 {
        unacknowledged_bytes(self.served.near.as_fd()).unwrap()
    }

    /// Whether the server could write.
    fn has_room(&self) -> bool {
        let mut sockets = [PollFd::new(&self.served.near, PollFlags::OUT)];
        poll(&mut sockets, Some(&Timespec::default())).unwrap();
        sockets[0].revents().contains(PollFlags::OUT)
    }

    /// Whether a token is on its way.
    fn has_token(&self) -> bool {
        self.stage.tokens.as_ref().is_some_and(|tokens| tokens.alive() > 0)
    }

    /// Why the server ended connections.
    fn ended(&self) -> Vec<String> {
        let families = self.stage.registry.gather();
        let ended = families.iter().filter(|family| family.name() == "rillcast_http_connections_ended_total");
        let reasons = ended.flat_map(|family| family.get_metric()).flat_map(|metric| metric.get_label());
        reasons.map(|label| label.value().to_owned()).collect()
    }

    /// Moves the clock, and lets the server see it.
    async fn tick(&self) {
        tokio::time::advance(TICK).await;
        for _ in 0..100 {
            yield_now().await;
        }
    }

    /// Lets the server work until `until`.
    async fn wait(&self, what: &str, until: impl Fn() -> bool) {
        let mut turns = 0;
        while !until() {
            turns += 1;
            assert!(turns < TURNS, "waited in vain: {what}");
            yield_now().await;
        }
    }

    /// The client takes bytes until the kernel on the server's side sees it.
    async fn take_a_little(&self) {
        let before = self.held();
        let is_taken = || {
            self.take();
            self.held() < before
        };
        self.wait("what the client takes to be acknowledged", is_taken).await;
    }

    /// The client reads what is there, a little of it.
    fn take(&self) {
        match self.served.client.try_read(&mut [0; 2048]) {
            Ok(read) => {
                assert!(read > 0, "the server closed");
                self.taken.set(self.taken.get() + read);
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
}

/// Runs `test` over each way, by a clock that stands still but for [`tokio::time::advance`].
fn with_each_way<F: Future<Output = ()>>(test: impl Fn(Way) -> F) {
    for way in [Way::ZeroCopy, Way::Pooled, Way::Tls, Way::Http2] {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        // While a thread of its own works, the runtime does not move its clock by itself.
        let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
        let _keeper = runtime.spawn_blocking(move || held.recv());
        LocalSet::new().block_on(&runtime, test(way));
        drop(release);
    }
}

#[test]
fn a_client_that_takes_a_little_now_and_then_lives_and_gets_everything() {
    with_each_way(|way| async move {
        let rig = Rig::start(way).await;
        rig.wait("the kernel to be full", || !rig.has_room()).await;
        assert_eq!(rig.has_token(), way == Way::ZeroCopy, "{way:?}");
        // Twice as long as a stall may last, and never is there room for a write.
        for tick in 0..6 {
            rig.take_a_little().await;
            assert!(!rig.has_room(), "{way:?}: the test shows nothing");
            rig.tick().await;
            assert!(!rig.served.serving.is_finished(), "{way:?}: dropped after {tick} ticks");
        }
        let is_whole = || {
            rig.take();
            rig.taken.get() >= FILM_BYTES
        };
        rig.wait("the rest of the film", is_whole).await;
        assert_eq!(rig.ended(), [""; 0], "{way:?}");
    });
}

#[test]
fn a_client_that_takes_nothing_is_dropped_when_its_time_is_up() {
    with_each_way(|way| async move {
        let rig = Rig::start(way).await;
        rig.wait("the kernel to be full", || !rig.has_room()).await;
        let mut ticks = 0;
        while !rig.served.serving.is_finished() {
            ticks += 1;
            // More than three when the client's kernel still took something meanwhile, for a client that does not.
            assert!(ticks < 30, "{way:?}: not dropped");
            rig.tick().await;
        }
        assert!(ticks >= 3, "{way:?}: dropped before its time");
        assert_eq!(rig.ended(), ["stalled"], "{way:?}");
    });
}
