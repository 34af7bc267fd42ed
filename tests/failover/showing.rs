//! Viewers without a browser: they ask for a film in order, as far as they are let, and hold every byte against the truth.

use std::sync::{Condvar, Mutex, MutexGuard};

use super::clock::PATIENCE;
use super::film::Film;
use super::house::{House, VIEWERS};
use super::http::Client;

/// How far viewers may go, and how far they have come.
pub(crate) struct Showing<'a> {
    film: &'a Film,
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    /// Steps that may be asked for.
    until: usize,
    /// Steps that each viewer has.
    seen: Vec<usize>,
    /// What went wrong, and for whom.
    faults: Vec<String>,
    /// Nobody will let them on any more.
    is_over: bool,
}

impl<'a> Showing<'a> {
    pub(crate) fn new(film: &'a Film) -> Self {
        let state = State { until: 0, seen: vec![0; VIEWERS], faults: Vec::new(), is_over: false };
        Self { film, state: Mutex::new(state), moved: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Lets viewers ask for `steps` more.
    pub(crate) fn let_on(&self, steps: usize) {
        self.lock().until += steps;
        self.moved.notify_all();
    }

    /// Waits until every viewer has all that it may ask for.
    pub(crate) fn wait(&self) {
        let is_behind = |state: &mut State| state.seen.iter().any(|seen| *seen < state.until);
        let waited = self.moved.wait_timeout_while(self.lock(), PATIENCE, is_behind);
        let (state, timeout) = waited.expect("nobody panics with it");
        let State { seen, until, faults, .. } = &*state;
        let is_stuck = timeout.timed_out();
        let told = format!("viewers have seen {seen:?} of {until} steps; {faults:?}");
        drop(state);
        assert!(!is_stuck, "{told}");
    }

    /// [`Self::let_on`], then [`Self::wait`].
    pub(crate) fn play(&self, steps: usize) {
        self.let_on(steps);
        self.wait();
    }

    /// Plays what is left.
    pub(crate) fn play_out(&self) {
        let left = self.film.steps.len() - self.lock().until;
        assert!(left > 0, "the film was over before the faults were");
        self.play(left);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    /// One viewer, from start to end.
    pub(crate) fn watch(&self, house_door: std::net::SocketAddr, viewer: usize) {
        let mut client = Client::new(house_door);
        self.take(&mut client, viewer, &self.film.start);
        for (number, step) in self.film.steps.iter().enumerate() {
            let may_not = |state: &mut State| state.until <= number && !state.is_over;
            let waited = self.moved.wait_timeout_while(self.lock(), PATIENCE, may_not);
            let (state, timeout) = waited.expect("nobody panics with it");
            if timeout.timed_out() || state.until <= number {
                return;
            }
            drop(state);
            self.take(&mut client, viewer, step);
            self.lock().seen[viewer] = number + 1;
            self.moved.notify_all();
        }
    }

    fn take(&self, client: &mut Client, viewer: usize, paths: &[String]) {
        for path in paths {
            let fault = match client.get(path) {
                Ok(answer) if answer.status != 200 => Some(format!("status {}", answer.status)),
                Ok(answer) if answer.body != self.film.bytes(path) => Some("other bytes".to_owned()),
                Ok(_) => None,
                Err(failure) => Some(failure.to_string()),
            };
            if let Some(fault) = fault {
                self.lock().faults.push(format!("viewer {viewer}, {path}: {fault}"));
            }
        }
    }
}

/// Ends the showing also where the test fails in its middle.
struct End<'a, 'b>(&'b Showing<'a>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.moved.notify_all();
    }
}

/// All viewers of `film`, each at its door, while `meanwhile` lets them on and does what it likes; returns what went wrong.
pub(crate) fn show(
    house: &mut House,
    film: &Film,
    meanwhile: impl FnOnce(&mut House, &Showing<'_>),
) -> Vec<String> {
    let showing = Showing::new(film);
    std::thread::scope(|scope| {
        for viewer in 0..VIEWERS {
            let (door, showing) = (house.door(viewer).address(), &showing);
            scope.spawn(move || showing.watch(door, viewer));
        }
        let _end = End(&showing);
        meanwhile(house, &showing);
    });
    showing.faults()
}
