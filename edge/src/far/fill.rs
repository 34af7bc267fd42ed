//! The fill of a flight: fetches one response, lands it with its head, and brings its body.
//!
//! ```text
//!  fetch ─┬─ no response ────────────────────────────▶ failed
//!         ├─ 304 ── the stored body with new fields ──▶ object, stored again
//!         ├─ may be shared, and there is room ────────▶ object; stored when its body is complete
//!         └─ else ────────────────────────────────────▶ pass: for one viewer, through a window
//! ```
//!
//! It runs on the background runtime and belongs to no viewer. What breaks off is never stored; those who follow it are
//! told.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::PathAndQuery};
use rillcast_http::{
    Growing, GrowingWriter,
    growing::{AppendError, Broken, Growth, Keeping},
    request_id::X_REQUEST_ID,
};

use crate::{
    cache::{
        freshness::{self, Credentials, Exchange, Lifetime, Reason, Variation, Verdict},
        key::Named as _,
        memory::FillRoom,
        object::{Marks, Object, surrogates},
        purge::Standing,
    },
    far::{
        Because, Stock,
        flight::{Failure, Flight, Landing, PassReason, PassedResponse, Passing},
    },
    upstream::{Demand, ReadMethod, Response, ResponseBody, UpstreamError},
};

/// Fields that each server says for itself: who may read its answers, and how they are called.
const OURS: [HeaderName; 8] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderName::from_static("timing-allow-origin"),
    X_REQUEST_ID,
];
/// Bytes of a passed response that may wait for its viewer.
const WINDOW_BYTES: u64 = 512 << 10;
/// Times that the cache is asked to make room before a fill gives up.
const ROOM_ATTEMPTS: usize = 3;

/// One fetch for a flight.
pub(crate) struct Fill {
    pub(crate) stock: Arc<Stock>,
    pub(crate) flight: Arc<Flight>,
    /// What is stored and may still be good.
    pub(crate) stored: Option<Arc<Object>>,
    pub(crate) because: Because,
}

impl Drop for Fill {
    /// Whatever happened, nobody waits for ever.
    fn drop(&mut self) {
        self.stock.flights.close(&self.flight);
        self.flight.land(Landing::Failed(Arc::new(Failure::Abandoned)));
    }
}

impl Fill {
    /// Fetches, lands, and brings the body.
    pub(crate) async fn run(self) {
        let outcome = match self.fetch(self.stored.as_deref()).await {
            Err(error) => self.fail(error),
            Ok(response) if response.status == StatusCode::NOT_MODIFIED && self.stored.is_some() => {
                self.validate(response).await
            }
            Ok(response) => self.take(response).await,
        };
        self.stock.metrics.fills.with_label_values(&[outcome]).inc();
    }

    async fn fetch(&self, stored: Option<&Object>) -> Result<Response, UpstreamError> {
        let mut headers = self.because.range.clone();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(stored) = stored {
            freshness::add_conditions(&stored.headers, &mut headers);
        }
        self.stock.upstreams.fetch(self.demand(headers)).await
    }

    fn demand(&self, headers: HeaderMap) -> Demand {
        let (key, Because { request_id, deadline, .. }) = (&self.flight.key, self.because.clone());
        let target = key.target().parse().unwrap_or_else(|_| PathAndQuery::from_static("/"));
        Demand { method: ReadMethod::Get, target, headers, affinity: key.affinity(), request_id, deadline }
    }

