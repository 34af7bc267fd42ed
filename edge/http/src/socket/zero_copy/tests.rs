//! Turns: what a connection may send before it gives the core away.

use std::{
    future::poll_fn,
    io::{IoSlice, Read as _},
    net::{Ipv4Addr, TcpStream as StdStream},
    num::NonZeroUsize,
    sync::Arc,
    time::Instant,
};

use tokio::net::TcpListener;

use super::*;
use crate::{activity::Activity, delivery::Delivery};

/// What is sent at once, and what the kernel always takes whole.
const PIECE: usize = 64 << 10;

/// What a connection sends in three turns of one body, and what the kernel may then hold unsent of it. The client takes
/// every piece before the next is sent, so that the socket itself never asks to wait.
async fn three_turns(is_of_many: bool, unsent_bytes: u32) -> ([usize; 3], u32) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(PIECE as u64).unwrap();
    let film = Arc::new(SourceFile::open(file.path()).unwrap());
    let table = Delivery::default().token_tables(NonZeroUsize::MIN).remove(0).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    SockRef::from(&stream).set_send_buffer_size(8 * PIECE).unwrap();
    SockRef::from(&stream).set_tcp_notsent_lowat(unsent_bytes).unwrap();
    stream.writable().await.unwrap();
    let socket = Socket::new(stream, Rc::new(Activity::new(virtual_time())), virtual_time);
    let (mut socket, outlet) = socket.into_zero_copy(&Rc::new(RefCell::new(Courier::new(table))));

    outlet.begin(is_of_many);
    let mut turns = [0; 3];
    for sent in &mut turns {
        loop {
            let mut run = Run::default();
            run.push(&film, 0, film.len());
            let piece = outlet.issue(run).unwrap();
            let mut send =
                |cx: &mut Context<'_>| Pin::new(&mut socket).poll_write_vectored(cx, &[IoSlice::new(&piece)]);
            // The first of a turn waits until it is woken, and it is, with nothing to wait for.
            let polled = match *sent {
                0 => Poll::Ready(poll_fn(send).await),
                _ => poll_fn(|cx| Poll::Ready(send(cx))).await,
            };
            let Poll::Ready(taken) = polled else { break };
            assert_eq!(taken.unwrap(), PIECE);
            client.read_exact(&mut vec![0; PIECE]).unwrap();
            *sent += PIECE;
        }
    }
    let unsent = SockRef::from(&*socket.socket.stream.borrow()).tcp_notsent_lowat().unwrap();
    (turns, unsent)
}

#[tokio::test]
async fn a_connection_gives_the_core_away_after_its_share_though_the_client_takes_more() {
    assert_eq!(three_turns(false, 128 << 10).await, ([TURN_BYTES; 3], UNSENT_BYTES));
}

#[tokio::test]
async fn of_what_many_have_waited_for_the_first_turn_is_short_and_the_kernel_holds_less() {
    let turns = [FIRST_TURN_BYTES, TURN_BYTES, TURN_BYTES];
    assert_eq!(three_turns(true, 128 << 10).await, (turns, UNSENT_BYTES_OF_MANY));
}

#[tokio::test]
async fn the_kernel_may_hold_what_it_was_set_up_for() {
    let wide = UNSENT_BYTES + 1;
    for is_of_many in [false, true] {
        assert_eq!(three_turns(is_of_many, wide).await.1, wide);
    }
}

fn virtual_time() -> Instant {
    tokio::time::Instant::now().into_std()
}
