//! Names for the bytes of an asset's pieces, for whoever keeps them in memory.

use rillcast_http::ContentId;
use rillcast_media::movie::TrackKind;
use rillcast_media::presentation::TrackName;
use rillcast_media::revision::Revision;
use sha2::{Digest as _, Sha256};

use crate::blob::Stamp;
use crate::locator::Piece;

/// Names the bytes of all pieces of one open asset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContentNames([u8; 32]);

impl ContentNames {
    /// Those of `revision` made from the blob opened with `stamp`. The revision alone names no bytes: it is that of
    /// the index, and two files may have one index over different payload.
    pub(crate) fn new(stamp: Stamp, revision: Revision) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rillcast content 1");
        for word in stamp.0 {
            hash.update(word.to_le_bytes());
        }
        hash.update(revision.to_string());
        Self(hash.finalize().into())
    }

    /// The name of `piece` of `track`; no two share one.
    pub(crate) fn of(self, track: TrackName, piece: Piece) -> ContentId {
        let kind = match track.kind {
            TrackKind::Video => 0,
            TrackKind::Audio => 1,
        };
        let (piece, number) = match piece {
            Piece::Media => (0, 0),
            Piece::IFrames => (1, 0),
            Piece::Init => (2, 0),
            Piece::Segment(number) => (3, number),
            Piece::KeyFrame(number) => (4, number),
        };
        let ([t0, t1, t2, t3], [n0, n1, n2, n3]) = (track.id.to_le_bytes(), number.to_le_bytes());
        ContentId::new(self.0, [kind, t0, t1, t2, t3, piece, n0, n1, n2, n3, 0, 0, 0, 0, 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn another_edition_track_or_piece_has_another_name() {
        let revisions = ["1.0123456789abcdef", "1.0123456789abcdeg"].map(|text| text.parse().unwrap());
        let tracks = [(TrackKind::Video, 1), (TrackKind::Audio, 1), (TrackKind::Audio, 1 << 24)];
        let pieces = [Piece::Init, Piece::Segment(1), Piece::Segment(1 << 24), Piece::KeyFrame(1)];
        let mut names = HashSet::new();
        for word in 0..5 {
            for revision in revisions {
                let mut stamp = [7; 5];
                stamp[word] = 8;
                let content = ContentNames::new(Stamp(stamp), revision);
                for (kind, id) in tracks {
                    names.extend(pieces.map(|piece| content.of(TrackName { kind, id }, piece)));
                }
            }
        }
        assert_eq!(names.len(), 5 * revisions.len() * tracks.len() * pieces.len());
        let same =
            || ContentNames::new(Stamp([1; 5]), revisions[0]).of("v1".parse().unwrap(), Piece::Segment(3));
        assert_eq!(same(), same());
    }
}
