//! The revision: the name of an asset's content, in every URL below its entry playlist.
//!
//! It is a hash of all that decides the bytes we serve: the format version, the cutting policy, and
//! for each track its configuration and the columns of its samples (sizes, times, sync). Columns are
//! hashed as they are packed ([`Column`]): how a builder packs them is a part of what a revision is. It
//! does not depend on where the samples lie in the file, on its path, name or times; so two copies, or a
//! copy laid out anew, have one revision, on every machine.
//!
//! Text form: the format version, a dot, and 16 letters of base 32 (80 bits of SHA-256), as
//! `1.k3jw8fq2v0xz7m4c`; safe in a URL path.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::column::Column;
use crate::movie::{Movie, SyncSamples, Track, TrackFormat};
use crate::package::cmaf;
use crate::plan::Policy;
use crate::timeline::{ClipTrack, Timeline};

/// Version of everything that turns the same source into bytes: plan, packagers, playlists.
/// Raise it with any change of output; the version before stays served for a day.
pub const FORMAT_VERSION: u16 = 1;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LETTERS: usize = 16;

/// The name of an immutable edition of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision {
    format_version: u16,
    letters: [u8; LETTERS],
}

/// Text that is no revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a revision: a version, a dot and 16 letters of base 32 are expected")]
pub struct RevisionError;

impl Revision {
    /// The revision of what `timeline` shows, cut by `policy`.
    ///
    /// Cost: one pass over the packed columns: some 1.5 ms for a two-hour film.
    pub fn of(timeline: &Timeline, policy: Policy) -> Self {
        let mut hash = Sha256::new();
        hash.update(FORMAT_VERSION.to_le_bytes());
        hash.update(policy.cut_from_ms.to_le_bytes());
        for clip in timeline.clips() {
            hash_movie(&mut hash, &clip.movie);
            for (track, part) in clip.movie.tracks.iter().zip(&clip.tracks) {
                for bound in [part.samples.start, part.samples.end] {
                    hash.update((bound as u64).to_le_bytes());
                }
                hash.update(part.shift.to_le_bytes());
                hash.update(part.decode_delay.to_le_bytes());
                hash_made(&mut hash, track, part);
            }
        }
        let digest = hash.finalize();
        let mut letters = [b'0'; LETTERS];
        let mut bits = 0u32;
        let mut held = 0u32;
        let mut bytes = digest.iter();
        for letter in &mut letters {
            while held < 5 {
                bits = (bits << 8) | u32::from(*bytes.next().unwrap_or(&0));
                held += 8;
            }
            held -= 5;
            let five = usize::try_from((bits >> held) & 31).unwrap_or(0);
            *letter = ALPHABET.get(five).copied().unwrap_or(b'0');
            bits &= (1 << held) - 1;
        }
        Self { format_version: FORMAT_VERSION, letters }
    }

    /// The format version it was made by.
    pub const fn format_version(&self) -> u16 {
        self.format_version
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.format_version)?;
        self.letters.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, RevisionError> {
        let (version, letters) = text.split_once('.').ok_or(RevisionError)?;
        let format_version: u16 = version.parse().map_err(|_| RevisionError)?;
        let letters: [u8; LETTERS] = letters.as_bytes().try_into().map_err(|_| RevisionError)?;
        let canonical = letters.iter().all(|letter| ALPHABET.contains(letter));
        // One revision has one text: no leading zeros, no sign.
        if !canonical || format_version.to_string() != version {
            return Err(RevisionError);
        }
        Ok(Self { format_version, letters })
    }
}

/// What of `part` is not as in the source; nothing for most.
fn hash_made(hash: &mut Sha256, track: &Track, part: &ClipTrack) {
    for (dts, pts) in (0..).map_while(|number| part.preroll.get(number)) {
        hash.update(dts.to_le_bytes());
        hash.update(pts.to_le_bytes());
    }
    // An edit that ends inside the last frames decides how long they are shown.
    if !part.samples.is_empty() && part.end != part.end_in_the_source(track) {
        hash.update(part.end.to_le_bytes());
    }
    // How many there are decides what they are: the frame follows from the configuration.
    if part.silence.before + part.silence.after > 0 {
        hash.update((part.silence.before as u64).to_le_bytes());
        hash.update((part.silence.after as u64).to_le_bytes());
    }
}

fn hash_movie(hash: &mut Sha256, movie: &Movie) {
    hash.update((movie.tracks.len() as u64).to_le_bytes());
    for track in &movie.tracks {
        hash_track(hash, track);
    }
}

