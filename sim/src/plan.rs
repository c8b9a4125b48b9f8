//! Plan: everything a seed decides before the first tick.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::Timers;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::client::Load;
use crate::faults::{self, Planned};
use crate::node::Settings;

/// Nodes of every simulated cluster.
pub const NODES: usize = 5;
/// One tick of simulated time.
pub const TICK: Duration = Duration::from_millis(1);

/// How long the cluster has to found itself before anything breaks.
const FOUNDING: Duration = Duration::from_secs(4);

/// The fewest operations of a run that says anything.
const OPS_MIN: u64 = 100;

/// What a seed decides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How long clients write.
    pub run: Duration,
    /// What nodes are told.
    pub settings: Settings,
    /// What clients do.
    pub load: Load,
    /// How many clients.
    pub clients: usize,
    /// How long messages take, least and most.
    pub latency: (Duration, Duration),
    /// How long each node's log takes to sync.
    pub syncs: Vec<Duration>,
    /// What breaks.
    pub faults: Vec<Planned>,
}

impl Plan {
    /// What `seed` decides for a run of `ticks`.
    #[must_use]
    pub fn new(seed: u64, ticks: u32) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let ms = Duration::from_millis;
        let run = TICK * ticks;
        let heartbeat = ms(dice.random_range(40..=100));
        let election = dice.random_range(250..=400);
        let settings = Settings {
            groups: dice.random_range(1..=3),
            timers: Timers {
                heartbeat,
                election_min: ms(election),
                election_max: ms(election * 2),
            },
            snapshot_log_bytes: 1 << dice.random_range(11..=17),
            log_keep_entries: dice.random_range(0..=100),
            disk_reserve_bytes: 1 << 20,
            disk_floor_bytes: 0,
        };
        let load = Load {
            keys: dice.random_range(2..=8),
            key_requests: dice.random_range(100..=400),
            pause: ms(dice.random_range(1..=40)),
            timeout: ms(dice.random_range(500..=3_000)),
        };
        let least = Duration::from_micros(dice.random_range(50..=1_000));
        Self {
            seed,
            run,
            settings,
            load,
            clients: dice.random_range(3..=8),
            latency: (least, least + ms(dice.random_range(1..=10))),
            syncs: (0..NODES).map(|_| ms(dice.random_range(0..=8))).collect(),
            faults: faults::plan(&mut dice, NODES, FOUNDING.min(run)..run),
        }
    }

    /// What a run must reach to count.
    #[must_use]
    pub fn goal(&self) -> oracle::Plan {
        let mut kinds = BTreeMap::new();
        for planned in self.faults.iter().filter(|planned| planned.fault.is_certain()) {
            *kinds.entry(planned.fault.kind().to_owned()).or_default() += 1;
        }
        let outcomes = [oracle::Outcome::Ok].into();
        oracle::Plan { ops: OPS_MIN, faults: kinds.values().sum(), kinds, outcomes }
    }
}
