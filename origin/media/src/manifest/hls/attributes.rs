//! Attribute lists (RFC 8216 §4.2).

use std::fmt::{Display, Write};

/// A tag with an attribute list, being written.
pub(super) struct Attributes<'a> {
    text: &'a mut String,
    first: bool,
}

impl<'a> Attributes<'a> {
    /// Begins the tag `name`.
    pub(super) fn new(text: &'a mut String, name: &str) -> Self {
        text.push('#');
        text.push_str(name);
        text.push(':');
        Self { text, first: true }
    }

    /// A decimal number, an enumerated string or a resolution.
    pub(super) fn plain(mut self, name: &str, value: impl Display) -> Self {
        self.name(name);
        write!(self.text, "{value}").expect("writing to a string");
        self
    }

    /// A quoted string. What a quoted string cannot hold (quotes, control characters) is left out.
    pub(super) fn quoted(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.text.push('"');
        self.text.extend(value.chars().filter(|c| *c != '"' && !c.is_control()));
        self.text.push('"');
        self
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.text.push('\n');
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.text.push(',');
        }
        self.first = false;
        self.text.push_str(name);
        self.text.push('=');
    }
}
