//! Audits an HLS presentation against the conformance checklist: the core behind `rillcast check URL`.
//!
//! It is a second implementation on purpose: it shares no code with the packagers whose output it
//! judges (`decisions/0001-auditor-is-a-second-implementation.md`). It is also pure: no sockets, no
//! clock, no threads. A driver asks [`Audit::poll`] what to fetch, fetches it, and hands the answer to
//! [`Audit::supply`]; at the end comes a [`Report`].
//!
//! ```text
//! driver ◀─ FetchRequest ─ Audit ─▶ playlist ─▶ boxes ─▶ facts (Presentation) ─▶ rules ─▶ Report
//!        ── Response ────▶
//! ```
//!
//! Invariants: foreign bytes never panic the machine, never make it loop without progress and never
//! grow it past [`limits`]; bodies of segments are read when they arrive and dropped; the report depends
//! on the answers only, not on their order.
//!
//! Specs: draft-pantos-hls-rfc8216bis-22, ISO/IEC 14496-12 and -15, RFC 6381, RFC 9110.

mod audit;
mod boxes;
mod checklist;
mod fetch;
mod ledger;
pub mod limits;
mod location;
mod playlist;
mod presentation;
mod report;
mod rules;

pub use audit::{Audit, Options, Step};
pub use fetch::{FetchRequest, Method, RequestId, Response};
pub use location::resolve;
pub use report::{Counts, Finding, NotApplicable, Place, Report, Severity};
