//! Wake-ups of a core's tasks by other threads: many for the price of one, and none left waiting.
//!
//! ```text
//!  fill's thread ─ wake 500 followers ─▶ Wakes ─ one wake-up ─▶ relay, a task of the core ─▶ its 500 tasks, as its own
//! ```
//!
//! What another thread wakes enters a queue that tokio's `LocalSet` looks into once in 31 turns while its own has work,
//! one task a look. Of 500 who wait for one object those that came first would send all they have in between, and the last
//! get their head after 16,000 turns. Woken by a task of their own thread, they stand in line with all others.
//!
//! Invariants: a wake-up is never lost, also when the relay has ended: then each is woken by who wakes it. What is woken on
//! its own core takes no way around.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use parking_lot::Mutex;

/// The wake-ups of one core that its relay has not passed on.
#[derive(Debug, Default)]
pub(crate) struct Wakes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    woken: Vec<Waker>,
    /// The relay's own, while it waits.
    relay: Option<Waker>,
    has_ended: bool,
}

impl Wakes {
    /// Passes wake-ups on, on the core, until it is dropped.
    pub(crate) fn relay(self: &Arc<Self>) -> Relay {
        Relay(Arc::clone(self))
    }

    /// Leaves `waker` to the relay, which is woken unless that is left to [`wake_together`].
    fn push(self: &Arc<Self>, waker: &Waker) {
        let mut state = self.0.lock();
        if state.has_ended {
            drop(state);
            return waker.wake_by_ref();
        }
        state.woken.push(waker.clone());
        drop(state);
        let is_later = TOGETHER.with_borrow_mut(|together| {
            let cores = together.as_mut()?;
            if !cores.iter().any(|core| Arc::ptr_eq(core, self)) {
                cores.push(Arc::clone(self));
            }
            Some(())
        });
        if is_later.is_none() {
            self.wake_relay();
        }
    }

    fn wake_relay(&self) {
        let relay = self.0.lock().relay.take();
        if let Some(relay) = relay {
            relay.wake();
        }
    }
}

thread_local! {
    /// The cores whose relays are to be woken when this thread has told all.
    static TOGETHER: RefCell<Option<Vec<Arc<Wakes>>>> = const { RefCell::new(None) };
}

/// Runs `wake`, which wakes many tasks of data-plane cores, and lets the cores go ahead when it has woken all of them.
///
/// Woken one by one, the first has its turn while the others have yet to be woken: where the two threads share a
/// processor, the turns of all that come first lie between. `wake` must not wait.
pub fn wake_together<T>(wake: impl FnOnce() -> T) -> T {
    let _at_the_end = Together { outer: TOGETHER.replace(Some(Vec::new())) };
    wake()
}

/// Wakes the relays at its end, also when it ends by a panic.
struct Together {
    /// Of the call that this one lies in.
    outer: Option<Vec<Arc<Wakes>>>,
}

impl Drop for Together {
    fn drop(&mut self) {
        let cores = TOGETHER.replace(self.outer.take());
        cores.into_iter().flatten().for_each(|core| core.wake_relay());
    }
}

/// The task that wakes those who were woken from elsewhere.
#[derive(Debug)]
pub(crate) struct Relay(Arc<Wakes>);

impl Future for Relay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let woken = {
            let mut state = self.0.0.lock();
            state.relay = Some(cx.waker().clone());
            std::mem::take(&mut state.woken)
        };
        woken.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let woken = {
            let mut state = self.0.0.lock();
            state.has_ended = true;
            std::mem::take(&mut state.woken)
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

/// A task whose wake-ups from other threads go through its core's [`Wakes`].
pub(crate) struct Relayed<F> {
    task: F,
    wakes: Arc<Wakes>,
    /// The waker it was last polled with, and the one that stands for it.
    wakers: Option<(Waker, Waker)>,
}

impl<F: Future + Unpin> Relayed<F> {
    pub(crate) fn new(task: F, wakes: &Arc<Wakes>) -> Self {
        Self { task, wakes: Arc::clone(wakes), wakers: None }
    }
}

impl<F: Future + Unpin> Future for Relayed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { task, wakes, wakers } = &mut *self;
        let known = wakers.take().filter(|(own, _)| own.will_wake(cx.waker()));
        let (_, relayed) = wakers.insert(known.unwrap_or_else(|| {
            let own = cx.waker().clone();
            let waker = CoreWaker { own: own.clone(), wakes: Arc::clone(wakes), thread: this_thread() };
            (own, Arc::new(waker).into())
        }));
        Pin::new(task).poll(&mut Context::from_waker(relayed))
    }
}

/// Wakes a task of a core from any thread.
struct CoreWaker {
    own: Waker,
    wakes: Arc<Wakes>,
    /// The thread of the core.
    thread: usize,
}