    fn fail(&self, error: UpstreamError) -> &'static str {
        let reason = error.reason();
        tracing::warn!(request_id = %self.because.request_id, key = ?self.flight.key, error = &error as &dyn std::error::Error, "no response");
        self.stock.flights.close(&self.flight);
        self.flight.land(Landing::Failed(Arc::new(Failure::Upstream(error))));
        reason
    }

    /// The origin says that what is stored is still good.
    async fn validate(&self, response: Response) -> &'static str {
        let Some(stored) = &self.stored else { return "unasked" };
        let fresh = freshness::freshen(&stored.headers, &response.headers);
        let Ok(mut headers) = fresh else {
            // It speaks of something else: ask for the whole.
            return match self.fetch(None).await {
                Ok(response) => self.take(response).await,
                Err(error) => self.fail(error),
            };
        };
        let verdict = self.evaluate(stored.status, &headers, &response);
        let (lifetime, unstored) = match verdict {
            Verdict::Store(lifetime) => (lifetime, None),
            Verdict::Pass(reason) => (stored.lifetime, Some(reason)),
        };
        headers.remove(header::AGE);
        let object = stored.validated(headers, lifetime, unstored, self.flight.born);
        self.flight.land(Landing::Object(Arc::clone(&object)));
        self.store(object);
        "validated"
    }

    /// Takes a response whole, for all or for one.
    async fn take(&self, mut response: Response) -> &'static str {
        response.headers = freshness::without_connection_fields(&response.headers);
        OURS.iter().for_each(|name| drop(response.headers.remove(name)));
        let verdict = self.evaluate(response.status, &response.headers, &response);
        // From now on the lifetime tells the age.
        response.headers.remove(header::AGE);
        let keeping = match verdict {
            // We asked for the identity coding, from which we make the others.
            Verdict::Store(lifetime) if matches!(lifetime.variation, Variation::Coding(Some(_))) => {
                Err(PassReason::Rule(Reason::Coding))
            }
            Verdict::Store(lifetime) => Ok((lifetime, None)),
            Verdict::Pass(reason) if is_for_all_who_wait(response.status, reason) => {
                Ok((Lifetime::spent(response.received), Some(reason)))
            }
            Verdict::Pass(reason) => Err(PassReason::Rule(reason)),
        };
        let keeping = keeping.and_then(|(lifetime, unstored)| {
            let surrogates = surrogates(&response.headers).ok_or(PassReason::TooManySurrogates)?;
            let (room, writer, body) = self.room(response.body.expected_len())?;
            Ok((lifetime, unstored, surrogates, room, writer, body))
        });
        match keeping {
            Err(reason) => self.pass(response, reason).await,
            Ok((lifetime, unstored, surrogates, room, writer, body)) => {
                let object = Arc::new(Object {
                    key: self.flight.key.clone(),
                    status: response.status,
                    headers: response.headers,
                    body,
                    lifetime,
                    unstored,
                    marks: Marks::new(self.flight.born),
                    surrogates,
                });
                self.keep(object, response.body, writer, room).await
            }
        }
    }

    fn evaluate(&self, status: StatusCode, headers: &HeaderMap, of: &Response) -> Verdict {
        let (requested, received) = (of.requested, of.received);
        let credentials = Credentials::None;
        freshness::evaluate(
            &Exchange { status, headers, requested, received, credentials },
            &self.stock.policy,
        )
    }

    /// Room for a body, found before anybody is told that it comes.
    fn room(&self, declared: Option<u64>) -> Result<(FillRoom, GrowingWriter, Growing), PassReason> {
        let cache = &self.stock.cache;
        if declared.is_none() && cache.pass(&self.flight.key) == Some(PassReason::TooLarge) {
            // It may say nothing of its length, but we have seen it.
            return Err(PassReason::TooLarge);
        }
        let room = cache.room(declared)?;
        let (mut writer, body) = Growing::new(Keeping::Slabs(cache.slabs().clone()), declared);
        for _ in 0..ROOM_ATTEMPTS {
            if writer.prepare().is_ok() {
                return Ok((room, writer, body));
            }
            cache.settle();
        }
        Err(PassReason::NoRoom)
    }

    async fn keep(
        &self,
        object: Arc<Object>,
        body: ResponseBody,
        mut writer: GrowingWriter,
        mut room: FillRoom,
    ) -> &'static str {
        self.flight.land(Landing::Object(Arc::clone(&object)));
        match self.pour(body, &mut writer, &mut room).await {
            Ok(()) => match writer.finish() {
                Growth::Complete => {
                    self.store(object);
                    "complete"
                }
                Growth::Arriving | Growth::Broken(_) => "short",
            },
            Err(why) => {
                // From here on whoever asks begins anew.
                self.stock.flights.close(&self.flight);
                if why == Broken::TooLarge {
                    self.stock.cache.remember_pass(&self.flight.key, PassReason::TooLarge);
                }
                writer.break_off(why);
                why.reason()
            }
        }
    }

    async fn pour(
        &self,
        mut body: ResponseBody,
        writer: &mut GrowingWriter,
        room: &mut FillRoom,
    ) -> Result<(), Broken> {
        while let Some(frame) = body.next().await {
            let mut bytes = frame.map_err(|error| self.broken(&error))?;
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.stock.metrics.filled_bytes.inc_by(len);
            let arrived = writer.arrived().saturating_add(len);
            if arrived > self.stock.cache.longest() || !room.reach(arrived) {
                return Err(Broken::TooLarge);
            }
            let mut attempts = ROOM_ATTEMPTS;
            while let Err(error) = writer.append(&mut bytes) {
                attempts = attempts.saturating_sub(1);
                match error {
                    AppendError::TooLong { .. } => return Err(Broken::Upstream("too_long")),
                    AppendError::NoRoom(_) if attempts == 0 => return Err(Broken::TooLarge),
                    AppendError::NoRoom(_) => self.stock.cache.settle(),
                }
            }
        }
        Ok(())
    }

    fn broken(&self, error: &UpstreamError) -> Broken {
        tracing::warn!(request_id = %self.because.request_id, key = ?self.flight.key, error = error as &dyn std::error::Error, "a response broke off");
        Broken::Upstream(error.reason())
    }

    /// Keeps a complete object, unless it was purged while it came.
    fn store(&self, object: Arc<Object>) {
        let is_wanted = object.is_storable() && self.stock.purges.standing(&object) != Standing::Gone;
        if is_wanted {
            self.stock.cache.insert(object);
        } else {
            object.marks.set_gone();
        }
    }

    /// Hands a response to one viewer.
    async fn pass(&self, response: Response, reason: PassReason) -> &'static str {
        if self.because.range.is_empty() && !response.status.is_server_error() {
            self.stock.cache.remember_pass(&self.flight.key, reason);
        }
        let Response { status, headers, mut body, .. } = response;
        let (mut writer, growing) = Growing::new(Keeping::Window(WINDOW_BYTES), body.expected_len());
        let passed = PassedResponse { status, headers, body: growing };
        self.stock.flights.close(&self.flight);
        let passing = Passing { reason, response: parking_lot::Mutex::new(Some(passed)) };
        self.flight.land(Landing::Pass(Arc::new(passing)));
        loop {
            if !writer.room().await {
                return "deserted";
            }
            let frame = tokio::select! {
                biased;
                frame = body.next() => frame,
                () = writer.deserted() => return "deserted",
            };
            match frame {
                None => {
                    return if writer.finish() == Growth::Complete { "passed" } else { "short" };
                }
                Some(Err(error)) => {
                    let why = self.broken(&error);
                    writer.break_off(why);
                    return why.reason();
                }
                Some(Ok(mut bytes)) => {
                    self.stock.metrics.filled_bytes.inc_by(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    if writer.append(&mut bytes).is_err() {
                        writer.break_off(Broken::Upstream("too_long"));
                        return "too_long";
                    }
                }
            }
        }
    }
}

/// Whether a response that is not stored answers all who wait for it now (RFC 9111 §4 lets requests be collapsed): a
/// failing origin is asked once and not by everybody, and what nobody said anything about is no secret.
fn is_for_all_who_wait(status: StatusCode, reason: Reason) -> bool {
    match reason {
        Reason::NoFreshness | Reason::NoCache | Reason::StaleOnArrival | Reason::Status => true,
        Reason::NoStore => status.is_server_error(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_shared_and_secrets_are_not() {
        for (status, reason, expected) in [
            (503, Reason::NoStore, true),
            (404, Reason::NoStore, false),
            (200, Reason::NoStore, false),
            (200, Reason::Private, false),
            (500, Reason::SetCookie, false),
            (200, Reason::NoFreshness, true),
            (500, Reason::NoFreshness, true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_for_all_who_wait(status, reason), expected, "{status} {reason:?}");
        }
    }
}
