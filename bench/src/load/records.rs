//! TLS 1.3 records counted, not opened (RFC 8446 §5.1, §5.2): how many bytes of plain text went by.
//!
//! A protected record is five bytes of header and a payload; the payload is the content, one byte of its
//! real type and the tag of the cipher. So the length of the content is in clear, and a client that knows
//! how long an answer is needs neither the key nor the bytes. Only application data may come here: the
//! caller lets rustls read the handshake and the first answer, and with them the session tickets.

/// Length of a record's header.
const HEADER_BYTES: usize = 5;
/// Content type of every protected record.
const APPLICATION_DATA: u8 = 23;
/// What a payload has more than its content: the tag of an AEAD cipher of TLS 1.3, and the real type.
const OVERHEAD_BYTES: u64 = 16 + 1;
/// Longest payload (RFC 8446 §5.2).
const PAYLOAD_BYTES_MAX: u64 = (1 << 14) + 256;

/// Why bytes are no records we can count. The server's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// An alert in clear, or no TLS at all.
    #[error("a record of type {0} where application data was due")]
    Type(u8),
    /// A length that no record has.
    #[error("a record of {0} bytes")]
    Length(u64),
}

/// What to receive next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// So many bytes, and they are looked at.
    Header(usize),
    /// So many bytes, and nobody looks at them.
    Payload(u64),
}

/// Where in a stream of records we are.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    payload_left: u64,
    /// Bytes of content in the payloads that are complete.
    pub(super) content_bytes: u64,
    /// Content of the payload that is on its way.
    content_due: u64,
}

impl Records {
    /// The next piece; never empty.
    pub(super) fn want(&self) -> Want {
        if self.payload_left > 0 {
            Want::Payload(self.payload_left)
        } else {
            Want::Header(HEADER_BYTES - self.header_bytes)
        }
    }

    /// Whether the last record is complete and no other was begun.
    pub(super) fn is_between(&self) -> bool {
        self.payload_left == 0 && self.header_bytes == 0
    }

    /// Takes bytes of a header, at most as many as wanted.
    ///
    /// # Errors
    /// [`RecordError`]; the connection is then useless.
    pub(super) fn header(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        for byte in bytes {
            if let Some(place) = self.header.get_mut(self.header_bytes) {
                *place = *byte;
                self.header_bytes += 1;
            }
        }
        if self.header_bytes < HEADER_BYTES {
            return Ok(());
        }
        self.header_bytes = 0;
        let [kind, _, _, high, low] = self.header;
        if kind != APPLICATION_DATA {
            return Err(RecordError::Type(kind));
        }
        let payload = u64::from(u16::from_be_bytes([high, low]));
        if !(OVERHEAD_BYTES..=PAYLOAD_BYTES_MAX).contains(&payload) {
            return Err(RecordError::Length(payload));
        }
        (self.payload_left, self.content_due) = (payload, payload - OVERHEAD_BYTES);
        Ok(())
    }

    /// Takes `bytes` of a payload as gone by; at most as many as wanted.
    pub(super) fn payload(&mut self, bytes: u64) {
        self.payload_left = self.payload_left.saturating_sub(bytes);
        if self.payload_left == 0 {
            self.content_bytes += self.content_due;
            self.content_due = 0;
        }
    }

    /// Forgets what was counted; between two answers.
    pub(super) fn restart(&mut self) {
        self.content_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_bytes: u16) -> Vec<u8> {
        let payload = content_bytes + 17;
        let mut bytes = vec![23, 3, 3];
        bytes.extend(payload.to_be_bytes());
        bytes.resize(5 + usize::from(payload), 0xee);
        bytes
    }

    /// Counts the content of `wire`, at most `step` bytes a time.
    fn count(wire: &[u8], step: usize) -> Result<u64, RecordError> {
        let (mut records, mut at) = (Records::default(), 0);
        while at < wire.len() {
            match records.want() {
                Want::Header(most) => {
                    let end = (at + most.min(step)).min(wire.len());
                    records.header(&wire[at..end])?;
                    at = end;
                }
                Want::Payload(left) => {
                    let taken = left.min(step as u64).min((wire.len() - at) as u64);
                    records.payload(taken);
                    at += taken as usize;
                }
            }
        }
        assert!(records.is_between());
        Ok(records.content_bytes)
    }

    #[test]
    fn any_cut_of_the_wire_counts_the_same_content() {
        let wire = [record(1), record(300), record(0), record(16384)].concat();
        for step in [1, 2, 3, 4, 5, 6, 7, 100, 4096, 1 << 20] {
            assert_eq!(count(&wire, step), Ok(1 + 300 + 16384), "step {step}");
        }
    }

    #[test]
    fn an_alert_and_impossible_lengths_are_refused() {
        assert_eq!(count(&[21, 3, 3, 0, 2, 2, 40], 7), Err(RecordError::Type(21)));
        assert_eq!(count(&[23, 3, 3, 0, 16], 5), Err(RecordError::Length(16)));
        let at_the_limit = [23, 3, 3, 0x41, 0];
        let mut records = Records::default();
        assert_eq!(records.header(&at_the_limit), Ok(()));
        assert_eq!(records.want(), Want::Payload(PAYLOAD_BYTES_MAX));
        assert_eq!(count(&[23, 3, 3, 0x41, 1], 5), Err(RecordError::Length(PAYLOAD_BYTES_MAX + 1)));
    }
}
