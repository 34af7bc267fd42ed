//! What a player's menu of sounds shows: the NAME of each rendition (RFC 8216 §4.3.4.1).
//!
//! A title, where the author gave one; else the language; else a number. A title that several
//! languages share (`Stereo`) has its language with it. No two names of a group are the same.

use crate::presentation::{Rendition, language};

/// The names of `audio`, in their order.
pub(super) fn names(audio: &[&Rendition]) -> Vec<String> {
    let titles: Vec<Option<String>> = audio.iter().map(|rendition| title(rendition)).collect();
    let mut names = Vec::with_capacity(audio.len());
    for (index, (rendition, title)) in audio.iter().zip(&titles).enumerate() {
        let alike = || audio.iter().zip(&titles).filter(|(_, other)| *other == title);
        let plain = match (title, spoken(rendition)) {
            (Some(title), Some(spoken)) if alike().any(|(other, _)| other.language != rendition.language) => {
                format!("{title} ({spoken})")
            }
            (Some(title), _) => title.clone(),
            (None, Some(spoken)) => spoken,
            (None, None) => format!("Audio {}", index + 1),
        };
        names.push(unlike(plain, index + 1, &names));
    }
    names
}

/// The name of the language, if it is known.
fn spoken(rendition: &Rendition) -> Option<String> {
    (rendition.language != "und").then(|| language::display_name(&rendition.language))
}

/// `plain` if it is not taken, else with a number: its own in the group, or the next that is free.
fn unlike(plain: String, number: usize, taken: &[String]) -> String {
    if !taken.contains(&plain) {
        return plain;
    }
    let numbered = (number..).map(|number| format!("{plain} ({number})"));
    numbered.into_iter().find(|name| !taken.contains(name)).unwrap_or(plain)
}

/// The title as a quoted string can hold it and every reader of playlists reads it.
///
/// No quotes, and no control characters (§4.2). Besides no line separators: hls.js ends the tag there,
/// and so loses its URI. No byte order mark (§4.1). And no `{$`, which begins the name of a variable;
/// a player has to refuse a playlist with one that is not defined (rfc8216bis §4.3).
fn title(rendition: &Rendition) -> Option<String> {
    let letter = |letter: char| match letter {
        '"' => '\'',
        '\u{feff}' => ' ',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    let clean: String = rendition.title.as_deref()?.chars().map(letter).collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" ").replace("{$", "{ $"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::TrackKind;
    use crate::presentation::{Look, TrackName};
    use crate::time::Timescale;

    fn sound(language: &str, title: &str) -> Rendition {
        Rendition {
            name: TrackName { kind: TrackKind::Audio, id: 1 },
            track: 0,
            codec: String::new(),
            language: language.to_owned(),
            title: Some(title.to_owned()).filter(|title| !title.is_empty()),
            enabled: true,
            timescale: Timescale::new(48_000).expect("not zero"),
            look: Look::Audio { channels: 2 },
            segments: Vec::new(),
            key_frames: Vec::new(),
        }
    }

    fn named(tracks: &[(&str, &str)]) -> Vec<String> {
        let audio: Vec<Rendition> = tracks.iter().map(|(language, title)| sound(language, title)).collect();
        names(&audio.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_title_counts_before_the_language_and_that_before_a_number() {
        let tracks =
            [("en", ""), ("en", "Director's commentary"), ("fr", ""), ("und", ""), ("und", "Bruits")];
        assert_eq!(named(&tracks), ["English", "Director's commentary", "Français", "Audio 4", "Bruits"]);
    }

    #[test]
    fn a_title_of_several_languages_has_its_language_with_it() {
        let tracks = [("en", "Stereo"), ("fr", "Stereo"), ("en", "Stereo"), ("und", "Stereo"), ("en", "5.1")];
        assert_eq!(
            named(&tracks),
            ["Stereo (English)", "Stereo (Français)", "Stereo (English) (3)", "Stereo", "5.1"]
        );
    }

    #[test]
    fn no_two_names_are_the_same() {
        assert_eq!(
            named(&[("en", "Main"), ("en", "Main"), ("en", "Main")]),
            ["Main", "Main (2)", "Main (3)"]
        );
        // A title that is the name of another's language, or what would have been the next name.
        assert_eq!(named(&[("en", ""), ("de", "English")]), ["English", "English (2)"]);
        let tracks = [("en", "English (3)"), ("en", ""), ("en", "")];
        assert_eq!(named(&tracks), ["English (3)", "English", "English (4)"]);
        // Alike only once they are fit for a playlist.
        assert_eq!(named(&[("en", "a \"b\""), ("en", "a\t'b'")]), ["a 'b'", "a 'b' (2)"]);
    }

    #[test]
    fn a_title_is_fit_for_a_quoted_string() {
        for (given, shown) in [
            ("\"Quoted\"", "'Quoted'"),
            ("one\r\n#EXT-X-ENDLIST\ttwo", "one #EXT-X-ENDLIST two"),
            ("a\u{1b}[2J\u{7f}\u{85}b", "a [2J b"),
            ("a\u{2028}b\u{2029}c", "a b c"),
            ("\u{feff}marked\u{feff}", "marked"),
            ("{$token} {{$x}", "{ $token} {{ $x}"),
            ("a,b=c", "a,b=c"),
            ("\u{1}\u{feff}", "English"),
        ] {
            assert_eq!(named(&[("en", given)]), [shown], "{given:?}");
        }
    }
}
