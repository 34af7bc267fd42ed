//! A media URL, parsed: which asset, which edition of it, which piece.
//!
//! ```text
//!  /vod/{path}/master.m3u8                      Multivariant
//!  /vod/{path}/~{rev}/{track}/playlist.m3u8     Piece: Media
//!  /vod/{path}/~{rev}/{track}/iframes.m3u8      Piece: IFrames
//!  /vod/{path}/~{rev}/{track}/init.mp4          Piece: Init
//!  /vod/{path}/~{rev}/{track}/{n}.m4s           Piece: Segment(n)
//!  /vod/{path}/~{rev}/{track}/iframe/{n}.m4s    Piece: KeyFrame(n)
//! ```
//!
//! `Display` writes the canonical form; `parse(display(x)) == x`.

use std::fmt;

use rillcast_media::manifest::hls::names;
use rillcast_media::presentation::TrackName;
use rillcast_media::revision::Revision;

use crate::asset_path::{AssetPath, AssetPathError};

/// What all VOD URLs start with.
pub const PREFIX: &str = "/vod/";
/// The multivariant playlist of an asset.
pub const MULTIVARIANT: &str = "master.m3u8";

/// A parsed media URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Locator {
    /// The entry: the multivariant playlist of the current revision.
    Multivariant {
        /// The asset.
        asset: AssetPath,
    },
    /// An immutable child.
    Child {
        /// The asset.
        asset: AssetPath,
        /// Its edition.
        revision: Revision,
        /// A track of it.
        track: TrackName,
        /// A piece of the track.
        piece: Piece,
    },
}

/// A piece of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Piece {
    /// The media playlist.
    Media,
    /// The playlist of key frames.
    IFrames,
    /// The init segment.
    Init,
    /// A media segment, by its media sequence number.
    Segment(u32),
    /// A key frame, by its number in the playlist of key frames.
    KeyFrame(u32),
}

/// Why a path is no media URL. The client's fault: all are «not found» to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocatorError {
    /// It does not start with [`PREFIX`].
    #[error("not a media URL")]
    Prefix,
    /// The asset's path is malformed.
    #[error(transparent)]
    Asset(#[from] AssetPathError),
    /// What follows the asset's path names nothing.
    #[error("no such piece of an asset: master.m3u8 or ~revision/track/… is expected")]
    Piece,
}

impl Locator {
    /// Parses the path of a request, percent-encoded as it came.
    ///
    /// # Errors
    /// [`LocatorError`].
    pub fn parse(path: &str) -> Result<Self, LocatorError> {
        let rest = path.strip_prefix(PREFIX).ok_or(LocatorError::Prefix)?;
        let components: Vec<&str> = rest.split('/').collect();
        if let Some(at) = components.iter().position(|component| component.starts_with('~')) {
            let (asset, child) = components.split_at(at);
            return Self::parse_child(asset, child);
        }
        let Some((&MULTIVARIANT, asset)) = components.split_last() else { return Err(LocatorError::Piece) };
        Ok(Self::Multivariant { asset: AssetPath::from_encoded(asset.iter().copied())? })
    }

    fn parse_child(asset: &[&str], child: &[&str]) -> Result<Self, LocatorError> {
        let [revision, track, rest @ ..] = child else { return Err(LocatorError::Piece) };
        let revision = revision.strip_prefix('~').ok_or(LocatorError::Piece)?;
        let revision = revision.parse().map_err(|_| LocatorError::Piece)?;
        let track = track.parse().map_err(|_| LocatorError::Piece)?;
        let piece = match rest {
            [names::MEDIA] => Piece::Media,
            [names::I_FRAMES] => Piece::IFrames,
            [names::INIT] => Piece::Init,
            [segment] => Piece::Segment(number(segment)?),
            [names::I_FRAME_FOLDER, frame] => Piece::KeyFrame(number(frame)?),
            _ => return Err(LocatorError::Piece),
        };
        let asset = AssetPath::from_encoded(asset.iter().copied())?;
        Ok(Self::Child { asset, revision, track, piece })
    }

    /// The asset it belongs to.
    pub const fn asset(&self) -> &AssetPath {
        match self {
            Self::Multivariant { asset } | Self::Child { asset, .. } => asset,
        }
    }

