//! `rillcast serve` as a child process on a free port of the loopback.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::{NamedTempFile, TempDir};

use super::tools::variable;

/// How much of the log is worth reading after a failure.
const LOG_LINES: usize = 30;

/// Names the configuration file of every server whose test brings none: the same tests, the other way to deliver.
const CONFIG: &str = "RILLCAST_TEST_CONFIG";

/// Says where to listen; each one is a listener more.
const LISTEN: &str = "--listen";

/// A running server; dropping it ends the process. The end of its log is printed when the test that holds it panics.
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    origin: String,
    log: NamedTempFile,
    /// Its indexes, so that no test finds those of another.
    _cache: TempDir,
}

impl Server {
    /// Serves `media` over plaintext HTTP and returns when the server says that it is ready.
    pub(crate) fn start(media: &Path) -> Self {
        Self::start_with(media, &[])
    }

    /// [`Server::start`] with more arguments behind `serve --media DIR --listen 127.0.0.1:0`.
    pub(crate) fn start_with(media: &Path, args: &[&str]) -> Self {
        Self::start_command(Command::new(env!("CARGO_BIN_EXE_rillcast")), media, args)
    }

    /// [`Server::start_with`] on `listen`, an address of the loopback and a port, instead of a free port of 127.0.0.1.
    pub(crate) fn start_on(listen: &str, media: &Path, args: &[&str]) -> Self {
        let args: Vec<&str> = args.iter().copied().chain([LISTEN, listen]).collect();
        Self::start_with(media, &args)
    }

    /// [`Server::start_with`] for a process that may have `open_files` files and connections open, and no more.
    pub(crate) fn start_with_few_files(open_files: u32, media: &Path, args: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let limit = format!("ulimit -n {open_files} && exec \"$0\" \"$@\"");
        shell.args(["-c", &limit]);
        Self::start_through(shell, media, args)
    }

    /// [`Server::start_with`] by way of `program`, which is given the command line of the server as its last arguments
    /// and becomes it.
    pub(crate) fn start_through(mut program: Command, media: &Path, args: &[&str]) -> Self {
        program.arg(env!("CARGO_BIN_EXE_rillcast"));
        Self::start_command(program, media, args)
    }

    fn start_command(mut command: Command, media: &Path, args: &[&str]) -> Self {
        let log = NamedTempFile::new().expect("a writable place for temporary files");
        let cache = TempDir::new().expect("a writable place for temporary files");
        command.arg("serve");
        if let Some(config) = variable(CONFIG).filter(|_| !args.contains(&"--config")) {
            command.arg("--config").arg(config);
        }
        if !args.contains(&LISTEN) {
            command.args([LISTEN, "127.0.0.1:0"]);
        }
        let mut child = command
            .arg("--media")
            .arg(media)
            .args(args)
            .env("CACHE_DIRECTORY", cache.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("it was made a moment ago"))
            .spawn()
            .expect("the binary was built for this test");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut server = Self { child, origin: String::new(), log, _cache: cache };
        // A server that dies closes the pipe, so this ends in any case.
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the server writes text");
        let url = line.trim_end().strip_prefix("rillcast is ready: ");
        assert!(url.is_some(), "no ready line but {line:?}");
        server.origin = url.unwrap_or_default().trim_end_matches('/').to_owned();
        server
    }

    /// The URL of an absolute path, or of a path with a query.
    pub(crate) fn url(&self, path: &str) -> String {
        assert!(path.starts_with('/'), "{path} is not absolute");
        format!("{}{path}", self.origin)
    }

    /// The URL of the multivariant playlist of a file below the media directory.
    pub(crate) fn master(&self, file: &str) -> String {
        self.url(&format!("/vod/{file}/master.m3u8"))
    }

    /// `127.0.0.1:PORT`, for clients that write their own requests.
    pub(crate) fn address(&self) -> &str {
        self.origin.rsplit('/').next().unwrap_or_default()
    }

    /// The process, to signal it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of a server that was told to stop, and returns whether it ended with exit code 0.
    pub(crate) fn wait(&mut self) -> bool {
        self.child.wait().expect("it is our child").success()
    }

    /// What the server logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).expect("it is there until dropped"))
            .into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            super::tools::say(&format!("the end of the server's log:\n{}", last.join("\n")));
        }
    }
}
