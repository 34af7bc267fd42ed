//! Attribute lists (draft-pantos-hls-rfc8216bis §4.2), decimal numbers and their exact values.

use crate::limits::ATTRIBUTES_MAX;

/// One attribute value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// Text without its quotes.
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// An attribute list in the order written. Names are unique: a second value of a name is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    pub(crate) items: Vec<(String, Value)>,
}

impl Attributes {
    /// Reads `text`, and says in words what is wrong with it; what could be read is kept.
    pub(crate) fn parse(text: &str) -> (Self, Vec<String>) {
        let mut list = Self::default();
        let mut wrong = Vec::new();
        let mut rest = text;
        loop {
            if list.items.len() >= ATTRIBUTES_MAX {
                wrong.push(format!("more than {ATTRIBUTES_MAX} attributes"));
                break;
            }
            match list.take_one(rest, &mut wrong) {
                Some("") | None => break,
                Some(after) => match after.strip_prefix(',') {
                    Some(next) if !next.is_empty() => rest = next,
                    Some(_) => {
                        wrong.push("comma at the end of the attribute list".to_owned());
                        break;
                    }
                    None => {
                        wrong.push("no comma after a quoted value".to_owned());
                        break;
                    }
                },
            }
        }
        (list, wrong)
    }

    /// Reads one attribute off the front of `text` and returns what follows it.
    fn take_one<'a>(&mut self, text: &'a str, wrong: &mut Vec<String>) -> Option<&'a str> {
        let Some((name, value)) = text.split_once('=') else {
            wrong.push("attribute without `=`".to_owned());
            return None;
        };
        let name_is_good = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
        if !name_is_good {
            wrong.push(format!("attribute name `{}` is not [A-Z0-9-]+", crate::ledger::quote(name)));
        }
        let (value, rest) = if let Some(open) = value.strip_prefix('"') {
            let Some((inside, rest)) = open.split_once('"') else {
                wrong.push(format!("quoted value of {} never ends", crate::ledger::quote(name)));
                return None;
            };
            (Value { text: inside.to_owned(), quoted: true }, rest)
        } else {
            let end = value.find(',').unwrap_or(value.len());
            let (bare, rest) = value.split_at(end);
            if bare.is_empty() || bare.contains(['"', ' ', '\t']) {
                wrong.push(format!(
                    "value of {} is empty or holds a quote or blank",
                    crate::ledger::quote(name)
                ));
            }
            (Value { text: bare.to_owned(), quoted: false }, rest)
        };
        if self.value(name).is_some() {
            wrong.push(format!("attribute {} appears twice", crate::ledger::quote(name)));
        } else {
            self.items.push((name.to_owned(), value));
        }
        Some(rest)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.items.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Text of `name`, quoted or not: what a lenient player would take.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).map(|value| value.text.as_str())
    }

    pub(crate) fn int(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(decimal_integer)
    }

    pub(crate) fn seconds(&self, name: &str) -> Option<Seconds> {
        self.text(name).and_then(Seconds::parse)
    }

    pub(crate) fn is_yes(&self, name: &str) -> bool {
        self.text(name) == Some("YES")
    }
}

/// decimal-integer: one to twenty digits, at most 2^64 − 1.
pub(crate) fn decimal_integer(text: &str) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A length of time as printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Seconds {
    /// Nanoseconds; further printed digits are cut.
    pub(crate) ns: u64,
    /// Printed digits after the point.
    pub(crate) decimals: u32,
}

impl Seconds {
    /// Reads decimal-integer or decimal-floating-point. `None` past about 584 years.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (text, ""),
        };
        if !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut ns = 0_u64;
        for at in 0..9 {
            let digit = fraction.as_bytes().get(at).map_or(0, |b| u64::from(b.wrapping_sub(b'0')));
            ns = ns.checked_mul(10)?.checked_add(digit)?;
        }
        let ns = decimal_integer(whole)?.checked_mul(1_000_000_000)?.checked_add(ns)?;
        Some(Self { ns, decimals: u32::try_from(fraction.len()).ok()? })
    }
}

impl Seconds {
    /// What a lenient player would take from a number that is written wrong; 0 from none.
    pub(crate) fn guess(text: &str) -> Self {
        let number: Option<std::time::Duration> =
            text.trim().parse().ok().and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        let ns = number.and_then(|number| u64::try_from(number.as_nanos()).ok()).unwrap_or(0);
        Self { ns, decimals: 9 }
    }
}

/// `n[@o]` of EXT-X-BYTERANGE and the BYTERANGE attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) length: u64,
    pub(crate) offset: Option<u64>,
}

impl ByteRange {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once('@') {
            Some((length, offset)) => {
                Some(Self { length: decimal_integer(length)?, offset: Some(decimal_integer(offset)?) })
            }
            None => Some(Self { length: decimal_integer(text)?, offset: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Attributes, ByteRange, Seconds, decimal_integer};

    fn wrong(text: &str) -> usize {
        Attributes::parse(text).1.len()
    }

    #[test]
    fn attribute_lists_are_read_strictly() {
        let (list, faults) = Attributes::parse("A=1,B=\"x,y=z\",C-1=640x360");
        assert!(faults.is_empty());
        assert_eq!(list.text("B"), Some("x,y=z"));
        assert_eq!(list.int("A"), Some(1));
        for bad in ["A", "A=1,", "A=1,A=2", "A=\"1", "a=1", "A=", "A=\"1\"B=2", "A=1 ,B=2", "A= 1"] {
            assert!(wrong(bad) > 0, "{bad}");
        }
        let many = (0..=crate::limits::ATTRIBUTES_MAX).map(|n| format!("A{n}=1")).collect::<Vec<_>>();
        assert_eq!(wrong(&many[1..].join(",")), 0);
        assert_eq!(wrong(&many.join(",")), 1);
    }

    #[test]
    fn numbers_have_exact_bounds() {
        assert_eq!(decimal_integer("18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal_integer("18446744073709551616"), None);
        assert_eq!(decimal_integer("000000000000000000001"), None);
        assert_eq!(decimal_integer("-1"), None);
        assert_eq!(Seconds::parse("4.00001"), Some(Seconds { ns: 4_000_010_000, decimals: 5 }));
        for bad in ["4.", ".5", "4,0", "1e3", "", "18446744073709551615"] {
            assert_eq!(Seconds::parse(bad), None, "{bad}");
        }
        assert_eq!(ByteRange::parse("5@7"), Some(ByteRange { length: 5, offset: Some(7) }));
        assert_eq!(ByteRange::parse("5@"), None);
    }
}
