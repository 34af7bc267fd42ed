//! TLS: both protocols, both address families, and a certificate that changes while the server runs.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rillcast_http::{Listener, TlsFiles};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::CryptoProvider, pki_types::CertificateDer,
};

use crate::{
    client::Client,
    harness::{PATIENCE, Rig, media, wait_until, write_file},
};

/// Writes a new self-signed pair and returns where it lies and the certificate.
pub(crate) fn renew(directory: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        reload_every: Duration::from_millis(20),
        ..TlsFiles::new(directory.join("cert.pem"), directory.join("key.pem"))
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

pub(crate) fn client_config(trusted: CertificateDer<'static>, alpn: &[&str]) -> ClientConfig {
    client_config_for(&[trusted], alpn, rustls::DEFAULT_VERSIONS)
}

fn client_config_for(
    trusted: &[CertificateDer<'static>],
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    config_with(rustls::crypto::aws_lc_rs::default_provider(), roots, alpn, versions)
}

fn config_with(
    provider: CryptoProvider,
    roots: RootCertStore,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A TLS connection over which HTTP/1 is spoken; fails when the certificate is another.
pub(crate) fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> Result<Client<StreamOwned<ClientConnection, TcpStream>>, rustls::Error> {
    connect_with(address, client_config(trusted.clone(), &["http/1.1"]))
}

fn connect_with(
    address: SocketAddr,
    config: ClientConfig,
) -> Result<Client<StreamOwned<ClientConnection, TcpStream>>, rustls::Error> {
    let name = "localhost".try_into().unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            return Err(error.downcast::<rustls::Error>().unwrap());
        }
    }
    Ok(Client::over(StreamOwned::new(connection, stream)))
}

#[test]
fn http1_in_tls_serves_files_over_both_families() {
    let directory = tempfile::tempdir().unwrap();
    let (files, certificate) = renew(directory.path());
    let bytes = media(700_000);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config| {
        let addresses = ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().unwrap());
        config.listeners = addresses.map(|address| Listener::tls(address, files.clone())).into();
    });
    for (address, ip) in rig.server.addresses().iter().zip(["127.0.0.1", "::1"]) {
        let mut client = connect(*address, &certificate).unwrap();
        assert_eq!(client.get("/who", &[]).text(), format!("{ip} https1"));
        assert!(client.get("/file", &[]).body == bytes);
        assert!(client.get("/file", &["Range: bytes=65530-65545"]).body == bytes[65_530..65_546]);
    }
}

/// Connects, says how the handshake went and which core answered.
fn resume(address: SocketAddr, config: &Arc<ClientConfig>) -> (HandshakeKind, String) {
    let name = "localhost".try_into().unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).unwrap();
    }
    let kind = connection.handshake_kind().unwrap();
    // The answer comes behind the tickets of TLS 1.3.
    let mut client = Client::over(StreamOwned::new(connection, stream));
    (kind, client.get("/core", &[]).text().to_owned())
}

/// Forty connections one after the other, over both addresses: the kernel spreads them over the cores, and every
/// one after the first resumes, wherever it lands.
#[test]
fn a_client_resumes_on_any_core_and_address() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let directory = tempfile::tempdir().unwrap();
        let (files, certificate) = renew(directory.path());
        let rig = Rig::start(|config| {
            let addresses = ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().unwrap());
            config.listeners = addresses.map(|address| Listener::tls(address, files.clone())).into();
        });
        let config = Arc::new(client_config_for(&[certificate], &["http/1.1"], &[version]));
        let mut cores = BTreeSet::new();
        for number in 0..40 {
            let (kind, core) = resume(rig.server.addresses()[number % 2], &config);
            let expected = if number == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
            assert_eq!(kind, expected, "{version:?}, connection {number}");
            cores.insert(core);
        }
        assert_eq!(cores.len(), 2, "the test needs both cores: {cores:?}");
    }
}

