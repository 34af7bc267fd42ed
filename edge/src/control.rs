//! What the edge and the control plane tell each other, whichever way they are connected.
//!
//! - [`orders`]: from the control plane to the edge. [`events`]: from the edge to the control plane.
//! - [`link`]: HTTP to it. [`backoff`]: how long to wait before trying again. `version`: of what is written.

pub mod backoff;
pub mod events;
pub mod link;
pub mod orders;
mod version;
