//! The one place where the edge understands a playlist: blocking requests of LL-HLS wait here.
