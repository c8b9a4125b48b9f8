//! Ground: what do the nodes stand on, and can it be taken away?
//!
//! With privileges, each node has a network namespace, joined to the others and to
//! the clients by a bridge in a namespace of its own (the machine's own filters must
//! not see what passes between nodes), and a file system in memory. Without, nodes
//! listen on loopback addresses that nobody else uses.
//!
//! Everything has the run's name, and is removed when the ground is dropped. A run
//! that was killed leaves it behind; the next one clears it away.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tests::process;

use crate::faults::{Kind, Need};
use crate::plan::NODES;
use crate::rules::{self, Rule};
use crate::shell;

/// How names of ours begin; then follows the id of the process.
const MARK: &str = "rdbchaos";
/// Bytes of each node's file system.
pub const DISK_BYTES: u64 = 768 << 20;
const CGROUPS: &str = "/sys/fs/cgroup";
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

/// Where nodes run.
#[derive(Debug)]
pub struct Ground {
    name: String,
    net: Net,
    /// File systems that were mounted.
    mounts: Vec<PathBuf>,
    /// Control groups that were made.
    cgroups: Vec<PathBuf>,
}

#[derive(Debug)]
enum Net {
    /// Prefix of three bytes.
    Namespaces([u8; 3]),
    Loopback([u8; 3]),
}

/// What this machine offers.
#[must_use]
pub fn kinds() -> Vec<Kind> {
    let root = is_root();
    let namespaces = root && shell::has("ip") && shell::has("nft");
    let offered = |need| match need {
        Need::Nothing => true,
        Need::Namespaces => namespaces,
        Need::Queue => namespaces && shell::has("iptables"),
        Need::Disks => root,
        Need::Tracer => shell::has("strace"),
        Need::Cgroups => root && Path::new(CGROUPS).join("memory/memory.limit_in_bytes").exists(),
        Need::Faketime => faketime().is_some(),
    };
    Kind::ALL.iter().filter(|(.., need)| offered(*need)).map(|(kind, ..)| *kind).collect()
}

/// The library that shows a process another time.
#[must_use]
pub fn faketime() -> Option<&'static str> {
    FAKETIME.into_iter().find(|path| Path::new(path).is_file())
}

