//! What both sides of a TLS measurement use: a P-256 certificate made for the run, and a client that
//! offers TLS 1.3 with AES-128-GCM and nothing else, so that both servers use the same cipher.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The certificate could not be made.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// It could not be written.
    #[error("writing the certificate: {0}")]
    Io(#[from] io::Error),
    /// The client does not take it.
    #[error("the TLS client: {0}")]
    Client(#[from] rustls::Error),
}

/// The certificate as files for servers, and the client that trusts it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// PEM.
    pub(crate) certificate: PathBuf,
    /// PEM.
    pub(crate) key: PathBuf,
    /// Trusts this certificate only.
    pub(crate) client: Arc<ClientConfig>,
}

impl Identity {
    /// Makes one in `folder`, for 127.0.0.1.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn make(folder: &Path) -> Result<Self, TlsError> {
        let names = [Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()];
        let key_pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let signed = rcgen::CertificateParams::new(names)?.self_signed(&key_pair)?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        // nginx takes absolute paths only, relative to its own prefix otherwise.
        fs::write(&certificate, signed.pem())?;
        fs::write(&key, key_pair.serialize_pem())?;
        let (certificate, key) = (certificate.canonicalize()?, key.canonicalize()?);
        Ok(Self { certificate, key, client: Arc::new(client(signed.der())?) })
    }
}

/// A client that trusts `certificate`.
fn client(certificate: &CertificateDer<'static>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    };
    let versions = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection makes a full handshake: resumption is not what is measured.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Shakes hands over `stream`, which must block.
///
/// # Errors
/// What the connection or the peer says.
pub(crate) fn shake_hands(
    config: &Arc<ClientConfig>,
    mut stream: TcpStream,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let address: SocketAddr = stream.peer_addr()?;
    let name = ServerName::IpAddress(address.ip().into());
    let mut connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}
