//! An entity with what is made of it once and sent often: for each coding its tag, its head and its bytes.
//!
//! A handler that gives the same entity again and again keeps it prepared; such an answer costs a copy of the head and
//! some reference counts. One that is given once is prepared as well, and taken apart again without a copy.
//!
//! It is one server's: what the server permits to all pages is kept with the head. Belongs to one core: nothing in it
//! is shared with another but the bytes.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    body::Body,
    coding::Coding,
    compress::Compressor,
    conditional::{self, Validators},
    cors::Cors,
    entity::{Encoding, Entity},
    entity_tag::EntityTag,
    reply::Fields,
    request_id::X_REQUEST_ID,
};

/// Headers that describe the message or the connection: never taken from a handler.
const OURS: [HeaderName; 9] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::TRAILER,
    header::TE,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Fields that a head has room for: ours, some of the handler's, those that it adds to one answer, and those that the
/// server adds to every response.
const FIELDS: usize = 24;

/// An [`Entity`], prepared to be sent often.
#[derive(Debug)]
pub struct Prepared {
    entity: Entity,
    identity: Variant,
    gzip: Variant,
    brotli: Variant,
}

/// What differs between codings; each part is made when it is first asked for.
#[derive(Debug, Default)]
struct Variant {
    etag: OnceCell<Option<EntityTag>>,
    /// Head of a 200.
    head: OnceCell<HeaderMap>,
    /// The same with the fields that were last added to it.
    dressed: RefCell<Option<(Fields, HeaderMap)>>,
    /// The bytes; never those of the identity coding, which the entity has.
    coded: OnceCell<Bytes>,
}

impl Prepared {
    /// Prepares `entity`; nothing is made yet but what it brings.
    pub fn new(mut entity: Entity) -> Self {
        remove_ours(&mut entity.headers);
        let coded = std::mem::take(&mut entity.coded);
        let [identity, gzip, brotli] = [(); 3].map(|()| Variant::default());
        let prepared = Self { entity, identity, gzip, brotli };
        coded.into_iter().for_each(|(coding, bytes)| prepared.keep(coding, bytes));
        prepared
    }

    /// The entity.
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// Gives the same bytes from elsewhere.
    pub(crate) fn replace_body(&mut self, same: Body) {
        debug_assert_eq!(same.len(), self.entity.body.len(), "the same bytes");
        self.entity.body = same;
    }

    fn variant(&self, coding: Option<Coding>) -> &Variant {
        match coding {
            None => &self.identity,
            Some(Coding::Gzip) => &self.gzip,
            Some(Coding::Brotli) => &self.brotli,
        }
    }

    /// The bytes that a coding would be applied to, when it is allowed and worth it.
    pub(crate) fn compressible(&self, compressor: &Compressor) -> Option<Bytes> {
        let of = &self.entity;
        let is_wanted =
            of.encoding == Encoding::Compress && !of.headers.contains_key(header::CONTENT_ENCODING);
        let plain = if is_wanted { of.body.as_memory() } else { None };
        plain.filter(|plain| compressor.is_worthwhile(plain.len()))
    }

