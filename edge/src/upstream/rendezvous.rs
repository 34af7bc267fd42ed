//! Rendezvous hashing with weights: every node draws a number for each upstream from the key, and the highest wins.
//!
//! Nodes that know the same names agree without talking to each other. An upstream that comes takes its share from
//! all others, one that goes gives its keys to all others, and no other key moves.
//!
//! Spec: "A Name-Based Mapping Scheme for Rendezvous" (Thaler, Ravishankar 1998); weights by the logarithm method,
//! "Weighted Distributed Hash Tables" (Schindelhauer, Schomaker 2005).

use twox_hash::XxHash3_64;

/// What an upstream draws with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    name_hash: u64,
    weight: f64,
}

impl Ticket {
    pub(super) fn new(name: &str, weight: u16) -> Self {
        Self { name_hash: XxHash3_64::oneshot(name.as_bytes()), weight: f64::from(weight) }
    }

    /// The number drawn for a key: higher is better; never NaN.
    pub(super) fn draw(&self, affinity: u64) -> f64 {
        let hash = mix(self.name_hash ^ mix(affinity));
        // The upper 52 bits as a number strictly between 0 and 1, so that its logarithm is finite and negative; with
        // one bit more the largest would round up to 1.
        let uniform = ((hash >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        -self.weight / uniform.ln()
    }
}

/// The finaliser of splitmix64: every bit of the input turns half of the output's.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Index of the winner.
    fn winner(tickets: &[Ticket], affinity: u64) -> usize {
        let drawn = tickets.iter().enumerate().map(|(index, ticket)| (index, ticket.draw(affinity)));
        drawn.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap().0
    }

    fn tickets(weights: &[u16]) -> Vec<Ticket> {
        let named = weights.iter().enumerate();
        named.map(|(index, weight)| Ticket::new(&format!("origin-{index}"), *weight)).collect()
    }

    #[test]
    fn keys_are_shared_by_weight() {
        const KEYS: u32 = 60_000;
        for weights in [&[1, 1][..], &[1, 1, 1, 1, 1, 1], &[1, 2, 3], &[1000, 1], &[7, 7, 7, 3]] {
            let (tickets, total) = (tickets(weights), weights.iter().copied().map(f64::from).sum::<f64>());
            let mut won = vec![0u32; weights.len()];
            for key in 0..KEYS {
                won[winner(&tickets, u64::from(key))] += 1;
            }
            for (won, weight) in won.into_iter().zip(weights) {
                let share = f64::from(*weight) / total;
                let expected = f64::from(KEYS) * share;
                // Six standard deviations of a binomial: no fair draw strays so far.
                let slack = 6.0 * (expected * (1.0 - share)).sqrt();
                assert!((f64::from(won) - expected).abs() <= slack, "{weights:?}: {won} for {expected}");
            }
        }
    }

    #[test]
    fn every_node_draws_the_same() {
        // A change of these moves all keys of all edges at once: it would empty every shield.
        let drawn: Vec<usize> = (0..16).map(|key| winner(&tickets(&[1, 1, 2]), key << 32)).collect();
        assert_eq!(drawn, EXPECTED);
    }

    const EXPECTED: [usize; 16] = [2, 2, 0, 0, 0, 0, 0, 2, 0, 1, 2, 2, 2, 0, 2, 2];

    proptest! {
        #[test]
        fn only_the_keys_of_one_that_goes_move(
            weights in prop::collection::vec(1..=1000u16, 2..12), key: u64, gone: prop::sample::Index,
        ) {
            let all = tickets(&weights);
            let gone = gone.index(all.len());
            let mut rest = all.clone();
            rest.remove(gone);
            let before = winner(&all, key);
            let after = winner(&rest, key);
            if before != gone {
                prop_assert_eq!(before - usize::from(before > gone), after);
            }
        }

        #[test]
        fn more_weight_only_attracts(weights in prop::collection::vec(1..=999u16, 2..12), key: u64) {
            let before = winner(&tickets(&weights), key);
            let mut heavier = weights;
            heavier[0] += 1;
            let after = winner(&tickets(&heavier), key);
            prop_assert!(after == before || after == 0);
        }

        #[test]
        fn a_number_is_never_nan(name: String, weight in 1..=1000u16, key: u64) {
            let drawn = Ticket::new(&name, weight).draw(key);
            prop_assert!(drawn.is_finite() && drawn > 0.0);
        }
    }
}
