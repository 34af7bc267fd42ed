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
    /// must not have these fields. Those that many answers have are best given as the same ones: then they are put together
    /// with the entity's once.
    pub added: Fields,
    /// What stands in place of the entity's `Cache-Control`, if anything does.
    pub cache_control: Option<HeaderValue>,
}

/// Fields that answers have in common. Cloning shares them.
pub type Fields = Rc<[(HeaderName, HeaderValue)]>;

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
    /// Adds `fields` to the answer, whatever it is.
    #[must_use]
    pub fn with_added(mut self, fields: &Fields) -> Self {
        let headers = match &mut self {
            Self::Entity(Representation { added, .. }) if added.is_empty() => {
                *added = Rc::clone(fields);
                return self;
            }
            Self::Entity(Representation { added, .. }) => {
                *added = added.iter().chain(&**fields).cloned().collect();
                return self;
            }
            Self::Problem(problem) => &mut problem.headers,
            Self::Redirect(redirect) => &mut redirect.headers,
            Self::Raw(raw) => &mut raw.headers,
        };
        for (name, value) in &**fields {
            headers.insert(name, value.clone());
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
        Self::Entity(Representation { prepared, added: Fields::default(), cache_control: None })
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
