//! Disks: they get slow, fail, and fill up.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use super::Struck;
use crate::member::{DISK_FULL, STORAGE_FAULT};
use crate::stand::Stand;
use crate::tracer::{Syncs, Tracer};

/// A node that breaks says so soon: every write syncs.
const BREAK_MAX: Duration = Duration::from_secs(20);
/// What is left on a full disk: less than a node keeps for itself, more than it needs
/// to live.
const LEFT_BYTES: u64 = 40 << 20;
/// How often what is left over is taken as well.
const FILLED_MAX: usize = 20;
const NOTICED_MAX: Duration = Duration::from_secs(5);

/// A file that takes room. Dropped, it gives it back.
struct Filler(PathBuf);

impl Stand {
    pub(super) async fn slow_disk(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.some_leader(dice).await?;
        let late = Duration::from_millis(dice.random_range(20..400));
        let tracer = self.trace(n, Syncs::Late(late)).await?;
        sleep(hold).await;
        let injected = tracer.injected();
        drop(tracer);
        match injected {
            0 => Err("no sync was late".to_owned()),
            _ => Ok(format!("{} by {late:?}", self.names(&[n]))),
        }
    }

    pub(super) async fn break_disk(&self, dice: &mut SmallRng) -> Struck {
        let n = self.one(dice);
        let member = self.member(n);
        member.expect(&[STORAGE_FAULT]);
        let tracer = self.trace(n, Syncs::FailOnce).await?;
        let gone = member.is_gone_within(BREAK_MAX).await;
        let injected = tracer.injected();
        drop(tracer);
        match (gone, injected) {
            (true, 1..) => Ok(self.names(&[n])),
            (_, 0) => Err("no sync failed".to_owned()),
            (false, _) => {
                let name = &member.node.name;
                self.stage.violated(format!("{name} goes on after a sync that failed"));
                Ok(self.names(&[n]))
            }
        }
    }

    /// So that the node refuses writes and goes on otherwise.
    pub(super) async fn fill_disk(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let member = self.member(n);
        // What is left may be used up meanwhile.
        member.expect(&[DISK_FULL]);
        let filler = Filler::fill(&member.disk, LEFT_BYTES)?;
        let start = Instant::now();
        let noticed = loop {
            let status = member.node.status().await;
            let storage = status.ok().and_then(|status| status.storage);
            if storage.is_some_and(|storage| storage.free_bytes < storage.reserve_bytes) {
                break true;
            }
            if start.elapsed() > NOTICED_MAX || !member.runs() {
                break !member.runs();
            }
            sleep(Duration::from_millis(50)).await;
        };
        sleep(hold).await;
        drop(filler);
        match noticed {
            true => Ok(self.names(&[n])),
            false => Err("the node did not see its disk full".to_owned()),
        }
    }

    /// At once, so that the next write meets the end.
    pub(super) async fn end_disk(&self, dice: &mut SmallRng) -> Struck {
        let n = self.one(dice);
        let member = self.member(n);
        member.expect(&[DISK_FULL, STORAGE_FAULT]);
        let filler = Filler::fill(&member.disk, 0)?;
        let gone = member.is_gone_within(BREAK_MAX).await;
        drop(filler);
        match gone {
            true => Ok(self.names(&[n])),
            false => Err("the node goes on with a full disk".to_owned()),
        }
    }

    async fn trace(&self, n: usize, syncs: Syncs) -> Result<Tracer, String> {
        let member = self.member(n);
        let pid = member.pid().ok_or("the node does not run")?;
        let output = member.disk.with_extension("strace");
        Tracer::attach(pid, syncs, &output).await
    }
}

impl Filler {
    /// Takes all room but what is to be `left`. The node may take some meanwhile.
    fn fill(disk: &Path, left: u64) -> Result<Self, String> {
        let filler = Self(disk.join("filler"));
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", disk.display());
        let file = File::create(&filler.0).map_err(|error| told(&error))?;
        let mut taken = 0;
        for _ in 0..FILLED_MAX {
            let space = statvfs(disk).map_err(|error| told(&error))?;
            let free = space.blocks_available() * space.fragment_size();
            let take = i64::try_from(free.saturating_sub(left)).unwrap_or(i64::MAX);
            if take == 0 {
                break;
            }
            match fallocate(&file, FallocateFlags::empty(), taken, take) {
                Ok(()) => taken += take,
                Err(Errno::ENOSPC) => {}
                Err(error) => return Err(told(&error)),
            }
        }
        Ok(filler)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}
