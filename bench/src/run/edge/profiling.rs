//! The optional section: system calls and functions of hits, ours beside nginx's.

use std::time::Duration;

use super::{Caches, guarded, hits, sealed};
use crate::profile::{Job, Looker, Profile};
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Pace, Scenario};

/// Long enough for samples, in a quick run too.
const PACE: Pace = Pace::FULL;
/// Jobs that are looked at.
const JOBS: u32 = 4;

/// About how long it takes: every job on both servers, and what is compared before.
pub(in crate::run) fn time() -> Duration {
    (PACE.run_time() * 2 + Duration::from_secs(5)) * JOBS
}

/// Looks at E1, E2 with one kind of token, and E4.
pub(in crate::run) fn measure(
    caches: &Caches<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut found = findings.profile.take().unwrap_or_default();
    look(caches, &hits::large(caches, progress)?, progress, &mut found);
    look(caches, &guarded::scenario(caches, 0, progress)?, progress, &mut found);
    for row in 0..sealed::ROWS.len() {
        look(caches, &sealed::scenario(caches, row, progress)?, progress, &mut found);
    }
    findings.profile = Some(found);
    Ok(())
}

fn look(caches: &Caches<'_>, scenario: &Scenario<'_>, progress: &mut Progress, found: &mut Profile) {
    let rig = caches.rig;
    let [peer, ours] = [&scenario.peer, &scenario.ours].map(|side| {
        progress.tell(&format!("profile: {}, {}", scenario.key, side.name));
        let (key, notes) = (scenario.key, &mut found.notes);
        let looked = Looker { key, cores: rig.cores, scratch: &rig.scratch, notes }.look(side, PACE);
        progress.spent(PACE.run_time());
        looked
    });
    found.jobs.push(Job { key: scenario.key.to_owned(), peer, ours });
}
