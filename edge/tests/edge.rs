//! The edge and its upstreams against scripted origins: over pipes in memory with time paused, and over sockets.

#[cfg(test)]
mod harness;

#[cfg(test)]
#[path = "far/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "far/keeping.rs"]
mod keeping;
#[cfg(test)]
#[path = "far/live.rs"]
mod live;
#[cfg(test)]
#[path = "far/sharing.rs"]
mod sharing;
#[cfg(test)]
#[path = "far/world.rs"]
mod world;

#[cfg(test)]
#[path = "upstream/asking.rs"]
mod asking;
#[cfg(test)]
#[path = "upstream/choosing.rs"]
mod choosing;
#[cfg(test)]
#[path = "upstream/resuming.rs"]
mod resuming;
#[cfg(test)]
#[path = "upstream/retrying.rs"]
mod retrying;
#[cfg(test)]
#[path = "upstream/secure.rs"]
mod secure;
#[cfg(test)]
#[path = "upstream/setting.rs"]
mod setting;
#[cfg(test)]
#[path = "upstream/sockets.rs"]
mod sockets;
