//! O9: what a two-hour asset costs in memory while it is open.
//!
//! Many hard links of the long file are as many assets. Some are opened first, so that what the server
//! takes once (buffers, caches, the allocator's stock) is not counted; then the others.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use toml::Value;

use super::media::Media;
use crate::fetch::Client;
use crate::figure::{Figure, Unit};
use crate::playlist;
use crate::progress::Progress;
use crate::rig::{Findings, Rig};
use crate::server::{Setup, master_path};

/// Opened before anything is counted.
const FIRST: usize = 40;
/// Room for all of them, open and as indexes: by default an origin closes and removes the ones used least.
const MEMORY_MIB: i64 = 16 * 1024;

/// Anonymous memory of a process, and pages of files that it has mapped, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    anonymous: u64,
    of_files: u64,
}

/// O9.
pub(super) fn measure(
    rig: &Rig,
    media: &Media,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let count = count(rig.quick);
    let folder = rig.fresh_folder("many")?;
    for number in 0..FIRST + count {
        fs::hard_link(&media.long.0, folder.path().join(name(number)))?;
    }
    progress.tell(&format!("O9: writing the indexes of {} assets of 2 h", FIRST + count));
    rig.launch.index(folder.path(), &rig.scratch)?;
    let keys = [
        ("origin.asset_memory_mib", Value::Integer(MEMORY_MIB)),
        ("origin.index_mib", Value::Integer(MEMORY_MIB)),
    ];
    let ours = rig.server(&Setup { keys: &keys, ..Setup::plain(folder.path()) })?;
    progress.tell(&format!("O9: opening {count} assets of 2 h"));
    let mut client = Client::new(ours.address);
    for number in 0..FIRST {
        open(&mut client, number)?;
    }
    let before = Memory::of(ours.process.pid())?;
    for number in FIRST..FIRST + count {
        open(&mut client, number)?;
    }
    let after = Memory::of(ours.process.pid())?;
    let each = |after: u64, before: u64| (after as f64 - before as f64) / 1e6 / count as f64;
    let (anonymous, of_files) =
        (each(after.anonymous, before.anonymous), each(after.of_files, before.of_files));
    let title = format!("anonymous memory of an open 2 h asset, {count} open");
    findings.figures.push(Figure::alone("O9-anonymous", &title, Unit::Mb, vec![anonymous]));
    let title = "mapped pages of files of an open 2 h asset";
    findings.figures.push(Figure::alone("O9-files", title, Unit::Mb, vec![of_files]));
    Ok(())
}

/// How many assets are opened and counted.
pub(super) fn count(quick: bool) -> usize {
    if quick { 100 } else { 1000 }
}

/// As a player opens it: multivariant playlist, media playlist, first segment.
fn open(client: &mut Client, number: usize) -> anyhow::Result<()> {
    let path = master_path(&name(number));
    let variants = playlist::variants(&client.text(&path)?);
    let media = variants.video.first().context("a multivariant playlist without a variant")?;
    let media = playlist::resolve(&path, media);
    let segments = playlist::segments(&client.text(&media)?);
    let segment = segments.first().context("a media playlist without a segment")?;
    client.get(&playlist::resolve(&media, segment), false, |_| Ok(()))?;
    Ok(())
}

fn name(number: usize) -> String {
    format!("a{number}.mp4")
}

impl Memory {
    fn of(pid: u32) -> io::Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(Path::new(&path))?;
        Self::parse(&text).ok_or_else(|| io::Error::other(format!("{path} is not understood")))
    }

    /// Reads `smaps_rollup` (proc(5)): `Anonymous`, and what else is resident.
    fn parse(text: &str) -> Option<Self> {
        let bytes = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        let anonymous = bytes("Anonymous")?;
        Some(Self { anonymous, of_files: bytes("Rss")?.checked_sub(anonymous)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_apart_from_pages_of_files() {
        let text =
            "5581-7ffc ---p 0 00:00 0  [rollup]\nRss:  9000 kB\nAnonymous:  1000 kB\nAnonHugePages: 5 kB\n";
        let want = Memory { anonymous: 1000 << 10, of_files: 8000 << 10 };
        assert_eq!(Memory::parse(text), Some(want));
        assert_eq!(Memory::parse("Rss: 1 kB\nAnonymous: 2 kB\n"), None);
        assert_eq!(Memory::parse("Rss: 1 kB\n"), None);
        assert!(Memory::of(std::process::id()).unwrap().anonymous > 0);
    }
}
