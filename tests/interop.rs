//! What others make of what we serve: ffmpeg, GStreamer, hls.js and Shaka Player in a browser, and our own audit.
//!
//! Each test needs tools, and most of them the corpus; where they are absent it skips with a message, or fails if
//! `RILLCAST_REQUIRE_TOOLS=1`. The usual run takes a choice of files where all would take long; all of them:
//! `cargo test --test interop -- --ignored --nocapture`.
//!
//! - [`samples`]: every access unit comes back, unchanged and in time. [`packets`], [`boxes`], [`fetch`] read for it.
//! - [`decoded`]: players decode as much as there is.
//! - [`browsers`]: hls.js, Shaka Player, and the page. [`ladder`] is a film with renditions to switch between, [`shapes`] are films
//!   whose tracks do not begin and end together.

#[path = "interop/boxes.rs"]
mod boxes;
#[path = "interop/browsers.rs"]
mod browsers;
#[path = "interop/decoded.rs"]
mod decoded;
#[path = "interop/fetch.rs"]
mod fetch;
#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;
#[path = "interop/ladder.rs"]
mod ladder;
#[path = "interop/packets.rs"]
mod packets;
#[path = "interop/samples.rs"]
mod samples;
#[path = "interop/shapes.rs"]
mod shapes;

use std::process::Command;

use harness::corpus::Entry;
use harness::server::Server;
use harness::{browser, corpus, tools};

/// One of each kind: B-frames, several audio tracks, sound past an edit's end, H.265, sound first, one segment, sound alone.
const DECODED: [&str; 7] = [
    "audio_only_15s.mp4",
    "bbb_b_pyramid.mp4",
    "bbb_prog_10s.mp4",
    "car-detection.mp4",
    "foreman_hevc_hev1.mp4",
    "friday.mp4",
    "tos_multi_audio_subs.mp4",
];

/// What browsers play in the usual run: B-frames at 29.97 Hz, sound that starts late, two languages.
const PLAYED: [&str; 3] = ["flower.mp4", "sample_offset_audio.mp4", "tos_multi_audio_subs.mp4"];

/// What is laid out anew before browsers play it: neither is segment-contiguous as it comes.
const OPTIMIZED: [&str; 2] = ["flower.mp4", "sample_offset_audio.mp4"];

/// The playable files of the corpus that `choice` takes, and a server for them.
fn stage(programs: &[&str], choice: impl Fn(&Entry) -> bool) -> Option<(Vec<Entry>, Server)> {
    if !tools::present(programs) {
        return None;
    }
    let (dir, mut files) = (corpus::dir()?, corpus::files()?);
    files.retain(|entry| entry.playable() && choice(entry));
    assert!(!files.is_empty(), "nothing that was chosen is playable");
    Some((files, Server::start(&dir)))
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} found:\n  {}", faults.len(), faults.join("\n  "));
}

#[test]
fn every_access_unit_of_a_source_comes_back_unchanged_at_its_time() {
    let Some((files, server)) = stage(&["ffmpeg"], |_| true) else { return };
    let rows: Vec<samples::Row> = files.iter().flat_map(|file| samples::compare(file, &server)).collect();
    let table = samples::table(&rows);
    tools::say(&table);
    assert!(rows.iter().all(|row| row.faults.is_empty()), "see the last column:\n{table}");
}

