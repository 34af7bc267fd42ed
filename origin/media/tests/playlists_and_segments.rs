//! Whole outputs against `tests/golden/`, and against a foreign reader of playlists.
//!
//! `UPDATE_GOLDEN=1 cargo test -p rillcast-media` writes the golden files anew; review the diff like code.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rillcast_fixtures::{Edit, Shape, Track, annotate, packed_language};
use rillcast_media::demux::mp4::read_all;
use rillcast_media::manifest::hls;
use rillcast_media::movie::Movie;
use rillcast_media::package::cmaf;
use rillcast_media::plan::{Policy, SegmentPlan, samples};
use rillcast_media::presentation::Presentation;
use rillcast_media::slice::Slice;
use rillcast_media::timeline::Timeline;

/// A published file.
struct Asset {
    movie: Arc<Movie>,
    timeline: Timeline,
    plan: SegmentPlan,
    presentation: Presentation,
}

fn asset(tracks: Vec<Track>) -> Asset {
    let movie = Arc::new(read_all(&Shape::new(tracks).bytes().into()).expect("a good file"));
    let timeline = Timeline::of_movie(&movie).expect("a timeline");
    let plan = SegmentPlan::new(&timeline, Policy::VOD).expect("few segments");
    let presentation = Presentation::of_plan(&timeline, &plan);
    Asset { movie, timeline, plan, presentation }
}

fn ordinary() -> Vec<Track> {
    let video = Track::avc(1, 25, 50, 400).with_b_frames().with_edits(&[Edit::new(16_000, 512)]);
    let audio = Track::aac(2, 750).with_edits(&[Edit::new(16_000, 1024)]);
    vec![video, audio]
}

fn language(mut track: Track, code: &[u8; 3], enabled: bool) -> Track {
    (track.language, track.enabled) = (packed_language(code), enabled);
    track
}

/// Everything a playlist can say: two sizes, one left out, languages, late and short sound with gaps.
fn rich() -> Vec<Track> {
    let late = Track::aac_22_2(13, 150).with_edits(&[Edit::new(7_000, -1), Edit::new(3_200, 0)]);
    vec![
        Track::avc(1, 25, 50, 400),
        Track::hevc(2, 25, 50, 400),
        Track::avc(3, 25, 60, 400),
        language(Track::aac(11, 750), b"eng", false),
        language(Track::aac_22_2(12, 300), b"deu", true),
        language(late, b"eng", false),
        Track::text(20, 4),
    ]
}

fn clips() -> Vec<Track> {
    let of = |ticks: i64| [Edit::new(8_000, 0), Edit::new(4_000, ticks * 12)];
    vec![Track::avc(1, 25, 50, 400).with_edits(&of(12_800)), Track::aac(2, 750).with_edits(&of(48_000))]
}

/// Sound that titles tell apart, some of which no playlist can hold as they are.
fn titled() -> Vec<Track> {
    vec![
        Track::avc(1, 25, 50, 100),
        language(Track::aac(2, 188), b"eng", true),
        language(Track::aac(3, 188), b"eng", false).with_title("Director's \"commentary\"\n#EXT-X-ENDLIST"),
        language(Track::aac(4, 188), b"eng", false).with_title("Stereo"),
        language(Track::aac(5, 188), b"fra", false).with_title("Stereo"),
        language(Track::aac(6, 188), b"fra", false).with_title("English"),
        Track::aac(7, 188).with_title("Café {$noir}\u{2028}"),
        Track::aac(8, 188).with_title(b"\xff\xfe"),
    ]
}

/// Compares `text` with the golden file `name`, or writes it.
fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        fs::write(&path, text).expect("a writable folder");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let line = golden.lines().zip(text.lines()).position(|(one, other)| one != other);
    let line = line.unwrap_or_else(|| golden.lines().count().min(text.lines().count())) + 1;
    assert!(golden == text, "{name} differs from line {line} on; UPDATE_GOLDEN=1 rewrites it; now:\n{text}");
}

/// All playlists of an asset in one text.
fn playlists(asset: &Asset) -> String {
    let Asset { presentation, .. } = asset;
    let mut text = format!("== multivariant\n{}", hls::multivariant(presentation, "~1.rev/"));
    for rendition in &presentation.renditions {
        let name = rendition.name;
        text += &format!("== {name}/playlist.m3u8\n{}", hls::media_playlist(presentation, rendition));
        if !rendition.key_frames.is_empty() {
            text += &format!("== {name}/iframes.m3u8\n{}", hls::i_frame_playlist(presentation, rendition));
        }
    }
    for (name, reason) in &presentation.excluded {
        text += &format!("== {name} is left out: {reason}\n");
    }
    text
}

#[test]
fn playlists_are_as_reviewed() {
    check("ordinary.m3u8.txt", &playlists(&asset(ordinary())));
    check("rich.m3u8.txt", &playlists(&asset(rich())));
    check("clips.m3u8.txt", &playlists(&asset(clips())));
    check("sound.m3u8.txt", &playlists(&asset(vec![language(Track::aac(1, 750), b"eng", true)])));
    let two = vec![Track::aac(1, 750), language(Track::aac(2, 750), b"fra", false)];
    check("two-sounds.m3u8.txt", &playlists(&asset(two)));
    check("titles.m3u8.txt", &hls::multivariant(&asset(titled()).presentation, "~1.rev/"));
}

#[test]
fn init_segments_are_as_reviewed() {
    let asset = asset(vec![Track::avc(1, 25, 50, 60), Track::hevc(2, 25, 50, 60), Track::aac(3, 90)]);
    for (track, name) in asset.movie.tracks.iter().zip(["init-avc.hex", "init-hevc.hex", "init-aac.hex"]) {
        check(name, &annotate(&cmaf::init(track)));
    }
}

