//! Upstreams against scripted origins: over pipes in memory with time paused, and over sockets.

#[cfg(test)]
mod harness;

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