impl Ground {
    /// Makes everything, below `root`.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn make(root: &Path) -> Result<Self, String> {
        let id = std::process::id();
        let mut ground = Self {
            name: format!("{MARK}{id}"),
            net: Net::Loopback(prefix(127, id)),
            mounts: Vec::new(),
            cgroups: Vec::new(),
        };
        if is_root() {
            sweep();
            for n in 0..NODES {
                ground.mount(&disk(root, n))?;
            }
            ground.make_cgroups()?;
            if shell::has("ip") && shell::has("nft") {
                ground.net = Net::Namespaces(free_prefix(id)?);
                ground.make_namespaces()?;
            }
        } else {
            for n in 0..NODES {
                fs::create_dir_all(disk(root, n)).map_err(|error| error.to_string())?;
            }
        }
        Ok(ground)
    }

    /// A node's address.
    #[must_use]
    pub fn address(&self, n: usize) -> Ipv4Addr {
        let (Net::Namespaces([a, b, c]) | Net::Loopback([a, b, c])) = self.net;
        Ipv4Addr::new(a, b, c, u8::try_from(n + 1).unwrap_or(u8::MAX))
    }

    /// The clients' address; on loopback they have many.
    #[must_use]
    pub fn clients(&self) -> Ipv4Addr {
        let (Net::Namespaces([a, b, c]) | Net::Loopback([a, b, c])) = self.net;
        Ipv4Addr::new(a, b, c, 254)
    }

    /// What stands in front of a command to run it in the node's network.
    #[must_use]
    pub fn front(&self, n: usize) -> Vec<String> {
        match self.net {
            Net::Namespaces(_) => {
                ["ip", "netns", "exec", &self.namespace(n)].map(str::to_owned).to_vec()
            }
            Net::Loopback(_) => Vec::new(),
        }
    }

    /// Puts rules in the place of those that a node had.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_rules(&self, n: usize, rules: &[Rule]) -> Result<(), String> {
        self.inside(n, &["nft", "-f", "-"], &rules::script(rules)).map(drop)
    }

    /// How many packets met the node's rules.
    #[must_use]
    pub fn hits(&self, n: usize) -> u64 {
        let listed = self.inside(n, &["nft", "list", "table", "ip", rules::TABLE], "");
        rules::hits(&listed.unwrap_or_default())
    }

    /// Lets so many bits per second leave a node; `None`: all.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_rate(&self, n: usize, rate: Option<&str>) -> Result<(), String> {
        let words = match rate {
            Some(rate) => {
                format!("tc qdisc replace dev eth0 root tbf rate {rate} burst 16kbit latency 400ms")
            }
            None => "tc qdisc del dev eth0 root".to_owned(),
        };
        self.inside(n, &words.split(' ').collect::<Vec<_>>(), "").map(drop)
    }

    /// How often a packet of the node had to wait for the rate, or was lost to it.
    #[must_use]
    pub fn waited(&self, n: usize) -> u64 {
        let words: Vec<_> = "tc -s qdisc show dev eth0".split(' ').collect();
        let listed = self.inside(n, &words, "").unwrap_or_default();
        // "... (dropped 0, overlimits 0 requeues 0)"
        let mut words = listed.split([' ', ',', '(']).filter(|word| !word.is_empty());
        let mut sum = 0;
        while let Some(word) = words.next() {
            if matches!(word, "dropped" | "overlimits") {
                sum += words.next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        sum
    }

    /// Sends what comes to the node through the queue of [`holding`](crate::holding),
    /// or not any more.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_queue(&self, n: usize, on: bool) -> Result<(), String> {
        // nft's own queue is not in every kernel.
        let how = if on { "-A" } else { "-D" };
        let words = format!("iptables {how} INPUT -i eth0 -j NFQUEUE --queue-num 0");
        self.inside(n, &words.split(' ').collect::<Vec<_>>(), "").map(drop)
    }

    /// Runs a command in the node's network; gives what it printed.
    fn inside(&self, n: usize, command: &[&str], input: &str) -> Result<String, String> {
        let front = self.front(n);
        let words: Vec<_> =
            front.iter().map(String::as_str).chain(command.iter().copied()).collect();
        shell::feed(&words, input)
    }

    /// The node's control group of that controller.
    #[must_use]
    pub fn cgroup(&self, controller: &str, n: usize) -> PathBuf {
        Path::new(CGROUPS).join(controller).join(format!("{}-{n}", self.name))
    }

    /// Puts a process of a node where its resources can be taken away.
    pub fn adopt(&self, n: usize, pid: u32) {
        for controller in ["cpu", "memory"] {
            let procs = self.cgroup(controller, n).join("cgroup.procs");
            // It may have ended; without privileges there is no such file.
            let _gone = fs::write(procs, pid.to_string());
        }
    }

    fn namespace(&self, n: usize) -> String {
        format!("{}-{n}", self.name)
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    fn mount(&mut self, at: &Path) -> Result<(), String> {
        fs::create_dir_all(at).map_err(|error| format!("{}: {error}", at.display()))?;
        let (size, shown) = (format!("size={DISK_BYTES}"), at.to_string_lossy());
        shell::run(&["mount", "-t", "tmpfs", "-o", &size, &self.name, &shown])?;
        self.mounts.push(at.to_owned());
        Ok(())
    }

    fn make_cgroups(&mut self) -> Result<(), String> {
        for controller in ["cpu", "memory"] {
            if !Path::new(CGROUPS).join(controller).join("cgroup.procs").exists() {
                continue;
            }
            for n in 0..NODES {
                let path = self.cgroup(controller, n);
                fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                self.cgroups.push(path);
            }
        }
        Ok(())
    }

    fn make_namespaces(&self) -> Result<(), String> {
        let hub = self.hub();
        // Names of interfaces have 15 characters at most.
        let uplink = format!("rdbc{}", std::process::id());
        let mut script = vec![
            format!("netns add {hub}"),
            format!("-n {hub} link add br0 type bridge"),
            format!("-n {hub} link set br0 up"),
            format!("link add {uplink} type veth peer name clients netns {hub}"),
            format!("-n {hub} link set clients master br0"),
            format!("-n {hub} link set clients up"),
            format!("addr add {}/24 dev {uplink}", self.clients()),
            format!("link set {uplink} up"),
        ];
        for n in 0..NODES {
            let (own, address) = (self.namespace(n), self.address(n));
            script.extend([
                format!("netns add {own}"),
                format!("-n {own} link set lo up"),
                format!("-n {hub} link add n{n} type veth peer name eth0 netns {own}"),
                format!("-n {hub} link set n{n} master br0"),
                format!("-n {hub} link set n{n} up"),
                format!("-n {own} addr add {address}/24 dev eth0"),
                format!("-n {own} link set eth0 up"),
            ]);
        }
        for line in script {
            let words: Vec<_> = ["ip"].into_iter().chain(line.split(' ')).collect();
            shell::run(&words)?;
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Processes are gone by now. Links go with their namespaces.
        remove_namespaces(&self.name);
        for mount in &self.mounts {
            let _gone = shell::run(&["umount", "-l", &mount.to_string_lossy()]);
        }
        for cgroup in &self.cgroups {
            let _gone = fs::remove_dir(cgroup);
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Where a node's file system is.
#[must_use]
pub fn disk(root: &Path, n: usize) -> PathBuf {
    root.join(format!("disk-{n}"))
}

fn prefix(first: u8, id: u32) -> [u8; 3] {
    let [.., high, low] = id.to_be_bytes();
    // Neither 127.0, which others use, nor any byte that is special.
    [first, 64 + high % 128, low]
}

/// One that no interface of this machine has.
fn free_prefix(id: u32) -> Result<[u8; 3], String> {
    let taken = shell::run(&["ip", "-o", "-4", "addr"])?;
    let is_free = |prefix: &[u8; 3]| {
        let [a, b, c] = prefix;
        !taken.contains(&format!(" {a}.{b}.{c}."))
    };
    let found = (id..id + 64).map(|id| prefix(10, id)).find(is_free);
    found.ok_or_else(|| "no free addresses".to_owned())
}

fn remove_namespaces(of: &str) {
    let listed = shell::run(&["ip", "netns", "list"]).unwrap_or_default();
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        if name.strip_prefix(of).is_some_and(|rest| rest.starts_with('-')) {
            let _gone = shell::run(&["ip", "netns", "del", name]);
        }
    }
}

/// Clears away what runs left that were killed, processes included.
fn sweep() {
    let listed = shell::run(&["ip", "netns", "list"]).unwrap_or_default();
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let Some(id) = name.strip_prefix(MARK).and_then(|rest| rest.split('-').next()) else {
            continue;
        };
        if Path::new("/proc").join(id).exists() {
            continue;
        }
        let inside = shell::run(&["ip", "netns", "pids", name]).unwrap_or_default();
        for pid in inside.lines().filter_map(|line| line.trim().parse().ok()) {
            process::signal(pid, Signal::SIGKILL);
        }
        let _gone = shell::run(&["ip", "netns", "del", name]);
    }
}
