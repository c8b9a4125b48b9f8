//! Load: processor, memory and time are taken from nodes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use super::Struck;
use crate::ground;
use crate::member::Ending;
use crate::shell;
use crate::stand::Stand;

const HOGS: usize = 8;
/// Of each 100 ms of one processor, so many.
const STARVED_MS: std::ops::Range<u64> = 3..15;
const LIMIT: &str = "memory.limit_in_bytes";
const SQUEEZE_EVERY: Duration = Duration::from_millis(50);
/// How exact a clock is looked at.
const NEAR_SECONDS: u64 = 60;
const HOUR: i64 = 3_600;

/// Processes that do nothing, as fast as they can. Dropped, they end.
struct Hogs(Vec<Child>);

impl Stand {
    pub(super) async fn starve(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let group = self.ground.cgroup("cpu", n);
        let quota = dice.random_range(STARVED_MS) * 1_000;
        let before = throttled(&group);
        write(&group, "cpu.cfs_quota_us", &quota.to_string())?;
        sleep(hold).await;
        write(&group, "cpu.cfs_quota_us", "-1")?;
        match throttled(&group) > before {
            true => Ok(format!("{} {quota}us", self.names(&[n]))),
            false => Err("the node did not have to wait for the processor".to_owned()),
        }
    }

    pub(super) async fn let_hogs_in(&self, hold: Duration) -> Struck {
        let hogs = Hogs::start()?;
        sleep(hold).await;
        let running = hogs.running();
        drop(hogs);
        match running {
            HOGS => Ok(format!("{HOGS} processes")),
            fewer => Err(format!("only {fewer} of {HOGS} hogs ran")),
        }
    }

    /// The node may not have more than it has now; the system may end it for wanting more.
    pub(super) async fn take_memory(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let group = self.ground.cgroup("memory", n);
        self.member(n).expect(&[Ending::Signal(Signal::SIGKILL)]);
        let failures = number(&group, "memory.failcnt");
        let (start, mut refused) = (Instant::now(), false);
        while start.elapsed() < hold && !refused {
            // Refused as well if the system cannot take back what is used: then it
            // is tried again with what is used by then.
            let _again = write(&group, LIMIT, &number(&group, "memory.usage_in_bytes").to_string());
            sleep(SQUEEZE_EVERY).await;
            refused = number(&group, "memory.failcnt") > failures;
        }
        sleep(hold.saturating_sub(start.elapsed())).await;
        write(&group, LIMIT, "-1")?;
        match refused {
            true => Ok(self.names(&[n])),
            false => Err("the node did not want more memory".to_owned()),
        }
    }

    /// It starts with another time, which jumps while it runs, and later again
    /// with the right one.
    pub(super) async fn skew(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let (member, library) = (self.member(n), ground::faketime().ok_or("no libfaketime")?);
        let file = member.disk.with_extension("time");
        let [first, second] = [(); 2].map(|()| dice.random_range(-24 * HOUR..=24 * HOUR));
        let set = |seconds: i64| {
            fs::write(&file, format!("{seconds:+}s\n")).map_err(|error| error.to_string())
        };
        set(first)?;
        member.set_environment(vec![
            format!("LD_PRELOAD={library}"),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "FAKETIME_CACHE_DURATION=1".to_owned(),
        ]);
        let logged = member.node.log().len();
        let restarted = self.restart(&[n], hold / 8).await;
        sleep(hold / 2).await;
        set(second)?;
        sleep(hold / 2 + Duration::from_secs(2)).await;
        member.set_environment(Vec::new());
        restarted?;
        self.restart(&[n], Duration::ZERO).await?;
        let shown = skews(member.node.log().get(logged..).unwrap_or_default())?;
        let seen = |set: i64| shown.iter().any(|skew| skew.abs_diff(set) < NEAR_SECONDS);
        match seen(first) && seen(second) {
            true => Ok(format!("{} {first}s {second}s", self.names(&[n]))),
            false => Err(format!("of {first} and {second} its log shows {shown:?}")),
        }
    }
}

/// By how many seconds the times of some lines of a log are ahead, nearly.
fn skews(log: &str) -> Result<Vec<i64>, String> {
    let first_words = log.lines().filter_map(|line| line.split_whitespace().next());
    let times: Vec<_> = first_words.filter(|w| w.ends_with('Z') && w.contains('T')).collect();
    let read = shell::feed(&["date", "-u", "-f", "-", "+%s"], &times.join("\n"))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    Ok(read.lines().filter_map(|line| Some(line.parse::<i64>().ok()? - now)).collect())
}

impl Hogs {
    fn start() -> Result<Self, String> {
        let mut hogs = Self(Vec::new());
        for _ in 0..HOGS {
            let hog = Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
                .map_err(|error| format!("sh: {error}"))?;
            hogs.0.push(hog);
        }
        Ok(hogs)
    }

    fn running(&self) -> usize {
        self.0.iter().filter(|hog| tests::process::runs(hog.id())).count()
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _gone = hog.kill();
            let _ended = hog.wait();
        }
    }
}

fn throttled(group: &Path) -> u64 {
    let text = fs::read_to_string(group.join("cpu.stat")).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn number(group: &Path, file: &str) -> u64 {
    let text = fs::read_to_string(group.join(file)).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn write(group: &Path, file: &str, text: &str) -> Result<(), String> {
    let path = group.join(file);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
