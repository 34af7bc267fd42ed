//! Where the new file goes, and how it takes the place of the old one.

use std::fs::{File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Gid, RenameFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::source::{Identity, Source};
use super::{Options, PublishError};

/// Bytes of an extended attribute, and of the list of their names (xattr(7)).
const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;

/// Where the new file goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// Whether it takes the place of the source.
    pub(super) in_place: bool,
    force: bool,
}

impl Target {
    /// Where the new file for `source` goes.
    pub(super) fn of(source: &Source, options: &Options) -> Result<Self, PublishError> {
        let Some(output) = &options.output else {
            let names = source.meta.nlink();
            if names > 1 && !options.force {
                return Err(PublishError::HardLinks { names });
            }
            return Ok(Self { path: source.path.clone(), in_place: true, force: options.force });
        };
        if let Ok(there) = std::fs::metadata(output) {
            if (there.dev(), there.ino()) == (source.meta.dev(), source.meta.ino()) {
                return Err(PublishError::Itself);
            }
            if !options.force {
                return Err(PublishError::TargetExists { path: output.clone() });
            }
        }
        Ok(Self { path: output.clone(), in_place: false, force: options.force })
    }

    /// Gives `file`, which is complete at `from`, the name of the target. Until then the target is untouched.
    pub(super) fn take(&self, source: &Source, file: &File, from: &Path) -> Result<bool, PublishError> {
        let kept = keep_attributes(source, file).map_err(PublishError::io("finishing", from))?;
        file.sync_all().map_err(PublishError::io("finishing", from))?;
        source.check_unchanged()?;
        if self.in_place {
            let named = std::fs::metadata(&self.path).map_err(|_| PublishError::SourceChanged)?;
            if Identity::of(&named) != source.identity() {
                return Err(PublishError::SourceChanged);
            }
        }
        self.rename(from)?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(PublishError::io("finishing", directory))?;
        Ok(kept)
    }

    fn rename(&self, from: &Path) -> Result<(), PublishError> {
        let renamed = if self.in_place || self.force {
            rustix::fs::rename(from, &self.path)
        } else {
            match rustix::fs::renameat_with(CWD, from, CWD, &self.path, RenameFlags::NOREPLACE) {
                // Some file systems cannot promise it; that nothing is there was looked at before.
                Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(from, &self.path),
                result => result,
            }
        };
        renamed.map_err(|error| match error {
            Errno::EXIST => PublishError::TargetExists { path: self.path.clone() },
            other => PublishError::io("renaming to", &self.path)(other.into()),
        })
    }
}

/// Gives `file` the permissions, modification time, owner and extended attributes of the source; what it
/// shows has not changed, so neither has its age. False where owner or attributes may not be set.
fn keep_attributes(source: &Source, file: &File) -> io::Result<bool> {
    let meta = &source.meta;
    let owned = keep_owner(meta, file)?;
    file.set_permissions(std::fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    let attributed = keep_extended(&source.file, file).is_ok();
    file.set_times(FileTimes::new().set_modified(meta.modified()?))?;
    Ok(owned && attributed)
}

fn keep_owner(meta: &Metadata, file: &File) -> io::Result<bool> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (meta.uid(), meta.gid()) {
        return Ok(true);
    }
    let owner = (Some(Uid::from_raw(meta.uid())), Some(Gid::from_raw(meta.gid())));
    Ok(rustix::fs::fchown(file, owner.0, owner.1).is_ok())
}

/// Copies extended attributes, access lists among them; labels of security modules are given by the directory.
fn keep_extended(from: &File, to: &File) -> Result<(), Errno> {
    let mut names = vec![0; MAX_ATTRIBUTE_BYTES];
    let len = match rustix::fs::flistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        result => result?,
    };
    let mut value = vec![0; MAX_ATTRIBUTE_BYTES];
    let names = names.get(..len).unwrap_or_default();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"security.") {
            continue;
        }
        let len = rustix::fs::fgetxattr(from, name, &mut value[..])?;
        rustix::fs::fsetxattr(to, name, value.get(..len).unwrap_or_default(), XattrFlags::empty())?;
    }
    Ok(())
}
