//! Content codings (RFC 9110 §8.4) and what `Accept-Encoding` says of them (§12.5.3).

use std::io::{self, Write as _};

use http::{HeaderMap, HeaderValue, header};

/// A coding we can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

/// gzip's own default level; higher ones gain a percent on playlists.
const GZIP_LEVEL: u32 = 6;
/// Brotli's quality: about as fast as gzip's level 6 and 15 % smaller on playlists.
const BROTLI_QUALITY: u32 = 5;
/// Brotli's window, log2 of bytes: 256 KiB, more than a playlist repeats over.
const BROTLI_WINDOW_BITS: u32 = 18;
/// Brotli's work buffer, in bytes.
const BROTLI_BUFFER_BYTES: usize = 4096;

impl Coding {
    /// The best coding that every `Accept-Encoding` line together allows: by weight, then Brotli before gzip.
    /// `None` means the identity coding; also when the client refuses even that, because a player is better
    /// served with bytes it may understand than with 406 (RFC 9110 §12.5.3 allows both).
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let (mut brotli, mut gzip, mut any, mut identity) = (None, None, None, None);
        for field in headers.get_all(header::ACCEPT_ENCODING) {
            for element in field.as_bytes().split(|byte| *byte == b',') {
                let Some((name, weight)) = read_element(element) else { continue };
                let slot = match () {
                    () if name.eq_ignore_ascii_case(b"br") => &mut brotli,
                    () if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                        &mut gzip
                    }
                    () if name.eq_ignore_ascii_case(b"identity") => &mut identity,
                    () if name == b"*" => &mut any,
                    () => continue,
                };
                slot.get_or_insert(weight);
            }
        }
        let brotli = brotli.or(any).unwrap_or(0);
        let gzip = gzip.or(any).unwrap_or(0);
        // Without a word about it, identity is acceptable but not preferred to a coding that was asked for.
        let identity = identity.unwrap_or(0);
        match () {
            () if brotli == 0 && gzip == 0 => None,
            () if identity > brotli.max(gzip) => None,
            () if brotli >= gzip => Some(Self::Brotli),
            () => Some(Self::Gzip),
        }
    }

    /// As in `Content-Encoding`.
    pub fn to_header_value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
    }

    /// What tells its entity tag from that of the identity coding.
    pub fn tag_suffix(self) -> &'static str {
        match self {
            Self::Gzip => "-gz",
            Self::Brotli => "-br",
        }
    }

    /// Applies the coding. Takes CPU time in proportion to the length, about 30 ms a megabyte.
    ///
    /// # Errors
    /// None that writing into memory does not have.
    pub fn encode(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let room = Vec::with_capacity(plain.len() / 4);
        match self {
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::new(GZIP_LEVEL));
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(
                    room,
                    BROTLI_BUFFER_BYTES,
                    BROTLI_QUALITY,
                    BROTLI_WINDOW_BITS,
                );
                encoder.write_all(plain)?;
                Ok(encoder.into_inner())
            }
        }
    }
}

/// A coding's name and its weight in thousandths; `None` for an empty or malformed element.
fn read_element(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let Some(parameter) = parts.next() else { return Some((name, 1000)) };
    let value = parameter.strip_prefix(b"q").or_else(|| parameter.strip_prefix(b"Q"))?;
    let weight = read_weight(value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start())?;
    parts.next().is_none().then_some((name, weight))
}

/// `qvalue` of RFC 9110 §12.4.2, in thousandths.
fn read_weight(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match text {
        [whole] | [whole, b'.'] => (*whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut thousandths: u16 = 0;
    for place in 0..3 {
        let digit = fraction.get(place).unwrap_or(&b'0').checked_sub(b'0').filter(|digit| *digit <= 9)?;
        thousandths = thousandths.saturating_mul(10).saturating_add(digit.into());
    }
    match (whole, thousandths) {
        (b'0', weight) => Some(weight),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn check(lines: &[&str], expected: Option<Coding>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(Coding::negotiate(&headers), expected, "{lines:?}");
    }

    #[test]
    fn the_heaviest_coding_wins_and_brotli_breaks_ties() {
        use Coding::{Brotli, Gzip};
        for (line, expected) in [
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("br;q=0.5, gzip;q=0.8", Some(Gzip)),
            ("br;q=0.5, gzip; Q = 0.501", Some(Gzip)),
            ("br;q=0, gzip", Some(Gzip)),
            ("br;q=0.000, gzip;q=0.", None),
            ("*", Some(Brotli)),
            ("*;q=0.1, br;q=0", Some(Gzip)),
            ("gzip, *;q=0", Some(Gzip)),
            ("identity", None),
            ("identity;q=0.5, gzip;q=0.1", None),
            ("identity;q=0.1, gzip;q=0.5", Some(Gzip)),
            ("identity;q=0, *;q=0", None),
            ("deflate", None),
            ("", None),
            (",,gzip,", Some(Gzip)),
        ] {
            check(&[line], expected);
        }
        check(&["gzip;q=0.2", "br;q=0.1"], Some(Gzip));
        check(&[], None);
    }

    #[test]
    fn a_malformed_weight_drops_its_element() {
        for line in [
            "gzip;q=1.1",
            "gzip;q=2",
            "gzip;q=0.1234",
            "gzip;q=-1",
            "gzip;q=",
            "gzip;q",
            "gzip;q=1;x=2",
            "gzip;level=9",
        ] {
            check(&[line], None);
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let plain = "#EXTINF:4.0,\nsegment.m4s\n".repeat(500);
        let gzip = Coding::Gzip.encode(plain.as_bytes()).unwrap();
        let mut back = String::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_string(&mut back).unwrap();
        assert_eq!(back, plain);
        assert!(gzip.len() < plain.len() / 10);

        let brotli_bytes = Coding::Brotli.encode(plain.as_bytes()).unwrap();
        let mut back = String::new();
        brotli::Decompressor::new(brotli_bytes.as_slice(), 4096).read_to_string(&mut back).unwrap();
        assert_eq!(back, plain);
        assert!(brotli_bytes.len() < plain.len() / 10);
    }
}
