//! How long a response may be used (RFC 9111): headers and times in, a verdict out.