/// Each cipher has its own way from plaintext to record; the ranges make records begin anywhere.
#[test]
fn every_cipher_carries_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (files, certificate) = renew(directory.path());
    let bytes = media(3_000_000);
    let rig = Rig::with_file(Some(write_file(directory.path(), &bytes)), |config| {
        config.listeners = vec![Listener::tls(config.listeners[0].address, files)];
    });
    let suites = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
    assert!(suites.len() >= 9);
    for suite in suites {
        let provider =
            CryptoProvider { cipher_suites: vec![*suite], ..rustls::crypto::aws_lc_rs::default_provider() };
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config = config_with(provider, roots, &["http/1.1"], &[suite.version()]);
        // The certificate's key decides about the ciphers of TLS 1.2: those of RSA do not fit it.
        let Ok(mut client) = connect_with(rig.address(), config) else {
            assert!(format!("{:?}", suite.suite()).contains("RSA"), "{suite:?}");
            continue;
        };
        for (field, range) in [("0-", 0..3_000_000), ("16383-49153", 16_383..49_154), ("7-7", 7..8)] {
            for target in ["/file", "/hot", "/hot", "/hot"] {
                let answer = client.get(target, &[&format!("Range: bytes={field}")]);
                assert!(answer.body == bytes[range.clone()], "{suite:?} {target} {field}");
            }
        }
    }
}

#[test]
fn a_session_of_one_certificate_does_not_resume_with_another() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((first, trusted), (second, also)) = (renew(one.path()), renew(other.path()));
    let rig = Rig::start(|config| {
        let address = config.listeners[0].address;
        config.listeners = vec![Listener::tls(address, first), Listener::tls(address, second)];
    });
    let [here, there] = [rig.server.addresses()[0], rig.server.addresses()[1]];
    let config = Arc::new(client_config_for(&[trusted, also], &["http/1.1"], rustls::ALL_VERSIONS));
    let kinds = [here, here, there, there].map(|address| resume(address, &config).0);
    use HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed, Full, Resumed]);
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (files, first) = renew(directory.path());
    let rig = Rig::start(|config| {
        config.listeners = vec![Listener::tls(config.listeners[0].address, files.clone())]
    });
    let mut old = connect(rig.address(), &first).unwrap();
    assert_eq!(old.get("/memory", &[]).status, 200);

    let (_, second) = renew(directory.path());
    wait_until("the new certificate", || connect(rig.address(), &second).is_ok());
    assert!(connect(rig.address(), &first).is_err());
    assert_eq!(old.get("/memory", &[]).status, 200, "connections outlive their certificate");

    std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    for _ in 0..20 {
        assert!(connect(rig.address(), &second).is_ok());
    }
}

#[test]
fn plain_text_on_a_tls_port_ends_the_connection_only() {
    let directory = tempfile::tempdir().unwrap();
    let (files, certificate) = renew(directory.path());
    let rig = Rig::start(|config| config.listeners = vec![Listener::tls(config.listeners[0].address, files)]);
    let mut lost = Client::connect(rig.address());
    lost.try_send("GET /memory HTTP/1.1\r\nHost: a\r\n\r\n");
    lost.read_to_end();
    wait_until("it to be counted", || {
        rig.figure("rillcast_http_connections_ended_total", "handshake_failed") == 1
    });
    assert_eq!(connect(rig.address(), &certificate).unwrap().get("/memory", &[]).status, 200);
}

#[test]
fn a_client_that_leaves_in_the_handshake_is_no_failed_one() {
    let directory = tempfile::tempdir().unwrap();
    let (files, _) = renew(directory.path());
    let rig = Rig::start(|config| config.listeners = vec![Listener::tls(config.listeners[0].address, files)]);
    let ended = |reason| rig.figure("rillcast_http_connections_ended_total", reason);
    // Silence, and the front of a handshake record.
    for (said, count) in [(&[][..], 1), (&[22, 3, 1, 2, 0, 1], 2)] {
        let mut client = Client::connect(rig.address());
        client.send(said);
        drop(client);
        wait_until("it to be counted", || ended("early_close") == count);
    }
    assert_eq!(ended("handshake_failed"), 0);
}

#[test]
fn a_missing_certificate_is_an_error_at_the_start() {
    let files = TlsFiles::new("/nonexistent/cert.pem", "/nonexistent/key.pem");
    let config = rillcast_http::ServerConfig::new(vec![Listener::tls("127.0.0.1:0".parse().unwrap(), files)]);
    let rig = Rig::start(|_| {});
    let metrics = rillcast_http::HttpMetrics::register(&prometheus::Registry::new()).unwrap();
    let error = rillcast_http::Server::start(config, &rig.stage, metrics).unwrap_err();
    assert!(matches!(error, rillcast_http::StartError::Tls { .. }), "{error}");
}