fn hash_track(hash: &mut Sha256, track: &Track) {
    // The init segment holds all that is served of the configuration; language and colour are in
    // playlists besides.
    let init = cmaf::init(track);
    hash.update((init.len() as u64).to_le_bytes());
    hash.update(&init);
    hash.update((track.language.len() as u64).to_le_bytes());
    hash.update(&track.language);
    hash_title(hash, track);
    if let TrackFormat::Video(video) = &track.format {
        // As numbers: the text that a derive prints is no format of ours.
        hash.update([u8::from(video.color.is_some())]);
        if let Some(color) = video.color {
            for point in [color.primaries, color.transfer, color.matrix, u16::from(color.full_range)] {
                hash.update(point.to_le_bytes());
            }
        }
    }
    hash.update([u8::from(track.enabled)]);
    let samples = &track.samples;
    for column in samples.content_columns() {
        hash_column(hash, column);
    }
    match samples.sync() {
        SyncSamples::All => hash.update(u64::MAX.to_le_bytes()),
        SyncSamples::Listed(list) => {
            hash.update((list.len() as u64).to_le_bytes());
            // As numbers of 32 bits: there are not as many samples.
            let numbers = list.iter_from(0).map(|sync| u32::try_from(sync).unwrap_or(u32::MAX));
            numbers.for_each(|sync| hash.update(sync.to_le_bytes()));
        }
    }
}

/// The title of sound, which playlists show; nothing for a track without, whose hash is what it was
/// before there were titles. The word cannot be the byte that follows: that is 0 or 1.
fn hash_title(hash: &mut Sha256, track: &Track) {
    if let (TrackFormat::Audio(_), Some(title)) = (&track.format, &track.title) {
        hash.update(b"title");
        hash.update((title.len() as u64).to_le_bytes());
        hash.update(title);
    }
}

/// Hashes `column` as it is packed: the same values are always the same bytes, and those are an eighth of what the
/// values are. The lengths before them say where each part ends.
fn hash_column(hash: &mut Sha256, column: &Column) {
    let (constant, heads, data) = column.packed();
    for word in [column.len() as u64, constant, heads.len() as u64, data.len() as u64] {
        hash.update(word.to_le_bytes());
    }
    hash.update(heads);
    hash.update(data);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rillcast_fixtures::{Shape, Track as Made};

    use super::*;
    use crate::demux::mp4::read_all;

    fn revision(tracks: Vec<Made>) -> String {
        let movie = read_all(&Shape::new(tracks).bytes().into()).expect("a good file");
        let timeline = Timeline::of_movie(&Arc::new(movie)).expect("a timeline");
        Revision::of(&timeline, Policy::VOD).to_string()
    }

    #[test]
    fn a_title_counts_where_playlists_show_it_and_only_if_there_is_one() {
        let of = |picture: &str, sound: &str| {
            revision(vec![Made::avc(1, 25, 50, 100).with_title(picture), Made::aac(2, 188).with_title(sound)])
        };
        let untitled = revision(vec![Made::avc(1, 25, 50, 100), Made::aac(2, 188)]);
        // Written down, so that a change of what a revision is cannot go unseen.
        assert_eq!(untitled, "1.pzxqssnsp9h25ka5");
        assert_eq!([of("", ""), of("Main", "")], [untitled.clone(), untitled.clone()]);
        let [main, other] = [of("", "Main"), of("", "Other")];
        assert!(main != untitled && main != other);
    }

    #[test]
    fn an_edit_that_ends_inside_the_last_frame_makes_another_revision() {
        use rillcast_fixtures::Edit;
        // The same 20 samples; the last is shown for 40, 30 and 20 ms.
        let ending = |ms| {
            let made = rillcast_fixtures::Track::avc(1, 25, 12, 40).with_edits(&[Edit::new(ms, 0)]);
            let file = Shape::new(vec![made]).bytes();
            let movie = read_all(&file.into()).expect("a good file");
            let timeline = Timeline::of_movie(&Arc::new(movie)).expect("a timeline");
            assert_eq!(timeline.clips()[0].tracks[0].samples, 0..20);
            Revision::of(&timeline, Policy::VOD)
        };
        let [whole, shorter, shortest] = [800, 790, 780].map(ending);
        assert!(whole != shorter && shorter != shortest && whole != shortest);
    }

    #[test]
    fn text_round_trips_and_is_canonical() {
        let text = "1.0123456789abcdef";
        assert_eq!(text.parse::<Revision>().map(|revision| revision.to_string()), Ok(text.to_owned()));
        for bad in [
            "",
            "1",
            "1.",
            "01.0123456789abcdef",
            "+1.0123456789abcdef",
            "1.0123456789abcdeu",
            "1.0123456789ABCDEF",
            "70000.0123456789abcdef",
        ] {
            assert_eq!(bad.parse::<Revision>(), Err(RevisionError), "{bad}");
        }
    }
}
