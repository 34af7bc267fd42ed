//! The private form of a key set: a JSON file that signs, kept by the operator.
//!
//! Pure: bytes in, bytes out. Who writes it must see to it that only the owner can read it, and that it is replaced at once
//! or not at all.
//!
//! The form has a version. A file of a later one is refused, since it may hold what must not be lost; there is no earlier
//! one.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    claims::NumericDate,
    key_record::{Algorithm, KeyError, KeyRecord, KeyState, Label},
    key_set::{KeySet, KeySetError, parse, to_jwks},
};

/// The form that is read and written.
const VERSION: u32 = 1;

/// How long a retired key is kept when nothing else is said: longer than tokens live.
pub const KEEP_RETIRED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The keys of a file, in its order.
#[derive(Debug, Clone, Default)]
pub struct KeyFile {
    records: Vec<KeyRecord>,
}

/// Why a key file cannot be used or changed; the operator's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is not what it should be.
    #[error(transparent)]
    Set(#[from] KeySetError),
    /// It was written by a later release.
    #[error("the key file has version {version}, and this release reads version {VERSION}")]
    Version {
        /// Its version.
        version: u32,
    },
    /// The environment has keys already.
    #[error("there is an active key for {environment} already; `rillcast keys rotate` replaces it")]
    Exists {
        /// The environment in words.
        environment: String,
    },
    /// There is nothing to rotate.
    #[error("there is no active key for {environment}; `rillcast keys new` makes one")]
    NothingActive {
        /// The environment in words.
        environment: String,
    },
}

impl From<KeyError> for KeyFileError {
    fn from(error: KeyError) -> Self {
        Self::Set(KeySetError::Key(error))
    }
}

#[derive(Serialize, Deserialize)]
struct JsonFile {
    version: u32,
    keys: Vec<JsonRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRecord {
    kid: String,
    algorithm: Algorithm,
    state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<NumericDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<NumericDate>,
    /// PKCS #8 in base64url; for HS256 the secret itself.
    secret: String,
}

impl KeyFile {
    /// Reads the private form.
    ///
    /// # Errors
    /// See [`KeyFileError`]; no message quotes the file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let file: JsonFile = parse(bytes)?;
        if file.version != VERSION {
            return Err(KeyFileError::Version { version: file.version });
        }
        let records = file.keys.into_iter().map(JsonRecord::into_record).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(records)?)
    }

    /// Writes the private form. It holds secrets.
    pub fn to_json(&self) -> String {
        let file =
            JsonFile { version: VERSION, keys: self.records.iter().filter_map(JsonRecord::of).collect() };
        let mut text = serde_json::to_string_pretty(&file).expect("texts and numbers can be written as JSON");
        text.push('\n');
        text
    }

    /// A file of keys that are there already; those that only check are not written.
    ///
    /// # Errors
    /// [`KeySetError`] for too many or equal ids.
    pub fn of(records: impl IntoIterator<Item = KeyRecord>) -> Result<Self, KeySetError> {
        let file = Self { records: records.into_iter().collect() };
        file.key_set()?;
        Ok(file)
    }

    /// The keys as a set, to sign and to check with.
    ///
    /// # Errors
    /// [`KeySetError`] for too many or equal ids.
    pub fn key_set(&self) -> Result<KeySet, KeySetError> {
        KeySet::new(self.records.iter().cloned())
    }

    /// The public JWKS: every key in any state, without shared secrets.
    pub fn public_jwks(&self) -> String {
        to_jwks(self.records.iter())
    }

    /// The keys, in the file's order.
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// Adds an active key for `environment`, and the one that follows it, so that the first rotation surprises nobody.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], and those of making a key.
    pub fn add(
        &mut self,
        algorithm: Algorithm,
        environment: Option<&str>,
        now: SystemTime,
    ) -> Result<(), KeyFileError> {
        if self.active(environment).is_some() {
            return Err(KeyFileError::Exists { environment: in_words(environment) });
        }
        for state in [KeyState::Active, KeyState::Next] {
            self.records.push(KeyRecord::generate(algorithm, state, environment, now)?);
        }
        self.key_set()?;
        Ok(())
    }

    /// Gives the keys of `environment` their next state: the next becomes active, the active retires, a new next is made,
    /// and what was retired for longer than `keep` goes. Without a next, a new key becomes active at once.
    ///
    /// # Errors
    /// [`KeyFileError::NothingActive`], and those of making a key. The file is then as it was.
    pub fn rotate(
        &mut self,
        environment: Option<&str>,
        keep: Duration,
        now: SystemTime,
    ) -> Result<(), KeyFileError> {
        let algorithm = self
            .active(environment)
            .map(KeyRecord::algorithm)
            .ok_or_else(|| KeyFileError::NothingActive { environment: in_words(environment) })?;
        let is_ours = |record: &KeyRecord| record.environment() == environment;
        let is_over = |record: &KeyRecord| {
            let retired = record.retired().and_then(|retired| now.duration_since(retired).ok());
            record.state() == KeyState::Retiring && retired.is_some_and(|since| since > keep)
        };
        let mut rotated = Vec::new();
        for record in &self.records {
            match record.state() {
                _ if !is_ours(record) => rotated.push(record.clone()),
                KeyState::Retiring if is_over(record) => {}
                KeyState::Retiring => rotated.push(record.clone()),
                KeyState::Active => rotated.push(record.clone().into_state(KeyState::Retiring, now)),
                KeyState::Next => rotated.push(record.clone().into_state(KeyState::Active, now)),
            }
        }
        let has_active = rotated.iter().any(|record| is_ours(record) && record.state() == KeyState::Active);
        if !has_active {
            rotated.push(KeyRecord::generate(algorithm, KeyState::Active, environment, now)?);
        }
        rotated.push(KeyRecord::generate(algorithm, KeyState::Next, environment, now)?);
        let rotated = Self { records: rotated };
        rotated.key_set()?;
        *self = rotated;
        Ok(())
    }

    /// The environments that have an active key, each once.
    pub fn environments(&self) -> Vec<Option<String>> {
        let active = self.records.iter().filter(|record| record.state() == KeyState::Active);
        let mut all: Vec<_> = active.map(|record| record.environment().map(str::to_owned)).collect();
        all.sort();
        all.dedup();
        all
    }

    fn active(&self, environment: Option<&str>) -> Option<&KeyRecord> {
        let is_active =
            |record: &&KeyRecord| record.state() == KeyState::Active && record.environment() == environment;
        self.records.iter().find(is_active)
    }
}

impl JsonRecord {
    fn of(record: &KeyRecord) -> Option<Self> {
        Some(Self {
            kid: record.kid().to_owned(),
            algorithm: record.algorithm(),
            state: record.state(),
            environment: record.environment().map(str::to_owned),
            created: record.created().map(NumericDate::of),
            retired: record.retired().map(NumericDate::of),
            secret: URL_SAFE_NO_PAD.encode(record.kept()?),
        })
    }

    fn into_record(self) -> Result<KeyRecord, KeyError> {
        let secret = URL_SAFE_NO_PAD.decode(&self.secret).map_err(|_| KeyError::Material {
            kid: self.kid.chars().take(32).collect(),
            what: "its secret is no base64url",
        })?;
        let label = Label {
            kid: self.kid,
            state: self.state,
            environment: self.environment,
            created: self.created.map(NumericDate::time),
            retired: self.retired.map(NumericDate::time),
        };
        KeyRecord::from_secret(label, self.algorithm, &secret)
    }
}

fn in_words(environment: Option<&str>) -> String {
    environment.map_or_else(|| "all environments".to_owned(), |name| format!("environment `{name}`"))
}
