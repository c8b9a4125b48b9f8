//! Process: what does the system say about this process?
//!
//! Read from `/proc/self` when asked. Where there is none, nothing is known.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks per second in `/proc`: a constant of Linux's interface, whatever
/// the kernel's own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the system says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) descriptors: usize,
    /// `None`: there is no limit.
    pub(crate) descriptors_max: Option<u64>,
    pub(crate) threads: u64,
    pub(crate) start_seconds: f64,
}

impl Process {
    /// Asks the system.
    pub(crate) fn read() -> Option<Self> {
        let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        let up_seconds: f64 = first_word(&uptime)?;
        Some(Self {
            cpu_seconds: stat.cpu_ticks as f64 / TICKS_PER_SECOND,
            resident_bytes: first_word::<u64>(after(&status, "VmRSS:")?)? * 1024,
            descriptors: fs::read_dir("/proc/self/fd").ok()?.count(),
            descriptors_max: first_word(after(&limits, "Max open files")?),
            threads: stat.threads,
            start_seconds: now - up_seconds + stat.start_ticks as f64 / TICKS_PER_SECOND,
        })
    }
}

/// The numbers of `/proc/self/stat` that are of use.
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The name before it is in parentheses and may hold anything. The
        // fields are numbered in proc(5); the first after the name is number 3.
        let (_, after_name) = line.rsplit_once(')')?;
        let field = |number: usize| after_name.split_whitespace().nth(number - 3)?.parse().ok();
        let (user, system): (u64, u64) = (field(14)?, field(15)?);
        Some(Self { cpu_ticks: user + system, threads: field(20)?, start_ticks: field(22)? })
    }
}

/// What follows `label` at the beginning of its line.
fn after<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(label))
}

fn first_word<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_anything_in_it_shifts_no_field() {
        let line = "7 (r) d b) S 1 7 7 0 -1 4194560 900 0 0 0 30 12 0 0 20 0 9 0 4711 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks), (42, 9, 4711));
    }

    #[test]
    fn this_process_is_known() {
        let process = Process::read().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(process.resident_bytes > 1 << 16, "{process:?}");
        assert!(process.descriptors > 2 && process.threads > 0, "{process:?}");
        assert!((0.0..3600.0).contains(&(now - process.start_seconds)), "{process:?}");
    }
}
