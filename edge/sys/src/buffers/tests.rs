use std::{future::Future, pin::pin, task::Poll};

use futures_util::task::noop_waker_ref;

use super::*;

fn pool(buffers: usize, waiting: usize) -> BufferPool {
    let of = |number| NonZeroUsize::new(number).unwrap();
    BufferPool::new(BufferLimits { buffer_bytes: of(8192), buffers: of(buffers), waiting }).unwrap()
}

/// Polls once.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut cx = std::task::Context::from_waker(noop_waker_ref());
    std::pin::Pin::new(future).poll(&mut cx)
}

#[test]
fn buffers_are_aligned_disjoint_and_zero_at_first() {
    let pool = pool(3, 0);
    let mut taken: Vec<Buffer> = (0..3).map(|_| pool.try_take(0).unwrap()).collect();
    assert!(pool.try_take(0).is_none());
    for (number, buffer) in (1..).zip(&mut taken) {
        assert_eq!(buffer.address(0).addr().get() % crate::page::page_bytes(), 0);
        assert!(buffer.bytes_mut().iter().all(|byte| *byte == 0));
        buffer.bytes_mut().fill(number);
    }
    for (number, buffer) in (1..).zip(&mut taken) {
        assert!(buffer.bytes_mut().iter().all(|byte| *byte == number));
    }
}

#[test]
fn a_buffer_comes_home_with_the_last_of_its_bytes() {
    let pool = pool(1, 0);
    let mut buffer = pool.try_take(0).unwrap();
    buffer.bytes_mut()[..6].copy_from_slice(b"abcdef");
    let bytes = buffer.freeze(1..5);
    assert_eq!(&bytes[..], b"bcde");
    let tail = bytes.slice(2..);
    drop(bytes);
    assert_eq!(pool.idle(), 0);
    assert_eq!(&tail[..], b"de");
    drop(tail);
    assert_eq!(pool.idle(), 1);
}

#[test]
fn what_is_frozen_never_reaches_past_the_buffer() {
    let pool = pool(1, 0);
    let bytes = pool.try_take(0).unwrap().freeze(8190..9000);
    assert_eq!(bytes.len(), 2);
    drop(bytes);
    assert!(pool.try_take(0).unwrap().freeze(9000..9001).is_empty());
}

#[test]
fn who_waited_longest_gets_the_first_buffer() {
    let pool = pool(1, 2);
    let held = pool.try_take(0).unwrap();
    let (mut first, mut second) = (pin!(pool.take()), pin!(pool.take()));
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    drop(held);
    assert!(poll(&mut second).is_pending());
    let Poll::Ready(Ok(buffer)) = poll(&mut first) else { panic!("the first was served") };
    drop(buffer);
    assert!(matches!(poll(&mut second), Poll::Ready(Ok(_))));
}

#[test]
fn as_many_wait_as_may_and_one_more_is_refused() {
    let pool = pool(1, 2);
    let _held = pool.try_take(0).unwrap();
    let (mut first, mut second) = (Box::pin(pool.take()), Box::pin(pool.take()));
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    let Poll::Ready(refused) = poll(&mut pin!(pool.take())) else { panic!("refused at once") };
    assert_eq!(refused.unwrap_err(), Exhausted { waiting: 2 });
    // Who gives up makes room.
    drop(first);
    assert!(poll(&mut pin!(pool.take())).is_pending());
}

#[test]
fn a_buffer_given_to_one_who_gave_up_is_not_lost() {
    let pool = pool(1, 2);
    let held = pool.try_take(0).unwrap();
    let mut gave_up = Box::pin(pool.take());
    let mut patient = pin!(pool.take());
    assert!(poll(&mut gave_up).is_pending());
    assert!(poll(&mut patient).is_pending());
    drop(gave_up);
    drop(held);
    let Poll::Ready(Ok(buffer)) = poll(&mut patient) else { panic!("the buffer went on to the next") };
    // Given, but dropped before anyone looked.
    let mut unlooked = Box::pin(pool.take());
    assert!(poll(&mut unlooked).is_pending());
    drop(buffer);
    drop(unlooked);
    assert_eq!((pool.idle(), pool.waiting()), (1, 0));
}

#[test]
fn a_reserve_is_left_alone() {
    let pool = pool(3, 0);
    let _one = pool.try_take(1).unwrap();
    let _two = pool.try_take(1).unwrap();
    assert!(pool.try_take(1).is_none());
    assert!(pool.try_take(0).is_some());
}