impl Wake for CoreWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.thread == this_thread() {
            self.own.wake_by_ref();
        } else {
            self.wakes.push(&self.own);
        }
    }
}

/// What tells the calling thread from all others that live: where something of its own lies.
fn this_thread() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        rc::Rc,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use tokio::{sync::watch, task::LocalSet};

    use super::*;

    const WAITING: usize = 100;
    /// A thousand turns in all: too few for the queue of other threads to be looked into for everybody.
    const BUSY_TURNS: usize = 10;

    /// Runs `test` on a core of its own.
    fn on_a_core<F: Future>(test: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, test)
    }

    /// Who came to their second turn, in order: half of them are busy, and half wait for another thread.
    async fn order(wakes: &Arc<Wakes>) -> Vec<&'static str> {
        let (sender, _) = watch::channel(false);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Vec::new();
        for _ in 0..WAITING {
            let (mut receiver, seen) = (sender.subscribe(), Rc::clone(&seen));
            let task = Box::pin(async move {
                receiver.wait_for(|is_there| *is_there).await.unwrap();
                seen.borrow_mut().push("woken");
            });
            tasks.push(tokio::task::spawn_local(Relayed::new(task, wakes)));
        }
        tokio::task::yield_now().await;
        thread::spawn(move || sender.send(true).unwrap()).join().unwrap();
        for _ in 0..WAITING {
            let seen = Rc::clone(&seen);
            tasks.push(tokio::task::spawn_local(async move {
                for _ in 0..BUSY_TURNS {
                    tokio::task::yield_now().await;
                }
                seen.borrow_mut().push("busy");
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        seen.take()
    }

    #[test]
    fn who_is_woken_from_elsewhere_stands_in_line_with_who_is_busy() {
        let order = on_a_core(async {
            let wakes = Arc::default();
            tokio::task::spawn_local(Wakes::relay(&wakes));
            order(&wakes).await
        });
        assert_eq!(order[..WAITING], ["woken"; WAITING]);
    }

    #[test]
    fn without_a_relay_each_is_woken_all_the_same() {
        for is_late in [false, true] {
            let order = on_a_core(async {
                let wakes = Arc::default();
                let relay = Wakes::relay(&wakes);
                if is_late {
                    tokio::task::spawn_local(async move {
                        for _ in 0..BUSY_TURNS {
                            tokio::task::yield_now().await;
                        }
                        drop(relay);
                    });
                } else {
                    drop(relay);
                }
                order(&wakes).await
            });
            assert_eq!(order.iter().filter(|what| **what == "woken").count(), WAITING);
        }
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn on_its_own_core_a_task_is_woken_at_once_and_from_another_by_the_relay() {
        let (task, relay) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let wakes = Arc::<Wakes>::default();
        let mut passing = wakes.relay();
        let mut pass = || {
            assert!(
                Pin::new(&mut passing)
                    .poll(&mut Context::from_waker(&Arc::clone(&relay).into()))
                    .is_pending()
            );
        };
        pass();
        let own = Arc::clone(&task).into();
        let waker: Waker =
            Arc::new(CoreWaker { own, wakes: Arc::clone(&wakes), thread: this_thread() }).into();
        let counts = || (task.0.load(Ordering::Relaxed), relay.0.load(Ordering::Relaxed));
        waker.wake_by_ref();
        assert_eq!(counts(), (1, 0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| waker.wake_by_ref());
            }
        });
        assert_eq!(counts(), (1, 1), "the relay is woken once for all");
        pass();
        assert_eq!(counts(), (4, 1));
        thread::scope(|scope| {
            scope.spawn(|| {
                wake_together(|| {
                    for _ in 0..3 {
                        waker.wake_by_ref();
                    }
                    assert_eq!(counts(), (4, 1), "nobody before all");
                });
                assert_eq!(counts(), (4, 2), "the relay then, once");
            });
        });
        pass();
        assert_eq!(counts(), (7, 2));
    }

    #[test]
    fn who_was_told_before_a_panic_is_woken() {
        let relay = Arc::new(Count(AtomicUsize::new(0)));
        let wakes = Arc::<Wakes>::default();
        let mut passing = wakes.relay();
        let polled = Pin::new(&mut passing).poll(&mut Context::from_waker(&Arc::clone(&relay).into()));
        assert!(polled.is_pending());
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wake_together(|| {
                wakes.push(Waker::noop());
                panic!("a waker of somebody's");
            })
        }));
        assert!(died.is_err());
        assert_eq!(relay.0.load(Ordering::Relaxed), 1);
        wakes.push(Waker::noop());
        assert!(TOGETHER.with_borrow(Option::is_none), "and nothing waits for an end that does not come");
    }
}
