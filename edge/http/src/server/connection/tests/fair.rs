//! Fairness: what the clients of one core get while all of them take what they can.

use std::{io::Read as _, thread};

use tokio::task::yield_now;

use super::*;

const CLIENTS: usize = 64;
/// More than anybody gets.
const FILM_BYTES: usize = 32 << 20;
/// What they get together before it is looked at who got how much.
const TOTAL_BYTES: usize = CLIENTS * (4 << 20);
/// What the kernel holds of a connection: nearly all of it in the server's socket, which fills at the server's pace. What
/// the client's socket takes besides depends on how busy the machine is.
const NEAR_BYTES: usize = 1 << 20;
const FAR_BYTES: u32 = 128 << 10;
/// Looks at a connection whose bytes are on their way, each with a turn for other processes: minutes.
const LOOKS_MAX: usize = 10_000_000;

/// A client's end, without the runtime, and the server's end.
struct Ends {
    client: StdStream,
    near: StdStream,
}

impl Ends {
    /// Takes all that the server has given so far, what is still on its way too: the server stands still meanwhile, so
    /// that how soon the kernel brings the bytes of whom is not taken for the server's choice.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let mut taken = 0;
        for _ in 0..LOOKS_MAX {
            let is_all_here = unacknowledged_bytes(self.near.as_fd()).unwrap() == 0;
            match self.client.read(buffer) {
                Ok(read) => taken += read,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    if is_all_here {
                        return taken;
                    }
                    // Says at once what has arrived, instead of a little later.
                    SockRef::from(&self.client).set_tcp_quickack(true).unwrap();
                    thread::yield_now();
                }
            }
        }
        panic!("the kernel keeps what it was given");
    }
}

/// The bytes of each client when all together have [`TOTAL_BYTES`]. Server and clients take turns on one thread; in its
/// turn, a client takes all that there is for it. All clients have the same number of turns.
async fn shares(way: Way) -> Vec<usize> {
    let stage = Stage::new(way, FILM_BYTES, Limits::default());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let Served { client, near, .. } = stage.serve(NEAR_BYTES, FAR_BYTES).await;
        clients.push(Ends { client: client.into_std().unwrap(), near });
    }
    let mut shares = vec![0; CLIENTS];
    let mut buffer = vec![0; 256 << 10];
    let mut idle_turns = 0;
    while shares.iter().sum::<usize>() < TOTAL_BYTES {
        let before: usize = shares.iter().sum();
        for (client, share) in clients.iter_mut().zip(&mut shares) {
            *share += client.take(&mut buffer);
            yield_now().await;
        }
        idle_turns = if shares.iter().sum::<usize>() == before { idle_turns + 1 } else { 0 };
        assert!(idle_turns < 1_000_000, "{way:?}: nobody gets anything");
    }
    shares
}

#[test]
fn sixty_four_clients_of_one_core_get_the_same() {
    for way in [Way::ZeroCopy, Way::Pooled, Way::Tls, Way::Http2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let shares = LocalSet::new().block_on(&runtime, shares(way));
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        // Two turns; what the kernels hold differs by less.
        assert!(most - least <= 2 << 20, "{way:?}: {least} and {most}");
    }
}
