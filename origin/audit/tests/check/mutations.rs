//! Each row breaks one thing in a good presentation; the audit must blame exactly that line.

use std::collections::BTreeSet;

use rillcast_audit::{FetchRequest, Method, Options, Response};

use crate::driver::{audit, error_lines};
use crate::fixture::{Plan, Site};

const MASTER: &str = "master.m3u8";
/// The 720p video, listed first.
const HIGH: &str = "v1/list.m3u8";
const LOW: &str = "v0/list.m3u8";
const FRAMES: &str = "v1/iframes.m3u8";
const ENGLISH: &str = "en/list.m3u8";
const FRENCH: &str = "fr/list.m3u8";

/// How the good presentation is broken.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// Before it is written.
    Plan(fn(&mut Plan)),
    /// In the documents, or in the server.
    Site(fn(&mut Site)),
}

use Change::{Plan as P, Site as S};

/// (what is broken, the line that says so, how)
pub(crate) type Row = (&'static str, u16, Change);

pub(crate) fn check(base: &Plan, rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, line, change) in rows {
        let mut plan = base.clone();
        if let Change::Plan(change) = change {
            change(&mut plan);
        }
        let mut site = Site::new(&plan);
        if let Change::Site(change) = change {
            change(&mut site);
        }
        let report = audit(&site, Options::default());
        if error_lines(&report) != BTreeSet::from([*line]) {
            wrong.push(format!("== {name}: expected line {line}\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_good_presentation_has_no_finding() {
    let report = audit(&Site::new(&Plan::default()), Options::default());
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.not_audited.is_empty(), "{report}");
    let checked = [
        1, 2, 4, 5, 6, 11, 16, 18, 19, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 34, 35, 36, 37, 38, 39, 40,
        43, 44, 45, 46, 47,
    ];
    assert_eq!(report.checked_lines, checked);
    assert_eq!(report.not_applicable.len(), 100 - checked.len());
}

const TEXT: &[Row] = &[
    ("first line", 1, S(|s| s.text(HIGH, "#EXTM3U\n", "# hello\n#EXTM3U\n"))),
    ("byte order mark", 1, S(|s| s.text(HIGH, "#EXTM3U", "\u{feff}#EXTM3U"))),
    ("colon after a bare tag", 1, S(|s| s.text(HIGH, "#EXT-X-ENDLIST", "#EXT-X-ENDLIST:"))),
    (
        "tag twice",
        1,
        S(|s| {
            s.text(HIGH, "#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:2\n#EXT-X-TARGETDURATION:2\n")
        }),
    ),
    (
        "media tag in the multivariant playlist",
        1,
        S(|s| s.text(MASTER, "VERSION:6\n", "VERSION:6\n#EXT-X-ENDLIST\n")),
    ),
    (
        "multivariant tag in a media playlist",
        1,
        S(|s| s.text(HIGH, "#EXTINF", "#EXT-X-SESSION-DATA:DATA-ID=\"x\",VALUE=\"y\"\n#EXTINF")),
    ),
    ("URI without EXTINF", 1, S(|s| s.text(HIGH, "#EXT-X-ENDLIST", "seg0.m4s\n#EXT-X-ENDLIST"))),
    ("EXTINF without comma", 1, S(|s| s.text(HIGH, "2.00000,", "2.00000"))),
    (
        "STREAM-INF without URI",
        1,
        S(|s| {
            s.text(
                MASTER,
                "#EXT-X-I-FRAME",
                "#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1\n#EXT-X-I-FRAME",
            )
        }),
    ),
    ("lower case tag", 1, S(|s| s.text(HIGH, "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-Media-Sequence:0"))),
    ("EXTINF over the target", 2, S(|s| s.everywhere("TARGETDURATION:2", "TARGETDURATION:1"))),
    ("no target", 2, S(|s| s.text(FRAMES, "#EXT-X-TARGETDURATION:2\n", ""))),
    ("another target", 4, S(|s| s.text(FRENCH, "TARGETDURATION:2", "TARGETDURATION:3"))),
    ("EXTINF off by two frames", 5, S(|s| s.text(HIGH, "2.00000,\nseg1", "2.06700,\nseg1"))),
    ("EXTINF drifts", 5, S(|s| s.everywhere("2.00000,\nseg", "2.02000,\nseg"))),
    ("EXTINF with one decimal", 5, S(|s| s.text(ENGLISH, "2.00533,\nseg0", "2.0,\nseg0"))),
    ("EXTINF no number", 5, S(|s| s.text(FRAMES, "2.00000,", "2e0,"))),
    ("version too low", 6, S(|s| s.text(HIGH, "VERSION:6", "VERSION:5"))),
    ("version too high", 6, S(|s| s.everywhere("VERSION:6", "VERSION:7"))),
    ("version differs in the multivariant playlist", 6, S(|s| s.text(MASTER, "VERSION:6", "VERSION:4"))),
    (
        "sequence after the first segment",
        7,
        S(|s| {
            s.text(HIGH, "#EXT-X-MEDIA-SEQUENCE:0\n", "");
            s.text(HIGH, "#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-ENDLIST");
        }),
    ),
    (
        "discontinuity without its sequence",
        8,
        S(|s| s.everywhere(",\nseg1", ",\n#EXT-X-DISCONTINUITY\nseg1")),
    ),
    (
        "discontinuity in one rendition",
        9,
        S(|s| {
            s.text(FRENCH, "SEQUENCE:0\n", "SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n");
            s.text(FRENCH, ",\nseg1", ",\n#EXT-X-DISCONTINUITY\nseg1");
        }),
    ),
    (
        "discontinuity at another point",
        9,
        S(|s| {
            s.everywhere("SEQUENCE:0\n", "SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n");
            for path in [HIGH, LOW, ENGLISH] {
                s.text(path, ",\nseg1", ",\n#EXT-X-DISCONTINUITY\nseg1");
            }
            s.text(FRENCH, ",\nseg2", ",\n#EXT-X-DISCONTINUITY\nseg2");
        }),
    ),
    (
        "init segment changes unmarked",
        10,
        S(|s| {
            let init = s.documents["v1/init.mp4"].clone();
            s.documents.insert("v1/other.mp4".to_owned(), init);
            s.patch("v1/other.mp4", b"avcC", 21, &[0xef]);
            s.text(HIGH, "#EXTINF:2.00000,\nseg1", "#EXT-X-MAP:URI=\"other.mp4\"\n#EXTINF:2.00000,\nseg1");
        }),
    ),
    (
        "encrypted MAP without IV",
        12,
        S(|s| s.text(FRENCH, "#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n#EXT-X-MAP")),
    ),
    (
        "MAP behind the first segment",
        11,
        S(|s| {
            s.text(HIGH, "#EXT-X-MAP:URI=\"init.mp4\"\n", "");
            s.text(HIGH, "#EXTINF:2.00000,\nseg1", "#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.00000,\nseg1");
        }),
    ),
    (
        "MAP without URI",
        11,
        S(|s| {
            s.text(
                HIGH,
                "#EXT-X-MAP:URI=\"init.mp4\"\n",
                "#EXT-X-MAP:URI=\"init.mp4\"\n#EXT-X-MAP:X-A=\"b\"\n",
            );
        }),
    ),
    ("unknown playlist type", 18, S(|s| s.everywhere("TYPE:VOD", "TYPE:LIVE"))),
    ("playlist type differs", 18, S(|s| s.text(FRENCH, "#EXT-X-PLAYLIST-TYPE:VOD\n", ""))),
    ("VOD without ENDLIST", 19, S(|s| s.text(FRAMES, "#EXT-X-ENDLIST\n", ""))),
    (
        "date without zone",
        20,
        S(|s| s.everywhere("#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME:2024-05-06T07:08:09.000\n#EXT-X-MAP")),
    ),
    (
        "date after EXTINF",
        20,
        S(|s| s.everywhere(",\nseg0", ",\n#EXT-X-PROGRAM-DATE-TIME:2024-05-06T07:08:09.000Z\nseg0")),
    ),
    ("date range without start", 21, S(|s| s.text(HIGH, "#EXTINF", "#EXT-X-DATERANGE:ID=\"a\"\n#EXTINF"))),
    (
        "byte range without offset",
        22,
        S(|s| {
            let text = String::from_utf8(s.documents[FRAMES].clone()).expect("playlists are text");
            let at = text.find('@').expect("I-frames are ranges");
            let end = text[at..].find('\n').expect("lines end") + at;
            s.documents.insert(FRAMES.to_owned(), format!("{}{}", &text[..at], &text[end..]).into_bytes());
            // Without an offset the range begins at 0: the styp stands there and the moof follows whole.
            let longer: String = text[..at].rsplit(':').next().expect("a length").to_owned();
            let length = longer.parse::<u64>().expect("a number") + 24;
            s.text(FRAMES, &format!("BYTERANGE:{longer}\n"), &format!("BYTERANGE:{length}\n"));
        }),
    ),
    ("withdrawn tag", 24, S(|s| s.text(HIGH, "#EXTINF", "#EXT-X-ALLOW-CACHE:YES\n#EXTINF"))),
    ("withdrawn attribute", 24, S(|s| s.text(MASTER, "INF:BANDWIDTH", "INF:PROGRAM-ID=1,BANDWIDTH"))),
    ("quoted enum", 24, S(|s| s.text(MASTER, "DEFAULT=YES", "DEFAULT=\"YES\""))),
    ("bare string", 24, S(|s| s.text(MASTER, "NAME=\"English\"", "NAME=English"))),
    ("attribute twice", 24, S(|s| s.text(MASTER, "DEFAULT=YES", "DEFAULT=YES,DEFAULT=YES"))),
    ("resolution with a capital X", 24, S(|s| s.text(MASTER, "RESOLUTION=640x360", "RESOLUTION=640X360"))),
    (
        "bandwidth past 2^64",
        24,
        S(|s| {
            s.text(
                MASTER,
                "#EXT-X-I-FRAME",
                "#EXT-X-SESSION-KEY:METHOD=NONE,IV=18446744073709551616\n#EXT-X-I-FRAME",
            )
        }),
    ),
    ("blank after a comma", 24, S(|s| s.text(MASTER, ",AUTOSELECT", ", AUTOSELECT"))),
    ("absolute URL", 35, S(|s| s.text(HIGH, "seg1.m4s", "http://origin.test/a/v1/seg1.m4s"))),
    ("absolute path", 35, S(|s| s.text(MASTER, "v1/list.m3u8", "/a/v1/list.m3u8"))),
    (
        "no URI reference",
        35,
        S(|s| {
            s.text(
                HIGH,
                "URI=\"init.mp4\"\n",
                "URI=\"init.mp4\"\n#EXT-X-MAP:URI=\"in it.mp4\"\n#EXT-X-MAP:URI=\"init.mp4\"\n",
            )
        }),
    ),
    (
        "token in a child",
        35,
        S(|s| {
            s.entry = format!("{}?token=0123456789", crate::fixture::ENTRY);
            s.text(HIGH, "seg1.m4s", "seg1.m4s?token=0123456789");
            // The entry answers from a URL without the token, as after a redirect.
            s.tamper = |q, r| {
                if q.url.contains("master.m3u8") {
                    r.redirects = 1;
                    r.final_url = crate::fixture::ENTRY.to_owned();
                }
            };
        }),
    ),
];

#[test]
fn a_broken_playlist_text_is_blamed_on_its_line() {
    check(&Plan::default(), TEXT);
}

const MULTIVARIANT: &[Row] = &[
    ("no INDEPENDENT-SEGMENTS", 23, S(|s| s.text(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS\n", ""))),
    ("CODECS misses the audio", 25, S(|s| s.text(MASTER, "avc1.64001f,mp4a.40.2", "avc1.64001f"))),
    ("CODECS with another profile", 25, S(|s| s.text(MASTER, "avc1.64001f,mp4a", "avc1.64001e,mp4a"))),
    ("CODECS with an extra", 25, S(|s| s.text(MASTER, "avc1.64001f,mp4a", "avc1.64001f,ec-3,mp4a"))),
    ("no CODECS", 25, S(|s| s.text(MASTER, "CODECS=\"avc1.64001f,mp4a.40.2\",", ""))),
    ("no RESOLUTION", 26, S(|s| s.text(MASTER, "RESOLUTION=1280x720,FRAME", "FRAME"))),
    ("another RESOLUTION", 26, S(|s| s.text(MASTER, "1280x720,FRAME", "1280x718,FRAME"))),
    ("turned RESOLUTION, upright picture", 26, S(|s| s.text(MASTER, "1280x720,FRAME", "720x1280,FRAME"))),
    ("no FRAME-RATE", 26, S(|s| s.text(MASTER, ",FRAME-RATE=30.000", ""))),
    ("FRAME-RATE too low", 26, S(|s| s.text(MASTER, "RATE=30.000", "RATE=25.000"))),
    ("VIDEO-RANGE on one", 26, S(|s| s.text(MASTER, "RATE=30.000,", "RATE=30.000,VIDEO-RANGE=SDR,"))),
    ("BANDWIDTH too small", 27, S(|s| s.text(MASTER, "INF:BANDWIDTH=", "INF:X-OLD=1,BANDWIDTH=1000,X-B="))),
    ("BANDWIDTH too big", 27, S(|s| s.text(MASTER, "INF:BANDWIDTH=", "INF:X-OLD=1,BANDWIDTH=9"))),
    ("no BANDWIDTH", 27, S(|s| s.text(MASTER, "STREAM-INF:BANDWIDTH=", "STREAM-INF:X-B="))),
    ("no AVERAGE-BANDWIDTH", 28, S(|s| s.text(MASTER, "AVERAGE-BANDWIDTH=", "X-B="))),
    ("AVERAGE-BANDWIDTH wrong", 28, S(|s| s.text(MASTER, "AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=9"))),
    (
        "audio group absent",
        29,
        S(|s| {
            s.text(
                MASTER,
                "FRAME-RATE=30.000,AUDIO=\"aac\"",
                "FRAME-RATE=30.000,AUDIO=\"aac\",VIDEO=\"none\"",
            );
        }),
    ),
    ("no LANGUAGE", 29, S(|s| s.text(MASTER, "LANGUAGE=\"fr\",", ""))),
    ("two defaults", 29, S(|s| s.text(MASTER, "DEFAULT=NO", "DEFAULT=YES"))),
    ("one NAME twice", 29, S(|s| s.text(MASTER, "Français", "English"))),
    (
        "groups with other members",
        29,
        S(|s| {
            s.text(MASTER, "#EXT-X-STREAM", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"English\",LANGUAGE=\"en\",URI=\"en/list.m3u8\"\n#EXT-X-STREAM");
        }),
    ),
    (
        "default that may not be chosen",
        29,
        S(|s| s.text(MASTER, "DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO")),
    ),
    (
        "no GROUP-ID",
        29,
        S(|s| s.text(MASTER, "#EXT-X-STREAM", "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"x\"\n#EXT-X-STREAM")),
    ),
    ("no CLOSED-CAPTIONS", 30, S(|s| s.text(MASTER, ",CLOSED-CAPTIONS=NONE", ""))),
    ("captions group absent", 30, S(|s| s.everywhere("CAPTIONS=NONE", "CAPTIONS=\"cc\""))),
    ("I-frames without CODECS", 32, S(|s| s.text(MASTER, "CODECS=\"avc1.64001f\",", ""))),
    ("I-frames without RESOLUTION", 32, S(|s| s.text(MASTER, "RESOLUTION=1280x720,URI", "URI"))),
    ("I-frames without URI", 32, S(|s| s.text(MASTER, "URI=\"v1/iframes.m3u8\"", "X-A=1"))),
    ("no I-FRAMES-ONLY", 32, S(|s| s.text(FRAMES, "#EXT-X-I-FRAMES-ONLY\n", ""))),
    ("I-frame EXTINF", 32, S(|s| s.text(FRAMES, "2.00000,", "1.90000,"))),
    ("subtitles group absent", 33, S(|s| s.text(MASTER, "RATE=30.000,", "RATE=30.000,SUBTITLES=\"x\","))),
    ("SCORE on one", 34, S(|s| s.text(MASTER, "RATE=30.000,", "RATE=30.000,SCORE=1.0,"))),
    ("segment absent", 16, S(|s| drop(s.documents.remove("en/seg1.m4s")))),
    ("playlist absent", 16, S(|s| drop(s.documents.remove("v0/iframes.m3u8")))),
];

#[test]
fn a_broken_multivariant_playlist_is_blamed_on_its_line() {
    check(&Plan::default(), MULTIVARIANT);
}

const MEDIA: &[Row] = &[
    (
        "sample entry avc3",
        31,
        S(|s| {
            s.patch("v1/init.mp4", b"avc1", 0, b"avc3");
            s.everywhere("avc1.64001f", "avc3.64001f");
        }),
    ),
    ("I-frame range of two samples", 32, S(|s| s.text(FRAMES, "BYTERANGE:5056", "BYTERANGE:5556"))),
    ("I-frame range without moof", 32, S(|s| s.text(FRAMES, "@24\nseg1", "@25\nseg1"))),
    ("tfdt one tick late", 36, S(|s| s.patch("v1/seg1.m4s", b"tfdt", 8, &60_001_u64.to_be_bytes()))),
    (
        "audio tfdt",
        36,
        S(|s| {
            for language in ["en", "fr"] {
                s.patch(&format!("{language}/seg2.m4s"), b"tfdt", 8, &192_000_u64.to_be_bytes());
            }
        }),
    ),
    (
        "no tfdt",
        36,
        S(|s| {
            for language in ["en", "fr"] {
                s.patch(&format!("{language}/seg1.m4s"), b"tfdt", 0, b"free");
            }
        }),
    ),
    ("audio ends early", 36, P(|p| p.audio_short = 60)),
    (
        "no sync flag",
        37,
        S(|s| {
            // The I-frame playlist names the same sample; it is taken out so that one line is left.
            s.everywhere("#EXT-X-I-FRAME-STREAM-INF", "#EXT-NOTE");
            s.patch("v1/seg1.m4s", b"trun", 24, &0x0101_0000_u32.to_be_bytes());
        }),
    ),
    (
        "slice that is no IDR",
        37,
        S(|s| {
            s.everywhere("#EXT-X-I-FRAME-STREAM-INF", "#EXT-NOTE");
            s.patch("v1/seg1.m4s", b"mdat", 8, &[0x41]);
        }),
    ),
    ("no parameter sets", 37, S(|s| s.patch("v1/init.mp4", b"avcC", 9, &[0xe0, 0, 0]))),
    ("brands", 38, S(|s| s.patch("v1/init.mp4", b"ftyp", 4, b"isom\0\0\0\0isomavc1"))),
    ("no ftyp", 38, S(|s| s.patch("v1/init.mp4", b"ftyp", 0, b"free"))),
    ("no mvex", 38, S(|s| s.patch("v1/init.mp4", b"mvex", 0, b"free"))),
    ("trex of another track", 38, S(|s| s.patch("v1/init.mp4", b"trex", 8, &7_u32.to_be_bytes()))),
    (
        "empty edit",
        38,
        S(|s| {
            for language in ["en", "fr"] {
                s.patch(&format!("{language}/init.mp4"), b"skip", 0, b"edts");
            }
        }),
    ),
    ("avcC and SPS disagree", 38, S(|s| s.patch("v1/init.mp4", b"avcC", 13, &[0x42]))),
    ("first frame presented later in one", 38, P(|p| p.shifts = [0, 2000])),
    ("priming trimmed in one", 39, S(|s| s.patch("fr/init.mp4", b"free", 0, b"edts"))),
    ("audio cut elsewhere", 39, P(|p| p.audio_uneven = 1)),
    ("no default-base-is-moof", 40, S(|s| s.patch("fr/seg1.m4s", b"tfhd", 4, &0_u32.to_be_bytes()))),
    ("data offset", 40, S(|s| s.patch("fr/seg1.m4s", b"trun", 12, &9_u32.to_be_bytes()))),
    (
        "bytes in mdat that no sample owns",
        40,
        S(|s| s.patch("fr/seg1.m4s", b"trun", 20, &99_u32.to_be_bytes())),
    ),
    (
        "cut short",
        40,
        S(|s| {
            let body = s.documents.get_mut("fr/seg1.m4s").expect("the fixture has this document");
            body.truncate(body.len() - 50);
        }),
    ),
    ("no moof", 40, S(|s| s.patch("fr/seg1.m4s", b"moof", 0, b"free"))),
    ("unknown track", 40, S(|s| s.patch("fr/seg1.m4s", b"tfhd", 8, &9_u32.to_be_bytes()))),
    ("NAL length", 40, S(|s| s.patch("v0/seg1.m4s", b"mdat", 4, &[0, 0, 0xff, 0xff]))),
    (
        "stray bytes",
        40,
        S(|s| {
            s.documents.get_mut("fr/seg1.m4s").expect("the fixture has this document").extend([1, 2, 3]);
        }),
    ),
];

#[test]
fn broken_media_is_blamed_on_its_line() {
    check(&Plan::default(), MEDIA);
}

fn set(response: &mut Response, name: &str, value: &str) {
    response.headers.retain(|(key, _)| key != name);
    if !value.is_empty() {
        response.headers.push((name.to_owned(), value.to_owned()));
    }
}

fn asks(request: &FetchRequest, name: &str, value: &str) -> bool {
    request.headers.iter().any(|(key, text)| key == name && text.starts_with(value))
}

const HTTP: &[Row] = &[
    (
        "range answered 200",
        22,
        S(|s| {
            s.tamper = |q, r| {
                // Only the I-frame ranges start at 24.
                if asks(q, "range", "bytes=24-") {
                    r.status = 200;
                    r.body.splice(0..0, [0; 24]);
                }
            }
        }),
    ),
    (
        "playlist as text",
        43,
        S(|s| {
            s.tamper = |q, r| {
                if q.url.ends_with(".m3u8") {
                    set(r, "content-type", "text/plain");
                }
            }
        }),
    ),
    (
        "segment as octets",
        43,
        S(|s| {
            s.tamper = |q, r| {
                if q.url.ends_with("v1/seg1.m4s") {
                    set(r, "content-type", "application/octet-stream");
                }
            }
        }),
    ),
    ("gzip refused", 44, S(|s| s.tamper = |_, r| set(r, "content-encoding", ""))),
    ("gzip without Vary", 44, S(|s| s.tamper = |_, r| set(r, "vary", ""))),
    (
        "gzip of something else",
        44,
        S(|s| {
            s.tamper = |q, r| {
                if asks(q, "accept-encoding", "gzip") {
                    r.body.truncate(20);
                }
            }
        }),
    ),
    ("segment redirected", 45, S(|s| s.tamper = |q, r| r.redirects = u32::from(q.url.ends_with("seg1.m4s")))),
    (
        "entry redirected twice",
        45,
        S(|s| s.tamper = |q, r| r.redirects = 2 * u32::from(q.url.ends_with("master.m3u8"))),
    ),
    (
        "HEAD not allowed",
        46,
        S(|s| {
            s.tamper = |q, r| {
                if q.method == Method::Head {
                    r.status = 405;
                }
            }
        }),
    ),
    (
        "HEAD without length",
        46,
        S(|s| {
            s.tamper = |q, r| {
                if q.method == Method::Head {
                    set(r, "content-length", "");
                }
            }
        }),
    ),
    (
        "open range",
        46,
        S(|s| {
            s.tamper = |q, r| {
                if asks(q, "range", "bytes=0-") && !asks(q, "range", "bytes=0-0") {
                    r.status = 200;
                }
            }
        }),
    ),
    (
        "suffix range",
        46,
        S(|s| {
            s.tamper = |q, r| {
                if asks(q, "range", "bytes=-") {
                    r.body.pop();
                }
            }
        }),
    ),
    (
        "range past the end",
        46,
        S(|s| {
            s.tamper = |_, r| {
                if r.status == 416 {
                    r.status = 200;
                }
            }
        }),
    ),
    (
        "two ranges",
        46,
        S(|s| {
            s.tamper = |q, r| {
                if asks(q, "range", "bytes=0-0,") {
                    r.status = 500;
                }
            }
        }),
    ),
    ("no CORS", 47, S(|s| s.tamper = |_, r| set(r, "access-control-allow-origin", ""))),
    (
        "no CORS on 404",
        47,
        S(|s| {
            s.tamper = |_, r| {
                if r.status == 404 {
                    set(r, "access-control-allow-origin", "");
                }
            }
        }),
    ),
    ("nothing exposed", 47, S(|s| s.tamper = |_, r| set(r, "access-control-expose-headers", ""))),
    (
        "absent object found",
        47,
        S(|s| {
            s.tamper = |_, r| {
                if r.status == 404 {
                    r.status = 200;
                }
            }
        }),
    ),
];

#[test]
fn broken_http_is_blamed_on_its_line() {
    check(&Plan::default(), HTTP);
}

#[test]
fn an_entry_url_may_redirect_once() {
    let mut site = Site::new(&Plan::default());
    site.tamper = |q, r| r.redirects = u32::from(q.url.ends_with("master.m3u8"));
    let report = audit(&site, Options::default());
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn a_picture_turned_by_a_quarter_is_declared_as_it_is_seen() {
    let mut site = Site::new(&Plan::default());
    for (at, word) in [(44, 0u32), (48, 0x1_0000), (56, 0xffff_0000), (60, 0)] {
        site.patch("v1/init.mp4", b"tkhd", at, &word.to_be_bytes());
    }
    site.text(MASTER, "1280x720,FRAME", "720x1280,FRAME");
    site.text(MASTER, "1280x720,URI", "720x1280,URI");
    let report = audit(&site, Options::default());
    assert!(report.findings.is_empty(), "{report}");
}

/// What players are not meant to notice as a rate: pre-roll that passes in an instant, and a picture that stays.
/// Without the rule the first film has 35 frames a second, the second 10, the third 15.
const UNSTEADY: [(u32, u32); 3] = [(30, 1), (0, 41), (30, 41)];

fn unsteady((glimpses, held): (u32, u32)) -> Plan {
    Plan { glimpses, held, ..Plan::default() }
}

#[test]
fn glimpses_and_held_pictures_are_no_frame_rate() {
    for pictures in UNSTEADY {
        let report = audit(&Site::new(&unsteady(pictures)), Options::default());
        assert!(report.findings.is_empty(), "{pictures:?}: {report}");
    }
}

#[test]
fn a_wrong_frame_rate_is_blamed_among_glimpses_and_held_pictures() {
    const ROWS: &[Row] = &[
        ("FRAME-RATE too low", 26, S(|s| s.text(MASTER, "RATE=30.000", "RATE=25.000"))),
        ("FRAME-RATE too high", 26, S(|s| s.text(MASTER, "RATE=30.000", "RATE=61.000"))),
    ];
    for pictures in UNSTEADY {
        check(&unsteady(pictures), ROWS);
    }
}