#[test]
fn the_comparison_finds_a_moved_track_and_a_lost_access_unit() {
    if !tools::present(&["ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let (good, spoilt) = (dir.path().join("good.mp4"), dir.path().join("spoilt.mp4"));
    ladder::make(&good);
    ladder::spoil(&good, &spoilt);
    let server = Server::start(dir.path());
    let mut entry = corpus::inspect(good);
    let rows = samples::compare(&entry, &server);
    assert!(rows.iter().all(|row| row.faults.is_empty()), "{}", samples::table(&rows));
    // The good film's samples against the stream of the spoilt one.
    "spoilt.mp4".clone_into(&mut entry.name);
    let table = samples::table(&samples::compare(&entry, &server));
    assert!(table.contains("presented 0.099"), "{table}");
    assert!(table.contains("different from number 50 on"), "{table}");
}

#[test]
fn the_audit_finds_no_error_in_any_stream() {
    let Some((files, server)) = stage(&[], |_| true) else { return };
    let mut faults = Vec::new();
    for file in &files {
        faults.extend(audit(&server, &file.name));
    }
    none(&faults);
}

/// What `rillcast check` has against a stream.
fn audit(server: &Server, name: &str) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_rillcast")).arg("check").arg(server.master(name)).output();
    let output = output.expect("the binary was built for this test");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    tools::say(&format!("{name}: {}", told.lines().last().unwrap_or_default()));
    let fine = output.status.success();
    (!fine).then(|| format!("{name}: {told}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn players_decode_every_picture_and_all_sound() {
    decode(|entry| DECODED.contains(&entry.name.as_str()));
}

#[test]
#[ignore = "minutes: `make test-full`"]
fn players_decode_every_picture_and_all_sound_of_the_whole_corpus() {
    decode(|_| true);
}

fn decode(choice: impl Fn(&Entry) -> bool) {
    let Some((files, server)) = stage(&["ffmpeg", "gst-launch-1.0"], choice) else { return };
    let players = decoded::players();
    let mut faults = Vec::new();
    for file in &files {
        let source = decoded::source(file);
        for player in players.iter().filter(|player| player.takes(file)) {
            let played = player.decode(&server.master(&file.name));
            let fault = match &played {
                Ok(played) => decoded::difference(&source, played),
                Err(error) => Some(error.clone()),
            };
            let (frames, sound) = played.map_or((0, 0), |played| (played.frames, played.sound_samples));
            tools::say(&format!(
                "{}: {} decodes {frames} pictures, {sound} samples",
                file.name,
                player.name()
            ));
            faults.extend(fault.map(|fault| format!("{}, {}: {fault}", file.name, player.name())));
        }
    }
    none(&faults);
}

#[test]
fn browsers_play_files_from_start_to_end() {
    play(|entry| PLAYED.contains(&entry.name.as_str()));
}

/// Of files that were laid out anew: the samples of the original come back, and browsers play them.
#[test]
fn browsers_play_files_after_rillcast_optimize() {
    if !(tools::present(&["ffmpeg"]) && browser::present()) {
        return;
    }
    let Some(mut files) = corpus::files() else { return };
    files.retain(|entry| OPTIMIZED.contains(&entry.name.as_str()));
    assert_eq!(files.len(), OPTIMIZED.len());
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    for file in &files {
        std::fs::copy(&file.path, dir.path().join(&file.name)).expect("writable");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_rillcast"))
        .arg("optimize")
        .args(files.iter().map(|file| dir.path().join(&file.name)))
        .output();
    let output = output.expect("the binary was built for this test");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start(dir.path());
    let mut rows = Vec::new();
    for file in &files {
        let now = corpus::inspect(dir.path().join(&file.name));
        let contiguous = [&file.facts, &now.facts].map(|facts| facts["segments"]["contiguous"] == true);
        assert_eq!(contiguous, [false, true], "{}", file.name);
        assert_eq!(now.facts["revision"], file.facts["revision"], "{}", file.name);
        // `file` is the original still.
        rows.extend(samples::compare(file, &server));
    }
    let table = samples::table(&rows);
    assert!(rows.iter().all(|row| row.faults.is_empty()), "see the last column:\n{table}");
    play_all(&files, &server);
}

#[test]
#[ignore = "minutes: `make test-full`"]
fn browsers_play_the_whole_corpus_from_start_to_end() {
    play(|_| true);
}

fn play(choice: impl Fn(&Entry) -> bool) {
    if !browser::present() {
        return;
    }
    let Some((files, server)) = stage(&[], |entry| choice(entry) && browsers::playable(entry)) else {
        return;
    };
    play_all(&files, &server);
}

/// Plays each file with each player of the web.
#[track_caller]
fn play_all(files: &[Entry], server: &Server) {
    let _turn = tools::turn("browser");
    let mut faults = Vec::new();
    for file in files {
        let expected = browsers::Expected::of(file);
        for player in browsers::PLAYERS {
            let found = browsers::play(player, &server.master(&file.name), &expected);
            tools::say(&format!(
                "{}: {player} {}",
                file.name,
                if found.is_empty() { "plays" } else { "FAILS" }
            ));
            faults.extend(found.iter().map(|fault| format!("{}, {player}: {fault}", file.name)));
        }
    }
    none(&faults);
}

#[test]
fn browsers_switch_between_the_renditions_of_one_file() {
    if !(tools::present(&["ffmpeg"]) && browser::present()) {
        return;
    }
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    ladder::make(&dir.path().join("ladder.mp4"));
    let server = Server::start(dir.path());
    let master = server.master("ladder.mp4");
    assert_eq!(fetch::renditions(&master).len(), 4, "three variants and one sound");
    let _turn = tools::turn("browser");
    let expected = browsers::Expected::even(ladder::DURATION_S);
    let faults = browsers::PLAYERS.into_iter().flat_map(|player| {
        let found = browsers::play(player, &master, &expected);
        found.into_iter().map(move |fault| format!("{player}: {fault}"))
    });
    none(&faults.collect::<Vec<_>>());
}

#[test]
fn browsers_play_films_of_odd_shapes_from_zero_to_the_end() {
    if !(tools::present(&["ffmpeg"]) && browser::present()) {
        return;
    }
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    shapes::make(dir.path());
    let server = Server::start(dir.path());
    let _turn = tools::turn("browser");
    let mut faults = Vec::new();
    for shape in &shapes::SHAPES {
        let file = shape.file();
        faults.extend(audit(&server, &file));
        let expected = browsers::Expected {
            tolerance_s: shapes::TOLERANCE_S,
            ..browsers::Expected::even(shape.duration_s)
        };
        for player in browsers::PLAYERS {
            let found = browsers::play(player, &server.master(&file), &expected);
            faults.extend(found.iter().map(|fault| format!("{file}, {player}: {fault}")));
        }
    }
    none(&faults);
}

#[test]
fn the_page_works_for_a_person() {
    if !browser::present() {
        return;
    }
    let Some((files, server)) = stage(&[], |entry| entry.name == "flower.mp4") else { return };
    let refused = corpus::files().into_iter().flatten().find(|entry| !entry.playable());
    let refused = refused.expect("the corpus has a file that is refused").name;
    let url = server.url("/");
    let _turn = tools::turn("browser");
    none(&browsers::run("page.mjs", &["--url", &url, "--asset", &files[0].name, "--refused", &refused]));
}
