//! What names bytes, whatever address they are asked for under.

/// The name of a body's bytes: equal names, equal bytes. Whoever gives one vouches for that, as long as the files of
/// the body are unchanged since they were opened.
///
/// An entity tag is no such name: it tells editions of one address apart, not two addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentId {
    of: [u8; 32],
    piece: [u8; 16],
}

impl ContentId {
    /// Piece `piece` of `of`: a digest of 256 bits over everything that decides the bytes of all pieces (which files,
    /// in which edition, made into what), and exactly which piece of it.
    pub const fn new(of: [u8; 32], piece: [u8; 16]) -> Self {
        Self { of, piece }
    }
}
