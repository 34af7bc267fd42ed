//! Media knowledge, pure: bytes in, bytes out.
