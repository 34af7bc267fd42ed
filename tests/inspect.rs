//! `rillcast inspect` as its users run it: exit codes and messages, and what it says of real files
//! against what ffprobe says.
//!
//! The comparison needs a directory of MP4 files (`RILLCAST_CORPUS`, else `../shared/corpus`) and
//! `ffprobe`; without either it is skipped with a message.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rillcast_fixtures::{Edit, Shape, Track};
use serde_json::Value;

fn inspect(args: &[&str], paths: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rillcast"))
        .arg("inspect")
        .args(args)
        .args(paths)
        .output()
        .expect("the binary was built for this test")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

#[test]
fn what_cannot_be_read_is_exit_code_2_and_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let missing = dir.path().join("missing.mp4");
    let output = inspect(&[], &[&missing, dir.path()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("missing.mp4: no such file"), "{told}");
    assert!(told.contains("is a directory: name the files in it"), "{told}");
    let both = json(&inspect(&["--json"], &[&missing, dir.path()]));
    assert_eq!(
        (&both[0]["unreadable"]["kind"], &both[1]["unreadable"]["kind"]),
        (&"missing".into(), &"directory".into())
    );
}

#[test]
fn what_is_refused_is_exit_code_1_with_the_box_and_the_byte() {
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let cut = dir.path().join("cut.mp4");
    let mut bytes = b"\0\0\0\x10ftypisom\0\0\0\0".to_vec();
    bytes.extend(b"\0\0\x10\0moov");
    std::fs::write(&cut, bytes).expect("the directory is ours");
    let output = inspect(&[], &[&cut]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("box-overrun, box `moov` at byte 16"), "{text}");
    let refused = json(&inspect(&["--json"], &[&cut]))["refused"].clone();
    assert_eq!(refused["kind"], "box-overrun");
    assert_eq!((&refused["box"], &refused["offset"]), (&"moov".into(), &16.into()));
}

/// What is said of a generated file.
fn generated(shape: &Shape) -> Value {
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let file = dir.path().join("generated.mp4");
    std::fs::write(&file, shape.bytes()).expect("the directory is ours");
    json(&inspect(&["--json"], &[&file]))
}

fn slugs(report: &Value) -> Vec<&str> {
    let list = report["suspicious"].as_array().expect("a list");
    list.iter().filter_map(|suspicion| suspicion["slug"].as_str()).collect()
}

#[test]
fn a_plain_file_is_described_and_nothing_is_odd() {
    let report = generated(&Shape::new(vec![Track::avc(1, 25, 50, 300), Track::aac(2, 563)]));
    assert_eq!((&report["playable"], slugs(&report)), (&true.into(), vec![]));
    assert_eq!(report["segments"]["durations_s"], serde_json::json!([6.0, 6.0]));
    let video = &report["tracks"][0];
    assert_eq!((&video["start_s"], &video["end_s"]), (&0.0.into(), &12.0.into()));
    assert_eq!(
        (&video["video"]["gop"]["max_s"], &video["video"]["gop"]["last_s"]),
        (&2.0.into(), &2.0.into())
    );
    assert_eq!(video["video"]["frame_rate"]["exact"], "25/1");
}

#[test]
fn an_edit_inside_a_gop_is_told_with_its_preroll_and_reordering_with_its_depth() {
    // From 5 s (the GOP starts at 4 s) to 10 s of 12 s.
    let video = Track::avc(1, 25, 50, 300).with_b_frames().with_edits(&[Edit::new(5000, 5 * 12_800 + 512)]);
    let report = generated(&Shape { index_first: false, ..Shape::new(vec![video]) });
    let found = slugs(&report);
    for slug in ["moov-at-end", "edit-trims", "edit-preroll"] {
        assert!(found.contains(&slug), "{slug} is missing in {found:?}");
    }
    let track = &report["tracks"][0];
    assert_eq!(track["trim"]["dropped_start_samples"], 100);
    assert_eq!(track["trim"]["preroll_s"], 1.0);
    assert_eq!((&track["start_s"], &track["end_s"]), (&0.0.into(), &5.0.into()));
    assert_eq!(track["video"]["gop"]["reorder_frames"], 1);
    // 25 pictures of the GOP are there for decoding only, and one more is decoded among them.
    let moved = track["preroll_samples"].as_u64().expect("a number");
    assert!((25..=26).contains(&moved), "{moved}");
    let message = message(&report, "edit-preroll");
    assert!(message.ends_with("they pass in an instant before the first picture"), "{message}");
}

/// What the rule `slug` says.
fn message<'a>(report: &'a Value, slug: &str) -> &'a str {
    let list = report["suspicious"].as_array().expect("a list");
    let found = list.iter().find(|suspicion| suspicion["slug"] == slug);
    found.and_then(|suspicion| suspicion["message"].as_str()).unwrap_or_default()
}

