//! What `respond` must remember of a request after the handler has taken it.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::{
    request::{Request, Transport},
    request_id::RequestId,
};

/// Request headers that shape a response; the rest is the handler's alone.
const SHAPING: [HeaderName; 8] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
    header::ORIGIN,
];

/// A request reduced to what shapes its response. Cheap: reference counts and one small map.
#[derive(Debug, Clone)]
pub struct Question {
    method: Method,
    headers: HeaderMap,
    id: RequestId,
    transport: Transport,
    received: SystemTime,
}

impl Question {
    /// The question that `request` asks.
    pub fn of(request: &Request) -> Self {
        Self::new(
            request.method.clone(),
            &request.headers,
            request.id.clone(),
            request.transport,
            request.received,
        )
    }

    pub(crate) fn new(
        method: Method,
        all: &HeaderMap,
        id: RequestId,
        transport: Transport,
        received: SystemTime,
    ) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            if SHAPING.contains(name) {
                headers.append(name, value.clone());
            }
        }
        Self { method, headers, id, transport, received }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The headers that shape a response, only.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The request's name.
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// How the response will travel.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Time of day when the request had arrived.
    pub fn received(&self) -> SystemTime {
        self.received
    }

    /// The page that asks, if one says so.
    pub fn origin(&self) -> Option<&HeaderValue> {
        self.headers.get(header::ORIGIN)
    }
}
