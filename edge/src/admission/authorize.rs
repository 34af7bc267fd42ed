//! Who may see what: the token of a request, wherever it stands, against the path that is asked for.
//!
//! ```text
//!  /t/{jwt}/vod/film/…   ─┐
//!  ?token={jwt}          ─┼─ check ─┬─ admitted: environment, path without token
//!  Authorization, Cookie ─┘         ├─ ?token: 302 to the first form, so that relative links carry it on
//!  none ── private path? ───────────┴─ refused: 401, 403, 429 or 503, with a word for machines
//! ```
//!
//! A token in the path is checked wherever it leads, one elsewhere only where one is needed: a cookie or a link that is
//! too old must not close what is open to all. No token goes further than here: not into keys, logs, or to upstreams.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::Write as _,
    hash::BuildHasher as _,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use foldhash::quality::RandomState;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use memchr::{memchr, memchr_iter};
use rillcast_http::{Problem, Redirect, Reply, Request};
use rillcast_token::{
    Country, Grant, Grants, RedactedPath, TokenError, TokenPath, claims::DEFAULT_ENVIRONMENT,
    token_path::TOKEN_PATH_START,
};

use crate::{
    admission::{geo::Places, private_paths::PrivatePaths, territory::Territory},
    cache::key::CarriedHash,
    control::orders::ordered_limits::OrderedLimits,
};

/// Query parameters that carry a token.
const TOKEN_PARAMETERS: [&str; 2] = ["token", "access_token"];
/// How [`TOKEN_PATH_START`] goes on after its slash.
const TOKEN_FOLDER: &str = "t/";
/// What a wrong token is answered with must not stay in a cache, nor tell its address to the next page.
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// Names of tokens that a core remembers for its log.
const NAMES_MAX: usize = 1 << 15;

/// What stands in front of an edge.
pub struct Gate {
    /// What judges tokens.
    pub grants: Arc<Grants>,
    /// What needs one.
    pub private: PrivatePaths,
    /// The cookie that may hold one.
    pub cookie: String,
    /// Where clients are, for tokens that are good in some countries only; without it those are good nowhere.
    pub places: Option<Arc<Places>>,
    /// In which countries what may be seen.
    pub territory: Territory,
    /// Whether keys are still to come for the first time.
    pub keys: KeysAwaited,
    /// What orders say of how much may be asked.
    pub limits: OrderedLimits,
    /// Reads the clock for budgets and sessions.
    pub monotonic: fn() -> Instant,
}

/// Whether the keys of an issuer are still to come, so that a token of an unknown key may be good. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct KeysAwaited(Arc<AtomicBool>);

impl KeysAwaited {
    /// They are to come.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// They have come.
    pub fn end(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether they are still to come.
    pub fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    /// The path without the token.
    pub(crate) path: &'a str,
    /// What the token allows, if there was one that counted.
    pub(crate) grant: Option<Arc<Grant>>,
    /// Whether another who asks for the same might be refused.
    pub(crate) is_for_some: bool,
}

impl Admitted<'_> {
    /// The tenant: empty for what is public.
    pub(crate) fn environment(&self) -> &str {
        let environment = self.grant.as_ref().map_or("", |grant| grant.environment());
        if environment == DEFAULT_ENVIRONMENT { "" } else { environment }
    }
}

/// What is answered instead of what was asked for.
#[derive(Debug)]
pub(crate) enum Instead {
    /// Why not.
    Refusal(TokenError),
    /// Not for those who are where the client is.
    Elsewhere(Box<Problem>),
    /// The same under a better address.
    Exchange(HeaderValue),
}

impl From<TokenError> for Instead {
    fn from(error: TokenError) -> Self {
        Self::Refusal(error)
    }
}

impl From<Instead> for Reply {
    fn from(instead: Instead) -> Self {
        match instead {
            Instead::Refusal(error) => refusal(&error),
            Instead::Elsewhere(problem) => (*problem).into(),
            Instead::Exchange(location) => {
                let mut redirect = Redirect::found(location);
                redirect.headers.insert(header::REFERRER_POLICY, NO_REFERRER);
                redirect.into()
            }
        }
    }
}

/// The path of a request as roles know it: without the token that may stand in front.
pub fn inner_path(path: &str) -> &str {
    TokenPath::split(path).map_or(path, |split| split.rest())
}

