//! Secrets that an operator keeps in files of their own, so that they are in no configuration.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, bail};
use rillcast_edge::control::link::Secret;

/// Bytes of such a file.
const SECRET_BYTES_MAX: u64 = 4096;
/// What users that are neither owner nor of the group may do.
const OTHERS: u32 = 0o007;

/// The secret in the file at `path`, without the white space around it. No message quotes it.
///
/// # Errors
/// When the file cannot be read, is open to others, or holds what is no secret.
pub(crate) fn read(path: &Path) -> anyhow::Result<Secret> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open the secret in {name}"))?;
    let mode = file.metadata().with_context(|| format!("cannot look at {name}"))?.mode();
    if mode & OTHERS != 0 {
        bail!(
            "{name} holds a secret, and other users can use it (mode {:o}): chmod 600 {name}",
            mode & 0o777
        );
    }
    let mut text = String::new();
    let read = file.take(SECRET_BYTES_MAX.saturating_add(1)).read_to_string(&mut text);
    let len = read.with_context(|| format!("cannot read the secret in {name}"))?;
    let fits = u64::try_from(len).is_ok_and(|len| len <= SECRET_BYTES_MAX);
    let secret = Secret::new(text.trim()).filter(|_| fits);
    secret.with_context(|| {
        format!("{name} must hold one secret: up to {SECRET_BYTES_MAX} visible ASCII characters, no blanks")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with(text: &str, mode: u32) -> anyhow::Result<Secret> {
        let folder = tempfile::tempdir().expect("a writable place for temporary files");
        let path = folder.path().join("secret");
        fs::write(&path, text).expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        read(&path)
    }

    #[test]
    fn a_secret_is_one_word_that_others_cannot_read() {
        let longest = "x".repeat(4096);
        for (text, mode) in [("hunter2\n", 0o600), ("hunter2", 0o640), (longest.as_str(), 0o400)] {
            assert!(with(text, mode).is_ok(), "{} {mode:o}", text.len());
        }
        let too_long = format!("{longest}x");
        for (text, mode) in
            [("hunter2", 0o604), ("hunter 2", 0o600), ("\n", 0o600), (too_long.as_str(), 0o600)]
        {
            let error = format!("{:#}", with(text, mode).expect_err("no secret"));
            assert!(error.contains("/secret") && !error.contains("hunter"), "{error}");
        }
    }
}
