//! What was taken back before its time.
//!
//! A revocation is kept as a mark, the front of a SHA-256 over what is revoked: of one size whatever the id, and found
//! without looking at texts. Each ends at a time that its maker gives, which must not be before the last token or session
//! that it is about would end by itself; so the set stays small.

use std::{collections::HashMap, fmt, time::SystemTime};

use aws_lc_rs::digest::{self, SHA256};

use crate::limits::REVOCATIONS_MAX;

/// In place of an environment: all of them. No environment has this name.
pub const ALL_ENVIRONMENTS: &str = "*";

/// What is revoked. Environments are walls here too: a session of one tenant says nothing about another's, unless
/// [`ALL_ENVIRONMENTS`] are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked<'a> {
    /// All tokens of a session, and the session itself.
    Session {
        /// Its environment.
        environment: &'a str,
        /// Its id, claim `sid`.
        id: &'a str,
    },
    /// The tokens with an id of their own.
    Token {
        /// Their environment.
        environment: &'a str,
        /// The id, claim `jti`.
        id: &'a str,
    },
    /// The tokens that logs call `{kid}.{hash8}`.
    Logged {
        /// The key's id.
        kid: &'a str,
        /// The eight hexadecimal digits, in lower case.
        hash8: &'a str,
    },
    /// One token by the SHA-256 of its text.
    Hash {
        /// The 64 hexadecimal digits, in lower case.
        sha256: &'a str,
    },
    /// All tokens of a viewer.
    Subject {
        /// Their environment.
        environment: &'a str,
        /// The claim `sub`.
        id: &'a str,
    },
    /// All tokens of an environment that a key signed.
    Key {
        /// Their environment. A key may sign for several, and another may have one of the same id.
        environment: &'a str,
        /// The key's id.
        kid: &'a str,
    },
}

/// One more revocation than are kept: our limit. What is in force stays in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} revocations are in force already; revoke a key or a subject in place of single tokens", limit = REVOCATIONS_MAX)]
pub struct TooManyRevocations;

/// The revocations in force: a value that is built and then handed to
/// [`Grants::set_revocations`](crate::Grants::set_revocations) as a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Revocations {
    until: HashMap<Mark, SystemTime>,
}

impl Revocations {
    /// Revokes until `until`; a longer one that is there already stays.
    ///
    /// # Errors
    /// [`TooManyRevocations`].
    pub fn revoke(&mut self, what: Revoked<'_>, until: SystemTime) -> Result<(), TooManyRevocations> {
        let mark = Mark::of(what);
        if self.until.len() >= REVOCATIONS_MAX && !self.until.contains_key(&mark) {
            return Err(TooManyRevocations);
        }
        let known = self.until.entry(mark).or_insert(until);
        *known = until.max(*known);
        Ok(())
    }

    /// Takes a revocation back; tells whether there was one.
    pub fn restore(&mut self, what: Revoked<'_>) -> bool {
        self.until.remove(&Mark::of(what)).is_some()
    }

    /// Forgets what ended before `now`.
    pub fn forget_ended(&mut self, now: SystemTime) {
        self.until.retain(|_, until| *until > now);
    }

    /// How many there are, ended ones included.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Whether one of `marks` is revoked at `now`.
    pub(crate) fn hit(&self, marks: &Marks, now: SystemTime) -> bool {
        !self.until.is_empty()
            && marks.all().any(|mark| self.until.get(&mark).is_some_and(|until| *until > now))
    }

    pub(crate) fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.until.keys()
    }
}

/// What a revocation is found by. A hundred and twenty-eight bits of a cryptographic hash: nobody makes a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u128);

impl Mark {
    fn of(what: Revoked<'_>) -> Self {
        let parts = match what {
            Revoked::Session { environment, id } => ["session", environment, id],
            Revoked::Token { environment, id } => ["token", environment, id],
            Revoked::Logged { kid, hash8 } => ["logged", kid, hash8],
            Revoked::Hash { sha256 } => ["hash", sha256, ""],
            Revoked::Subject { environment, id } => ["subject", environment, id],
            Revoked::Key { environment, kid } => ["key", environment, kid],
        };
        let mut context = digest::Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = context.finish();
        Self(u128::from_be_bytes(digest.as_ref().first_chunk().copied().expect("a SHA-256 has 32 bytes")))
    }
}

/// The marks of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    session: Option<Mark>,
    token: Option<Mark>,
    subject: Option<Mark>,
    key: Mark,
    /// The same in all environments: session, token, subject.
    everywhere: [Option<Mark>; 3],
    key_everywhere: Mark,
    logged: Mark,
    hash: Mark,
}

impl Marks {
    pub(crate) fn of(
        environment: &str,
        session: Option<&str>,
        token: Option<&str>,
        subject: Option<&str>,
        (kid, digest): (&str, TokenDigest),
    ) -> Self {
        let (hash8, sha256) = (hex(digest.id().0), hex(digest.0));
        let session = |environment| session.map(|id| Mark::of(Revoked::Session { environment, id }));
        let token = |environment| token.map(|id| Mark::of(Revoked::Token { environment, id }));
        let subject = |environment| subject.map(|id| Mark::of(Revoked::Subject { environment, id }));
        let key = |environment| Mark::of(Revoked::Key { environment, kid });
        Self {
            session: session(environment),
            token: token(environment),
            subject: subject(environment),
            everywhere: [session(ALL_ENVIRONMENTS), token(ALL_ENVIRONMENTS), subject(ALL_ENVIRONMENTS)],
            key: key(environment),
            key_everywhere: key(ALL_ENVIRONMENTS),
            logged: Mark::of(Revoked::Logged { kid, hash8: &hash8 }),
            hash: Mark::of(Revoked::Hash { sha256: &sha256 }),
        }
    }

