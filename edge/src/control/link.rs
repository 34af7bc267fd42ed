//! The edge's HTTP to the control plane: one address, one bearer secret, one pool of connections.
//!
//! Orders come over it and batches of events go over it. It follows no redirects: a secret is for one address.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::reasons::reasons;

/// How long a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the head of an answer may take, beyond what the request says that it waits.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A secret that proves who asks. Never printed.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes `text`; none where it is empty or cannot stand in a header.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.as_bytes().into()))
    }

    /// Whether `headers` carry it as their bearer, in a time that does not depend on how much of it is right.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let Some(given) = given.and_then(|value| value.strip_prefix(b"Bearer ")) else { return false };
        let differs = given.iter().zip(&self.0).fold(0, |differs, (one, other)| differs | (one ^ other));
        given.len() == self.0.len() && std::hint::black_box(differs) == 0
    }

    fn header(&self) -> HeaderValue {
        let text = [b"Bearer ", &*self.0].concat();
        let mut value = HeaderValue::from_bytes(&text).expect("visible ASCII, as it was taken");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// Where the control plane is, and how it is reached. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct ControlLink {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Box<str>,
    bearer: Option<HeaderValue>,
}

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The operator's fault.
    #[error("`{0}` is no http or https URL without query")]
    Url(String),
    /// The control plane's, or the network's.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The control plane's, or the network's.
    #[error("{0}")]
    Connection(String),
}

impl ControlLink {
    /// A link to the control plane whose URLs begin with `base`. `tls` says whom to trust and who we are; without it the
    /// public roots are trusted.
    ///
    /// # Errors
    /// When `base` is no URL to which a path can be added.
    pub fn new(
        base: &str,
        secret: Option<&Secret>,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Self, LinkError> {
        let wrong = || LinkError::Url(base.to_owned());
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        if !scheme || uri.host().is_none() || uri.query().is_some() {
            return Err(wrong());
        }
        let tls = tls.unwrap_or_else(public_roots);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let client = Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp));
        Ok(Self { client, base: base.trim_end_matches('/').into(), bearer: secret.map(Secret::header) })
    }

    /// Sends a request to the base and `path` (which is empty or begins with `/`), and waits for the head of the answer:
    /// [`HEAD_TIMEOUT`] and `patience`.
    ///
    /// # Errors
    /// When no head comes. A status that says no is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Response<Incoming>, LinkError> {
        let url = format!("{}{path}", self.base);
        let uri: Uri = url.parse().map_err(|_| LinkError::Url(url.clone()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        let timeout = HEAD_TIMEOUT.saturating_add(patience);
        let answer = tokio::time::timeout(timeout, self.client.request(request)).await;
        let answer = answer.map_err(|_| LinkError::Timeout(timeout))?;
        answer.map_err(|error| LinkError::Connection(reasons(&error)))
    }
}

fn public_roots() -> rustls::ClientConfig {
    use hyper_rustls::ConfigBuilderExt as _;
    let provider = rustls::crypto::aws_lc_rs::default_provider().into();
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().expect("the provider has them");
    config.with_webpki_roots().with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearing(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
        headers
    }

    #[test]
    fn a_secret_is_known_as_a_whole_and_never_shown() {
        let secret = Secret::new("s3cret").expect("a secret");
        assert!(secret.is_in(&bearing("Bearer s3cret")));
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Bearer s3creT", "s3cret", "Basic s3cret", "Bearer "]
        {
            assert!(!secret.is_in(&bearing(wrong)), "{wrong}");
        }
        assert!(!secret.is_in(&HeaderMap::new()));
        let link = ControlLink::new("http://127.0.0.1:9/x", Some(&secret), None).expect("a link");
        assert!(!format!("{secret:?} {link:?}").contains("s3cret"));
        assert!(Secret::new("").is_none() && Secret::new("a b").is_none() && Secret::new("a\n").is_none());
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for wrong in ["", "control", "/orders", "ftp://h/", "http://h/?x=1", "https://"] {
            assert!(matches!(ControlLink::new(wrong, None, None), Err(LinkError::Url(_))), "{wrong}");
        }
        assert!(ControlLink::new("https://h:1/internal/v1/orders/", None, None).is_ok());
    }
}