    /// The validators of the representation in `coding`.
    pub(crate) fn validators(&self, coding: Option<Coding>) -> Validators<'_> {
        Validators { etag: self.etag(coding), last_modified: self.entity.last_modified }
    }

    fn etag(&self, coding: Option<Coding>) -> Option<&EntityTag> {
        let tag = || {
            let plain = self.entity.etag.as_ref()?;
            Some(coding.map_or_else(|| plain.clone(), |coding| plain.with_suffix(coding.tag_suffix())))
        };
        self.variant(coding).etag.get_or_init(tag).as_ref()
    }

    /// The bytes in `coding`, when they were made before.
    pub(crate) fn coded(&self, coding: Coding) -> Option<&Bytes> {
        self.variant(Some(coding)).coded.get()
    }

    /// Keeps the bytes in `coding`.
    pub(crate) fn keep(&self, coding: Coding, bytes: Bytes) {
        // Two requests may have waited for the same work; both have the same bytes.
        let _ = self.variant(Some(coding)).coded.set(bytes);
    }

    /// Length of the representation in `coding`, in bytes; that of the identity coding where there is no other.
    pub(crate) fn len(&self, coding: Option<Coding>) -> u64 {
        let coded = coding.and_then(|coding| self.coded(coding));
        coded.map_or(self.entity.body.len(), |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    /// Head of a 200.
    fn head(&self, coding: Option<Coding>, cors: &Cors) -> &HeaderMap {
        self.variant(coding).head.get_or_init(|| {
            let mut headers = self.write_head(coding, cors);
            if !self.entity.body.is_open() {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.len(coding)));
            }
            // Each answer puts its own here; a copy of the head has no room for one field more.
            headers.insert(X_REQUEST_ID, HeaderValue::from_static(""));
            gather_values(&mut headers);
            headers
        })
    }

    /// Head of a 200 or 206 but for lengths; also the fields that a 304 repeats (RFC 9110 §15.4.5). Every page is
    /// permitted to read it where `cors` permits all; of others it says nothing.
    pub(crate) fn write_head(&self, coding: Option<Coding>, cors: &Cors) -> HeaderMap {
        let of = &self.entity;
        let mut headers = HeaderMap::with_capacity(FIELDS);
        for (name, value) in &of.headers {
            headers.append(name, value.clone());
        }
        headers.insert(header::CONTENT_TYPE, of.content_type.clone());
        headers.insert(header::CACHE_CONTROL, of.cache_control.clone());
        if !of.body.is_open() {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        if let Some(etag) = self.etag(coding) {
            headers.insert(header::ETAG, etag.to_header_value());
        }
        if let Some(modified) = of.last_modified {
            headers.insert(header::LAST_MODIFIED, conditional::last_modified_value(modified));
        }
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, coding.to_header_value());
        }
        if of.encoding == Encoding::Compress {
            headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        cors.permit_all(&mut headers);
        headers
    }

    /// A copy of the head of a 200, with `added`.
    fn dressed(&self, coding: Option<Coding>, cors: &Cors, added: &Fields) -> HeaderMap {
        let plain = self.head(coding, cors);
        if added.is_empty() {
            return plain.clone();
        }
        let mut last = self.variant(coding).dressed.borrow_mut();
        if let Some((of, head)) = &*last
            && Rc::ptr_eq(of, added)
        {
            return head.clone();
        }
        let mut head = plain.clone();
        head.extend(added.iter().cloned());
        // Others may have them, too: the next answer perhaps.
        if Rc::strong_count(added) > 1 {
            gather_values(&mut head);
            *last = Some((Rc::clone(added), head.clone()));
        }
        head
    }

    /// Head, as [`Self::write_head`] says, with `added`, and body of a 200. Copies only what somebody else keeps.
    pub(crate) fn into_whole(
        self: Rc<Self>,
        coding: Option<Coding>,
        cors: &Cors,
        added: &Fields,
    ) -> (HeaderMap, Body) {
        let coded = coding.and_then(|coding| self.coded(coding).cloned());
        self.head(coding, cors);
        match Rc::try_unwrap(self) {
            Ok(own) => {
                let Self { entity, identity, gzip, brotli } = own;
                let variant = match coding {
                    None => identity,
                    Some(Coding::Gzip) => gzip,
                    Some(Coding::Brotli) => brotli,
                };
                let mut head = variant.head.into_inner().unwrap_or_default();
                head.extend(added.iter().cloned());
                (head, coded.map_or(entity.body, Body::from))
            }
            Err(kept) => {
                let body = coded.map_or_else(|| kept.entity.body.clone(), Body::from);
                (kept.dressed(coding, cors, added), body)
            }
        }
    }
}

