//! E5: viewers of one low-latency stream who all wait for the next playlist. Their number is what the edge is for: the
//! origin is asked once for each playlist, everybody has it soon, and who waits costs memory for waiting only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use toml::Value;

use super::{OURS, ensure_yardstick, upstream};
use crate::fetch::{Client, FetchError};
use crate::figure::{Figure, Unit};
use crate::live_stream::{LiveStream, PLAYLIST};
use crate::measure::{self, quantile};
use crate::progress::Progress;
use crate::rig::{Findings, Rig};
use crate::scripted::Origin;
use crate::server::{Ours, Setup};
use crate::truth;
use crate::viewers::{self, Audience, Seen};

/// Viewers who only wait.
const VIEWERS: usize = 10_000;
/// Viewers who fetch every part too: the most of these that one core sustains.
const LEVELS: [usize; 12] = [100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000, 10_000];
/// Files that server and client have open besides connections.
const OTHER_FILES: u64 = 500;
/// A length of parts at which all viewers wait again before the next part comes, as the target says that they do.
const PART: Duration = Duration::from_millis(500);
/// The shortest usual one: a core that does not answer 50,000 playlists a second never has all of them waiting
/// (decision 0003). One must be whole within this time of its arrival, or its viewer falls behind.
const SHORT_PART: Duration = Duration::from_millis(200);
/// Row and length of a part.
const ROWS: [(&str, Duration); 2] = [("E5", PART), ("E5-dense", SHORT_PART)];
/// The figures of a crowd, in the order of [`Crowd`].
const FIGURES: [(&str, &str, Unit); 6] = [
    ("waits", "requests that wait at the origin, a playlist", Unit::Requests),
    ("p99", "from the part's arrival to the playlist, 99th percentile", Unit::Ms),
    ("memory", "memory of the server a viewer", Unit::Kb),
    ("p50", "from the part's arrival to the playlist, median", Unit::Ms),
    ("cpu", "CPU a playlist answered", Unit::Us),
    ("client", "share of its core that the client used; near 1 it is what limits", Unit::Share),
];

/// An edge in front of a stream.
struct Channel {
    stream: Arc<LiveStream>,
    ours: Ours,
    /// Kept for as long as the edge asks it.
    _origin: Origin,
}

/// What a crowd found.
struct Crowd([f64; 6]);

/// E5.
pub(in crate::run) fn measure(
    rig: &Rig,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let needed = VIEWERS as u64 + OTHER_FILES;
    ensure!(
        limit.is_none_or(|limit| limit >= needed),
        "{needed} files must be open at once: raise the limit (ulimit -n {needed})"
    );
    let channel = Channel::open(rig, PART)?;
    if !channel.holds()? {
        progress.tell("E5 is not measured: this edge does not hold requests for live playlists yet");
        return Ok(());
    }
    drop(channel);
    ensure_yardstick(rig, progress, findings)?;
    for (row, part) in ROWS {
        let mut crowds = Vec::new();
        for number in 1..=rig.pace.pairs {
            progress.tell(&format!("{row}: {VIEWERS} viewers who wait, run {number} of {}", rig.pace.pairs));
            crowds.push(crowd(rig, part)?.0);
            progress.spent(crowd_time(rig));
        }
        for (at, (key, title, unit)) in FIGURES.into_iter().enumerate() {
            let values = crowds.iter().filter_map(|crowd| crowd.get(at).copied()).collect();
            let title = format!("{VIEWERS} viewers who wait, parts of {} ms: {title}", part.as_millis());
            findings.figures.push(Figure::alone(&format!("{row}-{key}"), &title, unit, values));
        }
    }
    findings.figures.push(sustained(rig, progress)?);
    Ok(())
}

/// About how long E5 takes.
pub(in crate::run) fn time(rig: &Rig) -> Duration {
    let runs = rig.pace.pairs * ROWS.len() + LEVELS.len();
    crowd_time(rig) * u32::try_from(runs).unwrap_or(u32::MAX)
}

fn crowd_time(rig: &Rig) -> Duration {
    rig.pace.warm_up + duration(rig) + Duration::from_secs(2)
}

/// A few parts at least, in a quick run too.
fn duration(rig: &Rig) -> Duration {
    rig.pace.duration.max(Duration::from_secs(2))
}

