//! What the machine asks of its driver, and what it gets back.
//!
//! The driver owns sockets, time-outs and retries. It must not decode bodies (no transparent gzip),
//! must follow redirects itself and count them, and may stop reading a body at `max_bytes`.

/// Names one request of one audit. Unique within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

impl RequestId {
    /// The number behind the name, for logs.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
}

/// One request that the driver is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Hand it back with the answer.
    pub id: RequestId,
    /// Absolute URL.
    pub url: String,
    /// Method.
    pub method: Method,
    /// Headers to send exactly as given, `Range` and `Accept-Encoding` included; add none of these two.
    pub headers: Vec<(String, String)>,
    /// The driver may stop reading the body after this many bytes and call
    /// [`Audit::fail`](crate::Audit::fail).
    pub max_bytes: u64,
}

/// An answer, as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Status of the last answer.
    pub status: u16,
    /// URL that gave the last answer; relative URIs of a playlist resolve against it.
    pub final_url: String,
    /// Redirects followed on the way.
    pub redirects: u32,
    /// Header fields in order; names in any case.
    pub headers: Vec<(String, String)>,
    /// Body bytes, with any content coding still on.
    pub body: Vec<u8>,
    /// What the server says is wrong, in words, where the driver can read it (RFC 9457).
    pub problem: Option<String>,
}

impl Response {
    /// First value of header `name`, trimmed. Case-insensitive. Cost: O(headers).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Whether any field `name` lists `token`, in any case.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}
