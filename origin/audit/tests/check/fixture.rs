//! A small good presentation, generated: two AVC variants, an audio group of two, I-frames; or the same
//! video live with parts.

use std::collections::BTreeMap;
use std::fmt::Write;

use rillcast_audit::{FetchRequest, Response};

use crate::mp4::{self, TrackSpec};

pub(crate) const ENTRY: &str = "http://origin.test/a/master.m3u8";
const ROOT: &str = "http://origin.test/a/";
/// Video samples of a segment; 30 a second.
const FRAMES: u32 = 60;
/// A tenth of a millisecond.
const GLIMPSE_TICKS: u32 = 3;

/// What can be varied before anything is written.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) segments: u32,
    /// Composition offset of each video.
    pub(crate) shifts: [i32; 2],
    /// First decode time of each video.
    pub(crate) starts: [u64; 2],
    /// Samples left out at the end of the French audio.
    pub(crate) audio_short: u32,
    /// Samples moved from the second to the first segment of the French audio.
    pub(crate) audio_uneven: u32,
    /// Pictures of a tenth of a millisecond in front of the first segment's: pre-roll.
    pub(crate) glimpses: u32,
    /// Pictures of each segment that its last one stands for, itself included.
    pub(crate) held: u32,
    pub(crate) low_latency: bool,
}

impl Plan {
    /// How long each picture of `segment` lasts, together as long as [`FRAMES`] of them.
    fn picture_ticks(&self, segment: u32, sample_ticks: u32) -> Vec<u32> {
        let glimpses = if segment == 0 { self.glimpses } else { 0 };
        let mut ticks = vec![GLIMPSE_TICKS; glimpses as usize];
        ticks.extend(vec![sample_ticks; (FRAMES - self.held) as usize]);
        ticks.push(self.held * sample_ticks - glimpses * GLIMPSE_TICKS);
        ticks
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            segments: 3,
            shifts: [0; 2],
            starts: [0; 2],
            audio_short: 0,
            audio_uneven: 0,
            glimpses: 0,
            held: 1,
            low_latency: false,
        }
    }
}

/// What the server has, and how it misbehaves.
pub(crate) struct Site {
    /// By path below the root, query included.
    pub(crate) documents: BTreeMap<String, Vec<u8>>,
    pub(crate) entry: String,
    /// Changes answers on their way out.
    pub(crate) tamper: fn(&FetchRequest, &mut Response),
}

/// Sizes and durations of a written rendition.
#[derive(Default)]
struct Measured {
    bits: Vec<u64>,
    ns: Vec<u64>,
}

impl Measured {
    fn peak(&self) -> u64 {
        self.bits.iter().zip(&self.ns).map(|(bits, ns)| bits * 1_000_000_000 / ns).max().unwrap_or(0)
    }

    fn average(&self) -> u64 {
        self.bits.iter().sum::<u64>() * 1_000_000_000 / self.ns.iter().sum::<u64>()
    }
}

const VIDEOS: [(u16, u16, u8, u8); 2] = [(640, 360, 0x4d, 0x1e), (1280, 720, 0x64, 0x1f)];
const BIGS: [usize; 2] = [2000, 4000];

fn video(plan: &Plan, at: usize) -> TrackSpec {
    TrackSpec { timescale: 30_000, sample_ticks: 1000, video: Some(VIDEOS[at]), shift: plan.shifts[at] }
}

const AUDIO: TrackSpec = TrackSpec { timescale: 48_000, sample_ticks: 1024, video: None, shift: 0 };

fn duration(ticks: u64, timescale: u32) -> String {
    let units = (ticks * 100_000 + u64::from(timescale) / 2) / u64::from(timescale);
    format!("{}.{:05}", units / 100_000, units % 100_000)
}

const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n";

