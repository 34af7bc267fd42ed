//! An origin, and an edge in front of it that can be started again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{Answer, get};
use crate::films::{Library, first};
use crate::harness::server::Server;

/// Where the film is, for those who have a token.
pub(crate) const PRIVATE: &str = "private/film.mp4";

/// Two processes and what they are told.
pub(crate) struct Pair {
    pub(crate) library: Library,
    pub(crate) origin: Server,
    /// None while it is being started again.
    edge: Option<Server>,
    /// What edges that have ended logged.
    past: String,
}

impl Pair {
    /// A library of one private film, its origin, and an edge; `more` goes into the edge's configuration.
    pub(crate) fn new(film: &[u8], more: &str) -> Self {
        Self::following(film, more, |folder| {
            let orders = folder.join("orders.jsonl");
            fs::write(&orders, "{\"v\":1,\"feed\":\"by-hand\"}\n").expect("writable");
            format!("source = \"{}\"", orders.display())
        })
    }

    /// The same, whose edge has its orders from what `source` says of the folder beside the media.
    pub(crate) fn following(film: &[u8], more: &str, source: impl FnOnce(&Path) -> String) -> Self {
        let library = Library::new();
        library.put(PRIVATE, film);
        let origin_config =
            "[origin]\nnotice_changes_ms = 0\n[edge.tokens]\nprivate = []\n[log]\nlevel = \"debug\"\n";
        fs::write(library.outer().join("origin.toml"), origin_config).expect("writable");
        let config = library.outer().join("origin.toml");
        let origin = Server::start_with(&library.media(), &["--config", &config.to_string_lossy()]);
        let mut pair = Self { library, origin, edge: None, past: String::new() };
        pair.rillcast(&["keys", "new", "--file", "keys.json"]);
        let url = format!("http://{}", pair.origin.address());
        // A test that waits for something asks thousands of times a second with one token.
        let config = format!(
            "[log]\nlevel = \"debug\"\n\
             [[edge.upstream]]\nurl = \"{url}\"\n\
             [edge.limits]\ntoken_requests_per_s = 0\n\
             [edge.tokens]\nprivate = [\"/vod/private/\"]\nkeys = \"{keys}\"\n{more}\n\
             [edge.orders]\n{source}\nstate = \"{state}\"\n",
            keys = pair.at("keys.json").display(),
            source = source(pair.library.outer()),
            state = pair.at("orders.state").display(),
        );
        fs::write(pair.at("edge.toml"), config).expect("writable");
        pair.start();
        pair
    }

    /// A file beside the media.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.library.outer().join(name)
    }

    fn start(&mut self) {
        let config = self.at("edge.toml");
        let nothing = self.at("no-media-here");
        self.edge = Some(Server::start_with(&nothing, &["--config", &config.to_string_lossy()]));
    }

    /// Tells the edge to stop, waits for its end, does something, and starts it again.
    pub(crate) fn restart(&mut self, between: impl FnOnce(&Path)) {
        let mut edge = self.edge.take().expect("it runs");
        let told = Command::new("kill").arg(edge.id().to_string()).status().expect("kill is everywhere");
        assert!(told.success() && edge.wait(), "it stops well");
        self.past.push_str(&edge.log());
        drop(edge);
        between(self.library.outer());
        self.start();
    }

    pub(crate) fn edge(&self) -> &Server {
        self.edge.as_ref().expect("it runs")
    }

    /// What the edge answers.
    pub(crate) fn get(&self, path: &str) -> Answer {
        get(self.edge().address(), path)
    }

    /// Adds a line to the orders.
    pub(crate) fn order(&self, line: &str) {
        let mut orders = File::options().append(true).open(self.at("orders.jsonl")).expect("ours");
        writeln!(orders, "{line}").expect("writable");
    }

    /// What the binary prints that is run with `args` beside the media.
    pub(crate) fn rillcast(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
        let output = command.args(args).current_dir(self.library.outer()).output().expect("it starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// A token for all that is private, of the session `session`.
    pub(crate) fn token(&self, session: &str) -> String {
        let sign = ["token", "sign", "--keys", "keys.json", "--path", "/vod/private/", "--session", session];
        self.rillcast(&sign)
    }

    /// The first address below the film whose path ends so, as the origin has it now.
    pub(crate) fn address(&self, ending: &str) -> String {
        first(&self.origin, &format!("/vod/{PRIVATE}/master.m3u8"), ending)
    }

    /// The origin is killed.
    pub(crate) fn kill_origin(&mut self) {
        let told = Command::new("kill").args(["-9", &self.origin.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "kill is everywhere");
        self.origin.wait();
    }

    /// All that both processes and the edges before have logged; they have ended then.
    pub(crate) fn into_logs(mut self) -> String {
        let mut logs = std::mem::take(&mut self.past);
        for mut server in [self.edge.take().expect("it runs"), self.origin] {
            let told = Command::new("kill").arg(server.id().to_string()).status();
            assert!(told.is_ok_and(|status| status.success()) && server.wait(), "it stops well");
            logs.push_str(&server.log());
        }
        logs
    }
}
