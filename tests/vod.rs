//! Video on demand over HTTP, on the real binary: what viewers get from files good and bad, and from files that
//! change under them.
//!
//! - [`answers`]: heads, ranges, conditions, codings; the same bytes from every server.
//! - [`bad_input`]: files that are no movies.
//! - [`not_found`]: what is not there, not to be seen, or not to be reached.
//! - [`changes`]: files that are replaced, or written in place, also in the middle of a transfer.
//! - [`log`]: what the operator is told, and how often.
//! - [`exhaustion`]: a server that has no file left to open.
//! - [`surroundings`]: file systems and limits that refuse something.
//! - [`service`]: many at once, and being told to stop.
//! - [`client`], [`films`]: a client that writes every byte itself, and the media it asks for.
#![expect(clippy::panic, reason = "a test fails by it")]

#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;

#[path = "vod/answers.rs"]
mod answers;
#[path = "vod/bad_input.rs"]
mod bad_input;
#[path = "vod/changes.rs"]
mod changes;
#[path = "vod/client.rs"]
mod client;
#[path = "vod/exhaustion.rs"]
mod exhaustion;
#[path = "vod/films.rs"]
mod films;
#[path = "vod/log.rs"]
mod log;
#[path = "vod/not_found.rs"]
mod not_found;
#[path = "vod/service.rs"]
mod service;
#[path = "vod/surroundings.rs"]
mod surroundings;
