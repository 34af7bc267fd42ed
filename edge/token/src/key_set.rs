//! The keys that are trusted, and reading them from a JWKS (RFC 7517 §5).

use std::{collections::HashMap, fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    key_record::{Algorithm, KeyError, KeyRecord, KeyState, Label, PublicKey, Thumbprint},
    limits::{KEY_SET_BYTES_MAX, KEYS_MAX},
};

/// A set of keys; an immutable value. A key is known by its id and environment, so that tenants need not agree on ids.
#[derive(Clone, Default)]
pub struct KeySet {
    by_kid: HashMap<Box<str>, Vec<Arc<KeyRecord>>>,
    len: usize,
}

/// Why a key set cannot be taken; the fault of who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More bytes than are read.
    #[error("the key set has {len} bytes, limit {limit}", limit = KEY_SET_BYTES_MAX)]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// It is no JSON of the right form. The parser's words are left out: they may quote a secret.
    #[error("the key set is no JSON object with an array `keys` (line {line}, column {column})")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// More keys than are kept.
    #[error("more than {limit} keys", limit = KEYS_MAX)]
    TooMany,
    /// Two keys of one id and environment.
    #[error("two keys have the id `{kid}`")]
    Duplicate {
        /// The id.
        kid: String,
    },
    /// A shared secret stands where everybody can read.
    #[error(
        "key `{kid}` is a shared secret (kty oct) in a public key set: keep it in a key file, and make a new one"
    )]
    PublicSecret {
        /// Its id.
        kid: String,
    },
    /// One of the keys.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A key as it stands in a JWKS, ours or a foreign one. Members that are not listed do not matter.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct JsonKey {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JsonKeySet<K> {
    keys: Vec<K>,
}

impl KeySet {
    /// A set of `records`.
    ///
    /// # Errors
    /// [`KeySetError::TooMany`] and [`KeySetError::Duplicate`].
    pub fn new(records: impl IntoIterator<Item = KeyRecord>) -> Result<Self, KeySetError> {
        let mut set = Self::default();
        for record in records {
            set.insert(Arc::new(record))?;
        }
        Ok(set)
    }

    /// Reads a public JWKS whose keys sign for `environment`, or for all without; the source decides that, not the file.
    /// Keys of other kinds, for encryption, or without an id are passed over, as RFC 7517 §5 asks.
    ///
    /// # Errors
    /// See [`KeySetError`]; a shared secret in it is an error, since it is no secret any more.
    pub fn from_jwks(bytes: &[u8], environment: Option<&str>) -> Result<Self, KeySetError> {
        let set: JsonKeySet<serde_json::Value> = parse(bytes)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        let mut records = Self::default();
        for key in set.keys {
            // An entry that is not even an object with texts is of a kind we do not know.
            let Ok(key) = serde_json::from_value::<JsonKey>(key) else { continue };
            if let Some(record) = key.into_record(environment)? {
                records.insert(Arc::new(record))?;
            }
        }
        Ok(records)
    }

    /// This set and `other` together.
    ///
    /// # Errors
    /// [`KeySetError::TooMany`], and [`KeySetError::Duplicate`] unless both have the same key under that id.
    pub fn merged(&self, other: &Self) -> Result<Self, KeySetError> {
        let mut both = self.clone();
        for record in other.records() {
            let known = both.find_exactly(record.kid(), record.environment());
            if known.is_none_or(|known| known.thumbprint() != record.thumbprint()) {
                both.insert(Arc::clone(record))?;
            }
        }
        Ok(both)
    }

    /// The key with id `kid` that signs for `environment`: one of that environment before one of all.
    pub fn find(&self, kid: &str, environment: &str) -> Option<&Arc<KeyRecord>> {
        self.find_exactly(kid, Some(environment)).or_else(|| self.find_exactly(kid, None))
    }

    /// Whether any key has this id.
    pub fn knows(&self, kid: &str) -> bool {
        self.by_kid.contains_key(kid)
    }

    /// The key that signs for `environment` now.
    pub fn signer(&self, environment: &str) -> Option<&Arc<KeyRecord>> {
        let signs = |record: &&Arc<KeyRecord>| record.state() == KeyState::Active && record.has_secret();
        let of =
            |wanted: Option<&str>| self.records().filter(signs).find(|record| record.environment() == wanted);
        of(Some(environment)).or_else(|| of(None))
    }

