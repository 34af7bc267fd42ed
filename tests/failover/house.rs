//! Two origins, three edges, lines between all of them, and doors for viewers.
//!
//! ```text
//!  viewer 0 ─▶ door 0 ─┐                 ┌─ line ─┐
//!  viewer 3 ─▶ door 3 ─┴▶ edge 0  .11 ───┼─ line ─┼─▶ origin 0  .21
//!  viewer 1 ─▶ door 1 ─┬▶ edge 1  .12 ───┼─  …   ─┼─▶ origin 1  .22
//!  viewer 4 ─▶ door 4 ─┘     …           └─  …   ─┘
//! ```
//!
//! A door stands for what an operator has in front of edges (a load balancer, anycast): it knows nothing of health, and
//! takes a new connection to the next edge where its own does not listen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::clock::wait_until;
use super::harness::server::Server;
use super::http::Client;
use super::line::Line;

pub(crate) const EDGES: usize = 3;
const ORIGINS: usize = 2;
/// Two at each edge.
pub(crate) const VIEWERS: usize = 2 * EDGES;
/// Bytes of answers after which a transfer is held in its middle: less than a segment of video, more than a playlist.
const MIDDLE_BYTES: usize = 20_000;

/// All of it. Dropping it ends all of it.
pub(crate) struct House {
    /// `lines[edge][origin]`. Before the servers, so that it ends before them.
    lines: Vec<Vec<Line>>,
    doors: Vec<Line>,
    edges: Vec<Option<Edge>>,
    origins: Vec<Option<Server>>,
    media: Vec<PathBuf>,
    _folder: TempDir,
}

struct Edge {
    server: Server,
    address: SocketAddr,
    config: PathBuf,
}

impl House {
    /// Two origins that have `film` each, under `name`, and the edges in front of them.
    pub(crate) fn new(name: &str, film: &Path) -> Self {
        let folder = TempDir::new().expect("a writable place for temporary files");
        let media: Vec<PathBuf> =
            (0..ORIGINS).map(|origin| folder.path().join(format!("origin-{origin}"))).collect();
        for media in &media {
            std::fs::create_dir(media).expect("writable");
            std::fs::copy(film, media.join(name)).expect("writable");
        }
        let origins: Vec<Server> = (0..ORIGINS).map(|origin| start_origin(origin, &media[origin])).collect();
        let of_edge = |edge: usize| {
            let line = |origin: &Server| Line::new(host(41 + edge), vec![address(origin)]);
            origins.iter().map(line).collect::<Vec<_>>()
        };
        let lines: Vec<Vec<Line>> = (0..EDGES).map(of_edge).collect();
        let edges: Vec<Edge> =
            lines.iter().enumerate().map(|(edge, lines)| Edge::start(edge, lines, folder.path())).collect();
        let addresses: Vec<SocketAddr> = edges.iter().map(|edge| edge.address).collect();
        let door = |viewer: usize| {
            let mut targets = addresses.clone();
            targets.rotate_left(viewer % EDGES);
            Line::new(host(51 + viewer), targets)
        };
        let (origins, edges) =
            (origins.into_iter().map(Some).collect(), edges.into_iter().map(Some).collect());
        Self { lines, doors: (0..VIEWERS).map(door).collect(), edges, origins, media, _folder: folder }
    }

    /// Where a viewer goes.
    pub(crate) fn door(&self, viewer: usize) -> &Line {
        &self.doors[viewer]
    }

    /// Past all lines and edges.
    pub(crate) fn origin(&self, origin: usize) -> SocketAddr {
        address(self.origins[origin].as_ref().expect("it lives"))
    }

    /// Holds the lines of these edges as soon as each of them carries the body of a segment. `go_on` lets viewers go on,
    /// so that something is asked for; the origin that they all wait for is told, and the lines to the other opened.
    ///
    /// Edges share out what they ask by the names of origins, so that the same segment has the same origin at each.
    pub(crate) fn hold_in_the_middle(&mut self, edges: &[usize], go_on: impl FnOnce()) -> usize {
        for edge in edges {
            self.lines[*edge].iter().for_each(|line| line.hold_after(MIDDLE_BYTES));
        }
        go_on();
        let held = |lines: &[Vec<Line>]| {
            (0..ORIGINS).find(|origin| edges.iter().all(|edge| lines[*edge][*origin].is_holding()))
        };
        wait_until("every edge is in the middle of a body", || held(&self.lines).is_some());
        let first = held(&self.lines).expect("it was a moment ago");
        for edge in edges {
            let lines = self.lines[*edge].iter_mut().enumerate();
            lines.filter(|(origin, _)| *origin != first).for_each(|(_, line)| line.open());
        }
        first
    }

