//! The one place where the origin turns errors into answers and logs them.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use rillcast_http::{Problem, Reply};

use crate::blob::{BlobError, Unlisted};
use crate::locator::{Locator, LocatorError};
use crate::told::Told;
use crate::vod::asset::Refusal;
use crate::vod::assets::AssetError;

/// How long a cache may keep «not found»: an asset may appear the next second.
const NEGATIVE: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// When to come again after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The path names nothing.
pub(crate) fn not_a_locator(error: LocatorError) -> Reply {
    let mut problem = Problem::not_found().with_cache_control(NEGATIVE);
    problem.detail = error.to_string();
    problem.into()
}

/// The asset is there, the piece is not.
pub(crate) fn no_such_piece() -> Reply {
    let mut problem = Problem::not_found().with_cache_control(NEGATIVE);
    "the asset has no such track or segment".clone_into(&mut problem.detail);
    problem.into()
}

/// The asset is not served.
pub(crate) fn refused(locator: &Locator, error: &AssetError, told: &Told) -> Reply {
    match error {
        AssetError::Gone => {
            let mut problem = Problem::not_found().with_cache_control(NEGATIVE);
            "this edition of the asset is gone: load its master.m3u8 again".clone_into(&mut problem.detail);
            problem.into()
        }
        AssetError::Refused(refusal) => source_problem(refusal).into(),
        AssetError::Blob(error) => blob_problem(locator, error, told).into(),
    }
}

/// Tells the operator what a listing leaves out; that is no fault of who asked for it.
pub(crate) fn left_out(unlisted: &Unlisted, told: &Told) {
    let Some((first, reason)) = &unlisted.first else { return };
    if told.is_news_of_listing(unlisted) {
        let count = unlisted.count;
        // Quoted: such a name may hold line ends.
        tracing::warn!(
            count,
            ?first,
            reason,
            "files are not listed: rename or move them, or let us read them"
        );
    }
}

fn source_problem(refusal: &Refusal) -> Problem {
    let (slug, title) = if refusal.is_unsupported() {
        ("source_unsupported", "The file cannot be played")
    } else {
        ("source_invalid", "The file is damaged or not a movie")
    };
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, slug, title, refusal.to_string());
    if let Refusal::Format(error) = refusal {
        problem = problem.with_extra("offset", error.offset());
        if let Some(fourcc) = error.fourcc() {
            problem = problem.with_extra("box", fourcc.text());
        }
    }
    problem.with_cache_control(NEGATIVE)
}

fn blob_problem(locator: &Locator, error: &BlobError, told: &Told) -> Problem {
    let path = locator.asset().as_str();
    match error {
        BlobError::NotFound => Problem::not_found().with_cache_control(NEGATIVE),
        BlobError::Forbidden { reason, edition } => {
            if told.is_news(locator.asset(), reason, *edition) {
                tracing::warn!(path, reason, "a file is not served");
            } else {
                tracing::debug!(path, reason, "a file is still not served");
            }
            Problem::not_found().with_cache_control(NEGATIVE)
        }
        BlobError::Outside { .. } => {
            tracing::error!(path, %error, "plan and blob disagree");
            Problem::internal()
        }
        BlobError::Io(cause) => {
            if told.is_news_of_failure(locator.asset(), cause) {
                tracing::error!(path, error = %cause, "reading a source failed");
            } else {
                tracing::debug!(path, error = %cause, "reading a source failed again");
            }
            Problem::unavailable("the source cannot be read at the moment", RETRY_AFTER)
        }
    }
}
