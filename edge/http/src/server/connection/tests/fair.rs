//! Fairness: what the clients of one core get while all of them take what they can.

use tokio::task::yield_now;

use super::*;

const CLIENTS: usize = 64;
/// More than anybody gets.
const FILM_BYTES: usize = 32 << 20;
/// What they get together before it is looked at who got how much.
const TOTAL_BYTES: usize = CLIENTS * (4 << 20);

/// The bytes of each client when all together have [`TOTAL_BYTES`]. Server and clients take turns on one thread; in its
/// turn, a client takes all that is there.
async fn shares(way: Way) -> Vec<usize> {
    let stage = Stage::new(way, FILM_BYTES, Limits::default());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(stage.serve(1 << 20, 1 << 20).await);
    }
    let mut shares = vec![0; CLIENTS];
    let mut buffer = vec![0; 256 << 10];
    let mut idle_turns = 0;
    while shares.iter().sum::<usize>() < TOTAL_BYTES {
        let before: usize = shares.iter().sum();
        for (Served { client, .. }, share) in clients.iter().zip(&mut shares) {
            loop {
                match client.try_read(&mut buffer) {
                    Ok(read) => *share += read,
                    Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
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