    /// From now on the network between an edge and an origin swallows everything.
    pub(crate) fn cut_off(&self, edge: usize, origin: usize) {
        self.lines[edge][origin].hold_after(0);
    }

    /// SIGKILL: what it was sending ends in the middle, and nobody listens any more.
    pub(crate) fn kill(&mut self, origin: usize) {
        drop(self.origins[origin].take());
        self.lines.iter_mut().for_each(|lines| lines[origin].refuse());
    }

    /// A new process in the place of one that was killed.
    pub(crate) fn revive(&mut self, origin: usize) {
        let server = start_origin(origin, &self.media[origin]);
        for lines in &mut self.lines {
            lines[origin].lead_to(address(&server));
            lines[origin].open();
        }
        self.origins[origin] = Some(server);
    }

    /// Whatever was held goes on.
    pub(crate) fn heal(&mut self) {
        self.lines.iter_mut().flatten().for_each(Line::open);
    }

    /// SIGTERM, and waits until nobody new is let in.
    pub(crate) fn tell_to_stop(&self, edge: usize) {
        let Edge { server, address, .. } = self.edges[edge].as_ref().expect("it lives");
        let id = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process"), Signal::TERM).expect("our child");
        wait_until("nobody new is let in", || std::net::TcpStream::connect(address).is_err());
    }

    /// Waits for the end of an edge that was told to stop: it has let what was under way finish.
    pub(crate) fn wait(&mut self, edge: usize) {
        let server = &mut self.edges[edge].as_mut().expect("it lives").server;
        assert!(server.wait(), "edge {edge} ends with exit code 0: {}", server.log());
        assert!(server.log().contains("cut=0"), "nothing was cut off: {}", server.log());
    }

    /// A new process at the address of one that ended.
    pub(crate) fn start_again(&mut self, edge: usize) {
        let old = self.edges[edge].take().expect("it lived");
        self.edges[edge] = Some(old.again());
    }

    /// What an edge tells of itself since it was started.
    pub(crate) fn figures(&self, edge: usize) -> Figures {
        let address = self.edges[edge].as_ref().expect("it lives").address;
        let answer = Client::new(address).get("/metrics").expect("it answers");
        Figures(String::from_utf8(answer.body).expect("text"))
    }
}

/// The figures of one process, as it writes them.
pub(crate) struct Figures(String);

impl Figures {
    /// The lines of a name.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .lines()
            .filter(move |line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
    }

    /// The sum of those that have this label, or of all without a label.
    pub(crate) fn sum(&self, name: &str, label: &str, value: &str) -> u64 {
        let label = if label.is_empty() { String::new() } else { format!("{label}=\"{value}\"") };
        let number = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        let lines = self.of(name).filter(|line| line.contains(&label));
        lines.map(|line| number(line).expect("a whole number")).sum()
    }
}

/// A process of its own address: 127.0.0.`host`.
fn host(host: usize) -> u8 {
    u8::try_from(host).expect("there are few")
}

fn address(server: &Server) -> SocketAddr {
    server.address().parse().expect("an address and a port")
}

fn start_origin(origin: usize, media: &Path) -> Server {
    Server::start_on(&format!("127.0.0.{}:0", 21 + origin), media, &[])
}

impl Edge {
    fn start(edge: usize, lines: &[Line], folder: &Path) -> Self {
        let config = folder.join(format!("edge-{edge}.toml"));
        let mut text = format!("[edge]\nnode = \"edge-{edge}\"\n");
        for (origin, line) in lines.iter().enumerate() {
            text.push_str(&format!(
                "[[edge.upstream]]\nname = \"origin-{origin}\"\nurl = \"http://{}\"\ncheck = \"/healthz\"\n",
                line.address()
            ));
        }
        std::fs::write(&config, text).expect("writable");
        Self::at(&format!("127.0.0.{}:0", 11 + edge), config)
    }

    fn at(listen: &str, config: PathBuf) -> Self {
        let folder = config.parent().expect("it is in a directory").to_owned();
        let server = Server::start_on(listen, &folder, &["--config", &config.to_string_lossy()]);
        let address = address(&server);
        Self { server, address, config }
    }

    fn again(self) -> Self {
        let Self { server, address, config } = self;
        drop(server);
        Self::at(&address.to_string(), config)
    }
}
