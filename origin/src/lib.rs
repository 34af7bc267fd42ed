//! The origin role: a media URL in, an entity out.
//!
//! It knows media and blobs; it knows neither viewers nor caches. The life of a request is on one
//! screen in [`origin`]:
//!
//! ```text
//!  path ─locator─▶ Locator ─vod::assets─▶ open Asset ─vod::object─▶ Slices ─▶ http::Entity
//!                              │ (single flight, bounded)
//!                              └─ blob: a directory, memory, later an object store
//! ```

mod answer;
pub mod asset_path;
pub mod blob;
pub mod index;
pub mod locator;
pub mod origin;
pub mod publish;
pub mod recent;
mod sidecar;
mod told;
pub mod vod;

pub use origin::Origin;
pub use recent::Recent;
