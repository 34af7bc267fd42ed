//! What a verified token allows.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use crate::{
    claims::{Claims, DEFAULT_ENVIRONMENT},
    country::Country,
    error::TokenError,
    key_record::{KeyRecord, Thumbprint, is_environment},
    limits::{
        COUNTRIES_MAX, EXPIRY_LEEWAY, ID_BYTES_MAX, NETWORKS_MAX, NOT_BEFORE_LEEWAY, PREFIXES_MAX,
        REFERRERS_MAX,
    },
    network::Network,
    path_prefix::PathPrefixes,
    referrer::Referrer,
    revocations::{Marks, TokenDigest, TokenId},
};

/// What one token allows, read and bounded; made only by [`verify`](crate::verify()) and [`Grants`](crate::Grants).
///
/// Its `Debug` shows whom and what it is for, but nothing that could be used as a token.
///
/// What every request looks at stands first, in this order, so that a hit touches few lines of memory.
#[derive(Clone, PartialEq, Eq)]
#[repr(C)]
pub struct Grant {
    from: SystemTime,
    until: SystemTime,
    prefixes: PathPrefixes,
    networks: Option<Box<[Network]>>,
    environment: Box<str>,
    session: Option<Box<str>>,
    subject: Option<Box<str>>,
    kid: Box<str>,
    key_environment: Option<Box<str>>,
    key: Thumbprint,
    id: TokenId,
    marks: Marks,
    countries: Option<Box<[Country]>>,
    referrers: Option<Box<[Referrer]>>,
    max_height: Option<u32>,
    max_session: Option<Duration>,
    policy: Option<Box<str>>,
}

impl Grant {
    /// The environment, which is one tenant's: part of every cache key.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// The playback session.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Who watches.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The id of the key that signed it.
    pub fn key_id(&self) -> &str {
        &self.kid
    }

    /// What the token is called in logs.
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// Until when a session may begin with it.
    pub const fn until(&self) -> SystemTime {
        self.until
    }

    /// Greatest height of video, in pixels.
    pub const fn max_height(&self) -> Option<u32> {
        self.max_height
    }

    /// How long a session may go on from its first request, as the token says.
    pub const fn max_session(&self) -> Option<Duration> {
        self.max_session
    }

    /// The policy to apply.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// Whether it covers `path`, as sent and without query. Cost: a look at each byte, no allocation.
    pub fn covers(&self, path: &str) -> bool {
        self.prefixes.cover(path)
    }

    /// The number of the prefix that covers `path`, from 0. Costs what [`Self::covers`] costs.
    pub fn covering(&self, path: &str) -> Option<usize> {
        self.prefixes.covering(path)
    }

    /// The prefix of this number, percent-decoded; `None` too where it is no UTF-8.
    pub fn prefix(&self, number: usize) -> Option<&str> {
        std::str::from_utf8(self.prefixes.nth(number)?).ok()
    }

    /// Whether the country matters, so that it must be found out.
    pub const fn restricts_country(&self) -> bool {
        self.countries.is_some()
    }

    /// Whether the referrer matters.
    pub const fn restricts_referrer(&self) -> bool {
        self.referrers.is_some()
    }

    /// Whether it is for a client at `address` in `country` on a page that `referrer` (a `Referer` or `Origin` header)
    /// tells. What is restricted and not known is refused.
    ///
    /// # Errors
    /// [`TokenError::Address`], [`TokenError::Country`] and [`TokenError::Referrer`].
    pub fn permits(
        &self,
        address: IpAddr,
        country: Option<Country>,
        referrer: Option<&str>,
    ) -> Result<(), TokenError> {
        self.permits_address(address)?;
        if self.countries.as_ref().is_some_and(|all| !country.is_some_and(|country| all.contains(&country))) {
            return Err(TokenError::Country);
        }
        if self.referrers.as_ref().is_some_and(|all| !all.iter().any(|entry| entry.allows(referrer))) {
            return Err(TokenError::Referrer);
        }
        Ok(())
    }

    pub(crate) fn permits_address(&self, address: IpAddr) -> Result<(), TokenError> {
        match &self.networks {
            Some(networks) if !networks.iter().any(|network| network.contains(address)) => {
                Err(TokenError::Address)
            }
            _ => Ok(()),
        }
    }

    /// Whether a session may begin at `now`.
    pub(crate) fn is_current(&self, now: SystemTime) -> Result<(), TokenError> {
        if now < self.from {
            Err(TokenError::NotYetValid)
        } else if now >= self.until {
            Err(TokenError::Expired)
        } else {
            Ok(())
        }
    }

