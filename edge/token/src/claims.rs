//! The payload of a token as it stands on the wire (RFC 7519 §4).
//!
//! Names of the RFC and of OpenID (`sid`) are used where there are any; claims that are not listed here are ignored, so
//! that an issuer may carry its own. A list that is there and empty allows nobody, and is refused as a mistake.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, de};

/// The environment of a token that names none.
pub const DEFAULT_ENVIRONMENT: &str = "default";

/// What a token says. Every text in it is bounded when it is read; see [`limits`](crate::limits).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Path prefixes as they stand in a URL, such as `/vod/film.mp4/`: whole segments, percent-encoded where needed. One
    /// that ends in a slash covers what is below it, another one also the path itself.
    pub paths: Vec<String>,
    /// When the token ends. A session that was admitted before may go on, see [`SessionLimits`](crate::SessionLimits).
    pub exp: NumericDate,
    /// When it begins; at once without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    /// When it was made; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<NumericDate>,
    /// The environment, which is one tenant's; [`DEFAULT_ENVIRONMENT`] without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The token's own id, by which it can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The playback session, by which it can be extended and revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Who watches, by which all of their tokens can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Addresses and networks (CIDR) that the client must come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Vec<String>>,
    /// Countries that the client must be in, ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<Vec<String>>,
    /// Hosts whose pages may refer: `example.org`, `*.example.org` for those below it, and the empty text for a request
    /// without a referrer, which is what players outside of browsers send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrers: Option<Vec<String>>,
    /// Greatest height of video, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    /// Longest session, in seconds from its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_s: Option<u64>,
    /// The name of a policy of the edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Seconds since 1970 (RFC 7519 §2), until the end of the year 9999.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct NumericDate(u64);

impl NumericDate {
    /// The last second of the year 9999.
    pub const MAX: Self = Self(253_402_300_799);

    /// The date `seconds` after 1970; none past [`MAX`](Self::MAX).
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds <= Self::MAX.0 { Some(Self(seconds)) } else { None }
    }

    /// The second that `time` is in; the nearest date there is for times outside of the range.
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(seconds.min(Self::MAX.0))
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The date as a time.
    pub fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0)
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DateVisitor)
    }
}

/// Takes whole seconds, and fractions too, as the RFC allows them; the fraction is dropped.
struct DateVisitor;

impl de::Visitor<'_> for DateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since 1970, until the year 9999")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<NumericDate, E> {
        NumericDate::new(seconds).ok_or_else(|| E::custom("a date past the year 9999"))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
        let whole = seconds.floor();
        if !(0.0..=253_402_300_799.0).contains(&whole) {
            return Err(E::custom("a date outside of the range"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number between 0 and 2^38"
        )]
        self.visit_u64(whole as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exp(number: &str) -> Option<u64> {
        let json = format!(r#"{{"paths":["/"],"exp":{number}}}"#);
        serde_json::from_str::<Claims>(&json).ok().map(|claims| claims.exp.seconds())
    }

    #[test]
    fn a_date_ends_with_the_year_9999() {
        assert_eq!(exp("253402300799"), Some(253_402_300_799));
        assert_eq!(exp("253402300800"), None);
        assert_eq!(exp("253402300799.9"), Some(253_402_300_799));
        assert_eq!(exp("253402300800.0"), None);
        for no_date in ["18446744073709551616", "1e400", "-1", "-0.5", "\"1\"", "null", "true", "[1]"] {
            assert_eq!(exp(no_date), None, "{no_date}");
        }
    }

    #[test]
    fn what_is_unknown_is_ignored_and_what_is_known_comes_once() {
        let read = |json: &str| serde_json::from_str::<Claims>(json);
        assert!(read(r#"{"paths":["/"],"exp":1,"iss":"x","iss":"y"}"#).is_ok());
        assert!(read(r#"{"paths":["/"],"exp":1,"exp":2}"#).is_err());
        assert!(read(r#"{"exp":1}"#).is_err() && read(r#"{"paths":["/"]}"#).is_err());
    }
}
