//! Whether a field is a dictionary of items (RFC 8941 §3.2): the part of that grammar that cache directives use.
//!
//! Inner lists and byte sequences are no directive's value; a field that has one is not a field of directives.

use http::HeaderValue;

/// Whether the fields, taken together, are a dictionary with at least one member.
pub(super) fn is_dictionary<'a>(fields: impl IntoIterator<Item = &'a HeaderValue>) -> bool {
    let mut has_members = false;
    for field in fields {
        let field = field.as_bytes().trim_ascii();
        if field.is_empty() {
            continue;
        }
        has_members = true;
        if !is_list_of_members(field) {
            return false;
        }
    }
    has_members
}

fn is_list_of_members(mut rest: &[u8]) -> bool {
    loop {
        let Some(after) = skip_member(rest) else { return false };
        let after = after.trim_ascii_start();
        if after.is_empty() {
            return true;
        }
        // A comma at the end is an error (§4.2.2), and so is anything else between two members.
        let Some(next) = after.strip_prefix(b",") else { return false };
        rest = next.trim_ascii_start();
    }
}

/// `key`, `key=item`, each with parameters.
fn skip_member(text: &[u8]) -> Option<&[u8]> {
    let mut rest = skip_key(text)?;
    if let Some(value) = rest.strip_prefix(b"=") {
        rest = skip_item(value)?;
    }
    while let Some(parameter) = rest.strip_prefix(b";") {
        rest = skip_key(parameter.trim_ascii_start())?;
        if let Some(value) = rest.strip_prefix(b"=") {
            rest = skip_item(value)?;
        }
    }
    Some(rest)
}

fn skip_key(text: &[u8]) -> Option<&[u8]> {
    text.first().filter(|byte| byte.is_ascii_lowercase() || **byte == b'*')?;
    Some(skip_while(text, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
    }))
}

fn skip_item(text: &[u8]) -> Option<&[u8]> {
    match text.first()? {
        b'?' => text.strip_prefix(b"?0").or_else(|| text.strip_prefix(b"?1")),
        b'"' => skip_string(text.get(1..)?),
        b'-' | b'0'..=b'9' => skip_number(text),
        byte if byte.is_ascii_alphabetic() || *byte == b'*' => Some(skip_while(text, is_token_byte)),
        _ => None,
    }
}

fn skip_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'"' | b'\\', after @ ..] => after,
            [b'\\', ..] => return None,
            [b' '..=b'~', after @ ..] => after,
            _ => return None,
        };
    }
}

/// An integer of at most fifteen digits, or a decimal of twelve and three.
fn skip_number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let rest = skip_while(digits, |byte| byte.is_ascii_digit());
    let whole = digits.len().checked_sub(rest.len())?;
    let Some(fraction) = rest.strip_prefix(b".") else { return (1..=15).contains(&whole).then_some(rest) };
    let rest = skip_while(fraction, |byte| byte.is_ascii_digit());
    let places = fraction.len().checked_sub(rest.len())?;
    ((1..=12).contains(&whole) && (1..=3).contains(&places)).then_some(rest)
}

fn skip_while(text: &[u8], is_in: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| !is_in(*byte)).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// `tchar` of RFC 9110 §5.6.2, and `:` and `/`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_dictionaries_count() {
        for (text, expected) in [
            ("max-age=60", true),
            ("max-age=60, no-store", true),
            ("a;b=1;c=\"x,y\" , d=?1\t,e=1.5,f=tok/en:x, *=-3", true),
            ("a=\"\\\"\\\\\"", true),
            ("", false),
            ("  ", false),
            ("max-age=60,", false),
            (",max-age=60", false),
            ("max-age=60 no-store", false),
            ("Max-Age=60", false),
            ("max-age=", false),
            ("max-age =60", false),
            ("max-age=6x", false),
            ("a=(b c)", false),
            ("a=:aGk=:", false),
            ("a=\"b", false),
            ("a=\"\\b\"", false),
            ("a=?2", false),
            ("a=999999999999999", true),
            ("a=9999999999999999", false),
            ("a=999999999999.999", true),
            ("a=9999999999999.9", false),
            ("a=1.2345", false),
            ("a=1.", false),
            ("a=-", false),
        ] {
            let field = HeaderValue::from_static(text);
            assert_eq!(is_dictionary([&field]), expected, "{text:?}");
        }
        let lines = ["max-age=60", "", "no-store"].map(HeaderValue::from_static);
        assert!(is_dictionary(&lines), "lines are joined");
        let lines = ["max-age=60", "x="].map(HeaderValue::from_static);
        assert!(!is_dictionary(&lines), "one bad line spoils all");
    }
}
