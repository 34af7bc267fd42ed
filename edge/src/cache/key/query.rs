//! Which parameters of a query are part of a key, and in which order.

use std::borrow::Cow;

use foldhash::quality::SeedableRandomState;

use super::{Asked, Key, KeyError, MAX_PARAMETERS, MAX_TARGET_BYTES, Named as _, Part, canonical, hash_of};

/// Names to be taken out that an operator can give.
pub const MAX_IGNORED: usize = 256;

/// Taken out whatever an operator says: these tell viewers apart, and would be shown to the upstream.
const ALWAYS_IGNORED: [&str; 4] = ["token", "access_token", "CMCD", "CMSD"];

/// Taken out unless an operator says otherwise: the marks of campaigns, which pages hand on to players.
pub const TRACKING: [&str; 17] = [
    "utm_*",
    "_ga",
    "_gl",
    "dclid",
    "fbclid",
    "gad_source",
    "gbraid",
    "gclid",
    "gclsrc",
    "igshid",
    "mc_cid",
    "mc_eid",
    "msclkid",
    "ttclid",
    "twclid",
    "wbraid",
    "yclid",
];

/// Directives of a blocking playlist (draft-pantos-hls-rfc8216bis §6.2.5): each is another response.
const DIRECTIVE: &str = "_HLS_";

/// Which parameters are no part of a key; and the seed of the keys' hashes.
///
/// Keys made by different rules have different hashes: make the rules once and share them.
#[derive(Debug, Clone)]
pub struct KeyRules {
    names: Box<[Box<str>]>,
    prefixes: Box<[Box<str>]>,
    hashing: SeedableRandomState,
}

/// Why names to be taken out are not understood; the operator's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRulesError {
    /// Not the name of a parameter.
    #[error("`{0}` is no name of a query parameter: write it as in a URL, with at most one `*` at its end")]
    Name(String),
    /// More than our limit.
    #[error("more than {MAX_IGNORED} names of query parameters are ignored")]
    TooMany,
}

impl Default for KeyRules {
    fn default() -> Self {
        Self::new(TRACKING).expect("our own names are names")
    }
}

impl KeyRules {
    /// Rules that take out the parameters named in `ignored`, besides those that carry tokens and players' figures.
    /// A name that ends in `*` stands for all that begin so. Directives of blocking playlists are kept in any case.
    ///
    /// # Errors
    /// [`KeyRulesError`].
    pub fn new<'a>(ignored: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyRulesError> {
        let (mut names, mut prefixes) = (Vec::new(), Vec::new());
        for (count, given) in ignored.into_iter().enumerate() {
            if count >= MAX_IGNORED {
                return Err(KeyRulesError::TooMany);
            }
            let wrong = || KeyRulesError::Name(given.to_owned());
            let (name, list) = match given.strip_suffix('*') {
                Some(prefix) => (prefix, &mut prefixes),
                None => (given, &mut names),
            };
            if name.is_empty() || name.contains(['*', '&', '=']) {
                return Err(wrong());
            }
            list.push(canonical::text(name, Part::Query).map_err(|_| wrong())?.into());
        }
        Ok(Self { names: names.into(), prefixes: prefixes.into(), hashing: SeedableRandomState::random() })
    }

    /// The key of the playlist that `asked` wants with directives: the same without them, for all who wait for it.
    pub fn without_directives(&self, asked: &Asked<'_>) -> Key {
        let (path, query) = asked.target().split_once('?').unwrap_or_else(|| (asked.target(), ""));
        let mut target = String::with_capacity(asked.target().len());
        target.push_str(path);
        let mut mark = '?';
        for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with(DIRECTIVE)) {
            target.push(mark);
            target.push_str(pair);
            mark = '&';
        }
        let environment = asked.environment();
        let hash = hash_of(&self.hashing, environment, &target);
        Asked { environment, target: target.into(), hash }.to_key()
    }

    pub(super) fn hashing(&self) -> &SeedableRandomState {
        &self.hashing
    }

    /// Whether the parameter `name`, canonical, is no part of a key.
    fn is_ignored(&self, name: &str) -> bool {
        if ALWAYS_IGNORED.contains(&name) {
            return true;
        }
        !name.starts_with(DIRECTIVE)
            && (self.names.iter().any(|ignored| **ignored == *name)
                || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix)))
    }

    /// Appends what is kept of `query` to `target`, with a question mark in front if anything is.
    ///
    /// Names come in the order of their bytes, so that the directives of a blocking playlist stand in the order that
    /// the draft asks clients for; parameters of the same name keep theirs, because it may mean something.
    pub(super) fn append_kept(&self, query: &str, target: &mut Cow<'_, str>) -> Result<(), KeyError> {
        let mut kept: Vec<(Cow<'_, str>, usize)> = Vec::new();
        let (mut count, mut next_at) = (0_usize, 0_usize);
        for pair in query.split('&') {
            let at = next_at;
            next_at = at.saturating_add(pair.len()).saturating_add(1);
            if pair.is_empty() {
                continue;
            }
            count = count.saturating_add(1);
            if count > MAX_PARAMETERS {
                return Err(KeyError::TooManyParameters);
            }
            let pair = canonical::text(pair, Part::Query).map_err(|error| error.moved_by(at))?;
            let name_len = pair.find('=').unwrap_or(pair.len());
            if !self.is_ignored(name(&pair, name_len)) {
                kept.push((pair, name_len));
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let len: usize = kept.iter().map(|(pair, _)| pair.len().saturating_add(1)).sum();
        if target.len().saturating_add(len) > MAX_TARGET_BYTES {
            return Err(KeyError::TooLong);
        }
        kept.sort_by(|(a, a_len), (b, b_len)| name(a, *a_len).cmp(name(b, *b_len)));
        let target = target.to_mut();
        target.reserve_exact(len);
        let mut mark = '?';
        for (pair, _) in kept {
            target.push(mark);
            target.push_str(&pair);
            mark = '&';
        }
        Ok(())
    }
}

fn name(pair: &str, len: usize) -> &str {
    pair.get(..len).expect("a name ends at an equals sign or at the end")
}

impl KeyError {
    /// The same error in a text that begins `by` bytes earlier.
    fn moved_by(self, by: usize) -> Self {
        match self {
            Self::Percent { at, part } => Self::Percent { at: at.saturating_add(by), part },
            Self::Byte { at, part } => Self::Byte { at: at.saturating_add(by), part },
            other => other,
        }
    }
}