impl Site {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut site = Self { documents: BTreeMap::new(), entry: ENTRY.to_owned(), tamper: |_, _| {} };
        let mut master = String::from("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        let audio = if plan.low_latency { Measured::default() } else { site.write_audio(plan, &mut master) };
        let (peak, average) = if plan.low_latency { (0, 0) } else { (audio.peak(), audio.average()) };
        let mut iframes = String::new();
        for at in [1, 0] {
            let (measured, iframe) = site.write_video(plan, at);
            let (width, height, profile, level) = VIDEOS[at];
            let codec = format!("avc1.{profile:02x}00{level:02x}");
            let (codecs, group) = if plan.low_latency {
                (codec.clone(), "")
            } else {
                (format!("{codec},mp4a.40.2"), ",AUDIO=\"aac\"")
            };
            writeln!(
                master,
                "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{codecs}\",RESOLUTION={width}x{height},\
                 FRAME-RATE=30.000{group},CLOSED-CAPTIONS=NONE\nv{at}/list.m3u8",
                measured.peak() + peak,
                measured.average() + average,
            )
            .expect("strings take text");
            writeln!(
                iframes,
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{codec}\",RESOLUTION={width}x{height},\
                 URI=\"v{at}/iframes.m3u8\"",
                iframe.peak(),
                iframe.average(),
            )
            .expect("strings take text");
        }
        if !plan.low_latency {
            master.push_str(&iframes);
        }
        site.documents.insert("master.m3u8".to_owned(), master.into_bytes());
        site
    }

    /// Writes a video with its I-frame playlist.
    fn write_video(&mut self, plan: &Plan, at: usize) -> (Measured, Measured) {
        let track = video(plan, at);
        self.documents.insert(format!("v{at}/init.mp4"), mp4::init(&track));
        let (mut measured, mut iframe) = (Measured::default(), Measured::default());
        let map = "#EXT-X-MAP:URI=\"init.mp4\"\n";
        let mut list = format!("{HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n{map}");
        let mut frames = format!("{HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n{map}");
        for segment in 0..plan.segments {
            let start = plan.starts[at] + u64::from(segment * FRAMES * track.sample_ticks);
            let half = u64::from(FRAMES / 2 * track.sample_ticks);
            let body = if plan.low_latency {
                let parts = [
                    mp4::fragment(&track, start, FRAMES / 2, BIGS[at], true),
                    mp4::fragment(&track, start + half, FRAMES / 2, BIGS[at], false),
                ];
                for (part, bytes) in parts.iter().enumerate() {
                    self.documents.insert(format!("v{at}/part{segment}.{part}.m4s"), bytes.clone());
                }
                parts.concat()
            } else {
                let ticks = plan.picture_ticks(segment, track.sample_ticks);
                [mp4::styp(), mp4::uneven_fragment(&track, start, &ticks, BIGS[at], true)].concat()
            };
            let text = duration(u64::from(FRAMES * track.sample_ticks), track.timescale);
            writeln!(list, "#EXTINF:{text},\nseg{segment}.m4s").expect("strings take text");
            measured.bits.push(body.len() as u64 * 8);
            measured.ns.push(2_000_000_000);
            let moof = mp4::styp().len();
            let mdat = body.windows(4).position(|word| word == b"mdat").expect("the fixture has an mdat");
            let length = mdat + 4 + BIGS[at] - moof;
            writeln!(frames, "#EXTINF:{text},\n#EXT-X-BYTERANGE:{length}@{moof}\nseg{segment}.m4s")
                .expect("strings take text");
            iframe.bits.push(length as u64 * 8);
            iframe.ns.push(2_000_000_000);
            self.documents.insert(format!("v{at}/seg{segment}.m4s"), body);
        }
        if plan.low_latency {
            self.write_live(plan, at, &track);
        } else {
            list.push_str("#EXT-X-ENDLIST\n");
            frames.push_str("#EXT-X-ENDLIST\n");
            self.documents.insert(format!("v{at}/list.m3u8"), list.into_bytes());
            self.documents.insert(format!("v{at}/iframes.m3u8"), frames.into_bytes());
        }
        (measured, iframe)
    }

    /// Two audio renditions of one group; returns the rate of the first.
    fn write_audio(&mut self, plan: &Plan, master: &mut String) -> Measured {
        let mut first = Measured::default();
        for (language, is_default) in [("en", true), ("fr", false)] {
            self.documents.insert(format!("{language}/init.mp4"), mp4::init(&AUDIO));
            let mut list = format!("{HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n");
            let mut start = 0_u64;
            for segment in 0..plan.segments {
                let mut count = if segment == 2 { 93 } else { 94 };
                if !is_default {
                    count -= if segment + 1 == plan.segments { plan.audio_short } else { 0 };
                    count += if segment == 0 { plan.audio_uneven } else { 0 };
                    count -= if segment == 1 { plan.audio_uneven } else { 0 };
                }
                let body = [mp4::styp(), mp4::fragment(&AUDIO, start, count, 100, true)].concat();
                let ticks = u64::from(count * AUDIO.sample_ticks);
                start += ticks;
                writeln!(list, "#EXTINF:{},\nseg{segment}.m4s", duration(ticks, AUDIO.timescale))
                    .expect("strings take text");
                if is_default {
                    first.bits.push(body.len() as u64 * 8);
                    first.ns.push(ticks * 1_000_000_000 / u64::from(AUDIO.timescale));
                }
                self.documents.insert(format!("{language}/seg{segment}.m4s"), body);
            }
            list.push_str("#EXT-X-ENDLIST\n");
            self.documents.insert(format!("{language}/list.m3u8"), list.into_bytes());
            let (default, name) = if is_default { ("YES", "English") } else { ("NO", "Français") };
            writeln!(
                master,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"{name}\",LANGUAGE=\"{language}\",\
                 DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{language}/list.m3u8\""
            )
            .expect("strings take text");
        }
        first
    }

