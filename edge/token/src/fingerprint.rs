//! A keyed hash of a whole token, by which it is remembered.
//!
//! NH, the universal hash of UMAC (RFC 4418 §5.2), with 64-bit words, and twice with a shifted key (Toeplitz): for any two
//! different tokens the chance over the key that their prints are equal is at most 2^-128. Nobody outside sees a print,
//! so that nobody can search for a pair, and one token cannot be taken for another. Its products do not wait
//! for each other as the rounds of other hashes do, which matters as every request pays it.

use std::{fmt, hash};

use aws_lc_rs::rand;

use crate::limits::TOKEN_BYTES_MAX;

const WORD_BYTES: usize = 8;
/// Words of the longest token, two for each step, and two more for the shift of the second pass.
const KEY_WORDS: usize = TOKEN_BYTES_MAX / WORD_BYTES + 2;

/// The key of a process; two processes print the same token differently.
#[derive(Clone)]
pub struct HashKey(Box<[u64; KEY_WORDS]>);

impl HashKey {
    /// A key that nobody knows, from the operating system's generator.
    ///
    /// # Panics
    /// If the system has no randomness to give; then nothing else is safe either.
    pub fn random() -> Self {
        Self::from_source(|bytes| rand::fill(bytes).expect("the operating system gives random bytes"))
    }

    /// A key out of `fill`, which writes random bytes; for tests that repeat.
    pub fn from_source(mut fill: impl FnMut(&mut [u8])) -> Self {
        let mut bytes = vec![0; KEY_WORDS * WORD_BYTES];
        fill(&mut bytes);
        let mut words = Box::new([0; KEY_WORDS]);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<WORD_BYTES>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }

    /// The print of `token`; what is past [`TOKEN_BYTES_MAX`] does not count, and is refused before.
    pub(crate) fn fingerprint(&self, token: &[u8]) -> Fingerprint {
        let (chunks, tail) = token.as_chunks::<16>();
        let mut last = [0; 16];
        last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
        let (mut first, mut second) = (0_u128, 0_u128);
        // Each step takes two words of the token; the second pass has the key of the step after.
        let (keys, next) =
            (self.0.as_chunks::<2>().0, self.0.get(2..).unwrap_or_default().as_chunks::<2>().0);
        for (chunk, (key, shifted)) in chunks.iter().chain(std::iter::once(&last)).zip(keys.iter().zip(next))
        {
            first = first.wrapping_add(step(chunk, key));
            second = second.wrapping_add(step(chunk, shifted));
        }
        let [first, second] = [first, second].map(|sum| [low(sum), low(sum >> 64)]);
        Fingerprint { first, second, len: token.len() }
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// One step of NH: the product of two words, to each of which a word of the key was added.
fn step(chunk: &[u8; 16], [low_key, high_key]: &[u64; 2]) -> u128 {
    let words = u128::from_le_bytes(*chunk);
    u128::from(low(words).wrapping_add(*low_key))
        .wrapping_mul(u128::from(low(words >> 64).wrapping_add(*high_key)))
}

/// The lower half of a number.
#[expect(clippy::cast_possible_truncation, reason = "that half is what is wanted")]
const fn low(number: u128) -> u64 {
    number as u64
}

/// What a token is remembered by. The length is part of it, since NH compares messages of one length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    first: [u64; 2],
    second: [u64; 2],
    len: usize,
}

impl Fingerprint {
    /// A number that is as good as random, for choosing a shard.
    pub(crate) fn number(&self) -> u64 {
        self.first[1]
    }
}

/// All 128 bits of one pass are hashed: NH promises nothing for a part of a sum. Its lower half alone forgets the upper bits of
/// a word under a key that ends in zeros, and the lower halves of two passes cancel each other under keys that end alike.
impl hash::Hash for Fingerprint {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        let [low, high] = self.first;
        state.write_u64(low);
        state.write_u64(high);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher};

    use super::*;

    /// A key that is the same at each run, from a generator of Marsaglia's.
    pub(crate) fn fixed_key() -> HashKey {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        HashKey::from_source(|bytes| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[3];
            }
        })
    }

    #[test]
    fn every_bit_and_the_length_count() {
        let key = fixed_key();
        let token: Vec<u8> =
            (0..TOKEN_BYTES_MAX).map(|at| u8::try_from(at % 251).expect("a remainder")).collect();
        for len in [0, 1, 7, 8, 15, 16, 17, 400, TOKEN_BYTES_MAX - 1, TOKEN_BYTES_MAX] {
            let whole = &token[..len];
            let print = key.fingerprint(whole);
            assert!(print == key.fingerprint(whole));
            for at in 0..len {
                let mut other = whole.to_vec();
                other[at] ^= 1 << (at % 8);
                let other = key.fingerprint(&other);
                assert!(
                    other != print && (other.first != print.first && other.second != print.second),
                    "{len} {at}"
                );
            }
            let longer = [whole, &[0]].concat();
            assert!(key.fingerprint(&longer) != print, "zeros at the end count, after {len} bytes");
        }
    }

    /// Tables know a token by its hash alone, and drop the older of two that share one.
    #[test]
    fn prints_have_different_hashes_whatever_the_key_is() {
        let seed = foldhash::fast::RandomState::default();
        // Keys of one byte repeated make both passes alike; under the even ones words lose their upper bits.
        for byte in [0x00, 0x01, 0x20, 0x80, 0xFF] {
            let key = HashKey::from_source(|bytes| bytes.fill(byte));
            for at in [1, 4, 8, 13, 400] {
                let token = |number: u32| format!("{}.{number:08x}{}", "e".repeat(at), "s".repeat(43));
                let hashes: HashSet<u64> = (0..20_000)
                    .map(|number| seed.hash_one(key.fingerprint(token(number * 8).as_bytes())))
                    .collect();
                assert_eq!(hashes.len(), 20_000, "key of {byte:#04x}, signature at {at}");
            }
        }
    }

    #[test]
    fn another_key_makes_another_print() {
        assert!(HashKey::random().fingerprint(b"token") != HashKey::random().fingerprint(b"token"));
        assert_eq!(format!("{:?}", HashKey::random()), "HashKey(…)");
    }
}