#[test]
fn what_is_missing_at_the_ends_is_told_with_what_is_made_of_it() {
    // Pictures of 12 s; sound that begins 3 s later and ends 4.34 s before them.
    let late = Track::aac(2, 219).with_edits(&[Edit::new(3000, -1), Edit::new(0, 0)]);
    let report = generated(&Shape::new(vec![Track::avc(1, 25, 50, 300), late]));
    let sound = &report["tracks"][1];
    assert_eq!(sound["silence_frames"], serde_json::json!({"before": 141, "between": 0, "after": 203}));
    assert_eq!(sound["start_s"], 3.0);
    let said = message(&report, "audio-starts-late");
    assert_eq!(said, "sound starts 3.000 s after the first picture: 141 frames of silence are made in front");
    let said = message(&report, "av-duration-mismatch");
    assert_eq!(said, "video ends at 12.000 s, audio at 7.672 s: 203 frames of silence are made behind");

    // Pictures that begin 2 s after the sound.
    let late = Track::avc(1, 25, 50, 300).with_edits(&[Edit::new(2000, -1), Edit::new(0, 0)]);
    let report = generated(&Shape::new(vec![late, Track::aac(2, 656)]));
    let (picture, sound) = (&report["tracks"][0], &report["tracks"][1]);
    assert_eq!((&picture["start_s"], &picture["first_held_s"]), (&0.0.into(), &2.0.into()));
    assert_eq!((&picture["preroll_samples"], &sound["start_s"]), (&1.into(), &0.0.into()));
    let said = message(&report, "video-starts-late");
    assert_eq!(said, "the first picture comes 2.000 s after the sound starts: it is held from there");
}

#[test]
fn a_turn_that_is_no_quarter_is_told_with_what_is_shown() {
    let mut bytes = Shape::new(vec![Track::avc(1, 25, 50, 300)]).bytes();
    let header = bytes.windows(4).position(|word| word == b"tkhd").expect("there is a track");
    let plain: Vec<u8> =
        [0x1_0000i32, 0, 0, 0, 0x1_0000].iter().flat_map(|cell| cell.to_be_bytes()).collect();
    let matrix = bytes[header..].windows(20).position(|cells| cells == plain).expect("a matrix") + header;
    // The cosine and sine of 30 degrees.
    for (at, cell) in [(0, 56_756i32), (4, 32_768), (12, -32_768), (16, 56_756)] {
        bytes[matrix + at..][..4].copy_from_slice(&cell.to_be_bytes());
    }
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let file = dir.path().join("slanted.mp4");
    std::fs::write(&file, bytes).expect("the directory is ours");
    let report = json(&inspect(&["--json"], &[&file]));
    assert_eq!(slugs(&report), ["rotation-odd"]);
    assert_eq!(report["tracks"][0]["video"]["odd_transform"], "turns the picture by 30.0 degrees");
    assert!(message(&report, "rotation-odd").ends_with("announced as 960 x 540, as coded"), "{report:#}");
}

#[test]
fn a_film_cut_in_decoding_order_is_constant_and_lacks_its_last_pictures() {
    let mut video = Track::avc(1, 25, 50, 300).with_b_frames();
    let whole = generated(&Shape::new(vec![video.clone()]));
    assert_eq!(whole["tracks"][0]["video"]["frame_rate"]["missing_at_end"], 0);
    while video.samples.last().is_some_and(|sample| sample.composition == 0) {
        video.samples.pop();
    }
    let report = generated(&Shape::new(vec![video]));
    let rate = &report["tracks"][0]["video"]["frame_rate"];
    assert_eq!((&rate["constant"], &rate["exact"]), (&true.into(), &"25/1".into()), "{rate}");
    assert!(rate["missing_at_end"].as_u64() > Some(0), "{rate}");
    assert!(slugs(&report).contains(&"cut-tail") && !slugs(&report).contains(&"vfr"), "{report:#}");
}