/// Puts all values into one piece of memory. A copy of the head then counts one reference up for each, all in one place, and
/// who writes it reads from one place: with values all over memory both wait for memory more than for anything else.
fn gather_values(headers: &mut HeaderMap) {
    let text: Bytes = headers.values().flat_map(HeaderValue::as_bytes).copied().collect::<Vec<u8>>().into();
    let mut begin = 0_usize;
    for value in headers.values_mut() {
        let end = begin.saturating_add(value.len());
        if let Ok(mut gathered) = HeaderValue::from_maybe_shared(text.slice(begin..end)) {
            gathered.set_sensitive(value.is_sensitive());
            *value = gathered;
        }
        begin = end;
    }
}

/// Takes out what only we write.
pub(crate) fn remove_ours(headers: &mut HeaderMap) {
    if !headers.is_empty() {
        for name in &OURS {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist() -> Entity {
        let mut entity = Entity::new(HeaderValue::from_static("text/plain"), "#EXTINF:4.0,\n".repeat(100));
        entity.etag = EntityTag::strong("v1").ok();
        entity.encoding = Encoding::Compress;
        entity.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        entity.headers.append(header::LINK, HeaderValue::from_static("</a>"));
        entity.headers.append(header::LINK, HeaderValue::from_static("</b>"));
        entity
    }

    #[test]
    fn what_is_kept_and_what_is_given_once_are_sent_alike() {
        let added: Fields = Rc::from([(header::AGE, HeaderValue::from_static("7"))]);
        let kept = Rc::new(Prepared::new(playlist()));
        kept.keep(Coding::Gzip, Bytes::from_static(b"short"));
        for coding in [None, Some(Coding::Gzip)] {
            let once = Prepared::new(playlist());
            once.keep(Coding::Gzip, Bytes::from_static(b"short"));
            let (head, body) = Rc::new(once).into_whole(coding, &Cors::default(), &added);
            for _ in 0..2 {
                let (again, same) = Rc::clone(&kept).into_whole(coding, &Cors::default(), &added);
                assert_eq!(again, head);
                assert_eq!(same.as_memory(), body.as_memory());
            }
            assert_eq!(head[header::CONTENT_LENGTH], body.len().to_string());
            assert!(!head.contains_key(header::CONNECTION), "a handler does not speak of the connection");
            assert_eq!(head.get_all(header::LINK).iter().count(), 2, "nor loses a field it gave twice");
            assert_eq!(head[header::AGE], "7");
        }
    }

    #[test]
    fn an_answer_has_its_own_added_fields_whatever_the_one_before_had() {
        let kept = Rc::new(Prepared::new(playlist()));
        let age = |value| Fields::from([(header::AGE, HeaderValue::from_static(value))]);
        let head = |added: &Fields| Rc::clone(&kept).into_whole(None, &Cors::default(), added).0;
        let (first, second, link) =
            (age("1"), age("2"), Fields::from([(header::LINK, HeaderValue::from_static("</c>"))]));
        for added in [&first, &first, &second, &first, &age("1")] {
            assert_eq!(head(added).get(header::AGE), Some(&added[0].1));
        }
        assert_eq!(head(&link).get_all(header::LINK).iter().count(), 3, "beside those of the entity");
        assert!(!head(&Fields::default()).contains_key(header::AGE));
    }

    #[test]
    fn values_that_are_gathered_are_the_same() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("a", "1"), ("b", ""), ("a", "\u{e4}x"), ("c", "three")] {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let before = headers.clone();
        gather_values(&mut headers);
        assert_eq!(headers, before);
    }

    #[test]
    fn each_coding_has_its_tag() {
        let prepared = Prepared::new(playlist());
        let tags = [None, Some(Coding::Gzip), Some(Coding::Brotli)]
            .map(|coding| prepared.etag(coding).map(EntityTag::to_header_value));
        assert_eq!(tags, ["\"v1\"", "\"v1-gz\"", "\"v1-br\""].map(|tag| HeaderValue::from_str(tag).ok()));
    }
}
