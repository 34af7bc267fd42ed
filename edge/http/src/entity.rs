//! What a handler gives to be served: one representation, described.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::{body::Body, coding::Coding, entity_tag::EntityTag, hot_set::ContentId};

/// A representation: its metadata and its body, whole. Ranges, conditions, codings and HEAD are `respond`'s work.
#[derive(Debug, Clone)]
pub struct Entity {
    /// `Content-Type`, exactly as it is sent.
    pub content_type: HeaderValue,
    /// The validator of the *identity* coding; a compressed variant gets its own, derived from it.
    pub etag: Option<EntityTag>,
    /// `Last-Modified`, cut to whole seconds.
    pub last_modified: Option<SystemTime>,
    /// `Cache-Control`, exactly as it is sent, also on 304.
    pub cache_control: HeaderValue,
    /// Further headers, sent on 200, 206 and 304. Headers that describe the message itself (lengths, ranges,
    /// codings, connection) are ours and are overwritten or dropped.
    pub headers: HeaderMap,
    /// The bytes, in the identity coding.
    pub body: Body,
    /// The name of these bytes, where the handler knows one: what is asked for often is then kept in memory.
    pub content: Option<ContentId>,
    /// Whether the body may be compressed on the way.
    pub encoding: Encoding,
    /// The bytes in codings that were applied before, so that nobody has to: they are sent where `encoding` allows it
    /// and a client takes them.
    pub coded: Vec<(Coding, Bytes)>,
}

/// Whether a body may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Sent as it is: media.
    Identity,
    /// Compressed when the client accepts it and the body lies in memory: playlists, manifests.
    Compress,
}

impl Entity {
    /// An entity without validators that is not to be stored; fill in the rest by field.
    pub fn new(content_type: HeaderValue, body: impl Into<Body>) -> Self {
        Self {
            content_type,
            etag: None,
            last_modified: None,
            cache_control: HeaderValue::from_static("no-store"),
            headers: HeaderMap::new(),
            body: body.into(),
            content: None,
            encoding: Encoding::Identity,
            coded: Vec::new(),
        }
    }
}
