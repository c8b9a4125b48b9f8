//! Strike: one fault, from its beginning until nothing of it is left.
//!
//! Whoever does one also sees to it that it took effect, and says so; what was
//! broken is made whole again, and nodes that ended are started.

mod disks;
mod doors;
mod links;
mod load;
mod processes;

use std::time::Duration;

use oracle::{Fault, Line};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::faults::Kind;
use crate::plan::{NODES, Planned};
use crate::stand::Stand;

/// Whom it hit; an error if it was not seen to take effect, and why.
type Struck = Result<String, String>;

impl Stand {
    /// Does a fault, and the one beside it, and notes them.
    ///
    /// # Errors
    ///
    /// If the first was not seen to take effect. The plan does not count on the other,
    /// whose node the first may have ended.
    pub async fn strike(&self, planned: &Planned) -> Struck {
        let Planned { kind, beside, hold, seed, .. } = *planned;
        let (struck, _) = tokio::join!(self.timed(kind, hold, seed), async {
            match beside {
                Some(beside) => self.timed(beside, hold, !seed).await.map(drop),
                None => Ok(()),
            }
        });
        self.members.iter().for_each(|member| member.expect_nothing());
        self.mend();
        struck
    }

    async fn timed(&self, kind: Kind, hold: Duration, seed: u64) -> Struck {
        let begin_ns = self.stage.now_ns();
        let struck = self.do_strike(kind, hold, seed).await;
        self.stage.note(Line::Fault(Fault {
            kind: kind.name().to_owned(),
            target: struck.clone().unwrap_or_default(),
            begin_ns,
            end_ns: Some(self.stage.now_ns()),
            installed: struck.is_ok(),
        }));
        struck
    }

    async fn do_strike(&self, kind: Kind, hold: Duration, seed: u64) -> Struck {
        let dice = &mut SmallRng::seed_from_u64(seed);
        match kind {
            Kind::KillLeader => self.kill(&[self.some_leader(dice).await?], hold).await,
            Kind::KillFollower => self.kill(&[self.some_follower(dice).await?], hold).await,
            Kind::KillTwo => self.kill(&self.some(dice, 2), hold).await,
            Kind::KillAll => self.kill(&self.some(dice, NODES), hold / 4).await,
            Kind::KillStarting => self.kill_starting(dice).await,
            Kind::Restart => self.restart(&self.some(dice, 1), hold / 2).await,
            Kind::RollingRestart => self.restart(&self.some(dice, NODES), hold / 10).await,
            Kind::PauseLeader => self.pause(&[self.some_leader(dice).await?], hold).await,
            Kind::PauseFollower => self.pause(&[self.some_follower(dice).await?], hold).await,
            Kind::PauseTwo => self.pause(&self.some(dice, 2), hold).await,
            Kind::Strobe => self.strobe(dice, hold).await,
            Kind::IsolateLeader => self.isolate(self.some_leader(dice).await?, hold).await,
            Kind::CutOff => self.cut_off(dice, hold).await,
            Kind::Halves => self.split(&[2, 3], dice, hold).await,
            Kind::Splinters => self.split(&[2, 2, 1], dice, hold).await,
            Kind::Bridge => self.bridge(dice, hold).await,
            Kind::Ring => self.ring(dice, hold).await,
            Kind::Mute => self.mute(self.some_leader(dice).await?, hold).await,
            Kind::Deaf => self.deafen(self.some_leader(dice).await?, hold).await,
            Kind::Reset => self.reset(dice, hold).await,
            Kind::Flap => self.flap(dice, hold).await,
            Kind::Loss => self.lose(dice, hold).await,
            Kind::ThinLine => self.thin(dice, hold).await,
            Kind::Delay => self.delay(dice, hold).await,
            Kind::Reorder => self.reorder(dice, hold).await,
            Kind::SlowDisk => self.slow_disk(dice, hold).await,
            Kind::BrokenDisk => self.break_disk(dice).await,
            Kind::FullDisk => self.fill_disk(dice, hold).await,
            Kind::DiskEnd => self.end_disk(dice).await,
            Kind::Starve => self.starve(dice, hold).await,
            Kind::Hogs => self.let_hogs_in(hold).await,
            Kind::Memory => self.take_memory(dice, hold).await,
            Kind::Flood => self.flood(dice, hold).await,
            Kind::Slowloris => self.drip(dice, hold).await,
            Kind::Clock => self.skew(dice, hold).await,
        }
    }

    fn some(&self, dice: &mut SmallRng, count: usize) -> Vec<usize> {
        self.others(dice, &[]).into_iter().take(count).collect()
    }

    fn one(&self, dice: &mut SmallRng) -> usize {
        dice.random_range(0..self.members.len())
    }

    async fn some_leader(&self, dice: &mut SmallRng) -> Result<usize, String> {
        let groups: Vec<_> = self.data_groups().collect();
        self.leader(groups.choose(dice).copied().unwrap_or(1)).await
    }

    async fn some_follower(&self, dice: &mut SmallRng) -> Result<usize, String> {
        let leader = self.some_leader(dice).await?;
        Ok(self.others(dice, &[leader]).first().copied().unwrap_or(leader))
    }

    fn names(&self, nodes: &[usize]) -> String {
        let names: Vec<_> = nodes.iter().map(|&n| self.member(n).node.name.as_str()).collect();
        names.join(" ")
    }
}