    /// A word from a small set for metrics and logs.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Multivariant { .. } => "multivariant",
            Self::Child { piece, .. } => match piece {
                Piece::Media => "playlist",
                Piece::IFrames => "iframes",
                Piece::Init => "init",
                Piece::Segment(_) => "segment",
                Piece::KeyFrame(_) => "keyframe",
            },
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multivariant { asset } => write!(f, "{PREFIX}{asset}/{MULTIVARIANT}"),
            Self::Child { asset, revision, track, piece } => {
                write!(f, "{PREFIX}{asset}/~{revision}/{track}/{piece}")
            }
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Media => f.write_str(names::MEDIA),
            Self::IFrames => f.write_str(names::I_FRAMES),
            Self::Init => f.write_str(names::INIT),
            Self::Segment(number) => write!(f, "{number}{}", names::SEGMENT_ENDING),
            Self::KeyFrame(number) => {
                write!(f, "{}/{number}{}", names::I_FRAME_FOLDER, names::SEGMENT_ENDING)
            }
        }
    }
}

/// `42` of `42.m4s`: plain digits, no leading zeros, so that a piece has one URL.
fn number(name: &str) -> Result<u32, LocatorError> {
    let digits = name.strip_suffix(names::SEGMENT_ENDING).ok_or(LocatorError::Piece)?;
    let value: u32 = digits.parse().map_err(|_| LocatorError::Piece)?;
    if value.to_string() == digits { Ok(value) } else { Err(LocatorError::Piece) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rillcast_media::movie::TrackKind;

    use super::*;

    const REVISION: &str = "1.0123456789abcdef";

    #[test]
    fn every_form_parses_and_prints_itself() {
        for path in [
            "/vod/a.mp4/master.m3u8".to_owned(),
            "/vod/b%20c/%7Etilde.mp4/master.m3u8".to_owned(),
            format!("/vod/a.mp4/~{REVISION}/v1/playlist.m3u8"),
            format!("/vod/a.mp4/~{REVISION}/v1/iframes.m3u8"),
            format!("/vod/a.mp4/~{REVISION}/a2/init.mp4"),
            format!("/vod/d/a.mp4/~{REVISION}/a2/0.m4s"),
            format!("/vod/a.mp4/~{REVISION}/v1/iframe/4294967295.m4s"),
        ] {
            assert_eq!(Locator::parse(&path).map(|locator| locator.to_string()), Ok(path));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for path in [
            "/",
            "/vod/",
            "/vod/master.m3u8",
            "/vod/a.mp4",
            "/vod/a.mp4/",
            "/live/a/master.m3u8",
            "/vod//master.m3u8",
            "/vod/../master.m3u8",
            "/vod/a.mp4/~/v1/init.mp4",
            "/vod/a.mp4/~1.0123456789abcdef",
            "/vod/a.mp4/~1.0123456789abcdef/v1/",
            "/vod/a.mp4/~1.0123456789abcdef/v1/01.m4s",
            "/vod/a.mp4/~1.0123456789abcdef/v1/+1.m4s",
            "/vod/a.mp4/~1.0123456789abcdef/v1/4294967296.m4s",
            "/vod/a.mp4/~1.0123456789abcdef/x1/1.m4s",
            "/vod/a.mp4/~1.0123456789abcdef/v1/iframe/1.m4s/more",
            "/vod/~1.0123456789abcdef/v1/init.mp4",
            "/vod/a.mp4/~~1.0123456789abcdef/v1/init.mp4",
            "/vod/a.mp4/~1.0123456789abcdef/v1/Playlist.m3u8",
            "/vod/a.mp4/~1.0123456789abcdef/V1/init.mp4",
            "/vod/a.mp4/~1.0123456789ABCDEF/v1/init.mp4",
            "/vod/a.mp4/Master.m3u8",
            "/vod/a.mp4/master.m3u8/",
        ] {
            assert!(Locator::parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn display_round_trips(
            asset in "[^/\\\\\\p{Cc}.][^/\\\\\\p{Cc}]{0,12}", video in any::<bool>(), id in any::<u32>(), which in 0..5u8, n in any::<u32>(),
        ) {
            let kind = if video { TrackKind::Video } else { TrackKind::Audio };
            let piece = [Piece::Media, Piece::IFrames, Piece::Init, Piece::Segment(n), Piece::KeyFrame(n)][usize::from(which)];
            let locator = Locator::Child {
                asset: AssetPath::new(&asset).expect("a clean path"),
                revision: REVISION.parse().expect("a revision"),
                track: TrackName { kind, id },
                piece,
            };
            prop_assert_eq!(Locator::parse(&locator.to_string()), Ok(locator));
        }

        #[test]
        fn any_text_is_parsed_or_refused(path in "(/vod/)?[a-z~./%0-9]{0,40}") {
            if let Ok(locator) = Locator::parse(&path) {
                prop_assert_eq!(Locator::parse(&locator.to_string()), Ok(locator));
            }
        }
    }
}
