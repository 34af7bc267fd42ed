//! The optional section: system calls and functions of O1, O2, O4, O5 and O7, ours beside nginx's.

use std::time::Duration;

use super::Stage;
use super::plain::{self, nginx_side, our_side};
use super::uncached;
use crate::profile::{Job, Looker, Profile};
use crate::progress::Progress;
use crate::scenario::{Pace, requests};
use crate::server::Setup;

/// Long enough for samples, in a quick run too.
const PACE: Pace = Pace::FULL;
/// About what both servers take for files that are not in memory.
const UNCACHED: Duration = Duration::from_secs(20);

/// About how long it takes: every job on both servers.
pub(super) fn time() -> Duration {
    PACE.run_time() * 2 * u32::try_from(plain::PROFILED.len()).unwrap_or(u32::MAX) + UNCACHED
}

/// Looks at every job.
pub(super) fn measure(stage: &Stage<'_>, progress: &mut Progress) -> anyhow::Result<Profile> {
    let rig = stage.rig;
    let ours = rig.server(&Setup::plain(stage.media.folder()))?;
    let mut found = Profile::default();
    for (key, pieces, large) in plain::profiled(stage) {
        let address = if large { stage.nginx.large } else { stage.nginx.small };
        let sides = [nginx_side(stage.nginx, address, requests(&pieces)), our_side(&ours, requests(&pieces))];
        let mut served = Vec::new();
        for side in &sides {
            progress.tell(&format!("profile: {key}, {}", side.name));
            served.push(looker(stage, key, &mut found.notes).look(side, PACE));
            progress.spent(PACE.run_time());
        }
        if let (Some(ours), Some(peer)) = (served.pop(), served.pop()) {
            found.jobs.push(Job { key: key.to_owned(), peer, ours });
        }
    }
    // What it has mapped stays in memory as long as it lives.
    drop(ours);
    progress.tell("profile: O7, files not in memory");
    // Last: it empties the page cache.
    match uncached::profile(stage, &mut looker(stage, "O7", &mut found.notes)) {
        Ok(job) => found.jobs.push(job),
        Err(error) => found.notes.push(format!("O7: {error:#}")),
    }
    progress.spent(UNCACHED);
    Ok(found)
}

fn looker<'a>(stage: &'a Stage<'_>, key: &'a str, notes: &'a mut Vec<String>) -> Looker<'a> {
    Looker { key, cores: stage.rig.cores, scratch: &stage.rig.scratch, notes }
}
