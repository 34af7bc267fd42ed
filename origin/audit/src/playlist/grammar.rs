//! The tags of draft-pantos-hls-rfc8216bis §4.4: where each may stand, how often, what value it takes.

/// Which kind of playlist a tag belongs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Both,
    Media,
    Multivariant,
}

/// What follows the tag's name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Nothing,
    Integer,
    Text,
    List(&'static [Attribute]),
}

/// Syntax of an attribute value (§4.2).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Quoted,
    /// One of these words; any word when empty.
    Word(&'static [&'static str]),
    Integer,
    Decimal,
    Signed,
    Resolution,
    Hex,
    /// Quoted, or the word NONE.
    QuotedOrNone,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) name: &'static str,
    pub(crate) home: Home,
    /// May appear once only.
    pub(crate) once: bool,
    pub(crate) form: Form,
    /// Checklist line that a missing attribute or unreadable value breaks.
    pub(crate) line: u16,
}

const fn may(name: &'static str, shape: Shape) -> Attribute {
    Attribute { name, shape, required: false }
}

const fn must(name: &'static str, shape: Shape) -> Attribute {
    Attribute { name, shape, required: true }
}

const fn tag(name: &'static str, home: Home, once: bool, form: Form, line: u16) -> Tag {
    Tag { name, home, once, form, line }
}

use Form::{Integer, List, Nothing, Text};
use Home::{Both, Media, Multivariant};

const YES_NO: Shape = Shape::Word(&["YES", "NO"]);
const YES: Shape = Shape::Word(&["YES"]);
const RANGES: Shape = Shape::Word(&["SDR", "HLG", "PQ"]);
const HDCP: Shape = Shape::Word(&["TYPE-0", "TYPE-1", "NONE"]);

const KEY: &[Attribute] = &[
    must("METHOD", Shape::Word(&["NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR"])),
    may("URI", Shape::Quoted),
    may("IV", Shape::Hex),
    may("KEYFORMAT", Shape::Quoted),
    may("KEYFORMATVERSIONS", Shape::Quoted),
];

const STREAM: &[Attribute] = &[
    must("BANDWIDTH", Shape::Integer),
    may("AVERAGE-BANDWIDTH", Shape::Integer),
    may("SCORE", Shape::Decimal),
    may("CODECS", Shape::Quoted),
    may("SUPPLEMENTAL-CODECS", Shape::Quoted),
    may("RESOLUTION", Shape::Resolution),
    may("FRAME-RATE", Shape::Decimal),
    may("HDCP-LEVEL", HDCP),
    may("ALLOWED-CPC", Shape::Quoted),
    may("VIDEO-RANGE", RANGES),
    may("REQ-VIDEO-LAYOUT", Shape::Quoted),
    may("STABLE-VARIANT-ID", Shape::Quoted),
    may("AUDIO", Shape::Quoted),
    may("VIDEO", Shape::Quoted),
    may("SUBTITLES", Shape::Quoted),
    may("CLOSED-CAPTIONS", Shape::QuotedOrNone),
    may("PATHWAY-ID", Shape::Quoted),
];

const IFRAME: &[Attribute] = &[
    must("BANDWIDTH", Shape::Integer),
    must("URI", Shape::Quoted),
    may("AVERAGE-BANDWIDTH", Shape::Integer),
    may("SCORE", Shape::Decimal),
    may("CODECS", Shape::Quoted),
    may("SUPPLEMENTAL-CODECS", Shape::Quoted),
    may("RESOLUTION", Shape::Resolution),
    may("HDCP-LEVEL", HDCP),
    may("ALLOWED-CPC", Shape::Quoted),
    may("VIDEO-RANGE", RANGES),
    may("REQ-VIDEO-LAYOUT", Shape::Quoted),
    may("STABLE-VARIANT-ID", Shape::Quoted),
    may("VIDEO", Shape::Quoted),
    may("PATHWAY-ID", Shape::Quoted),
];

const MEDIA: &[Attribute] = &[
    must("TYPE", Shape::Word(&["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"])),
    must("GROUP-ID", Shape::Quoted),
    must("NAME", Shape::Quoted),
    may("URI", Shape::Quoted),
    may("LANGUAGE", Shape::Quoted),
    may("ASSOC-LANGUAGE", Shape::Quoted),
    may("STABLE-RENDITION-ID", Shape::Quoted),
    may("DEFAULT", YES_NO),
    may("AUTOSELECT", YES_NO),
    may("FORCED", YES_NO),
    may("INSTREAM-ID", Shape::Quoted),
    may("BIT-DEPTH", Shape::Integer),
    may("SAMPLE-RATE", Shape::Integer),
    may("CHARACTERISTICS", Shape::Quoted),
    may("CHANNELS", Shape::Quoted),
    may("PATHWAY-ID", Shape::Quoted),
];

const PART: &[Attribute] = &[
    must("URI", Shape::Quoted),
    must("DURATION", Shape::Decimal),
    may("INDEPENDENT", YES),
    may("BYTERANGE", Shape::Quoted),
    may("GAP", YES),
];

const SERVER_CONTROL: &[Attribute] = &[
    may("CAN-SKIP-UNTIL", Shape::Decimal),
    may("CAN-SKIP-DATERANGES", YES),
    may("HOLD-BACK", Shape::Decimal),
    may("PART-HOLD-BACK", Shape::Decimal),
    may("CAN-BLOCK-RELOAD", YES),
];