#[test]
fn segments_are_as_reviewed() {
    let video = Track::avc(1, 25, 12, 24).with_b_frames().with_edits(&[Edit::new(0, 512)]);
    let asset = asset(vec![video, Track::aac(2, 45)]);
    for (track, name) in [(0, "segment-avc.hex"), (1, "segment-aac.hex")] {
        let span = asset.plan.span(track, 0).expect("a segment");
        let body = cmaf::segment(1, samples(&asset.timeline, track, &span));
        assert_eq!(cmaf::segment_of_span(1, &asset.timeline, track, &span), body, "{name}");
        let mut text = String::new();
        for slice in body.iter() {
            match slice {
                Slice::Mem(bytes) => text += &annotate(bytes),
                Slice::Extent(at) => {
                    text += &format!("bytes {}..{} of the source\n", at.offset, at.offset + at.len)
                }
            }
        }
        check(name, &text);
    }
}

#[test]
fn a_foreign_reader_agrees_on_media_playlists() {
    for tracks in [ordinary(), rich(), clips()] {
        let asset = asset(tracks);
        for rendition in &asset.presentation.renditions {
            let text = hls::media_playlist(&asset.presentation, rendition);
            let playlist = m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("a media playlist");
            assert_eq!(playlist.version, Some(6));
            assert_eq!(playlist.target_duration, u64::from(asset.presentation.target_duration_s));
            assert_eq!((playlist.media_sequence, playlist.end_list), (0, true));
            assert_eq!(playlist.playlist_type, Some(m3u8_rs::MediaPlaylistType::Vod));
            assert_eq!(playlist.segments.len(), rendition.segments.len());
            let mut sum = 0.0;
            for (number, (theirs, ours)) in playlist.segments.iter().zip(&rendition.segments).enumerate() {
                assert_eq!(theirs.uri, format!("{number}.m4s"));
                assert_eq!(theirs.discontinuity, ours.discontinuity);
                let seconds = rendition.timescale.seconds(ours.duration);
                assert!((f64::from(theirs.duration) - seconds).abs() < 1e-5);
                assert!(
                    f64::from(theirs.duration).round() as u64 <= playlist.target_duration,
                    "RFC 8216 §4.3.3.1"
                );
                let map = theirs.map.as_ref().map(|map| map.uri.as_str());
                let first = number == 0 || ours.discontinuity;
                assert!(map == Some("init.mp4") || !first, "segment {number} has {map:?}");
                sum += f64::from(theirs.duration);
            }
            let whole = rendition.timescale.seconds(rendition.duration());
            assert!((sum - whole).abs() < 0.01, "{sum} s of {whole} s");
        }
    }
}

#[test]
fn a_foreign_reader_agrees_on_titles() {
    let text = hls::multivariant(&asset(titled()).presentation, "~1.rev/");
    let playlist = m3u8_rs::parse_master_playlist_res(text.as_bytes()).expect("a multivariant playlist");
    let sounds: Vec<_> =
        playlist.alternatives.iter().map(|media| (media.name.as_str(), media.uri.as_deref())).collect();
    assert_eq!(
        sounds,
        [
            ("English", Some("~1.rev/a2/playlist.m3u8")),
            ("Director's 'commentary' #EXT-X-ENDLIST", Some("~1.rev/a3/playlist.m3u8")),
            ("Stereo (English)", Some("~1.rev/a4/playlist.m3u8")),
            ("Stereo (Français)", Some("~1.rev/a5/playlist.m3u8")),
            ("English (5)", Some("~1.rev/a6/playlist.m3u8")),
            ("Café { $noir}", Some("~1.rev/a7/playlist.m3u8")),
            ("Audio 7", Some("~1.rev/a8/playlist.m3u8")),
        ]
    );
}

#[test]
fn a_foreign_reader_agrees_on_multivariant_playlists() {
    let asset = asset(rich());
    let text = hls::multivariant(&asset.presentation, "~1.rev/");
    let playlist = m3u8_rs::parse_master_playlist_res(text.as_bytes()).expect("a multivariant playlist");
    let uris: Vec<_> =
        playlist.variants.iter().map(|variant| (variant.uri.as_str(), variant.is_i_frame)).collect();
    assert_eq!(
        uris,
        [
            ("~1.rev/v1/playlist.m3u8", false),
            ("~1.rev/v2/playlist.m3u8", false),
            ("~1.rev/v1/iframes.m3u8", true),
            ("~1.rev/v2/iframes.m3u8", true),
        ]
    );
    let codecs: Vec<_> = playlist.variants.iter().filter_map(|variant| variant.codecs.as_deref()).collect();
    assert_eq!(
        codecs,
        ["avc1.64001F,mp4a.40.2", "hvc1.1.6.L90.90,mp4a.40.2", "avc1.64001F", "hvc1.1.6.L90.90"]
    );
    for variant in &playlist.variants {
        assert!(variant.average_bandwidth.is_some_and(|average| average <= variant.bandwidth));
        assert_eq!(variant.resolution.map(|size| (size.width, size.height)), Some((960, 540)));
    }
    let sounds: Vec<_> = playlist
        .alternatives
        .iter()
        .map(|media| (media.language.as_deref(), media.name.as_str(), media.default, media.uri.as_deref()))
        .collect();
    assert_eq!(
        sounds,
        [
            (Some("en"), "English", false, Some("~1.rev/a11/playlist.m3u8")),
            (Some("de"), "Deutsch", true, Some("~1.rev/a12/playlist.m3u8")),
            (Some("en"), "English (3)", false, Some("~1.rev/a13/playlist.m3u8")),
        ]
    );
}
