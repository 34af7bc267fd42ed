//! Whether anything holds a core up: what a poll costs in CPU time, and how long one waits for something that is no CPU.
//!
//! A core that computes too long, or sleeps in a read, keeps all its connections waiting. One poll in
//! [`PollTally::ONE_IN`] is timed with two clocks: the thread's CPU time says how long it computed (a histogram, for the
//! 99.9th percentile), and what the wall clock says beyond that is time in which it stood still. That counts as blocked
//! when the thread gave its processor away by itself meanwhile; when it did not, another thread had taken it, which is
//! no fault of ours. Untimed polls pay for a counter.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::metrics::PollTally;

/// Standing still for less is what the clocks themselves take, and not looked into.
const STILL_MIN: Duration = Duration::from_micros(20);

/// What the kernel knows of the calling thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadFigures {
    /// CPU time it has used.
    pub(crate) cpu: fn() -> Duration,
    /// How often it has gone to sleep.
    pub(crate) voluntary_switches: fn() -> u64,
}

/// Times the polls of one core.
#[derive(Debug)]
pub(crate) struct Watchdog {
    polls: Cell<u32>,
    monotonic: fn() -> Instant,
    thread: ThreadFigures,
    tally: Arc<PollTally>,
}

impl Watchdog {
    pub(crate) fn new(monotonic: fn() -> Instant, thread: ThreadFigures, tally: Arc<PollTally>) -> Self {
        Self { polls: Cell::new(0), monotonic, thread, tally }
    }

    fn time<T>(&self, poll: impl FnOnce() -> T) -> T {
        let number = self.polls.get().wrapping_add(1);
        self.polls.set(number);
        if !number.is_multiple_of(PollTally::ONE_IN) {
            return poll();
        }
        let ThreadFigures { cpu, voluntary_switches } = self.thread;
        let switches_before = voluntary_switches();
        // The wall clock outside: what it says can only be more.
        let wall_before = (self.monotonic)();
        let cpu_before = cpu();
        let output = poll();
        let computed = cpu().saturating_sub(cpu_before);
        let took = (self.monotonic)().saturating_duration_since(wall_before);
        let still = took.saturating_sub(computed);
        let has_slept = still >= STILL_MIN && voluntary_switches() != switches_before;
        self.tally.observe(computed, if has_slept { still } else { Duration::ZERO });
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
        static SWITCHES: Cell<u64> = const { Cell::new(0) };
    }

    #[expect(clippy::disallowed_methods, reason = "an instant can only be made by the clock; any will do")]
    fn start() -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    fn watchdog(tally: &Arc<PollTally>) -> Watchdog {
        let thread = ThreadFigures { cpu: || CPU.get(), voluntary_switches: || SWITCHES.get() };
        Watchdog::new(|| start() + WALL.get(), thread, Arc::clone(tally))
    }

    fn pass(cpu_us: u64, wall_us: u64, switches: u64) {
        CPU.set(CPU.get() + Duration::from_micros(cpu_us));
        WALL.set(WALL.get() + Duration::from_micros(wall_us));
        SWITCHES.set(SWITCHES.get() + switches);
    }

    #[test]
    fn one_poll_in_many_is_timed_by_both_clocks() {
        let tally = Arc::new(PollTally::default());
        let watchdog = watchdog(&tally);
        for _ in 0..2 * PollTally::ONE_IN {
            watchdog.time(|| pass(300, 5000, 1));
        }
        assert_eq!(tally.told(), (2, Duration::from_micros(600), Duration::from_micros(9400)));
    }

    #[test]
    fn a_poll_that_lost_its_processor_is_not_blocked() {
        let tally = Arc::new(PollTally::default());
        let watchdog = watchdog(&tally);
        for _ in 0..PollTally::ONE_IN {
            watchdog.time(|| pass(300, 5000, 0));
            // What the core sleeps between polls is not theirs.
            pass(0, 1000, 1);
        }
        assert_eq!(tally.told(), (1, Duration::from_micros(300), Duration::ZERO));
    }

    #[test]
    fn a_sleep_counts_from_twenty_microseconds_on() {
        for (still, counted) in [(19, 0), (20, 20)] {
            let tally = Arc::new(PollTally::default());
            let watchdog = watchdog(&tally);
            for _ in 0..PollTally::ONE_IN {
                watchdog.time(|| pass(300, 300 + still, 1));
            }
            assert_eq!(tally.told().2, Duration::from_micros(counted));
        }
    }
}
