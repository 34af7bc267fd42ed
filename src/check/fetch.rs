//! One request of the auditor over HTTP, redirects followed, nothing decoded.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rillcast_audit::{FetchRequest, Method, Response};
use rillcast_edge::reasons::reasons;

use super::problem;

/// Redirects that are followed for one request.
const MAX_REDIRECTS: u32 = 5;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client with a pool.
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("`{url}` is no URL")]
    Url { url: String },
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("more than {MAX_REDIRECTS} redirects")]
    Redirects,
    #[error("{0}")]
    Connection(String),
    #[error("the answer broke off or is larger than {limit} bytes")]
    Body { limit: u64 },
}

impl Fetcher {
    pub(super) fn new() -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_all_versions();
        Self { client: Client::builder(TokioExecutor::new()).build(connector.build()) }
    }

    /// Sends `request`, and follows where it is sent on.
    pub(super) async fn fetch(&self, request: &FetchRequest) -> Result<Response, FetchError> {
        let mut url = request.url.clone();
        for redirects in 0..=MAX_REDIRECTS {
            let sent = tokio::time::timeout(TIMEOUT, self.send(request, &url)).await;
            let (mut response, location) = sent.map_err(|_| FetchError::Timeout)??;
            match location {
                Some(location) => url = location,
                None => {
                    response.redirects = redirects;
                    return Ok(response);
                }
            }
        }
        Err(FetchError::Redirects)
    }

    async fn send(
        &self,
        request: &FetchRequest,
        url: &str,
    ) -> Result<(Response, Option<String>), FetchError> {
        let bad_url = || FetchError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad_url())?;
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
        };
        let mut built = Request::builder().method(method).uri(uri);
        for (name, value) in &request.headers {
            built = built.header(name, value);
        }
        let built = built.body(Empty::new()).map_err(|_| bad_url())?;
        let answer =
            self.client.request(built).await.map_err(|error| FetchError::Connection(reasons(&error)))?;
        let (head, body) = answer.into_parts();
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        if head.status.is_redirection()
            && let Some(location) = location
        {
            let next = rillcast_audit::resolve(url, location).ok_or_else(bad_url)?;
            return Ok((Response::default(), Some(next)));
        }
        let limit = request.max_bytes;
        let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
        let body = limited.collect().await.map_err(|_| FetchError::Body { limit })?.to_bytes();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let response = Response {
            status: head.status.as_u16(),
            final_url: url.to_owned(),
            redirects: 0,
            headers: headers.collect(),
            body: body.to_vec(),
            problem: problem::words(&head.headers, &body).filter(|_| !head.status.is_success()),
        };
        Ok((response, None))
    }
}