    /// All keys, in no order.
    pub fn records(&self) -> impl Iterator<Item = &Arc<KeyRecord>> {
        self.by_kid.values().flatten()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether this very key is still in the set.
    pub(crate) fn still_has(&self, kid: &str, environment: Option<&str>, thumbprint: Thumbprint) -> bool {
        self.find_exactly(kid, environment).is_some_and(|record| record.thumbprint() == thumbprint)
    }

    fn find_exactly(&self, kid: &str, environment: Option<&str>) -> Option<&Arc<KeyRecord>> {
        self.by_kid.get(kid)?.iter().find(|record| record.environment() == environment)
    }

    fn insert(&mut self, record: Arc<KeyRecord>) -> Result<(), KeySetError> {
        if self.find_exactly(record.kid(), record.environment()).is_some() {
            return Err(KeySetError::Duplicate { kid: record.kid().to_owned() });
        }
        if self.len >= KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        self.len = self.len.saturating_add(1);
        self.by_kid.entry(record.kid().into()).or_default().push(record);
        Ok(())
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.records()).finish()
    }
}

impl JsonKey {
    /// The public form of a key; none for a shared secret.
    pub(crate) fn of(record: &KeyRecord) -> Option<Self> {
        let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let curve = |name: &str| Some(name.to_owned());
        let key = match record.public() {
            PublicKey::Ed25519(x) => {
                Self { kty: "OKP".to_owned(), crv: curve("Ed25519"), x: encode(x), ..Self::default() }
            }
            PublicKey::P256 { x, y } => Self {
                kty: "EC".to_owned(),
                crv: curve("P-256"),
                x: encode(x),
                y: encode(y),
                ..Self::default()
            },
            PublicKey::Rsa { n, e } => {
                Self { kty: "RSA".to_owned(), n: encode(n), e: encode(e), ..Self::default() }
            }
            PublicKey::Secret(_) => return None,
        };
        Some(Self {
            kid: Some(record.kid().to_owned()),
            alg: Some(record.algorithm().name().to_owned()),
            usage: Some("sig".to_owned()),
            ..key
        })
    }

    /// The key, if it is one that checks tokens. The kind of key fixes the algorithm; `alg` can only agree or rule it out.
    fn into_record(self, environment: Option<&str>) -> Result<Option<KeyRecord>, KeySetError> {
        let Some(kid) = self.kid else { return Ok(None) };
        if self.usage.is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let decode = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref().unwrap_or_default());
        let garbled = || KeyError::Material {
            kid: kid.chars().take(32).collect(),
            what: "a member of it is no base64url",
        };
        let read = |text| decode(text).map(Vec::into_boxed_slice).map_err(|_| garbled());
        let (algorithm, public) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, PublicKey::Ed25519(read(&self.x)?)),
            ("EC", Some("P-256")) => {
                (Algorithm::ES256, PublicKey::P256 { x: read(&self.x)?, y: read(&self.y)? })
            }
            ("RSA", _) => (Algorithm::RS256, PublicKey::Rsa { n: read(&self.n)?, e: read(&self.e)? }),
            ("oct", _) => return Err(KeySetError::PublicSecret { kid: kid.chars().take(32).collect() }),
            _ => return Ok(None),
        };
        if !self.alg.iter().all(|name| algorithm.is_called(name)) {
            return Ok(None);
        }
        let environment = environment.map(str::to_owned);
        let label = Label { kid, state: KeyState::Active, environment, created: None, retired: None };
        Ok(Some(KeyRecord::new(label, algorithm, public)?))
    }
}

/// The public JWKS of `records`, without the shared secrets among them.
pub(crate) fn to_jwks<'a>(records: impl Iterator<Item = &'a KeyRecord>) -> String {
    let set = JsonKeySet { keys: records.filter_map(JsonKey::of).collect() };
    serde_json::to_string_pretty(&set).expect("texts can be written as JSON")
}

/// Reads JSON of a bounded length.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, KeySetError> {
    if bytes.len() > KEY_SET_BYTES_MAX {
        return Err(KeySetError::TooLong { len: bytes.len() });
    }
    serde_json::from_slice(bytes)
        .map_err(|error| KeySetError::Syntax { line: error.line(), column: error.column() })
}
