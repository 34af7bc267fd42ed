//! Video on demand: assets that are opened, kept and served piece by piece.

pub mod asset;
pub mod assets;
mod content;
pub mod object;