    pub(crate) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The key that signed it: id, environment and bytes.
    pub(crate) fn key(&self) -> (&str, Option<&str>, Thumbprint) {
        (&self.kid, self.key_environment.as_deref(), self.key)
    }

    /// Bytes of memory it takes, about.
    pub(crate) fn size_bytes(&self) -> usize {
        let texts = [&self.session, &self.subject, &self.policy, &self.key_environment].into_iter().flatten();
        let hosts = self.referrers.iter().flatten().map(|referrer| match referrer {
            Referrer::Host(host) | Referrer::Below(host) => host.len(),
            Referrer::Untold => 0,
        });
        let parts = [
            size_of::<Self>(),
            self.environment.len(),
            self.kid.len(),
            texts.map(|text| text.len()).sum(),
            self.prefixes.len(),
            self.networks.as_ref().map_or(0, |networks| size_of_val(&**networks)),
            self.countries.as_ref().map_or(0, |countries| size_of_val(&**countries)),
            self.referrers.as_ref().map_or(0, |referrers| size_of_val(&**referrers)),
            hosts.sum(),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    /// Reads what `claims` of `token` allow, not yet believed. Each limit of [`limits`](crate::limits) is held here.
    pub(crate) fn read(token: &str, claims: &Claims, record: &KeyRecord) -> Result<Self, TokenError> {
        let environment = environment(claims)?;
        let bounded = |id: &Option<String>, what| match id {
            Some(id) if id.is_empty() || id.len() > ID_BYTES_MAX => Err(TokenError::Malformed { what }),
            id => Ok(id.as_deref().map(Box::from)),
        };
        let token_name = bounded(&claims.jti, "its id (jti)")?;
        let session = bounded(&claims.sid, "its session id (sid)")?;
        let subject = bounded(&claims.sub, "its subject (sub)")?;
        let policy = bounded(&claims.policy, "its policy")?;
        let prefixes = match claims.paths.len() {
            1..=PREFIXES_MAX => PathPrefixes::parse(&claims.paths),
            _ => None,
        };
        let prefixes = prefixes.ok_or(TokenError::Malformed { what: "its path prefixes (paths)" })?;
        let digest = TokenDigest::of(token);
        let marks = Marks::of(
            environment,
            session.as_deref(),
            token_name.as_deref(),
            subject.as_deref(),
            (record.kid(), digest),
        );
        let starts = claims.nbf.unwrap_or_default().time();
        Ok(Self {
            prefixes,
            environment: environment.into(),
            session,
            subject,
            kid: record.kid().into(),
            key_environment: record.environment().map(Into::into),
            key: record.thumbprint(),
            id: digest.id(),
            marks,
            from: starts.checked_sub(NOT_BEFORE_LEEWAY).unwrap_or(starts),
            until: claims.exp.time() + EXPIRY_LEEWAY,
            networks: read_list(claims.ip.as_ref(), NETWORKS_MAX, "its networks (ip)", Network::parse)?,
            countries: read_list(claims.countries.as_ref(), COUNTRIES_MAX, "its countries", |text| {
                text.parse().ok()
            })?,
            referrers: read_list(claims.referrers.as_ref(), REFERRERS_MAX, "its referrers", Referrer::parse)?,
            max_height: claims.max_height,
            max_session: claims.max_session_s.map(Duration::from_secs),
            policy,
        })
    }
}

/// The environment that `claims` name, or the default one.
pub(crate) fn environment(claims: &Claims) -> Result<&str, TokenError> {
    let name = claims.env.as_deref().unwrap_or(DEFAULT_ENVIRONMENT);
    if is_environment(name) { Ok(name) } else { Err(TokenError::Malformed { what: "its environment (env)" }) }
}

/// Reads a list whose entries must all be good; one that is there and empty is a mistake of the issuer.
fn read_list<T>(
    list: Option<&Vec<String>>,
    limit: usize,
    what: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<Box<[T]>>, TokenError> {
    let Some(list) = list else { return Ok(None) };
    if list.is_empty() || list.len() > limit {
        return Err(TokenError::Malformed { what });
    }
    let entries: Option<Box<[T]>> = list.iter().map(|text| parse(text)).collect();
    entries.map(Some).ok_or(TokenError::Malformed { what })
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("id", &format_args!("{}.{}", self.kid, self.id))
            .field("environment", &self.environment)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
