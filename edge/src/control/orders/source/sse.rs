//! Server-sent events out of bytes that come in pieces (WHATWG HTML, section 9.2.6).
//!
//! What the control plane sends of it: comments, and messages with `event`, `id` and one or more `data`. A lone CR as a
//! line end is not taken for one; nobody writes it. Fields other than `event` and `data` are passed over: the number is
//! in the order itself.

use super::lines::{Line, Lines};
use crate::control::orders::order::ORDER_BYTES_MAX;

/// Bytes of a line: an order with its field name.
const LINE_BYTES_MAX: usize = ORDER_BYTES_MAX + 16;

/// One thing that a stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The data of a message whose `event` is `order`.
    Order(Vec<u8>),
    /// A message of another kind.
    Other,
    /// A comment.
    Comment,
    /// A message that is longer than an order may be, or a line that is.
    TooLong,
}

/// Reads a stream.
#[derive(Debug)]
pub struct SseReader {
    lines: Lines,
    data: Option<Vec<u8>>,
    is_order: bool,
    too_long: bool,
}

impl Default for SseReader {
    fn default() -> Self {
        Self { lines: Lines::new(LINE_BYTES_MAX), data: None, is_order: false, too_long: false }
    }
}

impl SseReader {
    /// Adds bytes. To be called when [`Self::said`] has nothing left.
    pub fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// The next thing that was said in full.
    pub fn said(&mut self) -> Option<Said> {
        while let Some(line) = self.lines.next_line() {
            let Line::Whole(line) = line else {
                self.too_long = true;
                continue;
            };
            if line.is_empty() {
                if let Some(said) = self.dispatch() {
                    return Some(said);
                }
                continue;
            }
            if line.first() == Some(&b':') {
                return Some(Said::Comment);
            }
            self.field(&line);
        }
        None
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.is_order = value == b"order",
            b"data" => {
                let first = self.data.is_none();
                let data = self.data.get_or_insert_default();
                if data.len().saturating_add(value.len()) > ORDER_BYTES_MAX {
                    self.too_long = true;
                    return;
                }
                if !first {
                    data.push(b'\n');
                }
                data.extend_from_slice(value);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Said> {
        let (data, is_order) = (self.data.take(), std::mem::take(&mut self.is_order));
        if std::mem::take(&mut self.too_long) {
            return Some(Said::TooLong);
        }
        Some(if is_order { Said::Order(data?) } else { data.map(|_| Said::Other)? })
    }
}
