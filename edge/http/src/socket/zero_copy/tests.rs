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
const PIECE: usize = 128 << 10;

/// The client takes every piece before the next is sent, so that the socket itself never asks to wait.
#[tokio::test]
async fn a_connection_gives_the_core_away_after_its_share_though_the_client_takes_more() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(PIECE as u64).unwrap();
    let film = Arc::new(SourceFile::open(file.path()).unwrap());
    let table = Delivery::default().token_tables(NonZeroUsize::MIN).remove(0).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    SockRef::from(&stream).set_send_buffer_size(4 * PIECE).unwrap();
    stream.writable().await.unwrap();
    let socket = Socket::new(stream, Rc::new(Activity::new(virtual_time())), virtual_time);
    let (mut socket, outlet) = socket.into_zero_copy(&Rc::new(RefCell::new(Courier::new(table))));

    for turn in 0..3 {
        let mut sent = 0;
        loop {
            let mut run = Run::default();
            run.push(&film, 0, film.len());
            let piece = outlet.issue(run).unwrap();
            let mut send =
                |cx: &mut Context<'_>| Pin::new(&mut socket).poll_write_vectored(cx, &[IoSlice::new(&piece)]);
            // The first of a turn waits until it is woken, and it is, with nothing to wait for.
            let polled = match sent {
                0 => Poll::Ready(poll_fn(send).await),
                _ => poll_fn(|cx| Poll::Ready(send(cx))).await,
            };
            let Poll::Ready(taken) = polled else { break };
            assert_eq!(taken.unwrap(), PIECE);
            client.read_exact(&mut vec![0; PIECE]).unwrap();
            sent += PIECE;
        }
        assert_eq!(sent, TURN_BYTES, "turn {turn}");
    }
}

fn virtual_time() -> Instant {
    tokio::time::Instant::now().into_std()
}