/// All viewers wait, on a fresh server.
fn crowd(rig: &Rig, part: Duration) -> anyhow::Result<Crowd> {
    let channel = Channel::open(rig, part)?;
    channel.compare()?;
    let before = measure::usage(channel.ours.process.pid()).resident_bytes;
    let seen = channel.watch(rig, VIEWERS, false)?;
    let answers = seen.playlist_us.len();
    ensure!(answers > 0, "no playlist was answered");
    let waits = channel.stream.take_waits(seen.arrived.0, seen.arrived.1);
    let ms = |share| f64::from(quantile(&seen.playlist_us, share)) / 1e3;
    let memory = seen.server.resident_bytes.saturating_sub(before) as f64 / 1e3 / VIEWERS as f64;
    let cpu_us = seen.server.cpu_s * 1e6 / answers as f64;
    Ok(Crowd([waits, ms(0.99), memory, ms(0.5), cpu_us, seen.client_cpu_s / seen.seconds.max(1e-9)]))
}

/// The most viewers who have every part in time.
fn sustained(rig: &Rig, progress: &mut Progress) -> anyhow::Result<Figure> {
    let (mut most, mut part_bytes) = (0, 0);
    for viewers in LEVELS {
        progress.tell(&format!("E5: {viewers} viewers who fetch every part"));
        // A fresh server: one that is behind still counts the connections of the viewers before, who had the same addresses.
        let channel = Channel::open(rig, SHORT_PART)?;
        channel.compare()?;
        part_bytes = channel.stream.part_bytes();
        let seen = channel.watch(rig, viewers, true)?;
        progress.spent(crowd_time(rig));
        let slowest = Duration::from_micros(u64::from(quantile(&seen.part_us, 0.99)));
        if seen.part_us.is_empty() || slowest > SHORT_PART {
            break;
        }
        most = viewers;
    }
    let title = format!(
        "viewers who fetch every part of {part_bytes} bytes, and 99 % of them within {} ms of its arrival",
        SHORT_PART.as_millis()
    );
    Ok(Figure::alone("E5-viewers", &title, Unit::Viewers, vec![most as f64]))
}

impl Channel {
    fn open(rig: &Rig, part: Duration) -> anyhow::Result<Self> {
        let stream = Arc::new(LiveStream::begin(part));
        let origin = Origin::start(Arc::clone(&stream), rig.cores.client)?;
        let keys = [("http.workers", Value::Integer(1)), ("edge.upstream", upstream(&origin))];
        let ours = rig.server(&Setup::edge(&rig.identity, &keys))?;
        Ok(Self { stream, ours, _origin: origin })
    }

    /// Whether the edge understands blocking requests: one that is impossible is refused, which this origin does not do.
    fn holds(&self) -> anyhow::Result<bool> {
        let impossible = format!("{PLAYLIST}?_HLS_part=1");
        match Client::new(self.ours.address).get(&impossible, false, |_| Ok(())) {
            Ok(_) => Ok(false),
            Err(FetchError::Status { status: 400, .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Compares a playlist that is there, one that comes, and a part.
    fn compare(&self) -> anyhow::Result<()> {
        let mut client = Client::new(self.ours.address);
        let next = self.stream.newest(measure::now()) + 2;
        for path in [PLAYLIST.to_owned(), LiveStream::blocking(next)] {
            let text = client.text(&path)?;
            let last = LiveStream::last_listed(text.as_bytes()).context("not the playlist")?;
            if text != self.stream.playlist(last) {
                bail!("{OURS} gives another playlist for {path} than its origin");
            }
        }
        truth::check(OURS, &mut client, std::iter::once(&self.stream.part(next)))?;
        Ok(())
    }

    fn watch(&self, rig: &Rig, viewers: usize, parts: bool) -> anyhow::Result<Seen> {
        let audience = Audience {
            address: self.ours.address,
            pid: self.ours.process.pid(),
            stream: &self.stream,
            viewers,
            parts,
            warm_up: rig.pace.warm_up + Duration::from_secs(1),
            duration: duration(rig),
        };
        let seen = measure::on_core(rig.cores.client, || viewers::watch(&audience))??;
        self.ours.process.clear_log();
        if let Some(error) = &seen.first_error {
            bail!("{viewers} viewers: {} errors, the first: {error}", seen.errors);
        }
        Ok(seen)
    }
}
