//! What a viewer may see: signed tokens, the keys that sign them, and what was verified of them.

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
