//! `rillcast keys new|rotate|jwks`: the file of keys that sign tokens.
//!
//! What keys are is in [`rillcast_token`]; here is the file. It is replaced at once or not at all, by one command at a
//! time (a lock on its folder), and never readable by others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use rillcast_token::limits::KEY_SET_BYTES_MAX;
use rillcast_token::{KeyFile, KeyRecord, KeySet, KeyState};
use rustix::fs::{FlockOperation, Gid, Uid};

use crate::cli::{KeysCommand, NewKeysArgs, RotateKeysArgs};

/// Permissions of a new key file: its owner's alone.
const OWNER_ONLY: u32 = 0o600;
/// Permissions that a key file must not have.
const OTHERS: u32 = 0o007;

/// Does what `command` says; what was done is told on `err`, and what is asked for on `out`.
///
/// # Errors
/// When the file cannot be read, used or written; it is then as it was.
pub(crate) fn run(command: &KeysCommand, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        KeysCommand::New(args) => new(args, err),
        KeysCommand::Rotate(args) => rotate(args, err),
        KeysCommand::Jwks(args) => {
            let keys = read_key_file(&args.file)?;
            let is_secret = |record: &&KeyRecord| record.algorithm().is_shared_secret();
            let secrets = keys.records().iter().filter(is_secret).count();
            writeln!(out, "{}", keys.public_jwks())?;
            if secrets > 0 {
                writeln!(
                    err,
                    "{secrets} shared secrets (HS256) are left out: an edge needs the key file for these"
                )?;
            }
            Ok(out.flush()?)
        }
    }
}

fn new(args: &NewKeysArgs, err: &mut dyn Write) -> anyhow::Result<()> {
    let path = &args.file.file;
    change(path, |keys| {
        let mut keys = keys.unwrap_or_default();
        keys.add(args.algorithm, args.environment.as_deref(), now())?;
        Ok(keys)
    })
    .and_then(|keys| tell(path, &keys, err))
}

fn rotate(args: &RotateKeysArgs, err: &mut dyn Write) -> anyhow::Result<()> {
    let path = &args.file.file;
    let keys = change(path, |keys| {
        let missing = || anyhow!("{} is not there; `rillcast keys new --file` makes it", path.display());
        let mut keys = keys.ok_or_else(missing)?;
        let environments = match &args.environment {
            Some(name) => vec![Some(name.clone())],
            None => keys.environments(),
        };
        if environments.is_empty() {
            bail!("{} has no active key; `rillcast keys new --file` makes one", path.display());
        }
        for environment in environments {
            keys.rotate(environment.as_deref(), args.keep, now())?;
        }
        Ok(keys)
    })?;
    tell(path, &keys, err)
}

/// Says which keys are in the file.
fn tell(path: &Path, keys: &KeyFile, err: &mut dyn Write) -> anyhow::Result<()> {
    for record in keys.records() {
        let state = match record.state() {
            KeyState::Next => "next",
            KeyState::Active => "active",
            KeyState::Retiring => "retiring",
        };
        let environment = record.environment().unwrap_or("all environments");
        writeln!(err, "{}: {} {} {state}, {environment}", path.display(), record.kid(), record.algorithm())?;
    }
    Ok(())
}

/// The keys of a private key file, or of a public key set if `path` is one.
///
/// # Errors
/// When it cannot be read or is neither.
pub(crate) fn read_keys(path: &Path) -> anyhow::Result<KeySet> {
    let (bytes, mode) = read(path)?;
    // The private form has a version; a JWKS has none.
    let is_private =
        serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|json| json.get("version").is_some());
    let name = path.display();
    if is_private {
        refuse_open(path, mode)?;
        let keys = KeyFile::from_json(&bytes).with_context(|| format!("{name} is no key file"))?;
        return Ok(keys.key_set()?);
    }
    KeySet::from_jwks(&bytes, None)
        .with_context(|| format!("{name} is neither a key file (rillcast keys new) nor a key set (JWKS)"))
}

