//! What the cache did for a request, in a header (RFC 9211) and in a word.