const DATERANGE: &[Attribute] = &[
    must("ID", Shape::Quoted),
    must("START-DATE", Shape::Quoted),
    may("CLASS", Shape::Quoted),
    may("CUE", Shape::Quoted),
    may("END-DATE", Shape::Quoted),
    may("DURATION", Shape::Decimal),
    may("PLANNED-DURATION", Shape::Decimal),
    may("SCTE35-CMD", Shape::Hex),
    may("SCTE35-OUT", Shape::Hex),
    may("SCTE35-IN", Shape::Hex),
    may("END-ON-NEXT", YES),
];

const HINT: &[Attribute] = &[
    must("TYPE", Shape::Word(&["PART", "MAP"])),
    must("URI", Shape::Quoted),
    may("BYTERANGE-START", Shape::Integer),
    may("BYTERANGE-LENGTH", Shape::Integer),
];

const REPORT: &[Attribute] =
    &[must("URI", Shape::Quoted), may("LAST-MSN", Shape::Integer), may("LAST-PART", Shape::Integer)];

const MAP: &[Attribute] = &[must("URI", Shape::Quoted), may("BYTERANGE", Shape::Quoted)];
const START: &[Attribute] = &[must("TIME-OFFSET", Shape::Signed), may("PRECISE", YES_NO)];
const PART_INF: &[Attribute] = &[must("PART-TARGET", Shape::Decimal)];
const DEFINE: &[Attribute] = &[
    may("NAME", Shape::Quoted),
    may("VALUE", Shape::Quoted),
    may("IMPORT", Shape::Quoted),
    may("QUERYPARAM", Shape::Quoted),
];
const SKIP: &[Attribute] =
    &[must("SKIPPED-SEGMENTS", Shape::Integer), may("RECENTLY-REMOVED-DATERANGES", Shape::Quoted)];
const SESSION_DATA: &[Attribute] = &[
    must("DATA-ID", Shape::Quoted),
    may("VALUE", Shape::Quoted),
    may("URI", Shape::Quoted),
    may("FORMAT", Shape::Word(&["JSON", "RAW"])),
    may("LANGUAGE", Shape::Quoted),
];
const STEERING: &[Attribute] = &[must("SERVER-URI", Shape::Quoted), may("PATHWAY-ID", Shape::Quoted)];

const TAGS: &[Tag] = &[
    tag("EXTM3U", Both, true, Nothing, 1),
    tag("EXT-X-VERSION", Both, true, Integer, 6),
    tag("EXT-X-INDEPENDENT-SEGMENTS", Both, true, Nothing, 23),
    tag("EXT-X-START", Both, true, List(START), 24),
    tag("EXT-X-DEFINE", Both, false, List(DEFINE), 24),
    tag("EXT-X-TARGETDURATION", Media, true, Integer, 2),
    tag("EXT-X-MEDIA-SEQUENCE", Media, true, Integer, 7),
    tag("EXT-X-DISCONTINUITY-SEQUENCE", Media, true, Integer, 8),
    tag("EXT-X-ENDLIST", Media, true, Nothing, 19),
    tag("EXT-X-PLAYLIST-TYPE", Media, true, Text, 18),
    tag("EXT-X-I-FRAMES-ONLY", Media, true, Nothing, 32),
    tag("EXT-X-PART-INF", Media, true, List(PART_INF), 49),
    tag("EXT-X-SERVER-CONTROL", Media, true, List(SERVER_CONTROL), 56),
    tag("EXTINF", Media, false, Text, 5),
    tag("EXT-X-BYTERANGE", Media, false, Text, 22),
    tag("EXT-X-DISCONTINUITY", Media, false, Nothing, 8),
    tag("EXT-X-KEY", Media, false, List(KEY), 12),
    tag("EXT-X-MAP", Media, false, List(MAP), 11),
    tag("EXT-X-PROGRAM-DATE-TIME", Media, false, Text, 20),
    tag("EXT-X-GAP", Media, false, Nothing, 17),
    tag("EXT-X-BITRATE", Media, false, Integer, 27),
    tag("EXT-X-PART", Media, false, List(PART), 49),
    tag("EXT-X-DATERANGE", Media, false, List(DATERANGE), 21),
    tag("EXT-X-SKIP", Media, true, List(SKIP), 64),
    tag("EXT-X-PRELOAD-HINT", Media, false, List(HINT), 67),
    tag("EXT-X-RENDITION-REPORT", Media, false, List(REPORT), 69),
    tag("EXT-X-MEDIA", Multivariant, false, List(MEDIA), 29),
    tag("EXT-X-STREAM-INF", Multivariant, false, List(STREAM), 27),
    tag("EXT-X-I-FRAME-STREAM-INF", Multivariant, false, List(IFRAME), 32),
    tag("EXT-X-SESSION-DATA", Multivariant, false, List(SESSION_DATA), 24),
    tag("EXT-X-SESSION-KEY", Multivariant, false, List(KEY), 12),
    tag("EXT-X-CONTENT-STEERING", Multivariant, true, List(STEERING), 24),
];

/// The rule for tag `name` (without `#`), if the draft knows it. Cost: O(tags).
pub(crate) fn rule(name: &str) -> Option<&'static Tag> {
    TAGS.iter().find(|tag| tag.name == name)
}

/// Tags that were removed from HLS and must not be written any more.
pub(crate) fn is_withdrawn(name: &str) -> bool {
    name == "EXT-X-ALLOW-CACHE"
}

/// Attributes that were removed from HLS.
pub(crate) fn is_withdrawn_attribute(name: &str) -> bool {
    name == "PROGRAM-ID"
}
