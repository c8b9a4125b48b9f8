//! Processes: they die, stop, stand still.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use super::Struck;
use crate::stand::Stand;

const STOP_MAX: Duration = Duration::from_secs(20);
const READY_MAX: Duration = Duration::from_secs(30);
const STROBE: Duration = Duration::from_millis(50);
const PAUSED_MAX: Duration = Duration::from_secs(2);

impl Stand {
    pub(super) async fn kill(&self, nodes: &[usize], hold: Duration) -> Struck {
        let killed = nodes.iter().map(|&n| self.member(n).kill());
        let killed = futures::future::join_all(killed).await;
        sleep(hold).await;
        match killed.iter().all(|killed| *killed) {
            true => Ok(self.names(nodes)),
            false => Err("a node did not run, or outlived its end".to_owned()),
        }
    }

    /// Some lives of a few milliseconds: recovery must bear to be cut short.
    pub(super) async fn kill_starting(&self, dice: &mut SmallRng) -> Struck {
        let n = self.one(dice);
        let member = self.member(n);
        let mut killed = member.kill().await;
        for _ in 0..dice.random_range(3..=6) {
            member.start(&self.ground);
            sleep(Duration::from_millis(dice.random_range(1..500))).await;
            killed &= member.kill().await;
        }
        match killed {
            true => Ok(self.names(&[n])),
            false => Err("a life had ended by itself".to_owned()),
        }
    }

    /// One after the other, each only when the one before is back.
    pub(super) async fn restart(&self, nodes: &[usize], down: Duration) -> Struck {
        for &n in nodes {
            let member = self.member(n);
            if !member.terminate(STOP_MAX).await {
                return Err(format!("{} does not stop", member.node.name));
            }
            sleep(down).await;
            member.start(&self.ground);
            let start = Instant::now();
            while !member.node.client.is_ready().await {
                if start.elapsed() > READY_MAX {
                    return Err(format!("{} is not ready again", member.node.name));
                }
                sleep(STROBE).await;
            }
        }
        Ok(self.names(nodes))
    }

    pub(super) async fn pause(&self, nodes: &[usize], hold: Duration) -> Struck {
        nodes.iter().for_each(|&n| self.member(n).signal(Signal::SIGSTOP));
        let start = Instant::now();
        let still = || nodes.iter().all(|&n| self.member(n).is_paused());
        while !still() && start.elapsed() < PAUSED_MAX {
            sleep(Duration::from_millis(5)).await;
        }
        let paused = still();
        sleep(hold).await;
        nodes.iter().for_each(|&n| self.member(n).signal(Signal::SIGCONT));
        match paused {
            true => Ok(self.names(nodes)),
            false => Err("a node does not stand still".to_owned()),
        }
    }

    pub(super) async fn strobe(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let member = self.member(n);
        let (start, mut seen) = (Instant::now(), false);
        while start.elapsed() < hold {
            member.signal(Signal::SIGSTOP);
            sleep(STROBE).await;
            seen |= member.is_paused();
            member.signal(Signal::SIGCONT);
            sleep(STROBE).await;
        }
        match seen {
            true => Ok(self.names(&[n])),
            false => Err("the node was never seen to stand still".to_owned()),
        }
    }
}
