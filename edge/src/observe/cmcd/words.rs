//! The closed sets of words. Each is one of few, so that it can label a metric.

/// Version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// CTA-5004.
    #[default]
    One,
    /// CTA-5004-A and -B.
    Two,
    /// A later one.
    Later,
}

impl Version {
    /// A stable word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Later => "later",
        }
    }

    pub(super) fn of(text: &[u8]) -> Option<Self> {
        match text {
            b"1" => Some(Self::One),
            b"2" => Some(Self::Two),
            [b'3'..=b'9'] => Some(Self::Later),
            _ => None,
        }
    }
}

/// Declares a set of words with the tokens that mean them.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $token:literal, $word:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub(super) fn of(token: &[u8]) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.token().as_bytes() == token)
            }

            /// As players write it.
            pub const fn token(self) -> &'static str {
                match self {
                    $(Self::$variant => $token,)+
                }
            }

            /// A stable word for metrics and logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// What is asked for (`ot`).
    ObjectType {
        /// A playlist or manifest.
        Manifest = "m", "manifest";
        /// Audio.
        Audio = "a", "audio";
        /// Video.
        Video = "v", "video";
        /// Audio and video in one.
        Muxed = "av", "muxed";
        /// An init segment.
        Init = "i", "init";
        /// Subtitles or captions.
        Caption = "c", "caption";
        /// Timed text in ISO BMFF.
        TimedText = "tt", "timed_text";
        /// A key, licence or certificate.
        Key = "k", "key";
        /// Something else.
        Other = "o", "other";
    }
}

words! {
    /// How the presentation is described (`sf`).
    StreamingFormat {
        /// MPEG DASH.
        Dash = "d", "dash";
        /// HLS.
        Hls = "h", "hls";
        /// Smooth Streaming.
        Smooth = "s", "smooth";
        /// Something else.
        Other = "o", "other";
    }
}

words! {
    /// Whether the presentation is finished (`st`).
    StreamType {
        /// All segments are there.
        Vod = "v", "vod";
        /// Segments come over time.
        Live = "l", "live";
        /// So do parts of segments (since version 2).
        LowLatency = "ll", "low_latency";
    }
}

words! {
    /// What the player is doing (`sta`).
    PlayerState {
        /// Waits for its first picture.
        Starting = "s", "starting";
        /// Plays.
        Playing = "p", "playing";
        /// Goes to another place.
        Seeking = "k", "seeking";
        /// Has run out of media.
        Rebuffering = "r", "rebuffering";
        /// Pauses.
        Paused = "a", "paused";
        /// Waits for its viewer.
        Waiting = "w", "waiting";
        /// Has played to the end.
        Ended = "e", "ended";
        /// Has failed.
        Failed = "f", "failed";
        /// Was told to stop.
        Quit = "q", "quit";
        /// Loads before it is asked to play.
        Preloading = "d", "preloading";
    }
}
