//! One order, and how it is written on a line.
//!
//! ```text
//! {"v":1,"seq":7,"at_us":1763751600000000,"kind":"revoke","what":"session","id":"s-1","until_us":1763755200000000}
//!  └ version of this order └ when it was given  └ what follows belongs to the kind
//! ```
//!
//! `v` and `seq` keep name and place in every version to come: an order that is not understood still has its number.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rillcast_token::KeyState;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The version of orders this program writes. The first: there is none before it to read.
pub const ORDER_VERSION: u64 = 1;
/// Bytes of one order as a line, without the line end.
pub const ORDER_BYTES_MAX: usize = 32 << 10;
/// Bytes of an id, an environment, a surrogate key.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of a URL or prefix that is purged.
pub const URL_BYTES_MAX: usize = 8 << 10;

/// A moment, microseconds since 1970 by the wall clock of whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(pub u64);

impl UnixMicros {
    /// This moment and `later`; the end of time where there is no more.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl From<SystemTime> for UnixMicros {
    /// A clock before 1970 is one that was never set: 0.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A short name from outside: not empty, at most [`NAME_BYTES_MAX`] bytes, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(Box<str>);

impl Name {
    /// Takes `text` as a name, if it can be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::new(&text).ok_or_else(|| {
            D::Error::custom(format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"))
        })
    }
}

/// One order of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its number in the feed: the first is 1, each the one before plus 1.
    pub seq: u64,
    /// When it was given.
    pub at: UnixMicros,
    /// What is to be done.
    pub body: OrderBody,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderBody {
    /// A key for tokens came, changed its state, or went.
    Key(KeyChange),
    /// Something allowed before is allowed no more.
    Revoke(Revocation),
    /// Something kept is to be forgotten.
    Purge(Purge),
    /// The limits of an environment, in place of those before.
    Limits(Limits),
    /// Not for this version to do; its number counts all the same.
    Unknown(Unknown),
}

/// Why an order is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// Its version is newer than [`ORDER_VERSION`].
    Version,
    /// A kind, or a part that a kind speaks of, which this version does not know.
    Kind,
    /// A known kind with fields that cannot be read. The control plane's fault; the feed goes on.
    Malformed,
}

impl Unknown {
    /// All of them, for metrics.
    pub const ALL: [Self; 3] = [Self::Version, Self::Kind, Self::Malformed];

    /// As a label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Kind => "kind",
            Self::Malformed => "malformed",
        }
    }
}

/// What an order is about, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`OrderBody::Key`]
    Key,
    /// [`OrderBody::Revoke`]
    Revoke,
    /// [`OrderBody::Purge`]
    Purge,
    /// [`OrderBody::Limits`]
    Limits,
}

impl Kind {
    /// All of them, for metrics.
    pub const ALL: [Self; 4] = [Self::Key, Self::Revoke, Self::Purge, Self::Limits];

    /// As on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Revoke => "revoke",
            Self::Purge => "purge",
            Self::Limits => "limits",
        }
    }
}

/// What happens to a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum KeyChange {
    /// It is there from now on, in place of one with the same id and environment.
    Upsert(KeyRecord),
    /// It goes on to another state. Nothing happens to a key that is not there.
    State {
        /// Which key.
        kid: Name,
        /// That of which environment; all keys of this id where none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Name>,
        /// Its state from now on.
        state: KeyState,
    },
    /// It is gone: what it signed is no longer believed.
    Remove {
        /// Which key.
        kid: Name,
        /// That of which environment; all keys of this id where none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Name>,
    },
}

/// A key as the control plane hands it out. The edge may need its secret half (HS256), so it is never printed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The id that tokens name.
    pub kid: Name,
    /// Whose tokens it signs; those of all environments where none is named. Each may have a key of the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// Where it is in its life. In all states it verifies; which key signs is the control plane's affair.
    pub state: KeyState,
    /// The JWK (RFC 7517), unread here.
    pub jwk: Map<String, Value>,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyRecord")
            .field("kid", &self.kid)
            .field("environment", &self.environment)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Something allowed before is allowed no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What is revoked.
    #[serde(flatten)]
    pub what: Revoked,
    /// In which environment; in all where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// When it may be forgotten: no token that it stops lives longer.
    pub until_us: UnixMicros,
}

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "what", content = "id", rename_all = "snake_case")]
pub enum Revoked {
    /// A session: the token's `sid`.
    Session(Name),
    /// One token by its `jti`.
    Token(Name),
    /// One token by the SHA-256 of its text, lower-case hexadecimal.
    TokenHash(Name),
    /// All tokens of a subject: the token's `sub`.
    Subject(Name),
    /// All tokens of a key, of its environment or of all: the token's `kid`.
    Key(Name),
}

/// Something kept is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// What.
    #[serde(flatten)]
    pub what: Purged,
    /// In which environment; in all where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// Stale from now on, but still good while it is fetched anew or where the origin fails; else gone.
    #[serde(default)]
    pub soft: bool,
}

/// What is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Purged {
    /// One URL: path and query as the origin knows it.
    Url {
        /// It begins with `/`.
        url: UrlText,
    },
    /// All URLs that begin so.
    Prefix {
        /// It begins with `/`.
        prefix: UrlText,
    },
    /// All that carries a surrogate key.
    SurrogateKey {
        /// The key.
        key: Name,
    },
    /// All.
    All {},
}

