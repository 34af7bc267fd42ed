//! Which variants of a resource we tell apart (RFC 9111 §4.1): codings, and nothing else.

use http::{HeaderMap, header};
use rillcast_http::coding::Coding;

use super::{Policy, Reason};

/// What a response varies by, and which variant it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variation {
    /// By nothing that an upstream sees: everybody gets this one.
    None,
    /// By `Accept-Encoding`; this is the variant in that coding, `None` being the identity coding.
    Coding(Option<Coding>),
}

impl Variation {
    /// A stable word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Coding(None) => "identity",
            Self::Coding(Some(Coding::Gzip)) => "gzip",
            Self::Coding(Some(Coding::Brotli)) => "br",
        }
    }

    pub(super) fn of(headers: &HeaderMap, policy: &Policy) -> Result<Self, Reason> {
        let mut by_coding = false;
        for field in headers.get_all(header::VARY) {
            for name in field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
                match name {
                    b"" => {}
                    b"*" => return Err(Reason::VaryStar),
                    _ if is(header::ACCEPT_ENCODING.as_str()) => by_coding = true,
                    _ if policy.vary_ignored.iter().any(|ignored| is(ignored.as_str())) => {}
                    _ => return Err(Reason::VaryUnsupported),
                }
            }
        }
        if by_coding { Ok(Self::Coding(coding(headers)?)) } else { Ok(Self::None) }
    }
}

/// The coding of a body; one of ours, or none.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Reason> {
    let mut found = None;
    for field in headers.get_all(header::CONTENT_ENCODING) {
        for name in field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
            let coding = match () {
                () if name.is_empty() || is(b"identity") => continue,
                () if is(b"gzip") || is(b"x-gzip") => Coding::Gzip,
                () if is(b"br") => Coding::Brotli,
                () => return Err(Reason::Coding),
            };
            // One coding over another is a third.
            if found.replace(coding).is_some() {
                return Err(Reason::Coding);
            }
        }
    }
    Ok(found)
}
