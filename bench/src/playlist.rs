//! What our playlists list: the URIs a player would load (RFC 8216 §4).
//!
//! Not a validator: the auditor is. It reads what the rig must ask for, and nothing else.

/// URIs of a multivariant playlist.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Variants {
    /// Media playlists of the variants (lines after `EXT-X-STREAM-INF`).
    pub(crate) video: Vec<String>,
    /// Media playlists of `EXT-X-MEDIA` with `TYPE=AUDIO`.
    pub(crate) audio: Vec<String>,
}

/// Reads a multivariant playlist.
pub(crate) fn variants(text: &str) -> Variants {
    let mut found = Variants::default();
    let mut after_variant = false;
    for line in text.lines() {
        if let Some(attributes) = line.strip_prefix("#EXT-X-MEDIA:") {
            if attributes.contains("TYPE=AUDIO") {
                found.audio.extend(quoted(attributes, "URI"));
            }
        } else if line.starts_with("#EXT-X-STREAM-INF:") {
            after_variant = true;
        } else if after_variant && !line.starts_with('#') && !line.is_empty() {
            found.video.push(line.to_owned());
            after_variant = false;
        }
    }
    found
}

/// The media segments of a media playlist, in order; init segments left out.
pub(crate) fn segments(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The path that `uri`, found in the playlist at path `base`, stands for (RFC 3986 §5.2, the parts
/// that playlists of ours and of peers use: relative names, absolute paths, URLs of the same server).
pub(crate) fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    if let Some((_, path)) = uri.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
        return format!("/{path}");
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{uri}")
}

fn quoted(attributes: &str, name: &str) -> Option<String> {
    let (_, rest) = attributes.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_and_audio_are_told_apart() {
        let text = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a,b\",URI=\"~1.x/a2/media.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",URI=\"s/media.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"audio\"\n~1.x/v1/media.m3u8\n\
            #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"~1.x/v1/i.m3u8\"\n";
        let found = variants(text);
        assert_eq!(found.video, ["~1.x/v1/media.m3u8"]);
        assert_eq!(found.audio, ["~1.x/a2/media.m3u8"]);
    }

    #[test]
    fn segments_are_the_lines_that_are_no_tags() {
        let text =
            "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:6,\n0.m4s\n\n#EXTINF:6,\n1.m4s\n#EXT-X-ENDLIST\n";
        assert_eq!(segments(text), ["0.m4s", "1.m4s"]);
    }

    #[test]
    fn uris_resolve_against_the_playlist() {
        assert_eq!(resolve("/vod/a.mp4/master.m3u8", "~1.x/v1/media.m3u8"), "/vod/a.mp4/~1.x/v1/media.m3u8");
        assert_eq!(resolve("/vod/a.mp4/master.m3u8", "/other"), "/other");
        assert_eq!(resolve("/fmp4/a.mp4/index.m3u8", "http://127.0.0.1/fmp4/x/1.m4s"), "/fmp4/x/1.m4s");
    }
}