/// A path with its query, or the beginning of one: begins with `/`, at most [`URL_BYTES_MAX`] bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UrlText(Box<str>);

impl UrlText {
    /// Takes `text`, if it can be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (text.starts_with('/') && text.len() <= URL_BYTES_MAX && visible).then(|| Self(text.into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for UrlText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong =
            || D::Error::custom(format!("a URL begins with / and has up to {URL_BYTES_MAX} visible bytes"));
        Self::new(&text).ok_or_else(wrong)
    }
}

/// How much an environment's viewers may ask; what is not named is what the edge's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Of which environment; of all that have none of their own where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// Of one token.
    #[serde(default)]
    pub token: Rates,
    /// Of one client prefix.
    #[serde(default)]
    pub client: Rates,
}

/// Requests of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Requests a second, in the long run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<u32>,
    /// Requests at once beyond that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Requests being answered at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

/// A line that is no order at all: not even its number can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Too long.
    #[error("an order of {bytes} bytes; {ORDER_BYTES_MAX} is the limit")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("an order that is no JSON: {0}")]
    Json(String),
    /// A field that every version has is missing or no number.
    #[error("an order without a whole number `{0}` above 0")]
    Field(&'static str),
}

impl Order {
    /// Reads one line.
    ///
    /// # Errors
    /// When not even version and number can be read. Anything else is an [`OrderBody::Unknown`].
    pub fn parse(line: &[u8]) -> Result<Self, OrderError> {
        if line.len() > ORDER_BYTES_MAX {
            return Err(OrderError::TooLong { bytes: line.len() });
        }
        let mut fields: Map<String, Value> = serde_json::from_slice(line).map_err(|error| {
            // Only place and kind: the message of a wrong value would quote it, and it may be a key.
            OrderError::Json(format!("{:?} at byte {}", error.classify(), error.column()))
        })?;
        let number = |name| fields.get(name).and_then(Value::as_u64).filter(|number| *number > 0);
        let version = number("v").ok_or(OrderError::Field("v"))?;
        let seq = number("seq").ok_or(OrderError::Field("seq"))?;
        let at = UnixMicros(number("at_us").unwrap_or(0));
        let body = match version {
            ORDER_VERSION => {
                for outer in ["v", "seq", "at_us"] {
                    fields.remove(outer);
                }
                OrderBody::of_fields(fields)
            }
            _ => OrderBody::Unknown(Unknown::Version),
        };
        Ok(Self { seq, at, body })
    }

    /// Writes it as a line without a line end; nothing for an [`OrderBody::Unknown`], which is not ours to write.
    #[must_use]
    pub fn to_line(&self) -> Option<String> {
        let kind = self.body.kind()?;
        let body = match &self.body {
            OrderBody::Key(change) => serde_json::to_value(change),
            OrderBody::Revoke(revocation) => serde_json::to_value(revocation),
            OrderBody::Purge(purge) => serde_json::to_value(purge),
            OrderBody::Limits(limits) => serde_json::to_value(limits),
            OrderBody::Unknown(_) => return None,
        };
        let Ok(Value::Object(body)) = body else { return None };
        let line = Line { v: ORDER_VERSION, seq: self.seq, at_us: self.at, kind: kind.word(), body };
        serde_json::to_string(&line).ok()
    }
}

#[derive(Serialize)]
struct Line {
    v: u64,
    seq: u64,
    at_us: UnixMicros,
    kind: &'static str,
    #[serde(flatten)]
    body: Map<String, Value>,
}

impl OrderBody {
    /// What it is about; nothing where that is not known.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Key(_) => Some(Kind::Key),
            Self::Revoke(_) => Some(Kind::Revoke),
            Self::Purge(_) => Some(Kind::Purge),
            Self::Limits(_) => Some(Kind::Limits),
            Self::Unknown(_) => None,
        }
    }

    fn of_fields(mut fields: Map<String, Value>) -> Self {
        let kind = fields.remove("kind");
        let Some(kind) = kind.as_ref().and_then(Value::as_str) else {
            return Self::Unknown(Unknown::Malformed);
        };
        match kind {
            "key" => read(fields, "change", &["upsert", "state", "remove"], Self::Key),
            "revoke" => {
                read(fields, "what", &["session", "token", "token_hash", "subject", "key"], Self::Revoke)
            }
            "purge" => read(fields, "what", &["url", "prefix", "surrogate_key", "all"], Self::Purge),
            "limits" => serde_json::from_value(Value::Object(fields))
                .map_or(Self::Unknown(Unknown::Malformed), Self::Limits),
            _ => Self::Unknown(Unknown::Kind),
        }
    }
}

/// Reads the fields of a kind whose `tag` says which of `known` it is: a word not among them is one to come.
fn read<T: DeserializeOwned>(
    fields: Map<String, Value>,
    tag: &str,
    known: &[&str],
    body: fn(T) -> OrderBody,
) -> OrderBody {
    match fields.get(tag).and_then(Value::as_str) {
        Some(word) if !known.contains(&word) => OrderBody::Unknown(Unknown::Kind),
        Some(_) => {
            serde_json::from_value(Value::Object(fields)).map_or(OrderBody::Unknown(Unknown::Malformed), body)
        }
        None => OrderBody::Unknown(Unknown::Malformed),
    }
}
