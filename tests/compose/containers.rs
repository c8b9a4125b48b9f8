//! Containers: what do they show, run as and leave behind?

use std::process::Command;

use tests::NODES;
use tests::compose::{Compose, printed};

pub fn nothing_is_exposed(compose: &Compose) {
    for name in (0..NODES).map(|n| compose.node(n)).chain([compose.proxy()]) {
        let shown = compose.docker(&["inspect", &name]);
        assert!(!shown.contains("PRIVATE KEY"), "{name} shows a key");
        let user = compose.docker(&["inspect", "--format", "{{.Config.User}}", &name]);
        assert!(!user.starts_with("0:") && user.contains(':'), "{name} runs as {user}");
        let ports = compose.docker(&["port", &name]);
        assert!(ports.lines().all(|line| line.contains("-> 127.0.0.1:")), "{name}: {ports}");
        let read_only = "{{.HostConfig.ReadonlyRootfs}}";
        assert_eq!(compose.docker(&["inspect", "--format", read_only, &name]).trim(), "true");
        let log = compose.docker_logs(&name);
        assert!(!log.contains("PRIVATE KEY") && !log.contains("test1"), "{name} logs a secret");
    }
    let bytes = compose.docker(&["image", "inspect", "--format", "{{.Size}}", "rdb:test"]);
    let bytes: u64 = bytes.trim().parse().unwrap();
    assert!(bytes < 80_000_000, "the image has {bytes} bytes");
}

/// As docs/operations.md says.
pub fn running_files_can_be_inspected(compose: &Compose) {
    let shown = compose.docker(&["exec", &compose.node(0), "rdb", "inspect", "/var/lib/rdb"]);
    for heading in ["identity", "log", "state"] {
        assert!(shown.lines().any(|line| line == heading), "{shown}");
    }
}

pub fn stopped_files_can_be_inspected(compose: Compose) {
    let home = compose.home().to_owned();
    printed(&mut compose.script("stopDev.sh"));
    for n in 0..NODES {
        let volume = home.join(format!("rdb_replica_{n}"));
        for environment in ["replication", "state/0", "state/1", "state/2"] {
            let shown = printed(Command::new("mdb_stat").arg("-a").arg(volume.join(environment)));
            assert!(shown.contains("Status of Main DB"), "{environment}: {shown}");
        }
    }
    let mut remove = compose.script("stopDev.sh");
    let refused = remove.arg("--volumes").output().expect("start stopDev.sh");
    assert!(!refused.status.success(), "data is not removed without being asked");
    assert!(home.join("rdb_replica_0/identity").exists());
    printed(compose.script("stopDev.sh").args(["--volumes", "--yes"]));
    assert!(!home.join("rdb_replica_0").exists());
}