#[test]
fn what_is_said_of_real_files_agrees_with_ffprobe() {
    let Some(files) = corpus() else { return };
    if Command::new("ffprobe").arg("-version").output().is_err() {
        eprintln!("skipped: no ffprobe");
        return;
    }
    let mut compared = 0;
    let mut odd: Vec<String> = Vec::new();
    for file in &files {
        let output = inspect(&["--json"], &[file]);
        let ours = json(&output);
        assert_eq!(output.status.code(), Some(if ours["playable"] == true { 0 } else { 1 }), "{file:?}");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ours["container"].is_null() {
            assert!(ours["refused"]["message"].is_string(), "{name} is neither refused nor described");
            continue;
        }
        let theirs = ffprobe(file);
        let mut of_file = Disagreements { file: name, found: Vec::new() };
        compare_file(&ours, &theirs, &mut of_file);
        odd.extend(of_file.found);
        compared += 1;
    }
    assert!(odd.is_empty(), "disagreements:\n{}", odd.join("\n"));
    assert!(compared > 0, "no file of the corpus was compared");
}

/// ffprobe 5 tells no titles of tracks, so what ffmpeg was told to write is compared.
#[test]
fn titles_are_those_that_ffmpeg_was_told_to_write() {
    const TITLE: &str = "Director\u{2019}s \"commentary\"";
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    for name in ["titled.mp4", "titled.mov"] {
        let file = dir.path().join(name);
        let written = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "anullsrc=d=1", "-map", "0:a", "-map", "0:a"])
            .args(["-c:a", "aac", "-metadata:s:a:1", &format!("title={TITLE}")])
            .arg(&file)
            .output();
        let Ok(written) = written else {
            eprintln!("skipped: no ffmpeg");
            return;
        };
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        let report = json(&inspect(&["--json"], &[&file]));
        let titles: Vec<_> =
            report["tracks"].as_array().expect("a list").iter().map(|t| &t["title"]).collect();
        assert_eq!(titles, [&Value::Null, &TITLE.into()], "{name}");
        assert!(!slugs(&report).contains(&"language-unclear"));
        let text = String::from_utf8_lossy(&inspect(&[], &[&file]).stdout).into_owned();
        assert!(text.contains(&format!("\n  title        {TITLE}\n")), "{text}");
    }
}

fn corpus() -> Option<Vec<PathBuf>> {
    let dir = std::env::var_os("RILLCAST_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: no corpus at {}", dir.display());
        return None;
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "mp4"));
    files.sort();
    Some(files)
}

fn ffprobe(file: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_streams", "-show_format", "-show_packets"])
        .args(["-show_entries", "packet=stream_index,pts,dts,size,flags"])
        .arg(file)
        .output()
        .expect("ffprobe was found a moment ago");
    serde_json::from_slice(&output.stdout).expect("ffprobe prints JSON")
}

/// Where the two differ.
struct Disagreements {
    file: String,
    found: Vec<String>,
}

impl Disagreements {
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: T, theirs: T) {
        let [ours, theirs] = [ours, theirs];
        if ours != theirs {
            self.found.push(format!("{}: {what}: we say {ours:?}, ffprobe {theirs:?}", self.file));
        }
    }

    fn near(&mut self, what: &str, ours: &Value, theirs: Option<f64>, slack: f64) {
        let ours = ours.as_f64();
        let near = matches!((ours, theirs), (Some(one), Some(other)) if (one - other).abs() <= slack);
        if !near {
            self.found.push(format!("{}: {what}: we say {ours:?}, ffprobe {theirs:?}", self.file));
        }
    }
}

