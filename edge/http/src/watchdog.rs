//! Whether anything holds a core up: what a poll costs in CPU time, and how long one waits for something that is no CPU.
//!
//! A core that computes too long, or sleeps in a read, keeps all its connections waiting. One poll in [`ONE_IN`] is
//! timed with two clocks: the thread's CPU time says how long it computed (a histogram, for the 99.9th percentile), and
//! what the wall clock says beyond that is time in which it stood still. Another process on the same processor shows up
//! in the second figure too, so it is an upper bound. Untimed polls pay for a counter.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::metrics::PollTally;

/// One poll in so many is timed: two system calls each.
pub(crate) const ONE_IN: u32 = 64;

/// Times the polls of one core.
#[derive(Debug)]
pub(crate) struct Watchdog {
    polls: Cell<u32>,
    monotonic: fn() -> Instant,
    /// CPU time of the calling thread.
    thread_cpu: fn() -> Duration,
    tally: Arc<PollTally>,
}

impl Watchdog {
    pub(crate) fn new(
        monotonic: fn() -> Instant,
        thread_cpu: fn() -> Duration,
        tally: Arc<PollTally>,
    ) -> Self {
        Self { polls: Cell::new(0), monotonic, thread_cpu, tally }
    }

    fn time<T>(&self, poll: impl FnOnce() -> T) -> T {
        let number = self.polls.get().wrapping_add(1);
        self.polls.set(number);
        if !number.is_multiple_of(ONE_IN) {
            return poll();
        }
        // The wall clock outside: what it says can only be more.
        let wall = (self.monotonic)();
        let cpu = (self.thread_cpu)();
        let output = poll();
        let cpu = (self.thread_cpu)().saturating_sub(cpu);
        let wall = (self.monotonic)().saturating_duration_since(wall);
        self.tally.observe(cpu, wall.saturating_sub(cpu));
        output
    }
}

/// A task of a core, watched.
pub(crate) struct Watched<F> {
    task: Pin<Box<F>>,
    watchdog: Rc<Watchdog>,
}

impl<F: Future> Watched<F> {
    pub(crate) fn new(task: F, watchdog: &Rc<Watchdog>) -> Self {
        Self { task: Box::pin(task), watchdog: Rc::clone(watchdog) }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { task, watchdog } = &mut *self;
        watchdog.time(|| task.as_mut().poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static CPU: Cell<Duration> = const { Cell::new(Duration::ZERO) };
        static WALL: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    #[expect(clippy::disallowed_methods, reason = "an instant can only be made by the clock; any will do")]
    fn start() -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    #[test]
    fn one_poll_in_many_is_timed_by_both_clocks() {
        let tally = Arc::new(PollTally::default());
        let watchdog = Watchdog::new(|| start() + WALL.get(), || CPU.get(), Arc::clone(&tally));
        let poll = || {
            CPU.set(CPU.get() + Duration::from_micros(300));
            WALL.set(WALL.get() + Duration::from_millis(5));
        };
        for _ in 0..2 * ONE_IN {
            watchdog.time(poll);
        }
        assert_eq!(tally.told(), (2, Duration::from_micros(600), Duration::from_micros(9400)));
    }
}
