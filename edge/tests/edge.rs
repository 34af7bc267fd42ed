//! The edge and its upstreams against scripted origins: over pipes in memory with time paused, and over sockets.

#[cfg(test)]
mod harness;

#[cfg(test)]
#[path = "edge/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "edge/keeping.rs"]
mod keeping;
#[cfg(test)]
#[path = "edge/limited.rs"]
mod limited;
#[cfg(test)]
#[path = "edge/live.rs"]
mod live;
#[cfg(test)]
#[path = "edge/sharing.rs"]
mod sharing;
#[cfg(test)]
#[path = "edge/world.rs"]
mod world;

#[cfg(test)]
#[path = "edge/house.rs"]
mod house;
#[cfg(test)]
#[path = "edge/sinks.rs"]
mod sinks;
#[cfg(test)]
#[path = "edge/told.rs"]
mod told;

#[cfg(test)]
#[path = "edge/asking.rs"]
mod asking;
#[cfg(test)]
#[path = "edge/choosing.rs"]
mod choosing;
#[cfg(test)]
#[path = "edge/racing.rs"]
mod racing;
#[cfg(test)]
#[path = "edge/resuming.rs"]
mod resuming;
#[cfg(test)]
#[path = "edge/retrying.rs"]
mod retrying;
#[cfg(test)]
#[path = "edge/secure.rs"]
mod secure;
#[cfg(test)]
#[path = "edge/setting.rs"]
mod setting;
#[cfg(test)]
#[path = "edge/sockets.rs"]
mod sockets;
