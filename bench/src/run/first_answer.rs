//! O6: the first playlist of a file the server never saw: time to the last byte, one request at a time.
//!
//! Every repetition has a path of its own, so that no asset is open. Absent: the server keeps no index,
//! and must parse. Present: `rillcast index` wrote them ahead, and a fresh server finds them.

use std::fs;
use std::path::Path;

use toml::Value;

use super::media::Media;
use crate::fetch::Client;
use crate::figure::{Figure, Unit};
use crate::progress::Progress;
use crate::rig::{Findings, Rig};
use crate::server::{Setup, master_path};

/// Paths of each kind, and so repetitions.
const REPETITIONS: usize = 9;
/// Where the index lies in the file.
const KINDS: [&str; 2] = ["front", "end"];

/// O6.
pub(super) fn measure(
    rig: &Rig,
    media: &Media,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let folder = rig.fresh_folder("first")?;
    for number in 0..REPETITIONS {
        for (kind, file) in KINDS.iter().zip([&media.long.0, &media.long.1]) {
            fs::hard_link(file, folder.path().join(name(kind, number)))?;
        }
    }
    progress.tell("O6: first playlists of files never touched, no index kept");
    let off = [("origin.index", Value::String("off".to_owned()))];
    findings.figures.extend(round(rig, folder.path(), &off, ["O6-absent-front", "O6-absent-end"])?);
    progress.tell("O6: first playlists of files with an index");
    rig.launch.index(folder.path(), &rig.scratch)?;
    findings.figures.extend(round(rig, folder.path(), &[], ["O6-present-front", "O6-present-end"])?);
    Ok(())
}

/// A fresh server, asked once for each path; the two kinds in turn, so that both meet the machine in the same mood.
fn round(
    rig: &Rig,
    folder: &Path,
    settings: &[(&str, Value)],
    keys: [&str; 2],
) -> anyhow::Result<Vec<Figure>> {
    let ours = rig.server(&Setup { keys: settings, ..Setup::plain(folder) })?;
    let mut times = KINDS.map(|_| Vec::with_capacity(REPETITIONS));
    for number in 0..REPETITIONS {
        for (kind, times) in KINDS.iter().zip(&mut times) {
            let path = master_path(&name(kind, number));
            let answer = Client::new(ours.address).get(&path, false, |_| Ok(()))?;
            times.push(answer.last_byte.as_secs_f64() * 1e3);
        }
    }
    let figure = |((kind, key), ms): ((&str, &str), Vec<f64>)| {
        Figure::alone(key, &format!("first playlist of 2 h, moov at the {kind}"), Unit::Ms, ms)
    };
    Ok(KINDS.into_iter().zip(keys).zip(times).map(figure).collect())
}

fn name(kind: &str, number: usize) -> String {
    format!("{kind}{number}.mp4")
}
