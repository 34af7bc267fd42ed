//! The page: files built from `src/web`, embedded in the binary.

use http::HeaderValue;
use http::header::{self, HeaderName};
use rillcast_http::{Encoding, Entity, EntityTag, Reply};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `make page` built.
#[derive(RustEmbed)]
#[folder = "src/web/dist"]
struct Files;

/// Nothing from outside, nothing inline; players need blobs for media and workers.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; \
     img-src 'self' data:; style-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
);
/// Asked again every time, answered by 304: names do not change with content.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The file at `path`, if the page has it.
pub(super) fn reply(path: &str) -> Option<Reply> {
    let name = name(path);
    let file = Files::get(name)?;
    let mut entity = Entity::new(content_type(name), body(&file));
    entity.etag = Some(EntityTag::strong_hex(&file.metadata.sha256_hash()));
    entity.cache_control = REVALIDATE;
    entity.encoding = Encoding::Compress;
    entity.headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
        entity.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Some(entity.into())
}

/// Whether the page has a file at `path`.
pub(super) fn has(path: &str) -> bool {
    Files::get(name(path)).is_some()
}

fn name(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    }
}

fn body(file: &EmbeddedFile) -> bytes::Bytes {
    match &file.data {
        std::borrow::Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes::Bytes::copy_from_slice(bytes),
    }
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        _ => "application/octet-stream",
    })
}
