//! What players say, as figures. Labels are words of closed sets, so that no player can make figures grow.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, core::Collector};

use super::{Cmcd, ObjectType, PlayerState, StreamType, StreamingFormat};

/// Stands for what a player does not say.
const UNSAID: &str = "unsaid";

/// Upper bounds for rates, in bits a second.
const RATES: [f64; 10] = [250e3, 500e3, 1e6, 2e6, 4e6, 8e6, 16e6, 32e6, 64e6, 128e6];
/// Upper bounds for media in buffers and behind the live edge, in seconds.
const MEDIA_S: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0];
/// Upper bounds for times that viewers wait, in seconds.
const WAITS_S: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 60.0];

/// Figures of what players say; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct CmcdMetrics {
    requests: IntCounterVec,
    objects: IntCounterVec,
    states: IntCounterVec,
    startups: IntCounter,
    stalls: IntCounter,
    ignored: IntCounter,
    bitrate: Histogram,
    throughput: Histogram,
    buffer: Histogram,
    latency: Histogram,
    start_delay: Histogram,
    starvation: Histogram,
}

impl CmcdMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            added(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let counter = |name: &str, help: &str| added(registry, IntCounter::new(name, help)?);
        let spread = |name: &str, help: &str, bounds: &[f64]| {
            added(registry, Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))?)
        };
        Ok(Self {
            requests: counters(
                "rillcast_cmcd_requests_total",
                "Requests with which players said something of themselves (CMCD)",
                &["version", "format", "stream"],
            )?,
            objects: counters("rillcast_cmcd_objects_total", "Of those, by what they ask for", &["object"])?,
            states: counters("rillcast_cmcd_states_total", "Of those, by what the player does", &["state"])?,
            startups: counter("rillcast_cmcd_startups_total", "Of those, that belong to a start or a seek")?,
            stalls: counter("rillcast_cmcd_stalls_total", "Of those, after a buffer ran empty")?,
            ignored: counter("rillcast_cmcd_ignored_total", "Members that could not be read, or too many")?,
            bitrate: spread("rillcast_cmcd_bitrate_bits_per_second", "Encoded rate of the object", &RATES)?,
            throughput: spread(
                "rillcast_cmcd_throughput_bits_per_second",
                "Throughput as players measure it",
                &RATES,
            )?,
            buffer: spread("rillcast_cmcd_buffer_seconds", "Media in the player's buffer", &MEDIA_S)?,
            latency: spread("rillcast_cmcd_live_latency_seconds", "Time behind the live edge", &MEDIA_S)?,
            start_delay: spread("rillcast_cmcd_start_delay_seconds", "Time until playing began", &WAITS_S)?,
            starvation: spread("rillcast_cmcd_starvation_seconds", "Time with an empty buffer", &WAITS_S)?,
        })
    }

    /// Counts what came with one request.
    pub(crate) fn count(&self, cmcd: &Cmcd) {
        let version = cmcd.version.as_str();
        let format = cmcd.streaming_format.map_or(UNSAID, StreamingFormat::as_str);
        let stream = cmcd.stream_type.map_or(UNSAID, StreamType::as_str);
        self.requests.with_label_values(&[version, format, stream]).inc();
        let object = cmcd.object_type.map_or(UNSAID, ObjectType::as_str);
        self.objects.with_label_values(&[object]).inc();
        if let Some(state) = cmcd.player_state.map(PlayerState::as_str) {
            self.states.with_label_values(&[state]).inc();
        }
        self.startups.inc_by(cmcd.startup.into());
        self.stalls.inc_by(cmcd.buffer_starved.into());
        self.ignored.inc_by(cmcd.ignored.into());
        for (spread, kbps) in
            [(&self.bitrate, cmcd.bitrate_kbps), (&self.throughput, cmcd.measured_throughput_kbps)]
        {
            kbps.into_iter().for_each(|kbps| spread.observe(f64::from(kbps) * 1000.0));
        }
        for (spread, ms) in [
            (&self.buffer, cmcd.buffer_length_ms),
            (&self.latency, cmcd.live_latency_ms),
            (&self.start_delay, cmcd.start_delay_ms),
            (&self.starvation, cmcd.starvation_ms),
        ] {
            ms.into_iter().for_each(|ms| spread.observe(f64::from(ms) / 1000.0));
        }
    }
}

fn added<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
