//! The edge on the real binary, in front of an origin that is the real binary: tokens, orders, and a log without secrets.
//!
//! - [`orders`]: what the control plane says, in force at the next request and after a restart. [`control`]: the same over HTTP.
//! - [`countries`]: who is where, and what follows. [`services`]: an issuer's key set, and a control plane that takes events.
//! - [`pair`]: an origin, and an edge in front of it that can be started again. [`service`]: what is neither.
#![expect(clippy::panic, reason = "a test fails by it")]

#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;

#[expect(dead_code, reason = "this suite needs a part of it")]
#[path = "vod/client.rs"]
mod client;
#[path = "edge/control.rs"]
mod control;
#[path = "edge/countries.rs"]
mod countries;
#[expect(dead_code, reason = "this suite needs a part of it")]
#[path = "vod/films.rs"]
mod films;
#[path = "edge/orders.rs"]
mod orders;
#[path = "edge/pair.rs"]
mod pair;
#[path = "edge/service.rs"]
mod service;
#[path = "edge/services.rs"]
mod services;
