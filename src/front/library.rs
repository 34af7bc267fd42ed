//! `/library.json`: what there is to watch.

use std::time::SystemTime;

use http::HeaderValue;
use rillcast_edge::edge::Edge;
use rillcast_http::{Encoding, Entity, Problem, Reply, Request};
use rillcast_origin::Origin;
use rillcast_origin::origin::LibraryEntry;
use serde::Serialize;

use super::NearOrigin;
use super::pass::{Address, Pass};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A new file shows within seconds.
const FRESHNESS: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// Tokens are one client's own, and so is what it may see where it is.
const PERSONAL: HeaderValue = HeaderValue::from_static("no-store");

/// The answer.
#[derive(Serialize)]
struct Library {
    assets: Vec<Asset>,
    /// Whether there are more than are listed.
    truncated: bool,
}

/// One asset.
#[derive(Serialize)]
struct Asset {
    path: String,
    title: String,
    master: String,
    size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
}

/// Lists of the store what the client may see where it is.
pub(super) async fn reply(origin: &Origin, edge: &Edge<NearOrigin>, pass: &Pass, request: &Request) -> Reply {
    let (entries, truncated) = match origin.library().await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::error!(%error, "the media directory cannot be listed");
            return Problem::internal().into();
        }
    };
    let mut is_personal = !edge.gate().territory.is_empty();
    let mut assets = Vec::with_capacity(entries.len());
    for entry in entries.iter().filter(|entry| edge.shows(request, &entry.master)) {
        let master = match pass.address(entry.master.clone(), request) {
            Address::Public(master) => master,
            Address::Signed(master) => {
                is_personal = true;
                master
            }
            Address::Withheld => {
                is_personal = true;
                continue;
            }
        };
        assets.push(asset(entry, master));
    }
    let library = Library { assets, truncated };
    match serde_json::to_vec(&library) {
        Ok(json) => {
            let mut entity = Entity::new(JSON, bytes::Bytes::from(json));
            entity.cache_control = if is_personal { PERSONAL } else { FRESHNESS };
            entity.encoding = Encoding::Compress;
            entity.into()
        }
        Err(error) => {
            tracing::error!(%error, "the library cannot be written as JSON");
            Problem::internal().into()
        }
    }
}

/// A time as text; `None` for times that no calendar holds.
fn rfc3339(time: SystemTime) -> Option<String> {
    let stamp = jiff::Timestamp::try_from(time).ok()?;
    Some(stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn asset(entry: &LibraryEntry, master: String) -> Asset {
    let name = entry.blob.path.file_name();
    let title = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    Asset {
        path: entry.blob.path.as_str().to_owned(),
        title: title.to_owned(),
        master,
        size_bytes: entry.blob.size_bytes,
        modified: entry.blob.modified.and_then(rfc3339),
    }
}