    /// The live playlist of a video and its delta update: parts for the last two segments, one open part.
    fn write_live(&mut self, plan: &Plan, at: usize, track: &TrackSpec) {
        let head = HEAD.replace("SEQUENCE:0", "SEQUENCE:7")
            + "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=3.0\n\
               #EXT-X-PART-INF:PART-TARGET=1.0\n";
        let map = "#EXT-X-MAP:URI=\"init.mp4\"\n";
        let mut bodies = Vec::new();
        for segment in 0..plan.segments {
            let mut body = String::new();
            if segment == 0 {
                body.push_str("#EXT-X-PROGRAM-DATE-TIME:2024-05-06T07:08:09.000Z\n");
            }
            if segment + 2 >= plan.segments {
                write!(
                    body,
                    "#EXT-X-PART:DURATION=1.00000,INDEPENDENT=YES,URI=\"part{segment}.0.m4s\"\n\
                     #EXT-X-PART:DURATION=1.00000,URI=\"part{segment}.1.m4s\"\n"
                )
                .expect("strings take text");
            }
            writeln!(body, "#EXTINF:2.00000,\nseg{segment}.m4s").expect("strings take text");
            bodies.push(body);
        }
        let next = plan.segments;
        let start = u64::from(next * FRAMES * track.sample_ticks);
        let open = mp4::fragment(track, start, FRAMES / 2, BIGS[at], true);
        self.documents.insert(format!("v{at}/part{next}.0.m4s"), open);
        let tail = format!(
            "#EXT-X-PART:DURATION=1.00000,INDEPENDENT=YES,URI=\"part{next}.0.m4s\"\n\
             #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part{next}.1.m4s\"\n\
             #EXT-X-RENDITION-REPORT:URI=\"../v{}/list.m3u8\",LAST-MSN={},LAST-PART=0\n",
            1 - at,
            7 + next
        );
        let full = format!("{head}{map}{}{tail}", bodies.concat());
        let skipped = bodies.len().min(4);
        let delta = format!(
            "{}#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n{map}{}{tail}",
            head.replace("VERSION:6", "VERSION:9"),
            bodies[skipped..].concat()
        );
        self.documents.insert(format!("v{at}/list.m3u8"), full.into_bytes());
        self.documents.insert(format!("v{at}/list.m3u8?_HLS_skip=YES"), delta.into_bytes());
    }

    /// Replaces the first `from` in a text; the test is wrong when it is not there.
    pub(crate) fn text(&mut self, path: &str, from: &str, to: &str) {
        let document = self.documents.get_mut(path).expect("the fixture has this document");
        let text = String::from_utf8(document.clone()).expect("playlists are text");
        assert!(text.contains(from), "{path} does not hold {from:?}:\n{text}");
        *document = text.replacen(from, to, 1).into_bytes();
    }

    /// The same in every playlist, everywhere in it.
    pub(crate) fn everywhere(&mut self, from: &str, to: &str) {
        for (path, document) in &mut self.documents {
            if path.contains(".m3u8") {
                let text = String::from_utf8(document.clone()).expect("playlists are text");
                *document = text.replace(from, to).into_bytes();
            }
        }
    }

    /// Overwrites bytes `at` bytes after the start of the first `fourcc`.
    pub(crate) fn patch(&mut self, path: &str, fourcc: &[u8; 4], at: usize, bytes: &[u8]) {
        let document = self.documents.get_mut(path).expect("the fixture has this document");
        let start =
            document.windows(4).position(|word| word == fourcc).expect("the document has this box") + at;
        document[start..start + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn path_of(url: &str) -> &str {
        url.strip_prefix(ROOT).unwrap_or("outside")
    }
}
