//! Children of the rig: started on a core, ended when dropped, never outliving the run.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::measure;

/// A child gets this long to end when asked, then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// How often a child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Part of a child's log that an error shows.
const LOG_TAIL_BYTES: usize = 2000;
/// Ends its child when we die (util-linux); used where it exists.
const TETHER: &str = "/usr/bin/setpriv";

/// What went wrong with a child.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It did not start, or its log could not be written.
    #[error("{program}: {source}")]
    Start { program: String, source: io::Error },
    /// It said no.
    #[error("{program} ended with {status}: {said}")]
    Failed { program: String, status: ExitStatus, said: String },
    /// It took too long and was killed.
    #[error("{program} did not end within {limit_s} s")]
    TooSlow { program: String, limit_s: u64 },
}

/// A command for `program` that dies with us, even when we are killed.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    if !Path::new(TETHER).exists() {
        return Command::new(program.as_ref());
    }
    let mut command = Command::new(TETHER);
    command.args(["--pdeathsig", "TERM", "--"]).arg(program.as_ref());
    command
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// What it prints, both streams.
    log: PathBuf,
}

impl Running {
    /// Starts `command` on `core`, everything it prints into `log`.
    ///
    /// # Errors
    /// [`ProcessError::Start`].
    pub(crate) fn start(mut command: Command, core: usize, log: &Path) -> Result<Self, ProcessError> {
        let fail = |source| ProcessError::Start { program: command_name(log), source };
        // Appending, so that the log can be cut while the child writes.
        let _ = std::fs::remove_file(log);
        let file = File::options().create(true).append(true).open(log).map_err(fail)?;
        let other = file.try_clone().map_err(fail)?;
        command.stdin(Stdio::null()).stdout(file).stderr(other);
        let child = measure::on_core(core, || command.spawn()).and_then(|child| child).map_err(fail)?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so, given what the child printed so far.
    ///
    /// # Errors
    /// [`ProcessError::Failed`] when it ends first, [`ProcessError::TooSlow`] after `limit`.
    pub(crate) fn wait_until(
        &mut self,
        limit: Duration,
        ready: impl Fn(&str) -> bool,
    ) -> Result<(), ProcessError> {
        let start = measure::now();
        loop {
            if ready(&self.said()) {
                return Ok(());
            }
            let program = command_name(&self.log);
            if let Some(status) = self.child.try_wait().ok().flatten() {
                return Err(ProcessError::Failed { program, status, said: tail(&self.said()) });
            }
            if start.elapsed() > limit {
                return Err(ProcessError::TooSlow { program, limit_s: limit.as_secs() });
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether it still runs.
    #[cfg(test)]
    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Forgets what it printed: an access log of a load fills disks.
    pub(crate) fn clear_log(&self) {
        // A log that cannot be cut only takes room.
        let _ = File::options().write(true).open(&self.log).and_then(|file| file.set_len(0));
    }

    fn said(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may be gone already: nothing to do then.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if wait(&mut self.child, STOP_LIMIT).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs `command` to its end and returns what it printed on standard output and error, joined.
///
/// # Errors
/// [`ProcessError`]; it is killed after `limit`.
pub(crate) fn run_to_end(
    name: &str,
    mut command: Command,
    log: &Path,
    limit: Duration,
) -> Result<String, ProcessError> {
    let start = |source| ProcessError::Start { program: name.to_owned(), source };
    let file = File::create(log).map_err(start)?;
    let other = file.try_clone().map_err(start)?;
    let mut child = command.stdin(Stdio::null()).stdout(file).stderr(other).spawn().map_err(start)?;
    let ended = wait(&mut child, limit);
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let said =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let _ = std::fs::remove_file(log);
    match ended {
        Some(status) if status.success() => Ok(said),
        Some(status) => Err(ProcessError::Failed { program: name.to_owned(), status, said: tail(&said) }),
        None => Err(ProcessError::TooSlow { program: name.to_owned(), limit_s: limit.as_secs() }),
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = measure::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < limit => thread::sleep(LOOK_EVERY),
            _ => return None,
        }
    }
}

fn command_name(log: &Path) -> String {
    log.file_stem().map_or_else(|| "child".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn tail(said: &str) -> String {
    let from = said.len().saturating_sub(LOG_TAIL_BYTES);
    let from = (from..=said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(said.len());
    said.get(from..).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_child_is_gone_and_a_slow_one_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let mut sleeper = command("/bin/sleep");
        sleeper.arg("60");
        let core = measure::Cores::of_this_machine().unwrap().server;
        let mut child = Running::start(sleeper, core, &dir.path().join("sleeper.log")).unwrap();
        assert!(child.is_alive());
        let stat = format!("/proc/{}/stat", child.pid());
        drop(child);
        assert!(!Path::new(&stat).exists());

        let mut slow = command("/bin/sleep");
        slow.arg("60");
        let log = dir.path().join("slow.log");
        let error = run_to_end("slow", slow, &log, Duration::ZERO).unwrap_err();
        assert!(matches!(error, ProcessError::TooSlow { limit_s: 0, .. }), "{error}");
    }

    #[test]
    fn what_a_failed_child_said_is_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut failing = command("/bin/ls");
        failing.arg("/no/such/folder");
        let log = dir.path().join("x.log");
        let error = run_to_end("ls", failing, &log, Duration::from_secs(20)).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }
}
