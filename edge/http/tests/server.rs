//! The server over real sockets. Each test starts its own on a free port; nothing leaves the loopback.

#[cfg(test)]
#[path = "server/client.rs"]
mod client;
#[cfg(test)]
#[path = "server/harness.rs"]
mod harness;

#[cfg(test)]
#[path = "server/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "server/bodies.rs"]
mod bodies;
#[cfg(test)]
#[path = "server/cold.rs"]
mod cold;
#[cfg(test)]
#[path = "server/crowds.rs"]
mod crowds;
#[cfg(test)]
#[path = "server/delivery.rs"]
mod delivery;
#[cfg(test)]
#[path = "server/draining.rs"]
mod draining;
#[cfg(test)]
#[path = "server/framing.rs"]
mod framing;
#[cfg(test)]
#[path = "server/growing.rs"]
mod growing;
#[cfg(test)]
#[path = "server/haproxy.rs"]
mod haproxy;
#[cfg(test)]
#[path = "server/hot.rs"]
mod hot;
#[cfg(test)]
#[path = "server/http2.rs"]
mod http2;
#[cfg(test)]
#[path = "server/limits.rs"]
mod limits;
#[cfg(test)]
#[path = "server/logging.rs"]
mod logging;
#[cfg(test)]
#[path = "server/proxies.rs"]
mod proxies;
#[cfg(test)]
#[path = "server/tls.rs"]
mod tls;
