//! Numbers, texts and sample tables in a row of bytes.

use bytes::Bytes;

use super::DecodeError;
use crate::movie::SampleTable;

/// Writes values one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A number of things, or of bytes.
    pub(crate) fn count(&mut self, count: usize) {
        self.u64(count as u64);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn samples(&mut self, table: &SampleTable) {
        table.encode(&mut self.out);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Reads them back from foreign bytes.
#[derive(Debug)]
pub(crate) struct Reader {
    rest: Bytes,
    whole: usize,
}

impl Reader {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self { whole: bytes.len(), rest: bytes }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.whole.saturating_sub(self.rest.len())
    }

    /// The error for `what`, which was just read.
    pub(crate) const fn bad(&self, what: &'static str) -> DecodeError {
        DecodeError::Value { what, offset: self.offset() }
    }

    fn take(&mut self, what: &'static str, len: u64) -> Result<Bytes, DecodeError> {
        let fits = usize::try_from(len).ok().filter(|len| *len <= self.rest.len());
        let short = DecodeError::Short { what, offset: self.offset(), need: len, left: self.rest.len() };
        Ok(self.rest.split_to(fits.ok_or(short)?))
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(what, N as u64)?;
        Ok(bytes.as_ref().try_into().expect("as many bytes as asked for"))
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad(what)),
        }
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// A number of things of at least `each` bytes, at most `limit`: never more than there are bytes for.
    pub(crate) fn count(&mut self, what: &'static str, limit: u64, each: u64) -> Result<usize, DecodeError> {
        let offset = self.offset();
        let count = self.u64(what)?;
        if count > limit {
            return Err(DecodeError::TooMany { what, offset, count, limit });
        }
        let need = count.saturating_mul(each);
        let short = DecodeError::Short { what, offset, need, left: self.rest.len() };
        usize::try_from(count).ok().filter(|_| need <= self.rest.len() as u64).ok_or(short)
    }

    /// At most `limit` bytes, shared.
    pub(crate) fn bytes(&mut self, what: &'static str, limit: u64) -> Result<Bytes, DecodeError> {
        let len = self.count(what, limit, 1)?;
        self.take(what, len as u64)
    }

    pub(crate) fn text(&mut self, what: &'static str, limit: u64) -> Result<String, DecodeError> {
        let bytes = self.bytes(what, limit)?;
        String::from_utf8(bytes.into()).map_err(|_| self.bad(what))
    }

    /// A sample table, whose columns share the bytes.
    pub(crate) fn samples(&mut self) -> Result<SampleTable, DecodeError> {
        let offset = self.offset();
        SampleTable::decode(&mut self.rest).map_err(|source| DecodeError::Samples { offset, source })
    }

    /// Ends the reading.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        let left = self.rest.len();
        if left == 0 { Ok(()) } else { Err(DecodeError::Long { offset: self.offset(), left }) }
    }
}