impl Gate {
    /// Lets `request` pass, or says why not, or where the same is under a better address.
    pub(crate) fn admit<'a>(&self, request: &'a Request) -> Result<Admitted<'a>, Instead> {
        let admitted = self.authorize(request)?;
        let is_for_some = self.locate(request, admitted.environment(), admitted.path);
        let is_for_some = is_for_some.map_err(Instead::Elsewhere)?;
        Ok(Admitted { is_for_some: is_for_some || admitted.is_for_some, ..admitted })
    }

    /// Lets `path` of `environment` be seen where the client of `request` is, or says why not. Says whether anybody
    /// elsewhere might be refused.
    pub(crate) fn locate(
        &self,
        request: &Request,
        environment: &str,
        path: &str,
    ) -> Result<bool, Box<Problem>> {
        self.territory.check(self.places.as_deref(), request.client.ip, environment, path)
    }

    fn authorize<'a>(&self, request: &'a Request) -> Result<Admitted<'a>, Instead> {
        let path = request.path();
        if let Some(split) = TokenPath::split(path) {
            let grant = self.check(split.token(), split.rest(), request)?;
            return Ok(Admitted { path: split.rest(), grant: Some(grant), is_for_some: true });
        }
        if path.starts_with(TOKEN_PATH_START) {
            return Err(TokenError::Malformed { what: "nothing follows it" }.into());
        }
        // A link that was put together badly must not carry it to an origin.
        if path.starts_with("//") && path.trim_start_matches('/').starts_with(TOKEN_FOLDER) {
            return Err(TokenError::Malformed { what: "two slashes stand before it" }.into());
        }
        if !self.private.contain(path) {
            return Ok(Admitted { path, grant: None, is_for_some: false });
        }
        if let Some(token) = request.query().and_then(token_of_query) {
            self.check(token, path, request)?;
            return Err(exchange(token, path, request.query().unwrap_or_default()));
        }
        let token = token_of_headers(&request.headers, &self.cookie).ok_or(TokenError::Missing)?;
        let grant = self.check(token, path, request)?;
        Ok(Admitted { path, grant: Some(grant), is_for_some: true })
    }

    fn check(&self, token: &str, path: &str, request: &Request) -> Result<Arc<Grant>, TokenError> {
        let (client, now) = (request.client.ip, request.received);
        // Read before the keys are: those that come in between are known then, and the token is asked for again.
        let is_awaited = self.keys.is();
        let grant = self.grants.check(token, path, client, now, (self.monotonic)());
        let grant = grant.map_err(|error| match error {
            TokenError::KeyUnknown if is_awaited => TokenError::KeysAwaited,
            error => error,
        })?;
        if grant.restricts_country() || grant.restricts_referrer() {
            let referrer = [header::REFERER, header::ORIGIN].into_iter();
            let referrer = referrer.filter_map(|name| request.headers.get(name)?.to_str().ok()).next();
            let country = grant.restricts_country().then(|| self.country(client)).flatten();
            grant.permits(client, country, referrer)?;
        }
        Ok(grant)
    }

    fn country(&self, client: IpAddr) -> Option<Country> {
        self.places.as_ref()?.country(client)?.as_str().parse().ok()
    }
}

/// The same with the token in front, where relative links inherit it.
fn exchange(token: &str, path: &str, query: &str) -> Instead {
    let mut location = format!("{TOKEN_PATH_START}{token}{path}");
    let mut separator = '?';
    for parameter in query.split('&').filter(|parameter| !is_token(parameter)) {
        location.push(separator);
        location.push_str(parameter);
        separator = '&';
    }
    let malformed = TokenError::Malformed { what: "it cannot stand in an address" };
    HeaderValue::try_from(location).map_or(Instead::Refusal(malformed), Instead::Exchange)
}

/// The refusal as an answer: never stored, readable by pages, and naming no token.
fn refusal(error: &TokenError) -> Reply {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let title = match status {
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "Unavailable",
        _ => "Unauthorized",
    };
    let mut problem = Problem::new(status, error.code(), title, error.to_string());
    problem.retry_after = error.retry_after();
    if status == StatusCode::UNAUTHORIZED {
        problem.headers.insert(header::WWW_AUTHENTICATE, challenge(error));
    }
    problem.headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    problem.into()
}

/// What a client could do (RFC 6750 §3): bring a token, or another.
fn challenge(error: &TokenError) -> HeaderValue {
    match error {
        TokenError::Missing => HeaderValue::from_static("Bearer"),
        _ => HeaderValue::from_static("Bearer error=\"invalid_token\""),
    }
}

fn is_token(parameter: &str) -> bool {
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    TOKEN_PARAMETERS.contains(&name)
}

fn token_of_query(query: &str) -> Option<&str> {
    let parameter = query.split('&').find(|parameter| is_token(parameter))?;
    parameter.split_once('=').map(|(_, token)| token).filter(|token| !token.is_empty())
}

fn token_of_headers<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == cookie).map(|(_, token)| token)
    })
}

/// How the tokens that a core sees are called in its log: found by a hash, because there are thousands of requests
/// with each.
#[derive(Debug, Default)]
pub(crate) struct TokenNames {
    hashing: RandomState,
    names: RefCell<HashMap<u64, Box<str>, CarriedHash>>,
}

impl TokenNames {
    /// `path` as logs may show it.
    pub(crate) fn redact(&self, path: &str) -> String {
        let Some(split) = TokenPath::split(path) else { return RedactedPath::new(path).to_string() };
        let hash = self.hashing.hash_one(split.token());
        let mut names = self.names.borrow_mut();
        if names.len() >= NAMES_MAX && !names.contains_key(&hash) {
            names.clear();
        }
        // With one character behind it, it is a path that carries the token.
        let name = names.entry(hash).or_insert_with(|| {
            let front = path.get(..path.len().saturating_sub(split.rest().len())).unwrap_or_default();
            let redacted = RedactedPath::new(&format!("{front}/")).to_string();
            redacted.trim_end_matches('/').into()
        });
        let mut shown = String::with_capacity(name.len().saturating_add(split.rest().len()));
        shown.push_str(name);
        push_redacted(&mut shown, split.rest());
        shown
    }
}

/// Adds what follows a token: links are typed and mistyped by people, so that another may stand there.
fn push_redacted(shown: &mut String, rest: &str) {
    let bytes = rest.as_bytes();
    let is_start = |at: usize| bytes.get(at..).is_some_and(|bytes| bytes.starts_with(b"eyJ"));
    if memchr(b'%', bytes).is_some() || memchr_iter(b'e', bytes).any(is_start) {
        let _infallible = write!(shown, "{}", RedactedPath::new(rest));
    } else {
        shown.push_str(rest);
    }
}
