//! What a handler answers.

use std::rc::Rc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{body::Body, entity::Entity, prepared::Prepared, problem::Problem};

/// A handler's answer, before ranges, conditions, codings and cross-origin headers are applied.
#[derive(Debug)]
pub enum Reply {
    /// A representation to serve.
    Entity(Representation),
    /// An error.
    Problem(Box<Problem>),
    /// Look elsewhere.
    Redirect(Box<Redirect>),
    /// A response as it stands: status, headers, whole body. No ranges, no conditions, no compression.
    Raw(Box<RawReply>),
}

/// A representation to serve. A handler may keep what is prepared and give it again.
#[derive(Debug)]
pub struct Representation {
    /// The entity.
    pub prepared: Rc<Prepared>,
    /// What this answer says beside what the entity always says, such as `Age`: also on 206 and 304. The entity itself
    /// must not have these fields, but for `Cache-Control`, which stands in place of the entity's.
    pub added: Vec<(HeaderName, HeaderValue)>,
}

/// A redirection.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// `Location`.
    pub location: HeaderValue,
    /// `Cache-Control`.
    pub cache_control: HeaderValue,
    /// Further headers, such as `Referrer-Policy`.
    pub headers: HeaderMap,
}

impl Redirect {
    /// 302 that no cache stores.
    pub fn found(location: HeaderValue) -> Self {
        Self {
            status: StatusCode::FOUND,
            location,
            cache_control: HeaderValue::from_static("no-store"),
            headers: HeaderMap::new(),
        }
    }
}

/// A response as it stands.
#[derive(Debug, Clone)]
pub struct RawReply {
    /// Status.
    pub status: StatusCode,
    /// Headers; the length is added.
    pub headers: HeaderMap,
    /// Body, sent whole (not at all on HEAD, 204 and 304).
    pub body: Body,
}

impl RawReply {
    /// 200 with a body of a type, which no cache stores.
    pub fn ok(content_type: HeaderValue, body: impl Into<Body>) -> Self {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ]);
        Self { status: StatusCode::OK, headers, body: body.into() }
    }

    /// Adds or replaces a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl Reply {
    /// Adds a field to the answer, whatever it is.
    #[must_use]
    pub fn with_added(mut self, name: HeaderName, value: HeaderValue) -> Self {
        match &mut self {
            Self::Entity(representation) => representation.added.push((name, value)),
            Self::Problem(problem) => drop(problem.headers.insert(name, value)),
            Self::Redirect(redirect) => drop(redirect.headers.insert(name, value)),
            Self::Raw(raw) => drop(raw.headers.insert(name, value)),
        }
        self
    }
}

impl From<Entity> for Reply {
    fn from(entity: Entity) -> Self {
        Rc::new(Prepared::new(entity)).into()
    }
}

impl From<Rc<Prepared>> for Reply {
    fn from(prepared: Rc<Prepared>) -> Self {
        Self::Entity(Representation { prepared, added: Vec::new() })
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Box<Problem>> for Reply {
    fn from(problem: Box<Problem>) -> Self {
        Self::Problem(problem)
    }
}

impl From<Redirect> for Reply {
    fn from(redirect: Redirect) -> Self {
        Self::Redirect(Box::new(redirect))
    }
}

impl From<RawReply> for Reply {
    fn from(raw: RawReply) -> Self {
        Self::Raw(Box::new(raw))
    }
}
