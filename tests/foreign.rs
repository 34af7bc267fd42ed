//! The edge among programs of others: what stands in front of it and behind it, and what makes its tokens and databases.
//!
//! - [`fronts`]: nginx and Varnish as the caches of somebody else in front of an edge. [`backs`]: nginx behind one.
//! - [`issuer`]: `jose` signs tokens and publishes its keys. [`places`]: `MaxMind::DB::Writer` says where addresses are.
//! - [`players`]: what hls.js and Shaka say of themselves (CMCD), and whether they wait where others are in a hurry.
//! - [`daemon`]: a server of others as a child process.
#![expect(clippy::panic, reason = "a test fails by it")]

#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;

#[path = "foreign/backs.rs"]
mod backs;
#[expect(dead_code, reason = "this suite needs a part of it")]
#[path = "vod/client.rs"]
mod client;
#[path = "foreign/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "this suite needs a part of it")]
#[path = "vod/films.rs"]
mod films;
#[path = "foreign/fronts.rs"]
mod fronts;
#[path = "foreign/issuer.rs"]
mod issuer;
#[expect(dead_code, reason = "this suite needs a part of it")]
#[path = "edge/pair.rs"]
mod pair;
#[path = "foreign/places.rs"]
mod places;
#[path = "foreign/players.rs"]
mod players;
#[path = "edge/service.rs"]
mod service;
