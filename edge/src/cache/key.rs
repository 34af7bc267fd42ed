//! What names an object in the cache: environment, path and the queries that matter.
//!
//! ```text
//!  environment   path                    query
//!       │         │                       │
//!       │   triplets made canonical   triplets made canonical, what names a viewer or a campaign
//!       │   dot segments refused      taken out, the rest in the order of its names
//!       └────────────┬────────────────────┘
//!                  Asked   borrowed where nothing had to change: a look-up allocates nothing
//!                    │ to_key
//!                   Key    one text, counted
//! ```
//!
//! The upstream is asked for [`Asked::target`], the very text that the key is made of. So a key cannot stand for two
//! resources of an origin: whoever has the same key would have been asked about with the same words.
//!
//! What is called equal is what RFC 3986 §6.2.2 calls equal (case of triplets, triplets of unreserved characters) and no
//! more, with two exceptions in the query: the order of different names, and the parameters that are taken out.
//! `Range` is no part of a key: an object is fetched whole, and cut here. No token is: see [`KeyRules`].

mod canonical;
mod query;
#[cfg(test)]
mod tests;

use std::{
    borrow::{Borrow, Cow},
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use foldhash::quality::SeedableRandomState;
use rillcast_token::RedactedPath;
use twox_hash::XxHash3_64;

pub use query::{KeyRules, KeyRulesError, MAX_IGNORED, TRACKING};

/// Bytes of an environment's name.
pub const MAX_ENVIRONMENT_BYTES: usize = 64;
/// Bytes of path and query as they are stored, and asked for.
pub const MAX_TARGET_BYTES: usize = 4096;
/// Parameters of a query, those that are taken out included.
pub const MAX_PARAMETERS: usize = 64;

/// Why there is no key for a request. The client's fault, all but [`Self::Environment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The environment is no short word of letters, digits, `-`, `_` and `.`: the fault of whoever issued the token.
    #[error("the environment is not 1 to {MAX_ENVIRONMENT_BYTES} letters, digits, `-`, `_` or `.`")]
    Environment,
    /// The path does not start at the root.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A percent sign without two hexadecimal digits.
    #[error("the percent sign at byte {at} of the {part} is not followed by two hexadecimal digits")]
    Percent {
        /// Offset in the part.
        at: usize,
        /// `path` or `query`.
        part: Part,
    },
    /// A byte that cannot stand in this part of a request line.
    #[error("byte {at} of the {part} cannot stand there unencoded")]
    Byte {
        /// Offset in the part.
        at: usize,
        /// `path` or `query`.
        part: Part,
    },
    /// A `.` or `..` segment, also with its dots or its slashes encoded. Clients resolve them before they ask
    /// (RFC 3986 §5.2.4); one that arrives wants out of the folder that its token allows.
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
    /// Longer than our limit; answer 414.
    #[error("path and query are longer than {MAX_TARGET_BYTES} bytes")]
    TooLong,
    /// More parameters than our limit.
    #[error("the query has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
}

/// A part of the target of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Before the question mark.
    Path,
    /// After it.
    Query,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Query => "query",
        })
    }
}

/// What a request asks for, in canonical form: the form in which tables are asked.
///
/// Tables keyed by [`Key`] take it as `&asked as &dyn Named`, so that a hit makes no key.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    environment: &'a str,
    target: Cow<'a, str>,
    hash: u64,
}

impl<'a> Asked<'a> {
    /// Makes the request for `path` (with no token in front) and `query` canonical.
    ///
    /// `environment` is the tenant's id, empty for what is public. The path must be the one that the token was
    /// checked against: canonical paths are compared, so check [`Self::path`].
    ///
    /// Cost: one look at each byte; no allocation when the path is canonical and no parameter is kept.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn of(
        rules: &KeyRules,
        environment: &'a str,
        path: &'a str,
        query: Option<&str>,
    ) -> Result<Self, KeyError> {
        check_environment(environment)?;
        let mut target = canonical::path(path)?;
        if let Some(query) = query {
            rules.append_kept(query, &mut target)?;
        }
        if target.len() > MAX_TARGET_BYTES {
            return Err(KeyError::TooLong);
        }
        let hash = hash_of(rules.hashing(), environment, &target);
        Ok(Self { environment, target, hash })
    }

    /// The key to store under. Cost: one allocation.
    pub fn to_key(&self) -> Key {
        let environment_len =
            u8::try_from(self.environment.len()).expect("an environment has at most MAX_ENVIRONMENT_BYTES");
        let mut text = String::with_capacity(self.environment.len().saturating_add(self.target.len()));
        text.push_str(self.environment);
        text.push_str(&self.target);
        Key { text: text.into(), environment_len, hash: self.hash }
    }

    /// The path, canonical.
    pub fn path(&self) -> &str {
        path_of(&self.target)
    }

    /// What is kept of the query, canonical.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

