//! ffmpeg's own HLS output: the audit must read it, and blame only what is known to be wrong with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use rillcast_audit::{Audit, FetchRequest, Options, Report, Response, Step};

use crate::driver::error_lines;

/// Runs ffmpeg in `folder`; false when there is none to run.
fn generate(folder: &Path) -> bool {
    let arguments = "-v error -f lavfi -i testsrc=size=320x180:rate=25:duration=8 \
        -f lavfi -i sine=frequency=440:sample_rate=48000:duration=8 -map 0:v -map 0:v -map 1:a \
        -c:v libx264 -preset veryfast -bf 2 -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 -b:v:0 400k -b:v:1 200k \
        -c:a aac -f hls -hls_time 2 -hls_playlist_type vod -hls_segment_type fmp4 \
        -hls_flags independent_segments -master_pl_name master.m3u8 -hls_segment_filename %v/seg%d.m4s";
    Command::new("ffmpeg")
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .args(["-var_stream_map", "v:0,agroup:aud v:1,agroup:aud a:0,agroup:aud,default:yes,language:en"])
        .arg("%v/list.m3u8")
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn read(folder: &Path, request: &FetchRequest) -> Response {
    let path = request.url.strip_prefix("http://files.test/").expect("all URIs are relative");
    match std::fs::read(folder.join(path)) {
        Ok(body) => Response { status: 200, body, ..Response::default() },
        Err(_) => Response { status: 404, ..Response::default() },
    }
}

fn audit(folder: &Path) -> Report {
    let options = Options { http: false, ..Options::default() };
    let mut machine = Audit::new("http://files.test/master.m3u8", options);
    loop {
        match machine.poll() {
            Step::Fetch(request) => machine.supply(request.id, &read(folder, &request)),
            Step::Wait => unreachable!("every request is answered at once"),
            Step::Done(report) => return *report,
        }
    }
}

/// Known of ffmpeg's muxer: 6 (it says version 7 where 6 would do), 23 (INDEPENDENT-SEGMENTS is not in the
/// multivariant playlist), 25 (may misstate the profile), 26 (no FRAME-RATE), 27 and 28 (rates guessed from the
/// encoder's settings; no AVERAGE-BANDWIDTH before version 6), 30 (no CLOSED-CAPTIONS), 38 (empty edits),
/// and never 2 or 5.
#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn ffmpeg_output_is_read_and_only_its_known_flaws_are_blamed() {
    let folder = tempfile::tempdir().expect("a place for files");
    if !generate(folder.path()) {
        println!("skipped: no ffmpeg with libx264 on this machine");
        return;
    }
    let report = audit(folder.path());
    let known = BTreeSet::from([6, 23, 25, 26, 27, 28, 30, 38]);
    let found = error_lines(&report);
    assert!(found.is_subset(&known), "{report}");
    assert!(found.contains(&26), "FRAME-RATE is missing from the multivariant playlist:\n{report}");
    assert!(report.counts.segments >= 8 && report.counts.init_segments == 3, "{report}");
    for line in [5, 36, 37, 40] {
        assert!(report.checked_lines.contains(&line), "line {line} was not checked");
    }
}
