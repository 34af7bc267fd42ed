//! TLS: certificates from files, replaced while running, and the protocol both sides agree on.
//!
//! A new certificate counts for new connections only. Files that cannot be read or do not fit together leave the
//! old certificate in place: a botched renewal must not take the server down before the old one expires.

mod sealing;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::IntGauge;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::body_source::FileIdentity;

/// Longest certificate chain or key file, in bytes.
pub(crate) const PEM_BYTES_MAX: u64 = 1 << 20;

const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Where a certificate chain and its key lie, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// How often both files are looked at for a change.
    pub reload_every: Duration,
}

impl TlsFiles {
    /// These files, looked at every ten seconds.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), reload_every: Duration::from_secs(10) }
    }
}

/// Why a certificate cannot be used; the operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file is longer than we take.
    #[error("{path} is longer than {PEM_BYTES_MAX} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no PEM of the right kind.
    #[error("{path} holds no usable PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit together, or the kind of key is unknown.
    #[error("{path} is no key for its certificate")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
    /// rustls refuses the settings; our bug.
    #[error("rustls refuses the settings")]
    Settings(#[source] rustls::Error),
}

/// The certificate in use; `reload` replaces it.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
    /// What was last tried, good or bad, so that a bad pair is reported once.
    tried: Mutex<Option<[FileIdentity; 2]>>,
}

impl Certificate {
    pub(crate) fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let tried = identities(&files);
        let current = ArcSwap::from_pointee(read(&files)?);
        Ok(Arc::new(Self { files, current, tried: Mutex::new(tried) }))
    }

    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Reads the files again if either has changed since they were last tried; true when there is a new
    /// certificate. Blocks on the disk.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let found = identities(&self.files);
        if found.is_none() || *self.tried.lock() == found {
            return Ok(false);
        }
        *self.tried.lock() = found;
        self.current.store(Arc::new(read(&self.files)?));
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// The settings of a server's listeners. Those with the same files share certificate and keys for tickets: a client
/// resumes on whichever core and address it comes to. Those of other files share nothing, for a session of one name
/// must not open another.
#[derive(Default)]
pub(crate) struct AllSettings {
    made: Vec<(TlsFiles, Arc<ServerConfig>)>,
}

impl AllSettings {
    /// The settings for `files`; with them the certificate to look after, when they are new.
    pub(crate) fn of(
        &mut self,
        files: &TlsFiles,
    ) -> Result<(Arc<ServerConfig>, Option<Arc<Certificate>>), TlsError> {
        if let Some((_, made)) = self.made.iter().find(|(known, _)| known == files) {
            return Ok((Arc::clone(made), None));
        }
        let certificate = Certificate::load(files.clone())?;
        let made = settings(Arc::clone(&certificate))?;
        self.made.push((files.clone(), Arc::clone(&made)));
        Ok((made, Some(certificate)))
    }

    /// Whether any listener speaks TLS.
    pub(crate) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }
}

/// Says whether the kernel could take over records. It never does: see [`rillcast_sys::kernel_tls`].
pub(crate) fn report_kernel_tls(gauge: &IntGauge) {
    match rillcast_sys::kernel_tls::probe() {
        Ok(()) => {
            gauge.set(1);
            tracing::info!("kernel TLS: there, not used");
        }
        Err(error) => tracing::info!(%error, "kernel TLS: no"),
    }
}

/// The settings of a listener. TLS 1.2 and 1.3; the client's order of ciphers counts, because only a client knows
/// whether its machine has AES in hardware.
fn settings(certificate: Arc<Certificate>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut settings = ServerConfig::builder_with_provider(sealing::provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Settings)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    settings.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    // One key for tickets on all cores: a client may resume wherever the kernel sends it. It is replaced every six
    // hours, and opens tickets for six more.
    settings.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Settings)?;
    Ok(Arc::new(settings))
}

/// Whether the handshake chose HTTP/2.
pub(crate) fn is_http2(connection: &rustls::ServerConnection) -> bool {
    connection.alpn_protocol() == Some(ALPN_HTTP2)
}

/// `None` while a file is missing, as it may be in the middle of a renewal.
fn identities(files: &TlsFiles) -> Option<[FileIdentity; 2]> {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|metadata| FileIdentity::of(&metadata));
    Some([identity(&files.certificate)?, identity(&files.key)?])
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let (chain_path, key_path) = (&files.certificate, &files.key);
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_slice_iter(&read_limited(chain_path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem(chain_path))?;
    if chain.is_empty() {
        return Err(pem(chain_path)(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(&read_limited(key_path)?).map_err(pem(key_path))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|source| TlsError::Key { path: key_path.clone(), source })
}

fn read_limited(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let limit = PEM_BYTES_MAX.saturating_add(1);
    let read = File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > PEM_BYTES_MAX {
        return Err(TlsError::TooLong { path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a self-signed pair for `name` and returns the certificate's bytes.
    fn write_pair(directory: &Path, name: &str) -> (TlsFiles, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles::new(directory.join("cert.pem"), directory.join("key.pem"));
        // By rename, as tools that renew do: a new inode each time.
        for (path, text) in
            [(&files.certificate, made.cert.pem()), (&files.key, made.signing_key.serialize_pem())]
        {
            let fresh = directory.join("fresh");
            std::fs::write(&fresh, text).unwrap();
            std::fs::rename(fresh, path).unwrap();
        }
        (files, made.cert.der().to_vec())
    }

    fn current(certificate: &Certificate) -> Vec<u8> {
        certificate.current.load().cert[0].to_vec()
    }

    #[test]
    fn a_changed_pair_is_taken_and_a_broken_one_leaves_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let (files, first) = write_pair(directory.path(), "one.example");
        let certificate = Certificate::load(files.clone()).unwrap();
        assert_eq!((current(&certificate), certificate.reload().unwrap()), (first.clone(), false));

        std::fs::write(&files.certificate, "half a file").unwrap();
        assert!(matches!(certificate.reload(), Err(TlsError::Pem { .. })));
        assert!(!certificate.reload().unwrap(), "a bad pair is reported once");
        assert_eq!(current(&certificate), first);

        let (_, second) = write_pair(directory.path(), "two.example");
        assert!(certificate.reload().unwrap());
        assert_eq!(current(&certificate), second);

        std::fs::remove_file(&files.key).unwrap();
        assert!(!certificate.reload().unwrap());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, _) = write_pair(one.path(), "one.example");
        let (second, _) = write_pair(other.path(), "two.example");
        let mixed = TlsFiles::new(first.certificate, second.key);
        assert!(matches!(Certificate::load(mixed), Err(TlsError::Key { .. })));
    }

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long");
        let len = usize::try_from(PEM_BYTES_MAX).unwrap();
        std::fs::write(&path, vec![b'x'; len]).unwrap();
        assert_eq!(read_limited(&path).unwrap().len(), len);
        std::fs::write(&path, vec![b'x'; len + 1]).unwrap();
        assert!(matches!(read_limited(&path), Err(TlsError::TooLong { .. })));
    }
}
