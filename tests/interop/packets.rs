//! Access units as ffmpeg reads them: times and a hash of what remains when parameter sets and delimiters are taken out.
//!
//! Those may stand in the source's samples and not in ours, or the other way round, without a difference to a decoder.

use std::collections::BTreeMap;
use std::process::Command;

/// One access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    /// MD5 of the bytes, in Annex B form for H.264 and H.265.
    pub(crate) hash: String,
}

/// The access units of one stream, in decode order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) ticks_per_s: f64,
    pub(crate) packets: Vec<Packet>,
}

/// The video and audio streams of a source, numbers of streams as ffmpeg has them; its edit lists are not applied.
pub(crate) fn of_file(path: &str, codec: &str) -> BTreeMap<usize, Stream> {
    read(&["-ignore_editlist", "1", "-i", path], codec)
}

/// The streams of a playlist, of all renditions if it is a multivariant one.
pub(crate) fn of_playlist(url: &str, codec: &str) -> BTreeMap<usize, Stream> {
    read(&["-i", url], codec)
}

/// `codec` is that of the video, as `rillcast inspect` calls it.
fn read(input: &[&str], codec: &str) -> BTreeMap<usize, Stream> {
    let filter = match codec {
        "H.264" => "filter_units=remove_types=7-9",
        "H.265" => "filter_units=remove_types=32-35",
        _ => "null",
    };
    // Everything, also before the first key frame and before time zero, with the times that stand in the input.
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(input)
        .args(["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-copyts", "-copyinkf", "-copypriorss", "1"])
        .args(["-bsf:v", filter, "-f", "framehash", "-hash", "md5", "-"])
        .output()
        .expect("ffmpeg was found before");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "ffmpeg {}: {complaints}", input.join(" "));
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> BTreeMap<usize, Stream> {
    let mut streams: BTreeMap<usize, Stream> = BTreeMap::new();
    for line in text.lines() {
        if let Some((index, base)) = line.strip_prefix("#tb ").and_then(|rest| rest.split_once(": 1/")) {
            let stream = Stream { ticks_per_s: base.parse().expect("a number"), packets: Vec::new() };
            streams.insert(index.parse().expect("a number"), stream);
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let number = |at: usize| fields[at].parse().expect("a number");
            let packet = Packet { dts: number(1), pts: number(2), hash: fields[5].to_owned() };
            let index: usize = fields[0].parse().expect("a number");
            streams.get_mut(&index).expect("its time base came first").packets.push(packet);
        }
    }
    streams
}
