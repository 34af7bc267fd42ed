//! Asking whether a stored response is still good (RFC 9111 §4.3), and what a 304 changes in it.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::age;

/// Why a 304 says nothing about the response that we asked about; fetch it anew. The origin's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// It names another entity tag.
    #[error("the 304 is about another entity tag than the one that was asked about")]
    EntityTag,
    /// It names another date of change.
    #[error("the 304 is about another date of change than the one that was asked about")]
    LastModified,
}

/// Fields of a connection, not of a response (RFC 9110 §7.6.1); those named in `Connection` come to them.
const CONNECTION_FIELDS: [HeaderName; 10] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
];

/// Fields that describe the bytes we hold, which a message without a body cannot change (RFC 9111 §3.2). The entity tag
/// is among them because some origins make it weak on the way.
const OF_THE_BODY: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
];

/// Fields that say when a message was made; without new ones a response would be as old as its last message.
const OF_THE_MESSAGE: [HeaderName; 2] = [header::AGE, header::DATE];

/// Whether there is something to ask with.
pub(super) fn has_validator(stored: &HeaderMap) -> bool {
    entity_tag(stored).is_some() || last_modified(stored).is_some()
}

/// Adds the conditions that ask whether `stored` is still good (§4.3.1). Returns whether there are any; if not, ask for
/// the whole.
pub fn add_conditions(stored: &HeaderMap, request: &mut HeaderMap) -> bool {
    if let Some(tag) = entity_tag(stored) {
        request.insert(header::IF_NONE_MATCH, tag.clone());
    }
    // Sent besides the tag, for origins that know no tags (RFC 9110 §13.1.3).
    if let Some(date) = last_modified(stored) {
        request.insert(header::IF_MODIFIED_SINCE, date.clone());
    }
    has_validator(stored)
}

/// The fields of a stored response after a 304 (§3.2, §4.3.4). Evaluate the response again with them, its own status,
/// and the times of the 304.
///
/// A 304 without validators is taken to be about the response that was asked about: there was no other.
///
/// # Errors
/// [`NotOurs`].
pub fn freshen(stored: &HeaderMap, not_modified: &HeaderMap) -> Result<HeaderMap, NotOurs> {
    match (entity_tag(stored), entity_tag(not_modified)) {
        (Some(ours), Some(theirs)) if opaque(ours) != opaque(theirs) => return Err(NotOurs::EntityTag),
        (Some(_), Some(_)) => {}
        _ => match (age::last_modified(stored), age::last_modified(not_modified)) {
            (Some(ours), Some(theirs)) if ours != theirs => return Err(NotOurs::LastModified),
            _ => {}
        },
    }
    let news = without_connection_fields(not_modified);
    let mut updated = stored.clone();
    for name in OF_THE_MESSAGE {
        updated.remove(name);
    }
    for name in news.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        updated.remove(name);
        for value in news.get_all(name) {
            updated.append(name, value.clone());
        }
    }
    Ok(updated)
}

/// The fields of a response that may be stored (§3.1).
pub fn without_connection_fields(headers: &HeaderMap) -> HeaderMap {
    let is_named = |name: &HeaderName| {
        headers.get_all(header::CONNECTION).iter().any(|field| {
            let mut names = field.as_bytes().split(|byte| *byte == b',');
            names.any(|named| named.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
        })
    };
    let kept = headers.iter().filter(|(name, _)| !CONNECTION_FIELDS.contains(name) && !is_named(name));
    let mut stored = HeaderMap::with_capacity(headers.len());
    for (name, value) in kept {
        stored.append(name, value.clone());
    }
    stored
}

/// The entity tag, if it is one and is there once.
fn entity_tag(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut fields = headers.get_all(header::ETAG).iter();
    let (only, None) = (fields.next()?, fields.next()) else { return None };
    let quoted = opaque(only).strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!quoted.contains(&b'"')).then_some(only)
}

/// The tag without its mark of weakness: we compare weakly, because an origin that answers 304 did (RFC 9110 §13.1.2).
fn opaque(tag: &HeaderValue) -> &[u8] {
    let tag = tag.as_bytes().trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

fn last_modified(headers: &HeaderMap) -> Option<&HeaderValue> {
    age::last_modified(headers)?;
    headers.get(header::LAST_MODIFIED)
}
