//! HLS playlists (RFC 8216; draft-pantos-hls-rfc8216bis-22; Apple's HLS Authoring Specification).
//!
//! Every URI is relative and holds nothing of the viewer, so one text serves all. Names of files:
//!
//! ```text
//!  /vod/{path}/master.m3u8                  multivariant
//!  /vod/{path}/~{rev}/v1/playlist.m3u8      media playlist of track v1
//!  /vod/{path}/~{rev}/v1/iframes.m3u8       its key frames
//!  /vod/{path}/~{rev}/v1/init.mp4           what EXT-X-MAP names
//!  /vod/{path}/~{rev}/v1/42.m4s             segment 42 (its media sequence number)
//!  /vod/{path}/~{rev}/v1/iframe/42.m4s      key frame 42
//! ```

mod attributes;
mod media;
mod menu;
mod multivariant;

pub use self::media::{i_frame_playlist, media_playlist};
pub use self::multivariant::multivariant;

/// `EXT-X-VERSION` of every playlist of an asset: `EXT-X-MAP` needs 6, nothing we write needs more.
pub const VERSION: u8 = 6;

/// File names of [`hls`](self) below a track.
pub mod names {
    /// The media playlist.
    pub const MEDIA: &str = "playlist.m3u8";
    /// The playlist of key frames.
    pub const I_FRAMES: &str = "iframes.m3u8";
    /// The init segment.
    pub const INIT: &str = "init.mp4";
    /// The folder of key frames.
    pub const I_FRAME_FOLDER: &str = "iframe";
    /// The ending of a media segment.
    pub const SEGMENT_ENDING: &str = ".m4s";
}
