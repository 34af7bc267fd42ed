//! The grammar: a dictionary of items and inner lists (RFC 8941 §3.2), read leniently.

use crate::quoting::split_outside_quotes;

/// Walks through the members of a list.
pub(super) struct Members<'a> {
    rest: &'a [u8],
}

/// A key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member<'a> {
    pub(super) key: &'a [u8],
    /// What follows the equals sign, with its quotes or brackets; `None` without one, which means «true».
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (element, rest) = split_outside_quotes(self.rest, b',');
            self.rest = rest;
            let element = element.trim_ascii();
            if !element.is_empty() {
                let mut halves = element.splitn(2, |byte| *byte == b'=');
                let key = halves.next().unwrap_or_default();
                return Some(Member { key, value: halves.next() });
            }
        }
    }
}

impl Member<'_> {
    /// A boolean: no value, `?0`, `?1`, or a list of which any is true. Some players write words.
    pub(super) fn truth(&self) -> Option<bool> {
        let Some(value) = self.value else { return Some(true) };
        let of = |item: &[u8]| match item {
            b"?1" | b"true" => Some(true),
            b"?0" | b"false" => Some(false),
            _ => None,
        };
        fold(value, of, |any, one| any || one)
    }

    /// A number, or the greatest of a list of numbers, that is no greater than `max`.
    pub(super) fn greatest(&self, max: u32) -> Option<u32> {
        fold(self.value?, |item| number(item, max), u32::max)
    }

    /// A number, or the least of a list of numbers, that is no greater than `max`.
    pub(super) fn least(&self, max: u32) -> Option<u32> {
        fold(self.value?, |item| number(item, max), u32::min)
    }

    /// A string of at most `max` bytes of visible ASCII, without its quotes.
    pub(super) fn text(&self, max: usize) -> Option<Box<str>> {
        let quoted = self.value?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if quoted.is_empty() || quoted.len() > max || !quoted.iter().all(is_plain) {
            return None;
        }
        Some(std::str::from_utf8(quoted).ok()?.into())
    }
}

/// Reads an item, or all of an inner list, which must not be empty; parameters are passed over.
fn fold<T>(value: &[u8], read: impl Fn(&[u8]) -> Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    let item = |text: &[u8]| read(split_outside_quotes(text, b';').0.trim_ascii());
    let Some(list) = value.strip_prefix(b"(") else { return item(value) };
    let end = list.iter().rposition(|byte| *byte == b')')?;
    let mut items = list.get(..end)?.split(|byte| *byte == b' ').filter(|text| !text.is_empty());
    let first = item(items.next()?)?;
    items.try_fold(first, |so_far, text| Some(join(so_far, item(text)?)))
}

fn number(digits: &[u8], max: u32) -> Option<u32> {
    let is_decimal = digits.iter().all(u8::is_ascii_digit);
    let value: u32 = std::str::from_utf8(digits).ok().filter(|_| is_decimal)?.parse().ok()?;
    (value <= max).then_some(value)
}

/// Whether `key` is one that somebody may use: our own words, and those of others with a prefix.
pub(super) fn is_key(key: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
    key.first().is_some_and(u8::is_ascii_alphabetic) && key.iter().all(is_inner)
}
