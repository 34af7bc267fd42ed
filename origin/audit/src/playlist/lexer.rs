//! Lines of a playlist, each held against the grammar table on its own.

use std::collections::BTreeSet;

use super::attributes::{Attributes, Seconds, Value, decimal_integer};
use super::grammar::{self, Form, Shape, Tag};
use crate::ledger::{Ledger, quote};
use crate::limits::{LINE_BYTES_MAX, LINES_MAX};
use crate::report::Place;

/// A line that says something.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    Tag { number: u32, name: &'a str, value: &'a str, attributes: Attributes },
    Uri { number: u32, text: &'a str },
}

/// The text of a playlist without its byte order mark; `None` when it is not UTF-8.
pub(super) fn decode<'a>(body: &'a [u8], url: &str, ledger: &mut Ledger) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            ledger.error(1, url, Place::Line(1), "begins with a byte order mark");
            Some(rest)
        }
        None => Some(text),
    }
}

/// Name and value of the tag on a line; `None` for URIs, comments and blank lines.
pub(super) fn tag(line: &str) -> Option<(&str, Option<&str>)> {
    let tag = line.strip_prefix('#').filter(|tag| tag.starts_with("EXT"))?;
    Some(tag.split_once(':').map_or((tag, None), |(name, value)| (name, Some(value))))
}

/// Splits `text`, holding each tag against the grammar. Blank lines and comments are dropped.
pub(super) fn lines<'a>(text: &'a str, url: &str, ledger: &mut Ledger) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut number = 0_u32;
    for raw in text.split('\n') {
        number = number.saturating_add(1);
        if number as usize > LINES_MAX {
            ledger.gap(format!("{url}: lines after line {LINES_MAX}"));
            break;
        }
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        if number == 1 && line != "#EXTM3U" {
            ledger.error(1, url, Place::Line(1), format!("first line is `{}`, not #EXTM3U", quote(line)));
        }
        if line.len() > LINE_BYTES_MAX {
            ledger.gap(format!("{url}: line {number} is longer than {LINE_BYTES_MAX} bytes"));
            continue;
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            ledger.error(1, url, Place::Line(number), "holds a control character");
        }
        if line.trim().is_empty() {
            continue;
        }
        match tag(line) {
            Some(tag) => lines.push(read_tag(tag, number, &mut seen, url, ledger)),
            None if line.starts_with('#') => {}
            None => {
                if line.trim() != line {
                    ledger.error(1, url, Place::Line(number), "URI line begins or ends with a blank");
                }
                lines.push(Line::Uri { number, text: line.trim() });
            }
        }
    }
    lines
}

fn read_tag<'a>(
    (name, value): (&'a str, Option<&'a str>),
    number: u32,
    seen: &mut BTreeSet<&'a str>,
    url: &str,
    ledger: &mut Ledger,
) -> Line<'a> {
    let place = || Place::Line(number);
    let mut attributes = Attributes::default();
    if grammar::is_withdrawn(name) {
        ledger.error(24, url, place(), format!("{name} was removed from HLS"));
    }
    if let Some(rule) = grammar::rule(name) {
        if !seen.insert(rule.name) && rule.once {
            ledger.error(1, url, place(), format!("{name} appears a second time"));
        }
        match (rule.form, value) {
            (Form::Nothing, Some(_)) => {
                ledger.error(1, url, place(), format!("{name} takes no value, not even a colon"));
            }
            (Form::Nothing, None) => {}
            (_, None | Some("")) => ledger.error(1, url, place(), format!("{name} has no value")),
            (Form::Integer, Some(text)) if decimal_integer(text).is_none() => {
                let message = format!("{name} is `{}`, not a decimal integer below 2^64", quote(text));
                ledger.error(rule.line, url, place(), message);
            }
            (Form::List(_), Some(text)) => attributes = read_list(rule, text, number, url, ledger),
            (Form::Integer | Form::Text, Some(_)) => {}
        }
    } else if grammar::rule(name.trim()).is_some() || grammar::rule(&name.to_ascii_uppercase()).is_some() {
        ledger.error(1, url, place(), format!("`{}` is not a tag; blanks or case?", quote(name)));
    }
    Line::Tag { number, name, value: value.unwrap_or_default(), attributes }
}

fn read_list(rule: &Tag, text: &str, number: u32, url: &str, ledger: &mut Ledger) -> Attributes {
    let (list, wrong) = Attributes::parse(text);
    for message in wrong {
        ledger.error(24, url, Place::Line(number), format!("{}: {message}", rule.name));
    }
    let Form::List(known) = rule.form else { return list };
    for (name, value) in &list.items {
        if grammar::is_withdrawn_attribute(name) {
            ledger.error(24, url, Place::Line(number), format!("{name} was removed from HLS"));
        }
        if let Some(attribute) = known.iter().find(|attribute| attribute.name == name)
            && let Err(expected) = fits(value, attribute.shape)
        {
            let message = format!("{name} is `{}`, not {expected}", quote(&value.text));
            ledger.error(24, url, Place::Line(number), message);
        }
    }
    for attribute in known.iter().filter(|attribute| attribute.required) {
        if list.value(attribute.name).is_none() {
            let message = format!("{} has no {}", rule.name, attribute.name);
            ledger.error(rule.line, url, Place::Line(number), message);
        }
    }
    list
}

/// Whether `value` is written in `shape`; otherwise what was expected.
fn fits(value: &Value, shape: Shape) -> Result<(), &'static str> {
    let text = value.text.as_str();
    let (good, expected) = match shape {
        Shape::Quoted => (value.quoted, "a quoted string"),
        Shape::QuotedOrNone => (value.quoted || text == "NONE", "a quoted string or NONE"),
        Shape::Word(words) => (
            !value.quoted && (words.is_empty() || words.contains(&text)),
            "one of the enumerated words, unquoted",
        ),
        Shape::Integer => (!value.quoted && decimal_integer(text).is_some(), "a decimal integer below 2^64"),
        Shape::Decimal => (!value.quoted && Seconds::parse(text).is_some(), "a decimal number"),
        Shape::Signed => (
            !value.quoted && Seconds::parse(text.strip_prefix('-').unwrap_or(text)).is_some(),
            "a signed decimal number",
        ),
        Shape::Resolution => (!value.quoted && resolution(text).is_some(), "a resolution"),
        Shape::Hex => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or_default();
            let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            (!value.quoted && good, "a hexadecimal sequence")
        }
    };
    if good { Ok(()) } else { Err(expected) }
}

/// `WxH`.
pub(crate) fn resolution(text: &str) -> Option<(u64, u64)> {
    let (width, height) = text.split_once('x')?;
    Some((decimal_integer(width)?, decimal_integer(height)?))
}
