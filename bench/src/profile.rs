//! Where the time goes: system calls a request (strace) and the functions that take the CPU (perf), ours
//! beside nginx's, and the functions that the difference consists of.
//!
//! Both tools may be missing or forbidden: what they would have said is then a note, not a failure.

mod functions;
mod syscalls;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::load::Span;
use crate::measure::Cores;
use crate::measured::Measured;
use crate::process::ProcessError;
use crate::scenario::{Pace, Side};

/// Functions that a list has.
pub(crate) const TOP: usize = 10;

/// Why a tool said nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// It failed, was forbidden, or is not there.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The load beside it failed.
    #[error("the load: {0}")]
    Load(#[from] io::Error),
    /// Its output was not understood.
    #[error("{0} printed nothing that is understood")]
    Silent(&'static str),
}

/// One job on one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Served {
    /// Who.
    pub(crate) server: String,
    /// Calls a request, most frequent first; empty when strace said nothing.
    pub(crate) syscalls: Vec<(String, f64)>,
    /// CPU microseconds a request while perf looked on.
    pub(crate) cpu_us_per_request: f64,
    /// Functions (with the object they are in) and CPU microseconds a request, most first; all of them.
    pub(crate) functions: Vec<(String, f64)>,
}

/// One job on both servers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The scenario: `O2-segment`.
    pub(crate) key: String,
    /// nginx.
    pub(crate) peer: Served,
    /// Us.
    pub(crate) ours: Served,
}

/// All jobs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// In the order of the targets.
    pub(crate) jobs: Vec<Job>,
    /// What is missing, and why.
    pub(crate) notes: Vec<String>,
}

/// Where a profile is made, and what it could not find out.
pub(crate) struct Looker<'a> {
    /// The scenario.
    pub(crate) key: &'a str,
    /// Of server and client.
    pub(crate) cores: Cores,
    /// For the files of the tools.
    pub(crate) scratch: &'a Path,
    /// What a tool did not say, and why.
    pub(crate) notes: &'a mut Vec<String>,
}

impl Looker<'_> {
    /// Looks at `side` while it answers: calls and functions.
    pub(crate) fn look(&mut self, side: &Side<'_>, pace: Pace) -> Served {
        let syscalls = syscalls::count(side, self.cores, self.scratch).unwrap_or_else(|error| {
            self.note(side, "system calls", &error);
            Vec::new()
        });
        Served { syscalls, ..self.look_at_functions(side, pace.connections, pace.span()) }
    }

    /// Looks at the functions only: what can be asked for once is not asked for twice.
    pub(crate) fn look_at_functions(&mut self, side: &Side<'_>, connections: usize, span: Span) -> Served {
        let (cpu_us_per_request, functions) =
            functions::sample(side, connections, span, self.cores, self.scratch).unwrap_or_else(|error| {
                self.note(side, "functions", &error);
                (0.0, Vec::new())
            });
        Served { server: side.name.to_owned(), syscalls: Vec::new(), cpu_us_per_request, functions }
    }

    fn note(&mut self, side: &Side<'_>, what: &str, error: &ProfileError) {
        self.notes.push(format!("{}, {}: {what}: {error}", self.key, side.name));
    }
}

impl Profile {
    /// All jobs in words, and what is missing.
    pub(crate) fn text(&self) -> String {
        let jobs = self.jobs.iter().map(Job::text);
        jobs.chain(self.notes.iter().map(|note| format!("not available: {note}")))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Job {
    /// Functions that cost us more than the peer, most first, and CPU microseconds a request more.
    pub(crate) fn excess(&self) -> Vec<(String, f64)> {
        let theirs = |name: &str| {
            let found = self.peer.functions.iter().find(|(other, _)| other == name);
            found.map_or(0.0, |(_, us)| *us)
        };
        let more = self.ours.functions.iter().map(|(name, us)| (name.clone(), us - theirs(name)));
        let mut more: Vec<(String, f64)> = more.filter(|(_, us)| *us > 0.0).collect();
        more.sort_by(|a, b| b.1.total_cmp(&a.1));
        more
    }

    /// The job in words: calls, top functions, what the difference consists of.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("{}:", self.key)];
        for served in [&self.peer, &self.ours] {
            let calls: f64 = served.syscalls.iter().map(|(_, count)| count).sum();
            let named = served.syscalls.iter().take(TOP).filter(|(_, count)| *count >= 0.05);
            let named: Vec<String> = named.map(|(name, count)| format!("{name} {count:.1}")).collect();
            let calls = match served.syscalls.as_slice() {
                [] => String::new(),
                _ => format!("; {calls:.1} calls a request: {}", named.join(", ")),
            };
            lines.push(format!("  {}: {:.1} us a request{calls}", served.server, served.cpu_us_per_request));
            lines.extend(served.functions.iter().take(TOP).map(|(name, us)| {
                let share = us / served.cpu_us_per_request.max(1e-9) * 100.0;
                format!("    {us:>8.2} us {share:>5.1} %  {name}")
            }));
        }
        let total = self.ours.cpu_us_per_request - self.peer.cpu_us_per_request;
        if total > 0.0 && !self.ours.functions.is_empty() {
            lines.push(format!("  the difference of {total:.1} us:"));
            let excess = self.excess();
            lines.extend(
                excess
                    .iter()
                    .take(TOP)
                    .map(|(name, us)| format!("    {us:>8.2} us {:>5.1} %  {name}", us / total * 100.0)),
            );
        }
        lines.join("\n")
    }
}

/// Runs the load of `measured` once more, for tools that need one beside them.
fn load(side: &Side<'_>, connections: usize, span: Span, cores: Cores) -> io::Result<Measured> {
    let measured = Measured::of(&side.run(connections, span, cores)?);
    match measured.first_error {
        Some(error) => Err(io::Error::other(error)),
        None => Ok(measured),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(server: &str, cpu_us_per_request: f64, functions: &[(&str, f64)]) -> Served {
        let functions = functions.iter().map(|(name, us)| ((*name).to_owned(), *us)).collect();
        let syscalls = vec![("sendfile".to_owned(), 2.0), ("read".to_owned(), 0.01)];
        Served { server: server.to_owned(), syscalls, cpu_us_per_request, functions }
    }

    #[test]
    fn the_difference_consists_of_what_costs_us_more() {
        let peer = served("nginx", 10.0, &[("copy [kernel]", 6.0), ("parse nginx", 4.0)]);
        let ours =
            served("rillcast", 15.0, &[("copy [kernel]", 9.0), ("plan rillcast", 5.0), ("x rillcast", 1.0)]);
        let job = Job { key: "O2-segment".into(), peer, ours };
        let want = [("plan rillcast", 5.0), ("copy [kernel]", 3.0), ("x rillcast", 1.0)];
        assert_eq!(job.excess(), want.map(|(name, us)| (name.to_owned(), us)));
        let text = job.text();
        assert!(
            text.contains("the difference of 5.0 us") && text.contains("100.0 %  plan rillcast"),
            "{text}"
        );
        assert!(text.contains("sendfile 2.0") && !text.contains("read 0.0"), "{text}");
    }
}
