//! A live origin that does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::super::*;

/// How it treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As it should.
    Holds,
    /// Answers with what there is, whatever is asked for.
    AnswersAtOnce,
    /// Answers nothing.
    Hangs,
    Fails(Failure),
    Panics,
}

#[derive(Clone)]
pub(super) struct Origin(Arc<Inner>);

struct Inner {
    script: watch::Sender<(Facts, Mode)>,
    calls: Mutex<Vec<Option<Position>>>,
    /// Requests in progress, and those of them that are held.
    in_flight: AtomicUsize,
    held: AtomicUsize,
    most: AtomicUsize,
}

/// A playlist with half-second parts whose open segment `msn` has `parts` parts.
pub(super) fn live(msn: u64, parts: u64) -> Facts {
    Facts {
        target_duration: Duration::from_secs(4),
        part_target: Some(Duration::from_millis(500)),
        next_msn: msn,
        last_parts: 8,
        open_parts: parts,
        can_block: true,
        can_skip_until: None,
        has_ended: false,
        hint: Some(format!("{msn}.{parts}.m4s").into()),
    }
}

/// Counts for as long as it exists.
struct Count<'a>(&'a AtomicUsize);

impl<'a> Count<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Origin {
    pub(super) fn new(facts: Facts) -> Self {
        Self(Arc::new(Inner {
            script: watch::Sender::new((facts, Mode::Holds)),
            calls: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }))
    }

    pub(super) fn publish(&self, facts: Facts) {
        self.0.script.send_modify(|script| script.0 = facts);
    }

    pub(super) fn set(&self, mode: Mode) {
        self.0.script.send_modify(|script| script.1 = mode);
    }

    pub(super) fn calls(&self) -> Vec<Option<Position>> {
        self.0.calls.lock().clone()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    pub(super) fn is_holding(&self) -> bool {
        self.holding() > 0
    }

    pub(super) fn holding(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }
}

impl Refresh for Origin {
    /// The number of the call that brought it.
    type Answer = u64;

    async fn refresh(&self, _playlist: &Key, position: Option<Position>) -> Result<(Facts, u64), Failure> {
        let inner = &*self.0;
        let number = {
            let mut calls = inner.calls.lock();
            calls.push(position);
            calls.len() as u64
        };
        let _in_flight = Count::new(&inner.in_flight);
        inner.most.fetch_max(inner.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
        let mut script = inner.script.subscribe();
        let asked = Directives { position, skip: None };
        loop {
            let (facts, mode) = script.borrow_and_update().clone();
            match (mode, decide(&facts, &asked)) {
                (Mode::Panics, _) => panic!("as it was told"),
                (Mode::Fails(failure), _) => return Err(failure),
                (Mode::AnswersAtOnce, _) | (Mode::Holds, Ok(Decision::Now)) => return Ok((facts, number)),
                (Mode::Holds, Err(_)) => return Err(Failure::Status(StatusCode::BAD_REQUEST)),
                (Mode::Hangs, _) | (Mode::Holds, Ok(Decision::Wait(_))) => {}
            }
            let _held = Count::new(&inner.held);
            script.changed().await.expect("the script is ours");
        }
    }
}
