//! What the edge counts and says of itself, and what players say of themselves.

pub mod cache_status;
pub mod cmcd;
pub mod metrics;
