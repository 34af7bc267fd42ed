//! `pread(2)` on blocking threads: where the system refuses io_uring.

use std::{io, sync::Arc};

use super::{super::file::DiskFile, Piece};
use crate::buffers::Buffer;

/// Reads once, on a blocking thread of the runtime we are in. A thread that has begun keeps the buffer to the end.
pub(super) async fn read(
    file: &Arc<DiskFile>,
    piece: Piece,
    mut buffer: Buffer,
) -> io::Result<(Buffer, io::Result<usize>)> {
    let file = Arc::clone(file);
    let read = move || {
        let end = piece.at.saturating_add(piece.len);
        let room = buffer.bytes_mut().get_mut(piece.at..end).expect("a piece lies inside its buffer");
        let result = rustix::io::pread(file.descriptor(piece.is_direct), room, piece.offset);
        (buffer, result.map_err(io::Error::from))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)
}
