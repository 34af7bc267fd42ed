//! The life of a media request at the origin, on one screen.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::header::HeaderName;
use moka::future::Cache;
use rillcast_http::{Encoding, Entity, EntityTag, Prepared, Reply};
use rillcast_media::plan::Policy;
use tokio::runtime::Handle;

use crate::answer;
use crate::blob::{BlobError, BlobStore, Listed, Listing};
use crate::index::{Indexes, Kind};
use crate::locator::{Locator, MULTIVARIANT, PREFIX, Piece};
use crate::recent::Recent;
use crate::told::Told;
use crate::vod::assets::{AssetError, AssetLimits, Assets};
use crate::vod::object::{Object, multivariant, object};

/// Content types by Apple's table (HLS Authoring Specification 10.4).
const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const VIDEO_TYPE: HeaderValue = HeaderValue::from_static("video/mp4");
const AUDIO_TYPE: HeaderValue = HeaderValue::from_static("audio/mp4");
/// Everything below a revision never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// An entry playlist names the current revision: short, and cheap to check again by its tag.
const ENTRY: HeaderValue = HeaderValue::from_static("public, max-age=2");
/// What a cache groups responses by, to purge an asset whole.
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// How long a listing of the store is used again.
const LISTING_LIFE: Duration = Duration::from_secs(1);

/// The origin role.
pub struct Origin {
    assets: Assets,
    /// [`AssetLimits::notice`].
    notice: Duration,
    /// The store as it was listed within [`LISTING_LIFE`].
    listing: Cache<(), Arc<Listing>>,
    told: Told,
}

/// A listed asset with the URL that plays it.
#[derive(Debug, Clone)]
pub struct LibraryEntry {
    /// Where it is in the store.
    pub blob: Listed,
    /// Path of its multivariant playlist.
    pub master: String,
}

impl Origin {
    /// An origin over `store` with `indexes` that opens assets on `background`.
    pub fn new(store: Arc<dyn BlobStore>, indexes: Indexes, background: Handle, limits: AssetLimits) -> Self {
        let listing = Cache::builder().max_capacity(1).time_to_live(LISTING_LIFE).build();
        let notice = limits.notice;
        Self {
            assets: Assets::new(store, indexes, background, Policy::VOD, limits),
            notice,
            listing,
            told: Told::new(),
        }
    }

    /// Whether `path` is a media URL, so that it is for this role to answer.
    pub fn owns(path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    /// What a core of this origin remembers.
    pub fn recent(&self) -> Recent {
        Recent::new(self.notice)
    }

    /// The class of `path` for metrics and logs; `None` when it is no media URL.
    pub fn class(recent: &Recent, path: &str) -> Option<&'static str> {
        recent.class(path).or_else(|| Locator::parse(path).ok().map(|locator| locator.class()))
    }

    /// Answers the request for `path` (percent-encoded, without query) that came at `now`.
    pub async fn serve(&self, recent: &Recent, path: &str, now: SystemTime) -> Reply {
        if let Some(entity) = recent.get(path, now) {
            return Reply::from(entity);
        }
        // Boxed, so that what is found at once does not carry the room for what is not.
        Box::pin(self.find(recent, path, now)).await
    }

    async fn find(&self, recent: &Recent, path: &str, now: SystemTime) -> Reply {
        let locator = match Locator::parse(path) {
            Ok(locator) => locator,
            Err(error) => return answer::not_a_locator(error),
        };
        match self.entity(&locator).await {
            Ok(Some(entity)) => {
                let entity = Rc::new(Prepared::new(entity));
                recent.remember(path, locator.class(), &entity, now);
                Reply::from(entity)
            }
            Ok(None) => answer::no_such_piece(),
            Err(error) => answer::refused(&locator, &error, &self.told),
        }
    }

    async fn entity(&self, locator: &Locator) -> Result<Option<Entity>, AssetError> {
        match locator {
            Locator::Multivariant { asset: path } => {
                let asset = self.assets.current(path).await?;
                let Some(object) = multivariant(&asset)? else { return Ok(None) };
                let tag = format!("{}-{MULTIVARIANT}", asset.revision);
                Ok(Some(describe(locator, object, &tag, ENTRY)))
            }
            Locator::Child { asset: path, revision, track, piece } => {
                let asset = self.assets.edition(path, *revision).await?;
                let Some((index, _)) = asset.rendition(*track) else { return Ok(None) };
                if let Some(kind) = text_kind(*piece) {
                    self.assets.write_ahead(&asset, kind, index).await;
                }
                let Some(object) = object(&asset, index, *piece)? else { return Ok(None) };
                let tag = format!("{revision}-{track}-{piece}");
                let mut entity = describe(locator, object, &tag, IMMUTABLE);
                entity.content = Some(asset.content.of(*track, *piece));
                Ok(Some(entity))
            }
        }
    }

    /// What is in the store, for the page: as it was at most a second ago, however many ask.
    ///
    /// # Errors
    /// [`BlobError`] when the store cannot be listed.
    pub async fn library(&self) -> Result<(Vec<LibraryEntry>, bool), Arc<BlobError>> {
        let list = async {
            let listing = self.assets.store().list().await?;
            answer::left_out(&listing.unlisted, &self.told);
            Ok(Arc::new(listing))
        };
        let listing = self.listing.try_get_with((), list).await?;
        let entry = |blob: &Listed| {
            let master = Locator::Multivariant { asset: blob.path.clone() }.to_string();
            LibraryEntry { blob: blob.clone(), master }
        };
        Ok((listing.blobs.iter().map(entry).collect(), listing.truncated))
    }
}

/// What text `piece` is, if it may be long.
fn text_kind(piece: Piece) -> Option<Kind> {
    match piece {
        Piece::Media => Some(Kind::Media),
        Piece::IFrames => Some(Kind::IFrames),
        Piece::Init | Piece::Segment(_) | Piece::KeyFrame(_) => None,
    }
}

/// The entity of `object`: its tag is a pure function of revision and locator, so any origin makes the same.
fn describe(locator: &Locator, object: Object, tag: &str, cache_control: HeaderValue) -> Entity {
    let mut entity = match object {
        Object::Playlist(text) => {
            let mut entity = Entity::new(PLAYLIST_TYPE, text.plain);
            entity.coded = text.coded;
            entity.encoding = Encoding::Compress;
            entity
        }
        Object::Media(body) => Entity::new(media_type(locator), body),
    };
    entity.etag = EntityTag::strong(&tag.replace('/', "-")).ok();
    entity.cache_control = cache_control;
    let key = format!("vod:{}", locator.asset());
    if let Ok(key) = HeaderValue::from_str(&key) {
        entity.headers.insert(SURROGATE_KEY, key);
    }
    entity
}

fn media_type(locator: &Locator) -> HeaderValue {
    match locator {
        Locator::Child { track, piece: Piece::Init | Piece::Segment(_) | Piece::KeyFrame(_), .. }
            if track.kind == rillcast_media::movie::TrackKind::Audio =>
        {
            AUDIO_TYPE
        }
        _ => VIDEO_TYPE,
    }
}

#[cfg(test)]
mod tests;