/// The name of an object in the cache. Cloning is a reference count; equality looks at the hash first.
#[derive(Clone)]
pub struct Key {
    /// The environment, then the target, which begins with a slash; no environment has one.
    text: Arc<str>,
    environment_len: u8,
    hash: u64,
}

impl Key {
    /// The key of a request; see [`Asked::of`].
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn of(
        rules: &KeyRules,
        environment: &str,
        path: &str,
        query: Option<&str>,
    ) -> Result<Self, KeyError> {
        Asked::of(rules, environment, path, query).map(|asked| asked.to_key())
    }

    /// The path, canonical, without the query.
    pub fn path(&self) -> &str {
        path_of(self.target())
    }

    /// The query, canonical, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// What decides which upstream it belongs to: unlike [`Named::key_hash`], the same at every edge and after every start.
    pub fn affinity(&self) -> u64 {
        XxHash3_64::oneshot(self.text.as_bytes())
    }

    /// Bytes of memory behind it, for weighing.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }
}

/// What names an object: what [`Key`] and [`Asked`] have in common, and what tables compare.
pub trait Named {
    /// The tenant's id; empty for what is public.
    fn environment(&self) -> &str;
    /// Path and query, as the upstream is asked.
    fn target(&self) -> &str;
    /// Keyed with the seed of the [`KeyRules`]; computed once.
    fn key_hash(&self) -> u64;
}

impl Named for Asked<'_> {
    fn environment(&self) -> &str {
        self.environment
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn key_hash(&self) -> u64 {
        self.hash
    }
}

impl Named for Key {
    fn environment(&self) -> &str {
        self.text.get(..usize::from(self.environment_len)).expect("the text begins with the environment")
    }

    fn target(&self) -> &str {
        self.text.get(usize::from(self.environment_len)..).expect("the text begins with the environment")
    }

    fn key_hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key_hash() == other.key_hash()
            && self.target() == other.target()
            && self.environment() == other.environment()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.key_hash());
    }
}

impl<'a> Borrow<dyn Named + 'a> for Key {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.environment_len == other.environment_len && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A token that stands where none belongs is a part of the target like any other.
        write!(f, "Key({}:{})", self.environment(), RedactedPath::new(self.target()))
    }
}

/// Hashes keys by the hash they carry: for tables keyed by [`Key`], or by a number that is a hash, only.
#[derive(Debug, Clone, Copy, Default)]
pub struct CarriedHash;

impl BuildHasher for CarriedHash {
    type Hasher = Carried;

    fn build_hasher(&self) -> Carried {
        Carried(0)
    }
}

/// The hasher of [`CarriedHash`].
#[derive(Debug)]
pub struct Carried(u64);

impl Hasher for Carried {
    fn write(&mut self, bytes: &[u8]) {
        // Keys write one number. Another type's bytes still spread, if badly.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// All objects of an environment, or of all, whose target begins alike, queries included: what a purge names.
///
/// A prefix is text: `/vod/film` covers `/vod/film.mp4/…` and `/vod/films/…`; end it with a slash to mean a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// All without.
    environment: Option<Box<str>>,
    path: Box<str>,
}

impl Prefix {
    /// The prefix `path` of `environment`, made canonical as paths are.
    ///
    /// # Errors
    /// [`KeyError`]; a prefix must not end within a triplet.
    pub fn of(environment: &str, path: &str) -> Result<Self, KeyError> {
        check_environment(environment)?;
        Ok(Self { environment: Some(environment.into()), ..Self::everywhere(path)? })
    }

    /// The same of all environments.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn everywhere(path: &str) -> Result<Self, KeyError> {
        let path = canonical::path(path)?;
        if path.len() > MAX_TARGET_BYTES {
            return Err(KeyError::TooLong);
        }
        Ok(Self { environment: None, path: path.into() })
    }

    /// Whether it covers `name`.
    pub fn covers(&self, name: &dyn Named) -> bool {
        self.environment.as_ref().is_none_or(|environment| name.environment() == &**environment)
            && name.target().starts_with(&*self.path)
    }
}

fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

fn check_environment(environment: &str) -> Result<(), KeyError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if environment.len() > MAX_ENVIRONMENT_BYTES || !environment.bytes().all(is_word) {
        return Err(KeyError::Environment);
    }
    Ok(())
}

fn hash_of(hashing: &SeedableRandomState, environment: &str, target: &str) -> u64 {
    let mut hasher = hashing.build_hasher();
    hasher.write(environment.as_bytes());
    // No text holds this byte, so that the border between the two counts.
    hasher.write_u8(0xff);
    hasher.write(target.as_bytes());
    hasher.finish()
}
