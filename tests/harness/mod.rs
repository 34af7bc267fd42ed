//! What the integration tests of the binary share: a running server, the corpus, and tools of others that may be absent.
//!
//! A suite writes `mod harness;` and takes what it needs; parts it leaves alone are dead code to it, so it says
//! `#[expect(dead_code, reason = "this suite needs a part of the harness")]` above that line.
//!
//! - [`server`]: `rillcast serve` on a free port, ended when dropped.
//! - [`corpus`]: the directory of real media files, and what `rillcast inspect` says of each.
//! - [`browser`]: what drives browsers, and whether it is there.
//! - [`tools`]: commands a test needs. Absent ones skip the test with a message, or fail it where
//!   `RILLCAST_REQUIRE_TOOLS=1` says that they must be there.

pub(crate) mod browser;
pub(crate) mod corpus;
pub(crate) mod server;
pub(crate) mod tools;
