//! HAProxy in front of the server: the client's address as it really tells it, in both versions of the PROXY protocol
//! and in a header. Without HAProxy these tests say that they skip; `RILLCAST_REQUIRE_TOOLS=1` makes that a failure.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use rillcast_http::{ClientHeader, Networks, ServerConfig};
use socket2::{Domain, Socket, Type};
use tempfile::NamedTempFile;

use crate::{
    client::Client,
    harness::{PATIENCE, Rig, wait_until},
};

/// Where to look: what Debian's packages put into `/usr/sbin` is not in everybody's `PATH`.
const PROGRAMS: [&str; 2] = ["haproxy", "/usr/sbin/haproxy"];
/// An address of the loopback that neither HAProxy nor the server uses by itself.
const CLIENT: &str = "127.0.0.7";

fn program() -> Option<&'static str> {
    let starts = |program: &&str| {
        Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let found = PROGRAMS.into_iter().find(starts);
    if found.is_none() {
        let is_required = std::env::var_os("RILLCAST_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!is_required, "not installed: haproxy");
        eprintln!("skipped: not installed: haproxy");
    }
    found
}

/// A running HAProxy; dropping it ends the process.
struct HaProxy {
    child: Child,
    port: u16,
    _config: NamedTempFile,
}

impl HaProxy {
    /// Listens on both families and passes on to `server`; `settings` go into the section of the listener, `sending`
    /// behind the server. The socket is handed down, so that no port has to be guessed and a connection waits in the
    /// kernel until HAProxy is up.
    fn start(program: &str, server: SocketAddr, settings: &[&str], sending: &str) -> Self {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut text =
            "defaults\n timeout connect 10s\n timeout client 10s\n timeout server 10s\n".to_owned();
        text.push_str("listen front\n bind fd@0\n");
        for setting in settings {
            writeln!(text, " {setting}").unwrap();
        }
        writeln!(text, " server rillcast {server} {sending}").unwrap();
        let mut config = NamedTempFile::new().unwrap();
        config.write_all(text.as_bytes()).unwrap();
        let child = Command::new(program)
            .args(["-db", "-f"])
            .arg(config.path())
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, _config: config }
    }

    /// A connection from `ip`.
    fn connect(&self, ip: &str) -> Client {
        let from = SocketAddr::new(ip.parse().unwrap(), 0);
        let to = if from.is_ipv4() { "127.0.0.1" } else { "::1" };
        let socket = Socket::new(Domain::for_address(from), Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&SocketAddr::new(to.parse().unwrap(), self.port).into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::over(stream)
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn loopback() -> Networks {
    ["127.0.0.1", "::1"].map(|text| text.parse().unwrap()).into_iter().collect()
}

/// A server that asks for a PROXY header on listeners of both families.
fn with_proxy_protocol(config: &mut ServerConfig) {
    let plain = config.listeners[0].clone();
    config.listeners = ["127.0.0.1:0", "[::1]:0"]
        .map(|address| rillcast_http::Listener {
            address: address.parse().unwrap(),
            proxy_protocol_from: loopback(),
            ..plain.clone()
        })
        .into();
}

#[test]
fn its_proxy_headers_name_the_client() {
    let Some(program) = program() else { return };
    let rig = Rig::start(with_proxy_protocol);
    for server in rig.server.addresses() {
        for sending in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"] {
            let front = HaProxy::start(program, *server, &["unique-id-format %pid"], sending);
            for client in [CLIENT, "::1"] {
                let answer = front.connect(client).get("/who", &[]);
                assert_eq!(answer.text(), format!("{client} http1"), "{sending} to {server}");
            }
        }
    }
    assert_eq!(rig.figure("rillcast_http_connections_ended_total", "bad_proxy_header"), 0);
}

#[test]
fn its_health_checks_pass_and_count_as_what_they_are() {
    let Some(program) = program() else { return };
    let rig = Rig::start(with_proxy_protocol);
    let ended = |reason| rig.figure("rillcast_http_connections_ended_total", reason);
    let sending = "send-proxy-v2 check inter 20ms rise 1 fall 1";
    let front = HaProxy::start(program, rig.address(), &[], sending);
    wait_until("some checks", || ended("early_close") > 3);
    // A server that failed its checks would get nothing.
    assert_eq!(front.connect(CLIENT).get("/who", &[]).text(), format!("{CLIENT} http1"));
    assert_eq!((ended("bad_proxy_header"), ended("bad_http")), (0, 0));
}

#[test]
fn its_forwarded_headers_name_the_client_whatever_the_client_writes() {
    let Some(program) = program() else { return };
    let own = "http-request add-header Forwarded host=\\\"%[req.hdr(host)]\\\";for=%[src]";
    for (header, setting) in
        [(ClientHeader::XForwardedFor, "option forwardfor"), (ClientHeader::Forwarded, own)]
    {
        let rig = Rig::start(|config| {
            config.trusted_proxies.networks = loopback();
            config.trusted_proxies.header = header;
        });
        let front = HaProxy::start(program, rig.address(), &["mode http", setting], "");
        let mut client = front.connect(CLIENT);
        for lines in [
            &[][..],
            &["X-Forwarded-For: 203.0.113.5", "Forwarded: for=203.0.113.5"],
            &["X-Forwarded-For: \"", "Forwarded: for=\"203.0.113.5"],
        ] {
            assert_eq!(client.get("/who", lines).text(), format!("{CLIENT} http1"), "{setting} {lines:?}");
        }
        client.send("GET /who HTTP/1.1\r\nHost: a;for=203.0.113.5;b\r\n\r\n");
        assert_eq!(client.read_answer(false).text(), format!("{CLIENT} http1"), "{setting}");
    }
}
