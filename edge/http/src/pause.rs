//! A pause that lasts until all others had a turn, however often it is asked meanwhile.
//!
//! hyper asks a body and a socket that said «not now» once more in the same turn of its connection. A pause that were over
//! when it is asked again would be none.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Over, until it is begun.
#[derive(Debug, Default)]
pub(crate) struct Pause(Option<Arc<Sleeper>>);

#[derive(Debug)]
struct Sleeper {
    task: Waker,
    is_over: AtomicBool,
}

impl Pause {
    /// Begins one: the task is woken when all others had a turn, those too whose sockets have become ready. The runtime looks
    /// at sockets only when nothing is left to run, or after 61 turns. Woken at once, the few that are ready had most of those.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>) {
        let sleeper = Arc::new(Sleeper { task: cx.waker().clone(), is_over: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&sleeper));
        let yielded = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        debug_assert!(yielded.is_pending(), "it wakes whoever polls it first");
        self.0 = Some(sleeper);
    }

    /// Ready when it is over, or was never begun.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.0 {
            Some(sleeper) if !sleeper.is_over.load(Ordering::Acquire) => {
                // It may have changed hands.
                if !sleeper.task.will_wake(cx.waker()) {
                    self.begin(cx);
                }
                Poll::Pending
            }
            Some(_) => {
                self.0 = None;
                Poll::Ready(())
            }
            None => Poll::Ready(()),
        }
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::poll_fn, rc::Rc};

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[tokio::test]
    async fn it_lasts_until_all_others_had_a_turn_however_often_it_is_asked() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let all = (0..3).map(|_| {
            let (mut pause, mut has_begun, seen) = (Pause::default(), false, Rc::clone(&seen));
            poll_fn(move |cx| {
                if !std::mem::replace(&mut has_begun, true) {
                    assert!(pause.poll(cx).is_ready(), "there is none yet");
                    pause.begin(cx);
                    seen.borrow_mut().push("before");
                    assert!(pause.poll(cx).is_pending());
                }
                if pause.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                seen.borrow_mut().push("after");
                assert!(pause.poll(cx).is_ready(), "it stays over");
                Poll::Ready(())
            })
        });
        let run = async {
            for task in all.map(spawn_local).collect::<Vec<_>>() {
                task.await.unwrap();
            }
        };
        LocalSet::new().run_until(run).await;
        assert_eq!(*seen.borrow(), ["before", "before", "before", "after", "after", "after"]);
    }

    #[tokio::test]
    async fn another_task_that_asks_is_woken_instead() {
        let mut pause = Pause::default();
        pause.begin(&mut Context::from_waker(Waker::noop()));
        poll_fn(|cx| pause.poll(cx)).await;
    }
}
