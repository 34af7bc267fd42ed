//! Tokens for a load: signed ahead, each for a session of its own, by keys that the server is given as a file.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rillcast_token::key_record::KeyError;
use rillcast_token::key_set::KeySetError;
use rillcast_token::sign::SignError;
use rillcast_token::{Algorithm, Claims, KeyFile, KeyRecord, KeyState, NumericDate, sign};

use crate::measure;

/// Tokens last longer than any run.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys do not go together.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// A key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The file of the keys could not be written.
    #[error("writing the keys: {0}")]
    Io(#[from] io::Error),
}

/// Who signs.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// A key for each of the algorithms.
    keys: Vec<KeyRecord>,
    /// Where the server finds them.
    pub(crate) file: PathBuf,
}

impl Issuer {
    /// Makes a key for each of `algorithms` and writes them into `folder`.
    ///
    /// # Errors
    /// [`TokensError`].
    pub(crate) fn make(folder: &Path, algorithms: &[Algorithm]) -> Result<Self, TokensError> {
        let now = measure::time_of_day();
        let key = |algorithm: &Algorithm| KeyRecord::generate(*algorithm, KeyState::Active, None, now);
        let keys = algorithms.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let file = std::path::absolute(folder)?.join("keys.json");
        // A server refuses to begin with secrets that others may read.
        let _no_older = fs::remove_file(&file);
        let mut secret = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file)?;
        secret.write_all(KeyFile::of(keys.iter().cloned())?.to_json().as_bytes())?;
        Ok(Self { keys, file })
    }

    /// `count` tokens of `algorithm` for everything below `prefix`, each for another session.
    ///
    /// # Errors
    /// [`TokensError::Sign`].
    pub(crate) fn sign(
        &self,
        algorithm: Algorithm,
        prefix: &str,
        count: usize,
    ) -> Result<Vec<String>, TokensError> {
        let Some(key) = self.keys.iter().find(|key| key.algorithm() == algorithm) else {
            return Ok(Vec::new());
        };
        let claims = |number: usize| Claims {
            paths: vec![prefix.to_owned()],
            exp: NumericDate::of(measure::time_of_day() + LIFE),
            sid: Some(format!("{}-{number}", algorithm.name())),
            ..Claims::default()
        };
        Ok((0..count).map(|number| sign(&claims(number), key)).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rillcast_token::verify;

    use super::*;

    #[test]
    fn every_token_is_another_and_the_file_checks_them_all() {
        let folder = tempfile::tempdir().unwrap();
        let algorithms = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256];
        let issuer = Issuer::make(folder.path(), &algorithms).unwrap();
        let keys = KeyFile::from_json(&fs::read(&issuer.file).unwrap()).unwrap().key_set().unwrap();
        let mut seen = HashSet::new();
        for algorithm in algorithms {
            for token in issuer.sign(algorithm, "/guarded/", 3).unwrap() {
                verify(&token, &keys, measure::time_of_day()).unwrap();
                assert!(seen.insert(token));
            }
        }
        assert_eq!(seen.len(), 9);
        assert!(issuer.sign(Algorithm::RS256, "/guarded/", 3).unwrap().is_empty(), "there is no such key");
    }
}
