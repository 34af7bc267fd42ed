//! Players that decode everything: as many pictures and as much sound as ffmpeg makes of the source.

use std::process::{Command, Output};

use super::harness::corpus::Entry;
use super::harness::tools;

/// GStreamer scales pictures to this square of grey, one byte a pixel: counting bytes counts pictures.
const SIDE_PIXELS: usize = 16;
/// Every picture is made small before its checksum is taken, or six minutes of 1080p would take as long.
const SMALLER: &str = "scale=160:90:flags=neighbor";
/// What players may do differently at the start and the end of a sound track.
pub(crate) const AUDIO_FRAME_SAMPLES: usize = 1024;

/// GStreamer 1.22's newer demuxer fails at random when the download of a stream ends before its pads are there («Can't
/// push EOS on non-exposed pad»): it is asked for streams of this many segments or more.
const HLSDEMUX2_SEGMENTS_MIN: u64 = 3;

/// What a decoder made of a stream or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) frames: usize,
    /// Of one channel, at the rate of the source.
    pub(crate) sound_samples: usize,
    /// A checksum of each picture; only from ffmpeg.
    pub(crate) pictures: Vec<String>,
}

/// A player that decodes an HLS stream.
pub(crate) enum Player {
    /// An ffmpeg by its path.
    Ffmpeg(String),
    /// A GStreamer element, and which HLS demuxer it must take.
    GStreamer { element: &'static str, ranks: &'static str },
}

/// The players of this machine: its ffmpeg, a newer one if Python's imageio-ffmpeg brings it, and both HLS demuxers of
/// GStreamer.
pub(crate) fn players() -> Vec<Player> {
    let mut players = vec![
        Player::Ffmpeg("ffmpeg".to_owned()),
        Player::GStreamer { element: "playbin3", ranks: "hlsdemux2:MAX,hlsdemux:NONE" },
        // The older demuxer does not work within playbin3.
        Player::GStreamer { element: "playbin", ranks: "hlsdemux:MAX,hlsdemux2:NONE" },
    ];
    let script = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
    match Command::new("python3").args(["-c", script]).output() {
        Ok(output) if output.status.success() => {
            players.push(Player::Ffmpeg(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
        }
        _ => tools::say("without a newer ffmpeg: Python's imageio-ffmpeg is not installed"),
    }
    players
}

impl Player {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Ffmpeg(program) => program,
            Self::GStreamer { ranks, .. } => ranks,
        }
    }

    /// Whether the player can be asked for this file's stream.
    pub(crate) fn takes(&self, entry: &Entry) -> bool {
        let newer = matches!(self, Self::GStreamer { element: "playbin3", .. });
        let segments = entry.facts["segments"]["count"].as_u64().unwrap_or(0);
        !newer || segments >= HLSDEMUX2_SEGMENTS_MIN
    }

    /// Decodes a stream from start to end, without waiting for the clock.
    pub(crate) fn decode(&self, url: &str) -> Result<Decoded, String> {
        match self {
            Self::Ffmpeg(program) => ffmpeg(program, &["-i", url, "-map", "0:v:0?", "-map", "0:a:0?"]),
            Self::GStreamer { element, ranks } => gstreamer(element, ranks, url),
        }
    }
}

/// What the machine's ffmpeg makes of a source, its edit lists not applied; of several sound tracks, the first that is
/// served.
pub(crate) fn source(entry: &Entry) -> Decoded {
    let tracks = entry.facts["tracks"].as_array().into_iter().flatten();
    let sound = tracks.filter(|track| track["kind"] == "audio").find_map(|track| track["id"].as_u64());
    let sound = sound.map_or_else(|| "0:a:0?".to_owned(), |id| format!("0:i:{id}"));
    let path = entry.path.to_string_lossy();
    let input = ["-ignore_editlist", "1", "-i", &path, "-map", "0:v:0?", "-map", &sound];
    ffmpeg("ffmpeg", &input).expect("ffmpeg decodes the sources of the corpus")
}

/// Every picture and every sample, none repeated or left out for the sake of a frame rate.
fn ffmpeg(program: &str, input: &[&str]) -> Result<Decoded, String> {
    let output = Command::new(program)
        .args(["-v", "error", "-nostdin", "-xerror", "-flags", "+bitexact"])
        .args(input)
        .args([
            "-fps_mode",
            "passthrough",
            "-vf",
            SMALLER,
            "-c:v",
            "rawvideo",
            "-ac",
            "1",
            "-c:a",
            "pcm_s16le",
        ])
        .args(["-f", "framecrc", "-"])
        .output();
    let text = checked(output)?;
    let kinds = text.lines().filter_map(|line| line.strip_prefix("#media_type ")?.split_once(": "));
    let videos: Vec<&str> = kinds.filter(|(_, kind)| *kind == "video").map(|(index, _)| index).collect();
    let mut decoded = Decoded::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [index, _, _, _, size, sum, ..] = fields[..] else { return Err(format!("ffmpeg writes {line}")) };
        if videos.contains(&index) {
            decoded.frames += 1;
            decoded.pictures.push(sum.to_owned());
        } else {
            decoded.sound_samples +=
                size.parse::<usize>().map_err(|error| error.to_string())? / size_of::<i16>();
        }
    }
    Ok(decoded)
}

fn gstreamer(element: &str, ranks: &str, url: &str) -> Result<Decoded, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let sink = |name: &str| format!("filesink location={}", dir.path().join(name).display());
    let side = SIDE_PIXELS;
    let grey = format!("video/x-raw,format=GRAY8,width={side},height={side},pixel-aspect-ratio=1/1");
    let video = format!("video-sink=videoconvert ! videoscale ! {grey} ! {}", sink("video"));
    let audio = format!("audio-sink=audioconvert ! audio/x-raw,format=S8,channels=1 ! {}", sink("audio"));
    // Video and audio, no subtitles, no volume; the demuxer is chosen by rank.
    let output = Command::new("gst-launch-1.0")
        .env("GST_PLUGIN_FEATURE_RANK", ranks)
        .args(["-q", element, &format!("uri={url}"), "flags=0x3", &video, &audio])
        .output();
    checked(output)?;
    // A track that is not there opens no file.
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |file| file.len());
    let size = |name: &str| usize::try_from(size(name)).map_err(|error| error.to_string());
    Ok(Decoded {
        frames: size("video")? / (side * side),
        sound_samples: size("audio")?,
        pictures: Vec::new(),
    })
}

/// Standard output of a program that succeeded.
fn checked(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {told}", output.status))
    }
}

/// How what a player decoded differs from the source; `None` when it does not.
pub(crate) fn difference(source: &Decoded, played: &Decoded) -> Option<String> {
    if source.frames != played.frames {
        return Some(format!("{} pictures, {} in the source", played.frames, source.frames));
    }
    if source.sound_samples.abs_diff(played.sound_samples) > AUDIO_FRAME_SAMPLES {
        return Some(format!(
            "{} samples of sound, {} in the source",
            played.sound_samples, source.sound_samples
        ));
    }
    let pairs = source.pictures.iter().zip(&played.pictures);
    let at = pairs.into_iter().position(|(one, other)| one != other)?;
    Some(format!("picture {at} differs from the source's"))
}