fn compare_file(ours: &Value, theirs: &Value, odd: &mut Disagreements) {
    odd.equal("size", ours["container"]["size_bytes"].as_f64(), number(&theirs["format"]["size"]));
    let tracks = ours["tracks"].as_array().expect("a list");
    let ignored = ours["ignored_tracks"].as_array().expect("a list");
    let streams = theirs["streams"].as_array().expect("a list");
    odd.equal("number of tracks", tracks.len() + ignored.len(), streams.len());
    let starts = (start(streams, "video"), start(streams, "audio"));
    for track in tracks {
        let id = track["id"].as_u64().expect("a number");
        let stream = streams.iter().find(|stream| stream["id"] == format!("0x{id:x}"));
        let Some(stream) = stream else {
            odd.found.push(format!("{}: ffprobe has no track {id}", odd.file));
            continue;
        };
        compare_track(track, stream, odd);
        let packets: Vec<&Value> = theirs["packets"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|packet| packet["stream_index"] == stream["index"])
            .collect();
        if track["kind"] == "video" {
            compare_video(track, stream, &packets, odd);
        } else {
            odd.equal(
                "sample rate",
                track["audio"]["sample_rate_hz"].as_f64(),
                number(&stream["sample_rate"]),
            );
            odd.equal("channels", track["audio"]["channels"].as_u64(), stream["channels"].as_u64());
        }
        // Both starts are of the movie's timeline; ours has the first picture at zero, from where it is held.
        if let (Some(video), Some(_)) = starts
            && ours["playable"] == true
        {
            let held = if track["kind"] == "audio" { tracks[0]["first_held_s"].as_f64() } else { None };
            let zero = video - held.unwrap_or(0.0);
            odd.near("start", &track["start_s"], number(&stream["start_time"]).map(|at| at - zero), 0.002);
        }
    }
}

fn start(streams: &[Value], kind: &str) -> Option<f64> {
    let first = streams.iter().find(|stream| stream["codec_type"] == kind)?;
    number(&first["start_time"])
}

fn compare_track(track: &Value, stream: &Value, odd: &mut Disagreements) {
    let family = match stream["codec_name"].as_str() {
        Some("h264") => "H.264",
        Some("hevc") => "H.265",
        Some("aac") => "AAC",
        _ => "another codec",
    };
    odd.equal("codec", track["codec"].as_str(), Some(family));
    odd.equal("profile", track["profile"].as_str(), stream["profile"].as_str());
    odd.equal("samples", track["sample_count"].as_f64(), number(&stream["nb_frames"]));
    let language = stream["tags"]["language"].as_str().unwrap_or("und");
    odd.equal("language", track["language"].as_str(), Some(language));
    // ffprobe 5 tells none.
    if let Some(title) = stream["tags"]["title"].as_str() {
        odd.equal("title", track["title"].as_str(), Some(title));
    }
    odd.equal("default", track["enabled"].as_bool(), Some(stream["disposition"]["default"] == 1));
    let rate = number(&stream["bit_rate"]);
    odd.near("bit rate", &track["average_bits_per_s"], rate, rate.unwrap_or(0.0) * 0.01 + 1.0);
    // ffprobe leaves out what the edit list hides, unless it is the priming.
    let theirs = number(&stream["duration"]);
    let hidden = track["trim"]["preroll_s"].as_f64().filter(|hidden| *hidden > 0.25).unwrap_or(0.0);
    odd.near("duration", &track["media_duration_s"], theirs.map(|shown| shown + hidden), 0.1);
}

