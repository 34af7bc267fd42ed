//! Language codes of containers (ISO 639-2, three letters) as BCP 47 tags, which want the shortest
//! code there is (RFC 5646 §2.2.1): `eng` is `en`.

/// The tag for a container's language code; a tag stays what it is.
pub(super) fn bcp47(code: &str) -> String {
    let short = SHORT.iter().find(|(long, _)| *long == code).map(|(_, short)| *short);
    short.unwrap_or(code).to_owned()
}

/// The name of a language in itself, for menus; the tag where we do not know it.
pub(crate) fn display_name(tag: &str) -> String {
    let primary = tag.split('-').next().unwrap_or(tag);
    let known = NAMES.iter().find(|(code, _)| *code == primary).map(|(_, name)| *name);
    known.unwrap_or(tag).to_owned()
}

/// Three-letter codes (terminological and bibliographic) with a two-letter form.
const SHORT: [(&str, &str); 56] = [
    ("ara", "ar"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("cze", "cs"),
    ("cym", "cy"),
    ("wel", "cy"),
    ("dan", "da"),
    ("deu", "de"),
    ("ger", "de"),
    ("ell", "el"),
    ("gre", "el"),
    ("eng", "en"),
    ("est", "et"),
    ("eus", "eu"),
    ("baq", "eu"),
    ("fas", "fa"),
    ("per", "fa"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("gle", "ga"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ind", "id"),
    ("isl", "is"),
    ("ice", "is"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("msa", "ms"),
    ("nld", "nl"),
    ("dut", "nl"),
    ("nor", "no"),
    ("nob", "nb"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slo", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("vie", "vi"),
    ("zho", "zh"),
    ("chi", "zh"),
];

const NAMES: [(&str, &str); 36] = [
    ("ar", "العربية"),
    ("bg", "Български"),
    ("ca", "Català"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("en", "English"),
    ("es", "Español"),
    ("et", "Eesti"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hr", "Hrvatski"),
    ("hu", "Magyar"),
    ("id", "Bahasa Indonesia"),
    ("is", "Íslenska"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ko", "한국어"),
    ("lt", "Lietuvių"),
    ("lv", "Latviešu"),
    ("nb", "Norsk bokmål"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sk", "Slovenčina"),
    ("sv", "Svenska"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("zh", "中文"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_short_tags() {
        for (code, tag, name) in [
            ("eng", "en", "English"),
            ("ger", "de", "Deutsch"),
            ("und", "und", "und"),
            ("pt-BR", "pt-BR", "Português"),
            ("tlh", "tlh", "tlh"),
        ] {
            assert_eq!((bcp47(code).as_str(), display_name(&bcp47(code)).as_str()), (tag, name));
        }
    }
}
