//! Playlists: text made of a [`Presentation`](crate::presentation::Presentation), and nothing decided here.

pub mod hls;
