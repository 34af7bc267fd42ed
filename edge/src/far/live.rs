//! How live playlists are waited for: the edge's own flights, asked with the directives of one position.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use rillcast_http::{Problem, RequestId, growing::Growth};

use super::{Because, Stock};
use crate::{
    cache::{
        key::{Asked, Key, Named as _},
        object::Object,
    },
    far::flight::{self, Joined, Landing},
    live_hold::{
        Directives, Facts, Failure, HoldError, Holds, Impossible, MAX_PLAYLIST_BYTES, NotMedia, Position,
        Refresh,
    },
    upstream::UpstreamError,
};

/// Asks the upstream for playlists, through the flights of a [`Stock`].
pub(crate) struct Live {
    stock: Weak<Stock>,
    /// Longest wait of an upstream.
    hold_time: Duration,
}

impl Live {
    pub(super) fn new(stock: &Arc<Stock>, hold_time: Duration) -> Self {
        Self { stock: Arc::downgrade(stock), hold_time }
    }
}

impl Refresh for Live {
    /// The playlist, if others may have it.
    type Answer = Option<Arc<Object>>;

    async fn refresh(
        &self,
        playlist: &Key,
        position: Option<Position>,
    ) -> Result<(Facts, Self::Answer), Failure> {
        let stock = self.stock.upgrade().ok_or(Failure::Abandoned)?;
        let target = playlist.target();
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let query =
            position.map_or_else(|| query.map(str::to_owned), |position| Some(position.in_query(query)));
        let asked = Asked::of(&stock.rules, playlist.environment(), path, query.as_deref());
        let asked = asked.map_err(|_| Failure::NotMedia(NotMedia::TooLong))?;
        let because = Because {
            request_id: RequestId::INTERNAL,
            deadline: position.map(|_| self.hold_time),
            range: HeaderMap::new(),
        };
        let flight = match stock.start(&asked, None, because) {
            Joined::First(flight) | Joined::Follower(flight) => flight,
            Joined::Full => return Err(Failure::Status(StatusCode::SERVICE_UNAVAILABLE)),
        };
        let (status, body, answer) = match flight.landing().await {
            Landing::Failed(failure) => return Err(failed(&failure)),
            Landing::Object(object) => (object.status, object.body.clone(), Some(object)),
            Landing::Pass(passing) => {
                let taken = passing.response.lock().take().ok_or(Failure::Abandoned)?;
                (taken.status, taken.body, None)
            }
        };
        if status != StatusCode::OK {
            return Err(Failure::Status(status));
        }
        let text = match body.text(MAX_PLAYLIST_BYTES).await {
            Ok(text) => text,
            Err(Growth::Broken(_)) => return Err(Failure::Unreachable),
            Err(_) => return Err(Failure::NotMedia(NotMedia::TooLong)),
        };
        Ok((Facts::read(&text)?, answer))
    }
}

fn failed(failure: &flight::Failure) -> Failure {
    match failure {
        flight::Failure::Abandoned => Failure::Abandoned,
        flight::Failure::Upstream(UpstreamError::Timeout { .. }) => Failure::TooSlow,
        flight::Failure::Upstream(_) => Failure::Unreachable,
    }
}

/// Holds a request for a playlist until what it wants is listed. The playlist itself, where it was fetched for just
/// that; `None` where the request is now to be answered as any other.
///
/// # Errors
/// What to answer instead.
pub(super) async fn hold(
    holds: &Holds<Live>,
    stock: &Stock,
    asked: &Asked<'_>,
) -> Result<Option<Arc<Object>>, Problem> {
    let Some((_, query)) = asked.target().split_once('?') else { return Ok(None) };
    let Some(directives) = Directives::parse(query).map_err(|error| impossible(&error))? else {
        return Ok(None);
    };
    // Whoever wants nothing that is to come need not wait.
    if directives.position.is_none() {
        return Ok(None);
    }
    let playlist = stock.rules.without_directives(asked);
    match holds.wait(&playlist, &directives).await {
        Ok(update) => {
            let is_just_that = directives.skip.is_none() && update.asked == directives.position;
            Ok(update.answer.clone().filter(|object| is_just_that && object.key.target() == asked.target()))
        }
        Err(HoldError::Failed(Failure::NotMedia(_))) => Ok(None),
        Err(error) => Err(problem(&error)),
    }
}

/// What to say to a request that cannot be answered with a playlist.
pub(super) fn problem(error: &HoldError) -> Problem {
    let detail = error.to_string();
    match error {
        HoldError::Impossible(error) => impossible(error),
        HoldError::TooLate { .. } => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, "playlist_stalled", "Nothing new", detail)
        }
        HoldError::Failed(failure) => {
            Problem::new(failure.status(), "upstream_failed", "The origin failed", detail)
        }
        HoldError::TooManyPlaylists { .. } | HoldError::TooManyWaiters { .. } => {
            Problem::unavailable(detail, Duration::from_secs(1))
        }
    }
}

fn impossible(error: &Impossible) -> Problem {
    let (status, detail) = (StatusCode::BAD_REQUEST, error.to_string());
    Problem::new(status, "impossible_directive", "Impossible directive", detail)
}
