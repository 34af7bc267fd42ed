//! Why a file is refused, in one shape for every stage: a stable name, the place, and what to do.

use rillcast_media::demux::FormatError;
use rillcast_media::movie::Unplayable;
use rillcast_media::plan::PlanError;
use rillcast_media::timeline::TimelineError;
use serde::Serialize;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refused {
    /// Stable name of the reason.
    pub(super) kind: String,
    /// The box concerned, if it is about one.
    #[serde(rename = "box")]
    pub(super) fourcc: Option<String>,
    /// First byte of the place, if it has one.
    pub(super) offset: Option<u64>,
    /// The reason in words.
    pub(super) message: String,
    /// What usually helps.
    pub(super) advice: Option<&'static str>,
}

const REMUX: &str = "remux it: ffmpeg -i FILE -c copy -movflags +faststart NEW.mp4";
const COPY_AGAIN: &str = "compare its size and checksum with the original, and copy it again";
const TRANSCODE_VIDEO: &str = "transcode the video: ffmpeg -i FILE -c:v libx264 -c:a copy NEW.mp4";
const TRANSCODE_AUDIO: &str = "transcode the sound: ffmpeg -i FILE -c:v copy -c:a aac NEW.mp4";

/// The refusal of bytes.
pub(super) fn of_format(error: &FormatError) -> Refused {
    let offset = match error {
        FormatError::Empty | FormatError::NotMp4 { .. } => None,
        _ => Some(error.offset()),
    };
    let (kind, advice) = match error {
        FormatError::Empty => ("empty", Some("the recording or copy wrote nothing: make it again")),
        FormatError::NotMp4 { looks_like } => ("not-mp4", can_be_remuxed(looks_like).then_some(REMUX)),
        FormatError::Truncated { .. } => ("truncated", Some(COPY_AGAIN)),
        FormatError::BoxOverrun { .. } => ("box-overrun", Some(COPY_AGAIN)),
        FormatError::BoxTooSmall { .. } => ("box-too-small", None),
        FormatError::ShortBox { .. } => ("short-box", None),
        FormatError::TableOverrun { .. } => ("table-overrun", None),
        FormatError::Missing { .. } => ("missing-box", None),
        FormatError::NoIndex { .. } => ("no-index", Some(COPY_AGAIN)),
        FormatError::Duplicate { .. } => ("duplicate-box", Some(REMUX)),
        FormatError::Field { .. } => ("bad-field", None),
        FormatError::Limit { .. } => ("limit", None),
        FormatError::Tables { .. } => ("bad-sample-tables", Some(COPY_AGAIN)),
        FormatError::Codec { source, .. } => {
            return refusal(source.slug(), error.fourcc().map(|box_| box_.text()), offset, error, None);
        }
        FormatError::Unsupported { .. } => ("unsupported", Some(REMUX)),
    };
    refusal(kind.to_owned(), error.fourcc().map(|box_| box_.text()), offset, error, advice)
}

/// Whether a file of another container may hold what MP4 can.
fn can_be_remuxed(looks_like: &str) -> bool {
    ["FLV", "MPEG-TS", "MPEG program stream", "Matroska or WebM"].contains(&looks_like)
}

/// The refusal of a well-formed movie.
pub(super) fn of_movie(error: &Unplayable) -> Refused {
    let (kind, advice) = match error {
        Unplayable::Codec { kind: "audio", .. } => ("codec-not-served", Some(TRANSCODE_AUDIO)),
        Unplayable::Codec { .. } => ("codec-not-served", Some(TRANSCODE_VIDEO)),
        Unplayable::NothingToPlay => ("nothing-to-play", None),
    };
    refusal(kind.to_owned(), None, None, error, advice)
}

/// The refusal of its edit lists and times.
pub(super) fn of_timeline(error: &TimelineError) -> Refused {
    let (kind, advice) = match error {
        TimelineError::Edits { .. } => {
            ("edit-list-not-served", "export it flattened from the editor, or transcode it")
        }
        TimelineError::Nothing { .. } => {
            ("nothing-shown", "ignore its edit list: ffmpeg -ignore_editlist 1 -i FILE -c copy NEW.mp4")
        }
    };
    refusal(kind.to_owned(), None, None, error, Some(advice))
}

/// The refusal of what would be cut from it.
pub(super) fn of_plan(error: &PlanError) -> Refused {
    let kind = match error {
        PlanError::TooMany { .. } => "too-many-segments",
        PlanError::NoSuchSegment { .. } | PlanError::NoSuchTrack { .. } => "no-plan",
    };
    refusal(kind.to_owned(), None, None, error, Some("split it into shorter files"))
}

fn refusal(
    kind: String,
    fourcc: Option<String>,
    offset: Option<u64>,
    error: &dyn std::error::Error,
    advice: Option<&'static str>,
) -> Refused {
    Refused { kind, fourcc, offset, message: error.to_string(), advice }
}

#[cfg(test)]
mod tests {
    use rillcast_media::fourcc::FourCc;

    use super::*;

    #[test]
    fn a_refusal_names_the_box_and_the_byte() {
        let error =
            FormatError::BoxOverrun { fourcc: FourCc::new(b"moov"), offset: 32, size: 900, left: 100 };
        let refused = of_format(&error);
        assert_eq!(
            (refused.kind.as_str(), refused.fourcc.as_deref(), refused.offset),
            ("box-overrun", Some("moov"), Some(32))
        );
        assert_eq!(refused.message, "box `moov` at byte 32 claims 900 bytes, its parent has 100");
        let json = serde_json::to_value(&refused).expect("plain values");
        assert_eq!((&json["box"], &json["offset"]), (&"moov".into(), &32.into()));
    }

    #[test]
    fn what_has_no_place_says_so() {
        let refused = of_format(&FormatError::NotMp4 { looks_like: "FLV".to_owned() });
        assert_eq!((refused.kind.as_str(), refused.fourcc, refused.offset), ("not-mp4", None, None));
        assert!(refused.advice.is_some_and(|advice| advice.contains("-c copy")));
        assert_eq!(of_format(&FormatError::NotMp4 { looks_like: "a ZIP archive".to_owned() }).advice, None);
        let sound = Unplayable::Codec { kind: "audio", name: "AC-3".to_owned(), reason: "no" };
        assert!(of_movie(&sound).advice.is_some_and(|advice| advice.contains("-c:a aac")));
    }
}
