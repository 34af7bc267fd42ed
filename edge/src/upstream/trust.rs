//! What TLS to upstreams is made with: aws-lc, and authorities of the web or of the operator.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use hyper_rustls::ConfigBuilderExt as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::config::{Speech, Trust, UpstreamConfigError};

/// Longest file of authorities, in bytes.
pub const AUTHORITIES_BYTES_MAX: u64 = 4 << 20;

pub(super) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The authorities, read once for all upstreams.
pub(super) enum Roots {
    Web,
    Own(Arc<RootCertStore>),
}

impl Roots {
    /// Reads the operator's file, if there is one.
    pub(super) fn read(trust: &Trust) -> Result<Self, UpstreamConfigError> {
        let path = match trust {
            Trust::WebRoots => return Ok(Self::Web),
            Trust::File(path) => path,
        };
        let wrong = |why: String| UpstreamConfigError::Authorities { path: path.clone(), why };
        let pem = read_bounded(path).map_err(wrong)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        Ok(Self::Own(Arc::new(roots)))
    }

    /// How to speak TLS with an upstream that speaks `speech`.
    pub(super) fn client_config(&self, speech: Speech) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for TLS 1.2 and 1.3");
        let builder = match self {
            Self::Web => builder.with_webpki_roots(),
            Self::Own(roots) => builder.with_root_certificates(Arc::clone(roots)),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = match speech {
            Speech::Negotiated => vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()],
            Speech::Http1 => vec![ALPN_HTTP1.to_vec()],
            Speech::Http2 => vec![ALPN_HTTP2.to_vec()],
        };
        Arc::new(config)
    }
}

impl Trust {
    /// How to speak TLS with other services of the operator that the same authorities vouch for; none where the
    /// authorities are those of the web.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn for_links(&self) -> Result<Option<ClientConfig>, UpstreamConfigError> {
        Ok(match Roots::read(self)? {
            Roots::Web => None,
            roots @ Roots::Own(_) => {
                let mut config = Arc::unwrap_or_clone(roots.client_config(Speech::Negotiated));
                // A link says itself what it speaks.
                config.alpn_protocols.clear();
                Some(config)
            }
        })
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(AUTHORITIES_BYTES_MAX.saturating_add(1))
        .read_to_end(&mut pem)
        .map_err(|error| error.to_string())?;
    let is_long = u64::try_from(pem.len()).is_ok_and(|len| len > AUTHORITIES_BYTES_MAX);
    if is_long { Err(format!("it is longer than {AUTHORITIES_BYTES_MAX} bytes")) } else { Ok(pem) }
}