    /// The mark of its session, by which the session is known too.
    pub(crate) const fn session(&self) -> Option<Mark> {
        self.session
    }

    fn all(&self) -> impl Iterator<Item = Mark> {
        let own = [self.session, self.token, self.subject];
        let of_all = [Some(self.key), Some(self.key_everywhere), Some(self.logged), Some(self.hash)];
        own.into_iter().chain(self.everywhere).chain(of_all).flatten()
    }
}

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of `token`.
    pub(crate) fn of(token: &str) -> Self {
        let digest = digest::digest(&SHA256, token.as_bytes());
        Self(digest.as_ref().first_chunk().copied().expect("a SHA-256 has 32 bytes"))
    }

    /// Its front.
    pub(crate) fn id(self) -> TokenId {
        TokenId(self.0.first_chunk().copied().expect("32 bytes have four"))
    }
}

/// What a token is called in logs: the front of its SHA-256. It does not give the token away, and is the same in all
/// processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId([u8; 4]);

impl TokenId {
    /// The id of `token`. Cost: one SHA-256.
    pub(crate) fn of(token: &str) -> Self {
        TokenDigest::of(token).id()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

/// `bytes` in hexadecimal digits.
fn hex<const N: usize>(bytes: [u8; N]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    /// As `sha256sum` has it.
    const SHA256_OF_TOKEN: &str = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";

    fn marks(environment: &str) -> Marks {
        Marks::of(environment, Some("s"), Some("t"), Some("v"), ("k", TokenDigest::of("token")))
    }

    #[test]
    fn each_kind_of_id_is_its_own_and_stays_within_its_environment() {
        let hash8 = TokenId::of("token").to_string();
        assert_eq!(hash8, "3c469e9d");
        let later = NOW + Duration::from_secs(1);
        for (what, hits, elsewhere) in [
            (Revoked::Session { environment: "e", id: "s" }, true, false),
            (Revoked::Token { environment: "e", id: "t" }, true, false),
            (Revoked::Subject { environment: "e", id: "v" }, true, false),
            (Revoked::Key { environment: "e", kid: "k" }, true, false),
            (Revoked::Key { environment: ALL_ENVIRONMENTS, kid: "k" }, true, true),
            (Revoked::Logged { kid: "k", hash8: &hash8 }, true, true),
            (Revoked::Logged { kid: "other", hash8: &hash8 }, false, false),
            (Revoked::Hash { sha256: SHA256_OF_TOKEN }, true, true),
            (Revoked::Hash { sha256: &hash8 }, false, false),
            (Revoked::Session { environment: ALL_ENVIRONMENTS, id: "s" }, true, true),
            (Revoked::Token { environment: ALL_ENVIRONMENTS, id: "t" }, true, true),
            (Revoked::Subject { environment: ALL_ENVIRONMENTS, id: "v" }, true, true),
            (Revoked::Subject { environment: ALL_ENVIRONMENTS, id: "s" }, false, false),
            (Revoked::Session { environment: "e", id: "v" }, false, false),
            (Revoked::Subject { environment: "e", id: "s" }, false, false),
            (Revoked::Key { environment: "e", kid: "s" }, false, false),
        ] {
            let mut revocations = Revocations::default();
            revocations.revoke(what, later).expect("room");
            assert_eq!(revocations.hit(&marks("e"), NOW), hits, "{what:?}");
            assert_eq!(revocations.hit(&marks("f"), NOW), elsewhere, "{what:?}");
            assert!(!revocations.hit(&marks("e"), later), "it has ended: {what:?}");
            assert!(revocations.restore(what) && !revocations.hit(&marks("e"), NOW));
        }
    }

    #[test]
    fn the_longer_one_wins_and_ended_ones_are_forgotten() {
        let (what, mut revocations) = (Revoked::Key { environment: "e", kid: "k" }, Revocations::default());
        for seconds in [5, 9, 2] {
            revocations.revoke(what, NOW + Duration::from_secs(seconds)).expect("room");
        }
        revocations.forget_ended(NOW + Duration::from_secs(8));
        assert_eq!(revocations.len(), 1);
        revocations.forget_ended(NOW + Duration::from_secs(9));
        assert!(revocations.is_empty());
    }

    #[test]
    fn no_more_than_the_limit_are_kept() {
        let mut revocations = Revocations::default();
        let until = NOW + Duration::from_secs(1);
        fn key(kid: &str) -> Revoked<'_> {
            Revoked::Key { environment: ALL_ENVIRONMENTS, kid }
        }
        for id in 0..REVOCATIONS_MAX {
            revocations.revoke(key(&id.to_string()), until).expect("room");
        }
        assert_eq!(revocations.revoke(key("more"), until), Err(TooManyRevocations));
        assert_eq!(revocations.revoke(key("0"), until), Ok(()), "one that is there can be renewed");
        assert_eq!(revocations.len(), REVOCATIONS_MAX);
    }
}
