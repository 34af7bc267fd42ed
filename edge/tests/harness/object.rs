//! An object of a scripted origin: it answers ranges and `If-Range` as an honest server does, and may break off.

use std::ops::Range;

use super::origin::{Act, Asked, Then};

/// Bytes with validators.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    /// Lines of the head, each ended with `\r\n`; `ETag` or `Last-Modified` among them.
    pub(crate) fields: String,
    /// What `If-Range` must say for a part to be sent.
    pub(crate) validator: String,
    /// Whether a whole is sent in chunks, without its length.
    pub(crate) is_chunked: bool,
}

/// Where a body breaks off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// So many bytes of the object's are the last ones that are sent.
    pub(crate) at: usize,
    pub(crate) then: Then,
}

impl Object {
    /// `len` bytes, each of which differs from those near it, with this `ETag`.
    pub(crate) fn tagged(len: usize, tag: &str) -> Self {
        let bytes = (0..len).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let fields = format!("ETag: {tag}\r\n");
        Self { bytes, fields, validator: tag.to_owned(), is_chunked: false }
    }

    /// What is sent for a request, all of it or up to a cut.
    pub(crate) fn act(&self, asked: &Asked, cut: Option<Cut>) -> Act {
        let len = self.bytes.len();
        let part =
            asked.range(len).filter(|_| asked.field("if-range").is_none_or(|tag| tag == self.validator));
        let is_chunked = self.is_chunked && part.is_none();
        let (head, range) = match part {
            Some(part) => (self.head_of_part(&part), part),
            None => (self.head_of_whole(), 0..len),
        };
        let sent = cut.map_or(range.end, |cut| cut.at.clamp(range.start, range.end));
        let mut said = head.into_bytes();
        for piece in self.bytes[range.start..sent].chunks(100) {
            if is_chunked {
                said.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            }
            said.extend_from_slice(piece);
            if is_chunked {
                said.extend_from_slice(b"\r\n");
            }
        }
        match cut {
            Some(cut) => Act::say(said).then(cut.then),
            None if is_chunked => Act::say([&said[..], b"0\r\n\r\n"].concat()),
            None => Act::say(said),
        }
    }

    fn head_of_whole(&self) -> String {
        let fields = &self.fields;
        if self.is_chunked {
            return format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
        }
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", self.bytes.len())
    }

    fn head_of_part(&self, part: &Range<usize>) -> String {
        let (len, complete, fields) = (part.len(), self.bytes.len(), &self.fields);
        let range = format!("bytes {}-{}/{complete}", part.start, part.end - 1);
        format!("HTTP/1.1 206 P\r\n{fields}Content-Range: {range}\r\nContent-Length: {len}\r\n\r\n")
    }
}