/// The keys of a private key file.
fn read_key_file(path: &Path) -> anyhow::Result<KeyFile> {
    let (bytes, mode) = read(path)?;
    refuse_open(path, mode)?;
    KeyFile::from_json(&bytes).with_context(|| format!("{} is no key file", path.display()))
}

/// The bytes of a file and its mode; of a file that is too long, enough to be refused.
fn read(path: &Path) -> anyhow::Result<(Vec<u8>, u32)> {
    let name = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            anyhow!("{name} is not there; `rillcast keys new --file` makes a key file")
        }
        _ => anyhow!("cannot open {name}: {error}"),
    })?;
    let mode = file.metadata().with_context(|| format!("cannot look at {name}"))?.mode();
    let mut bytes = Vec::new();
    file.take(KEY_SET_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {name}"))?;
    Ok((bytes, mode))
}

/// A file of secrets that anybody can read holds no secrets.
fn refuse_open(path: &Path, mode: u32) -> anyhow::Result<()> {
    if mode & OTHERS != 0 {
        let name = path.display();
        bail!("{name} holds secrets, and other users can use it (mode {:o}): chmod 600 {name}", mode & 0o777);
    }
    Ok(())
}

/// Reads the key file, if there is one, and puts in its place what `alter` makes of it. Who may read it stays as it was.
fn change(
    path: &Path,
    alter: impl FnOnce(Option<KeyFile>) -> anyhow::Result<KeyFile>,
) -> anyhow::Result<KeyFile> {
    // A link stays a link: what it points to is replaced.
    let path = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(_) => path.to_owned(),
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder =
        File::open(folder).with_context(|| format!("cannot open the folder {}", folder.display()))?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive)
        .context("cannot lock the folder of the key file")?;
    let old = match fs::symlink_metadata(&path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(anyhow!("cannot look at {}: {error}", path.display())),
    };
    let keys = alter(old.as_ref().map(|_| read_key_file(&path)).transpose()?)?;
    replace(&path, &keys, old.as_ref()).with_context(|| format!("cannot write {}", path.display()))?;
    rustix::fs::fsync(&folder).context("cannot make the change last")?;
    Ok(keys)
}

/// Writes a new file beside the old one and renames it over it.
fn replace(path: &Path, keys: &KeyFile, old: Option<&fs::Metadata>) -> io::Result<()> {
    let temporary = temporary_of(path);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&temporary)?;
        if let Some(old) = old {
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                rustix::fs::fchown(&file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
            }
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o770))?;
        }
        file.write_all(keys.to_json().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    // One that a killed command left behind is nobody's: we hold the lock.
    let _ = fs::remove_file(&temporary);
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// `.NAME.new` in the same folder, and so on the same file system.
fn temporary_of(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// A time such as `90s`, `15m`, `12h` or `7d`.
///
/// # Errors
/// In words, for the command line.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let usage = || "a time is a number and s, m, h or d, such as 90s, 15m, 12h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(usage)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(usage()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(usage());
    }
    let number: u64 = number.parse().map_err(|_| usage())?;
    let limit = 100 * 366 * 86400;
    match number.checked_mul(seconds) {
        Some(seconds) if seconds <= limit => Ok(Duration::from_secs(seconds)),
        _ => Err("that is more than a hundred years".to_owned()),
    }
}

/// The time at which a command is given.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "a command reads the clock for those below")]
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |text| parse_time(text).map(|time| time.as_secs()).ok();
        assert_eq!(["90s", "15m", "12h", "7d", "0s"].map(seconds), [90, 900, 43200, 604_800, 0].map(Some));
        assert_eq!((seconds("36600d"), seconds("36601d")), (Some(3_162_240_000), None));
        for bad in [
            "",
            "s",
            "1",
            "1w",
            "+1h",
            "-1h",
            "1.5h",
            "1 h",
            "1ü",
            "99999999999999999999s",
            "300000000000000d",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
