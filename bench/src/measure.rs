//! What the machine says: time, CPU seconds and memory of a process tree, which core runs what.
//!
//! CPU time comes from `/proc/PID/stat` (proc(5)), user and system, of a process and all its
//! descendants. On loopback it includes the receiving side's TCP work: an upper bound, the same for
//! every server measured.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Pid;
use rustix::thread::CpuSet;

/// The time now. The one place of the rig that reads the clock.
#[expect(clippy::disallowed_methods, reason = "a measuring tool reads the clock, here and nowhere else")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time of day, for what has an end by the calendar.
#[expect(clippy::disallowed_methods, reason = "a measuring tool reads the clock, here and nowhere else")]
pub(crate) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// What a process and its descendants have used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system CPU seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory in bytes.
    pub(crate) resident_bytes: u64,
}

/// Usage of the process tree below `root`; zero when it is gone.
pub(crate) fn usage(root: u32) -> Usage {
    let ticks_per_s = rustix::param::clock_ticks_per_second().max(1) as f64;
    let processes = processes();
    let page_bytes = rustix::param::page_size() as u64;
    let mut total = Usage::default();
    for pid in tree(root, &processes) {
        if let Some(stat) = processes.get(&pid) {
            total.cpu_s += stat.cpu_ticks as f64 / ticks_per_s;
            total.resident_bytes += stat.resident_pages * page_bytes;
        }
    }
    total
}

/// CPU seconds of this process, without those of the servers that it has started.
pub(crate) fn own_cpu_s() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default().as_secs_f64()
}

/// One line of `/proc/PID/stat`, the parts used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    cpu_ticks: u64,
    resident_pages: u64,
}

fn processes() -> HashMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A process may end between the listing and the reading: it is then left out.
    pids.filter_map(|pid| Some((pid, parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

/// The name in parentheses may hold spaces and parentheses, so fields count from the last one.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        cpu_ticks: number(11)?.checked_add(number(12)?)?,
        resident_pages: number(21)?,
    })
}

fn tree(root: u32, processes: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = processes.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid);
        let fresh: Vec<u32> = children.filter(|pid| !found.contains(pid)).collect();
        found.extend(fresh);
        next += 1;
    }
    found
}

/// Which core the server under test has for itself, and which the load client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// The server's.
    pub(crate) server: usize,
    /// The client's; the same where the machine has one core only, and figures mean little.
    pub(crate) client: usize,
}

impl Cores {
    /// The first and the last core this process may use.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn of_this_machine() -> io::Result<Self> {
        let allowed = rustix::thread::sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().unwrap_or(0);
        Ok(Self { server, client: cores.next_back().unwrap_or(server) })
    }
}

/// Does `work` with this thread bound to `core`; what it starts inherits that.
///
/// # Errors
/// When the kernel refuses to bind.
pub(crate) fn on_core<T>(core: usize, work: impl FnOnce() -> T) -> io::Result<T> {
    let me: Option<Pid> = None;
    let before = rustix::thread::sched_getaffinity(me)?;
    let mut one = CpuSet::new();
    one.set(core);
    rustix::thread::sched_setaffinity(me, &one)?;
    let result = work();
    rustix::thread::sched_setaffinity(me, &before)?;
    Ok(result)
}

/// Binds every thread that process `pid` has now to `core`.
///
/// # Errors
/// When the kernel refuses, or there is no such process.
pub(crate) fn bind_threads(pid: u32, core: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(core);
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let number = thread.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(thread) = number.and_then(Pid::from_raw) {
            rustix::thread::sched_setaffinity(Some(thread), &one)?;
        }
    }
    Ok(())
}

/// The value at `share` (0 to 1) of sorted `values`; 0 when there are none.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
    sorted.get(at).copied().unwrap_or(0)
}

/// The middle value (of an even number: the mean of the two in the middle); `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 7 1 1 0 -1 0 0 0 0 0 11 31 5 5 20 0 1 0 99 4096 12 18446744073709551615";
        assert_eq!(parse_stat(line), Some(Stat { parent: 7, cpu_ticks: 42, resident_pages: 12 }));
        assert_eq!(parse_stat("42 (cut) S 7"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn a_tree_holds_grandchildren_and_nothing_else() {
        let stat = |parent| Stat { parent, cpu_ticks: 0, resident_pages: 0 };
        let processes = HashMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(0))]);
        let mut found = tree(1, &processes);
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3]);
    }

    #[test]
    fn middle_and_quantiles_of_few_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
        let values: Vec<u32> = (0..=100).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99), quantile(&values, 1.0)), (50, 99, 100));
        assert_eq!(quantile(&[], 0.5), 0);
    }

    #[test]
    fn work_on_a_core_sees_that_core_only() {
        let cores = Cores::of_this_machine().unwrap();
        let seen = on_core(cores.server, || rustix::thread::sched_getaffinity(None).unwrap()).unwrap();
        assert_eq!((seen.count(), seen.is_set(cores.server)), (1, true));
        assert!(usage(std::process::id()).resident_bytes > 0);
    }
}
