//! Audits an HLS presentation.
