//! Bodies by description: whatever is pushed and cut, the bytes are those of a plain vector.
//!
//! Input of both targets: operations of four bytes, a code and three numbers.

use std::io::Write as _;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rillcast_http::{Body, BodySource, FileExtent, SourceFile};
use rillcast_media::slice::{Extent, Slice, Slices, SourceIndex};

/// Bytes of each file.
const FILE_BYTES: u16 = 512;
/// Bytes a body may grow to, so that the work stays small.
const MAX_BYTES: usize = 4 << 10;
/// Operations of one input.
const MAX_OPERATIONS: usize = 64;

/// Byte `at` of file `source`.
fn byte_of(source: u8, at: u64) -> u8 {
    let at = u8::try_from(at % 251).expect("a remainder");
    at ^ source.wrapping_mul(97)
}

enum Operation {
    PushMemory(Bytes),
    PushExtent {
        source: u8,
        offset: u64,
        len: u64,
    },
    /// Keep this range only.
    Cut(Range<u64>),
    /// Push this range of the body to its end.
    Repeat(Range<u64>),
}

impl Operation {
    /// Reads an operation on a body of `len` bytes.
    fn read([code, a, b, c]: [u8; 4], len: usize) -> Self {
        let scale = |part: u8| (len as u64 + 2) * u64::from(part) / 255;
        match code % 8 {
            0 => Self::PushMemory(Bytes::from(vec![a; usize::from(b)])),
            1 | 2 => {
                // The odd code has small steps, so that extents touch.
                let offset = if code % 8 == 1 { u64::from(b) } else { u64::from(b % 8) * 16 };
                let bytes = if code % 8 == 1 { u64::from(c) } else { u64::from(c % 4) * 16 };
                let len = bytes.min(u64::from(FILE_BYTES) - offset);
                Self::PushExtent { source: a % 2, offset, len }
            }
            3..=5 => Self::Repeat(scale(a)..scale(b)),
            6 => Self::Cut(scale(a)..scale(b)),
            _ => Self::Cut(scale(a)..u64::MAX - u64::from(c)),
        }
    }
}

/// What is asked of both kinds of body.
trait Described: Clone {
    fn push_memory(&mut self, bytes: Bytes);
    fn push_extent(&mut self, source: u8, offset: u64, len: u64);
    fn append(&mut self, other: Self);
    fn cut(&self, range: Range<u64>) -> Self;
    fn len(&self) -> u64;
    /// All bytes; asserts that no piece is empty and that touching extents are one.
    fn read(&self) -> Vec<u8>;
}

fn run<B: Described>(mut body: B, data: &[u8]) {
    let mut model: Vec<u8> = Vec::new();
    for operation in data.as_chunks::<4>().0.iter().take(MAX_OPERATIONS) {
        match Operation::read(*operation, model.len()) {
            Operation::PushMemory(bytes) => {
                model.extend_from_slice(&bytes);
                body.push_memory(bytes);
            }
            Operation::PushExtent { source, offset, len } => {
                model.extend((offset..offset + len).map(|at| byte_of(source, at)));
                body.push_extent(source, offset, len);
            }
            Operation::Cut(range) => {
                model = part(&model, &range).to_vec();
                body = body.cut(range);
            }
            Operation::Repeat(range) => {
                let piece = part(&model, &range).to_vec();
                model.extend_from_slice(&piece);
                body.append(body.cut(range));
            }
        }
        assert_eq!(body.len(), model.len() as u64);
        assert_eq!(body.read(), model);
        if model.len() > MAX_BYTES {
            return;
        }
    }
    let middle = model.len() as u64 / 2;
    let (mut front, back) = (body.cut(0..middle), body.cut(middle..u64::MAX));
    front.append(back);
    assert_eq!(front.read(), model);
}

/// The same cut of plain bytes; an inverted range is empty, the end is where the bytes end.
fn part<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(at(range.start)..at(range.end)).unwrap_or_default()
}

/// Bodies of HTTP answers, over two files.
pub fn body(data: &[u8]) {
    run(Body::new(), data);
}

/// Bodies of the packager, over two sources.
pub fn slices(data: &[u8]) {
    run(Slices::new(), data);
}

/// Two open files that nobody can change: their names are gone.
fn files() -> &'static [Arc<SourceFile>; 2] {
    static FILES: OnceLock<[Arc<SourceFile>; 2]> = OnceLock::new();
    FILES.get_or_init(|| {
        [0, 1].map(|source| {
            let mut file = tempfile::tempfile().expect("a writable folder for temporary files");
            let bytes: Vec<u8> = (0..u64::from(FILE_BYTES)).map(|at| byte_of(source, at)).collect();
            file.write_all(&bytes).expect("room for a small file");
            Arc::new(SourceFile::from_file(file).expect("a regular file"))
        })
    })
}

impl Described for Body {
    fn push_memory(&mut self, bytes: Bytes) {
        self.push(bytes);
    }

    fn push_extent(&mut self, source: u8, offset: u64, len: u64) {
        let file = Arc::clone(&files()[usize::from(source)]);
        self.push(FileExtent::new(file, offset, len).expect("inside its file"));
    }

    fn append(&mut self, other: Self) {
        for source in other.sources() {
            self.push(source.clone());
        }
    }

    fn cut(&self, range: Range<u64>) -> Self {
        self.range(range)
    }

    fn len(&self) -> u64 {
        self.len()
    }

    fn read(&self) -> Vec<u8> {
        let mut last: Option<&FileExtent> = None;
        for source in self.sources() {
            assert!(!source.is_empty());
            let BodySource::File(extent) = source else {
                last = None;
                continue;
            };
            if let Some(last) = last.replace(extent) {
                let touch = last.offset() + last.len() == extent.offset();
                assert!(!(touch && Arc::ptr_eq(last.file(), extent.file())), "touching extents are one");
            }
        }
        assert_eq!(self.is_empty(), self.sources().len() == 0);
        self.read_blocking(2 * MAX_BYTES + 1024).expect("a small body of whole files").to_vec()
    }
}

impl Described for Slices {
    fn push_memory(&mut self, bytes: Bytes) {
        self.push(Slice::Mem(bytes));
    }

    fn push_extent(&mut self, source: u8, offset: u64, len: u64) {
        self.push(Slice::Extent(Extent { source: SourceIndex(source.into()), offset, len }));
    }

    fn append(&mut self, other: Self) {
        self.append(other);
    }

    fn cut(&self, range: Range<u64>) -> Self {
        self.range(range)
    }

    fn len(&self) -> u64 {
        self.len()
    }

    fn read(&self) -> Vec<u8> {
        let (mut all, mut last) = (Vec::new(), None);
        for slice in self.iter() {
            assert!(!slice.is_empty());
            match slice {
                Slice::Mem(bytes) => {
                    all.extend_from_slice(bytes);
                    last = None;
                }
                Slice::Extent(extent) => {
                    assert!(last != Some((extent.source, extent.offset)), "touching extents are one");
                    let source = u8::try_from(extent.source.0).expect("one of two");
                    let end = extent.offset + extent.len;
                    all.extend((extent.offset..end).map(|at| byte_of(source, at)));
                    last = Some((extent.source, end));
                }
            }
        }
        all
    }
}