fn compare_video(track: &Value, stream: &Value, packets: &[&Value], odd: &mut Disagreements) {
    let video = &track["video"];
    odd.equal("width", video["width_px"].as_u64(), stream["width"].as_u64());
    odd.equal("height", video["height_px"].as_u64(), stream["height"].as_u64());
    let aspect = stream["sample_aspect_ratio"].as_str().unwrap_or("1:1");
    odd.equal("pixel aspect", video["pixel_aspect"].as_str(), Some(aspect));
    odd.near("frame rate", &video["frame_rate"]["average_fps"], number(&stream["avg_frame_rate"]), 0.002);
    if let Some(exact) = video["frame_rate"]["exact"].as_str() {
        odd.equal("exact frame rate", Some(exact), stream["r_frame_rate"].as_str());
    }
    let level = stream["level"].as_u64().unwrap_or(0);
    let level = if track["codec"] == "H.264" { level } else { level / 3 };
    odd.equal("level", track["level"].as_str(), Some(format!("{}.{}", level / 10, level % 10).as_str()));
    let pixels = match (video["chroma"]["format"].as_str(), video["chroma"]["bit_depth"].as_u64()) {
        (Some("4:2:0"), Some(8)) => "yuv420p",
        (Some("4:2:0"), Some(10)) => "yuv420p10le",
        (Some("4:2:2"), Some(8)) => "yuv422p",
        _ => "another format",
    };
    // The full range variant has a name of its own.
    let theirs = stream["pix_fmt"].as_str().map(|name| name.replace("yuvj", "yuv"));
    odd.equal("pixel format", Some(pixels), theirs.as_deref());
    let turned = stream["side_data_list"].as_array().and_then(|list| number(&list.first()?["rotation"]));
    // ffprobe counts the other way round.
    let turned = turned.map_or(0.0, |degrees| (-degrees).rem_euclid(360.0));
    odd.equal("rotation", video["rotation_degrees"].as_f64(), Some(turned));
    if let Some(order) = stream["field_order"].as_str() {
        odd.equal("interlaced", video["interlaced"].as_bool(), Some(order != "progressive"));
    }
    compare_color(&video["color"], stream, odd);
    compare_gop(&video["gop"], stream, packets, odd);
}

fn compare_color(color: &Value, stream: &Value, odd: &mut Disagreements) {
    let theirs = |field: &str| {
        let name = stream[field].as_str().unwrap_or("unspecified");
        Some(match name {
            "bt709" => "BT.709",
            "bt2020" => "BT.2020",
            "bt2020nc" => "BT.2020 NCL",
            "smpte170m" if field == "color_transfer" => "BT.601",
            "smpte170m" => "BT.601 525",
            "bt470bg" if field == "color_transfer" => "gamma 2.8",
            "bt470bg" => "BT.601 625",
            "smpte2084" => "PQ",
            "arib-std-b67" => "HLG",
            "unknown" => "unspecified",
            other => other,
        })
    };
    let ours = |field: &str| if color.is_null() { Some("unspecified") } else { color[field].as_str() };
    odd.equal("primaries", ours("primaries"), theirs("color_primaries"));
    odd.equal("transfer", ours("transfer"), theirs("color_transfer"));
    odd.equal("matrix", ours("matrix"), theirs("color_space"));
    let full = !color.is_null() && color["full_range"] == true;
    odd.equal("full range", full, stream["color_range"] == "pc");
}

fn compare_gop(gop: &Value, stream: &Value, packets: &[&Value], odd: &mut Disagreements) {
    let is_key = |packet: &&&Value| packet["flags"].as_str().is_some_and(|flags| flags.starts_with('K'));
    let keys: Vec<f64> = packets.iter().filter(is_key).filter_map(|packet| packet["pts"].as_f64()).collect();
    if gop["sync_samples_listed"] == true {
        // Without a table we believe the file, ffprobe the stream.
        odd.equal("sync samples", gop["sync_sample_count"].as_u64(), Some(keys.len() as u64));
    }
    let theirs = stream["has_b_frames"].as_u64();
    if gop["stated_reorder_frames"].is_null() {
        let found = gop["reorder_frames"].as_u64();
        odd.equal("reordering within", found.max(theirs), theirs);
    } else {
        odd.equal("stated reordering", gop["stated_reorder_frames"].as_u64(), theirs);
    }
    let tick_s = ratio(stream["time_base"].as_str().unwrap_or("1/1"));
    let lengths: Vec<f64> = keys.windows(2).map(|pair| (pair[1] - pair[0]) * tick_s).collect();
    if !lengths.is_empty() {
        let least = lengths.iter().copied().fold(f64::MAX, f64::min);
        let most = lengths.iter().copied().fold(0.0, f64::max);
        odd.near("shortest GOP", &gop["min_s"], Some(least), 1e-5);
        odd.near("longest GOP", &gop["max_s"], Some(most), 1e-5);
    }
}

/// A number that ffprobe writes as text, as a fraction or as such.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if text.contains('/') => Some(ratio(text)),
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    }
}

fn ratio(text: &str) -> f64 {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    above.parse::<f64>().unwrap_or(f64::NAN) / below.parse::<f64>().unwrap_or(f64::NAN)
}
