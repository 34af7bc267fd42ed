//! Edit lists in words: what each entry does to what is seen or heard (ISO/IEC 14496-12 §8.6.6).

use rillcast_media::movie::{Edit, TrackKind};
use rillcast_media::time::Timescale;

/// Audio skipped at the start up to this is the encoder's priming.
const PRIMING_MAX_S: f64 = 0.25;
/// Rate 1.0 as 16.16 fixed point.
const NORMAL_RATE: i32 = 0x1_0000;
/// An edit that ends this close to the end of the media ends there.
const END_SLACK_S: f64 = 0.1;

/// What has to be known of the track beside its edits.
#[derive(Debug, Clone, Copy)]
pub(in crate::inspect) struct Media {
    pub(in crate::inspect) kind: TrackKind,
    pub(in crate::inspect) timescale: Timescale,
    pub(in crate::inspect) movie_timescale: Timescale,
    /// First presentation time, in ticks of the track.
    pub(in crate::inspect) first_pts: i64,
    /// End of presentation, in ticks of the track.
    pub(in crate::inspect) end_pts: i64,
}

/// What `edit` does.
pub(in crate::inspect) fn meaning(edit: &Edit, media: &Media) -> String {
    let shown_s = duration_s(edit, media);
    let Some(media_time) = edit.media_time else {
        return format!("shows nothing for {}", text(shown_s));
    };
    let mut words = start(media_time, media);
    let left_s = media.timescale.seconds(media.end_pts.saturating_sub(media_time)) - shown_s;
    if edit.duration > 0 && left_s > END_SLACK_S {
        words.push_str(&format!("; ends {} before the media does", text(left_s)));
    }
    if edit.rate != NORMAL_RATE {
        words.push_str(&format!("; at {} times the speed", f64::from(edit.rate) / f64::from(NORMAL_RATE)));
    }
    words
}

/// How long `edit` is shown, in seconds.
pub(in crate::inspect) fn duration_s(edit: &Edit, media: &Media) -> f64 {
    media.movie_timescale.seconds(i64::try_from(edit.duration).unwrap_or(i64::MAX))
}

fn start(media_time: i64, media: &Media) -> String {
    let into_s = media.timescale.seconds(media_time);
    let place = format!("starts {media_time} ticks ({}) in", text(into_s));
    let hidden = media_time.saturating_sub(media.first_pts);
    match media.kind {
        _ if hidden <= 0 && media_time == 0 => "starts at the beginning".to_owned(),
        TrackKind::Video if hidden <= 0 => format!("{place}: the reordering delay, nothing is hidden"),
        TrackKind::Audio if into_s <= PRIMING_MAX_S => format!("{place}: priming"),
        _ => format!("{place}: hides {}", text(media.timescale.seconds(hidden))),
    }
}

/// Seconds as people write them: milliseconds below one.
fn text(seconds: f64) -> String {
    if seconds.abs() < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.3} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: TrackKind, edit: (u64, Option<i64>, i32), expected: &str) {
        let (duration, media_time, rate) = edit;
        let scale = |ticks| Timescale::new(ticks).expect("not zero");
        let first_pts = if kind == TrackKind::Video { 2002 } else { 0 };
        let media = Media {
            kind,
            timescale: scale(48_000),
            movie_timescale: scale(1000),
            first_pts,
            end_pts: first_pts + 480_000,
        };
        assert_eq!(meaning(&Edit { duration, media_time, rate }, &media), expected);
    }

    #[test]
    fn each_use_of_an_edit_has_its_words() {
        use TrackKind::{Audio, Video};
        check(Audio, (10_000, Some(1024), NORMAL_RATE), "starts 1024 ticks (21.3 ms) in: priming");
        check(Audio, (10_000, Some(0), NORMAL_RATE), "starts at the beginning");
        check(Audio, (44, None, NORMAL_RATE), "shows nothing for 44.0 ms");
        check(
            Audio,
            (5000, Some(96_000), NORMAL_RATE),
            "starts 96000 ticks (2.000 s) in: hides 2.000 s; ends 3.000 s before the media does",
        );
        check(
            Video,
            (10_000, Some(2002), NORMAL_RATE),
            "starts 2002 ticks (41.7 ms) in: the reordering delay, nothing is hidden",
        );
        check(Video, (0, Some(0), NORMAL_RATE * 2), "starts at the beginning; at 2 times the speed");
    }
}
