//! Links: what passes between nodes, and between nodes and clients.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use tests::raw;
use tokio::time::{sleep, timeout};

use super::Struck;
use crate::holding::Holder;
use crate::plan::NODES;
use crate::rules::{Fate, Rule, Way, cut};
use crate::stand::Stand;

/// Bits per second that heartbeats of some groups fit in, and not much more.
const THIN: [&str; 3] = ["256kbit", "1mbit", "4mbit"];
/// How long a connection through held packets may take.
const REACHED_MAX: Duration = Duration::from_secs(3);
const LOSSES: [u8; 4] = [5, 10, 20, 30];

/// The rules of some nodes.
type Table = Vec<(usize, Vec<Rule>)>;

impl Stand {
    pub(super) async fn isolate(&self, n: usize, hold: Duration) -> Struck {
        self.under(vec![(n, cut(&self.addresses_but(&[n])))], hold).await?;
        Ok(self.names(&[n]))
    }

    pub(super) async fn cut_off(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let mut everybody = self.addresses_but(&[n]);
        everybody.push(self.ground.clients());
        self.under(vec![(n, cut(&everybody))], hold).await?;
        Ok(self.names(&[n]))
    }

    /// Into parts of these sizes, which hear nothing of each other.
    pub(super) async fn split(
        &self,
        sizes: &[usize],
        dice: &mut SmallRng,
        hold: Duration,
    ) -> Struck {
        let mut rest = self.others(dice, &[]);
        let parts: Vec<Vec<usize>> =
            sizes.iter().map(|&size| rest.drain(..size.min(rest.len())).collect()).collect();
        let apart = |part: &Vec<usize>| {
            let others = cut(&self.addresses_but(part));
            part.iter().map(|&n| (n, others.clone())).collect::<Table>()
        };
        self.under(parts.iter().flat_map(apart).collect(), hold).await?;
        let names: Vec<_> = parts.iter().map(|part| self.names(part)).collect();
        Ok(names.join(" | "))
    }

    pub(super) async fn bridge(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let order = self.others(dice, &[]);
        let (Some(one), Some(bridge), Some(other)) = (order.get(..2), order.get(2), order.get(3..))
        else {
            return Err("too few nodes".to_owned());
        };
        let rules = cut(&self.addresses(other));
        self.under(one.iter().map(|&n| (n, rules.clone())).collect(), hold).await?;
        Ok(format!("{} | {} | {}", self.names(one), self.names(&[*bridge]), self.names(other)))
    }

    pub(super) async fn ring(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let order = self.others(dice, &[]);
        let at = |place: usize| order.get(place % NODES).copied().unwrap_or_default();
        let deaf = |place: usize| {
            let hears = [at(place), at(place + 1), at(place + NODES - 1)];
            (at(place), cut(&self.addresses_but(&hears)))
        };
        self.under((0..NODES).map(deaf).collect(), hold).await?;
        Ok(self.names(&order))
    }

    pub(super) async fn mute(&self, n: usize, hold: Duration) -> Struck {
        self.one_way(n, Way::Out, hold).await
    }

    pub(super) async fn deafen(&self, n: usize, hold: Duration) -> Struck {
        self.one_way(n, Way::In, hold).await
    }

    async fn one_way(&self, n: usize, way: Way, hold: Duration) -> Struck {
        let rule = Rule { way, peers: self.addresses_but(&[n]), fate: Fate::Drop };
        self.under(vec![(n, vec![rule])], hold).await?;
        Ok(self.names(&[n]))
    }

    pub(super) async fn reset(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let peers = self.addresses_but(&[n]);
        self.under(vec![(n, vec![Rule { way: Way::In, peers, fate: Fate::Reset }])], hold).await?;
        Ok(self.names(&[n]))
    }

    pub(super) async fn flap(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let part = self.some(dice, 2);
        let rules = cut(&self.addresses_but(&part));
        let (start, mut held) = (Instant::now(), Ok(()));
        while start.elapsed() < hold {
            let table = part.iter().map(|&n| (n, rules.clone())).collect();
            let once = self.under(table, Duration::from_millis(dice.random_range(200..1_500)));
            held = once.await;
            sleep(Duration::from_millis(dice.random_range(200..1_000))).await;
        }
        held?;
        Ok(self.names(&part))
    }

    /// Of what goes to others and of what comes from them, clients included.
    pub(super) async fn lose(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let percent = LOSSES.choose(dice).copied().unwrap_or(10);
        let mut peers = self.addresses_but(&[n]);
        peers.push(self.ground.clients());
        let rule = |way| Rule { way, peers: peers.clone(), fate: Fate::Lose(percent) };
        self.under(vec![(n, vec![rule(Way::In), rule(Way::Out)])], hold).await?;
        Ok(format!("{} {percent}%", self.names(&[n])))
    }

    pub(super) async fn thin(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let n = self.one(dice);
        let rate = THIN.choose(dice).copied().unwrap_or("1mbit");
        self.ground.set_rate(n, Some(rate))?;
        sleep(hold).await;
        let waited = self.ground.waited(n);
        self.ground.set_rate(n, None)?;
        match waited {
            0 => Err("nothing had to wait for the line".to_owned()),
            _ => Ok(format!("{} {rate}", self.names(&[n]))),
        }
    }

    /// All by the same time, about: their order stays.
    pub(super) async fn delay(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let by = Duration::from_millis(dice.random_range(20..150));
        self.keep_back(dice, (by, by), hold).await
    }

    /// Each by a time of its own.
    pub(super) async fn reorder(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let most = Duration::from_millis(dice.random_range(10..100));
        self.keep_back(dice, (Duration::ZERO, most), hold).await
    }

    async fn keep_back(
        &self,
        dice: &mut SmallRng,
        by: (Duration, Duration),
        hold: Duration,
    ) -> Struck {
        let n = self.one(dice);
        let door = self.member(n).node.client.base();
        let mut holder = Holder::begin(&self.ground, n, by)?;
        sleep(hold / 2).await;
        // The first packet of a connection comes that much later.
        let start = Instant::now();
        let reached = timeout(REACHED_MAX, raw::tcp(door)).await;
        let took = start.elapsed();
        sleep(hold / 2).await;
        let (least, most) = by;
        match holder.holds() && reached.is_ok_and(|met| met.is_ok()) && took >= least {
            true => Ok(format!("{} {least:?} to {most:?}", self.names(&[n]))),
            false => Err(format!("packets come in {took:?}, or nothing holds them")),
        }
    }

    /// Holds rules for a while; each node's must have met packets.
    async fn under(&self, table: Table, hold: Duration) -> Result<(), String> {
        let mut set = Ok(());
        for (n, rules) in &table {
            set = set.and(self.ground.set_rules(*n, rules));
        }
        sleep(hold).await;
        let missed: Vec<_> =
            table.iter().map(|(n, _)| *n).filter(|n| self.ground.hits(*n) == 0).collect();
        for (n, _) in &table {
            set = set.and(self.ground.set_rules(*n, &[]));
        }
        set?;
        match missed.is_empty() {
            true => Ok(()),
            false => Err(format!("no packet met the rules of {}", self.names(&missed))),
        }
    }

    fn addresses(&self, of: &[usize]) -> Vec<Ipv4Addr> {
        of.iter().map(|&n| self.ground.address(n)).collect()
    }

    fn addresses_but(&self, of: &[usize]) -> Vec<Ipv4Addr> {
        (0..NODES).filter(|n| !of.contains(n)).map(|n| self.ground.address(n)).collect()
    }
}
