//! Faults: what can be broken, and what that takes?

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A leader dies.
    KillLeader,
    /// A follower dies.
    KillFollower,
    /// Two nodes die.
    KillTwo,
    /// All nodes die.
    KillAll,
    /// A node dies again and again while it starts.
    KillStarting,
    /// A node is asked to stop, and starts again.
    Restart,
    /// All are, one after the other.
    RollingRestart,
    /// A leader stands still and goes on.
    PauseLeader,
    /// A follower does.
    PauseFollower,
    /// Two nodes do.
    PauseTwo,
    /// A node stands still half of the time.
    Strobe,
    /// A leader hears nobody and is heard by nobody, but by clients.
    IsolateLeader,
    /// A node is heard by nobody at all, clients included.
    CutOff,
    /// Two nodes and three do not hear each other.
    Halves,
    /// Two nodes, two nodes and one do not.
    Splinters,
    /// Two sides of which one node hears both.
    Bridge,
    /// Each node hears two neighbours only.
    Ring,
    /// A leader hears all and is heard by nobody.
    Mute,
    /// A leader is heard by all and hears nobody.
    Deaf,
    /// Connections of a node to others are reset.
    Reset,
    /// A partition comes and goes.
    Flap,
    /// A node loses packets.
    Loss,
    /// A node has a thin line.
    ThinLine,
    /// Packets to a node come later.
    Delay,
    /// Packets to a node come in another order.
    Reorder,
    /// A leader's disk takes long to sync.
    SlowDisk,
    /// A sync of a node's disk fails.
    BrokenDisk,
    /// A node's disk has no room for writes.
    FullDisk,
    /// A node's disk is full before the node knows.
    DiskEnd,
    /// A node gets little of the processor.
    Starve,
    /// All nodes share the processor with others.
    Hogs,
    /// A node gets no more memory.
    Memory,
    /// A node's door is full of connections.
    Flood,
    /// A node's door is full of clients that never finish asking.
    Slowloris,
    /// A node's wall clock jumps.
    Clock,
}

/// What a machine must offer for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Namespaces of the network.
    Namespaces,
    /// Those, and a queue for packets.
    Queue,
    /// A file system for each node.
    Disks,
    /// strace.
    Tracer,
    /// cgroups, version 1.
    Cgroups,
    /// libfaketime.
    Faketime,
}

use Need::{Cgroups, Disks, Faketime, Namespaces, Nothing, Queue, Tracer};

impl Kind {
    /// All, with what they are called in histories and what they need.
    pub const ALL: [(Self, &'static str, Need); 35] = [
        (Self::KillLeader, "kill-leader", Nothing),
        (Self::KillFollower, "kill-follower", Nothing),
        (Self::KillTwo, "kill-two", Nothing),
        (Self::KillAll, "kill-all", Nothing),
        (Self::KillStarting, "kill-starting", Nothing),
        (Self::Restart, "restart", Nothing),
        (Self::RollingRestart, "rolling-restart", Nothing),
        (Self::PauseLeader, "pause-leader", Nothing),
        (Self::PauseFollower, "pause-follower", Nothing),
        (Self::PauseTwo, "pause-two", Nothing),
        (Self::Strobe, "strobe", Nothing),
        (Self::IsolateLeader, "isolate-leader", Namespaces),
        (Self::CutOff, "cut-off", Namespaces),
        (Self::Halves, "halves", Namespaces),
        (Self::Splinters, "splinters", Namespaces),
        (Self::Bridge, "bridge", Namespaces),
        (Self::Ring, "ring", Namespaces),
        (Self::Mute, "mute", Namespaces),
        (Self::Deaf, "deaf", Namespaces),
        (Self::Reset, "reset", Namespaces),
        (Self::Flap, "flap", Namespaces),
        (Self::Loss, "loss", Namespaces),
        (Self::ThinLine, "thin-line", Namespaces),
        (Self::Delay, "delay", Queue),
        (Self::Reorder, "reorder", Queue),
        (Self::SlowDisk, "slow-disk", Tracer),
        (Self::BrokenDisk, "broken-disk", Tracer),
        (Self::FullDisk, "full-disk", Disks),
        (Self::DiskEnd, "disk-end", Disks),
        (Self::Starve, "starve", Cgroups),
        (Self::Hogs, "hogs", Nothing),
        (Self::Memory, "memory", Cgroups),
        (Self::Flood, "flood", Nothing),
        (Self::Slowloris, "slowloris", Nothing),
        (Self::Clock, "clock", Faketime),
    ];

    /// What it is called in histories.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// Whether it may be at work beside any other: it ends no process, and sets no
    /// rules for packets.
    #[must_use]
    pub fn is_companion(self) -> bool {
        matches!(self, Self::Hogs | Self::Starve | Self::Flood | Self::Slowloris | Self::ThinLine)
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, of, _)| *of == name).map(|(kind, ..)| *kind)
    }
}
