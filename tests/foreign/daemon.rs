//! nginx and Varnish as child processes on free ports of the loopback.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// After this one does not start.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether it listens.
const PAUSE: Duration = Duration::from_millis(20);
/// Somebody else may take a port before it does.
const TRIES: usize = 5;

/// A server of others; dropping it ends the process.
pub(crate) struct Daemon {
    child: Child,
    address: String,
    folder: TempDir,
}

/// What nginx wants to be told in a folder of its own, around what `http` says; it logs a line of JSON a request.
fn nginx_config(folder: &Path, http: &str) -> String {
    // Debian's workers belong to a user who may not read a folder of ours; without root there is no choice.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {}/{name};\n", folder.display()))
        .concat();
    format!(
        "{user}\nworker_processes 1;\ndaemon off;\npid {0}/nginx.pid;\nevents {{ worker_connections 256; }}\n\
         http {{\n{temporary}\
         log_format told escape=json '{{\"request\":\"$request\",\"status\":\"$status\",\"range\":\"$http_range\",\
         \"cookie\":\"$http_cookie\",\"authorization\":\"$http_authorization\",\"referer\":\"$http_referer\",\
         \"asked\":\"$http_if_none_match\",\"location\":\"$sent_http_location\",\
         \"upstream_location\":\"$upstream_http_location\"}}';\n\
         access_log {0}/access.log told;\ntypes {{ video/mp4 m4s mp4; application/vnd.apple.mpegurl m3u8; }}\n\
         {http}\n}}\n",
        folder.display()
    )
}

impl Daemon {
    /// nginx; `http` is given an address to listen at and a folder, and says what stands in `http {}`.
    pub(crate) fn nginx(http: impl Fn(&str, &Path) -> String) -> Self {
        Self::start(|address, folder| {
            let config = folder.join("nginx.conf");
            fs::write(&config, nginx_config(folder, &http(address, folder))).expect("writable");
            let mut command = Command::new(program("nginx"));
            command.arg("-p").arg(folder).arg("-c").arg(config).arg("-e").arg(folder.join("error.log"));
            command
        })
    }

    /// Varnish as it is without a configuration, in front of `behind`.
    pub(crate) fn varnish(behind: &str) -> Self {
        Self::start(|address, folder| {
            let mut command = Command::new(program("varnishd"));
            command.args(["-F", "-a", address, "-b", behind, "-s", "malloc,64m", "-n"]).arg(folder.join("v"));
            // Without root it has no users to become.
            if !rustix::process::geteuid().is_root() {
                command.args(["-j", "none"]);
            }
            command
        })
    }

    fn start(command: impl Fn(&str, &Path) -> Command) -> Self {
        for _ in 0..TRIES {
            let folder = tempfile::tempdir().expect("a writable place for temporary files");
            let address = free_address();
            let said = fs::File::create(folder.path().join("said")).expect("writable");
            let also = said.try_clone().expect("a file of ours");
            let mut command = command(&address, folder.path());
            let child = command.stdin(Stdio::null()).stdout(said).stderr(also).spawn().expect("it starts");
            let mut daemon = Self { child, address, folder };
            if daemon.listens() {
                return daemon;
            }
        }
        panic!("no free port in {TRIES} tries");
    }

    /// Waits until it listens, or has ended because somebody else does.
    #[expect(clippy::disallowed_methods, reason = "a deadline needs a clock")]
    fn listens(&mut self) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                let said = self.file("said") + &self.file("error.log");
                assert!(said.contains("in use"), "{status}: {said}");
                return false;
            }
            if TcpStream::connect(&self.address).is_ok() {
                return true;
            }
            assert!(start.elapsed() < PATIENCE, "it does not listen: {}", self.file("said"));
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Address and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it has for itself.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// What nginx was asked so far; all of it only once [`Self::end`] has ended it.
    pub(crate) fn access_log(&self) -> String {
        self.file("access.log")
    }

    /// Ends it, and tells what nginx was asked.
    pub(crate) fn end(mut self) -> String {
        self.stop();
        self.access_log()
    }

    fn stop(&mut self) {
        // Not SIGKILL: that leaves the workers behind.
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        // It fails only when it has ended already.
        let _ = rustix::process::kill_process(id.expect("a process"), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Debian keeps servers where users have no path to.
pub(crate) fn program(name: &str) -> String {
    let inner = format!("/usr/sbin/{name}");
    if Path::new(&inner).exists() { inner } else { name.to_owned() }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}
