//! State: the cluster, its nodes, groups, shards and collections, in memory.
//!
//! The maps are shared: a clone is a few counters, and changing one that a
//! reader still holds copies that map first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{ClusterId, CollectionId, ConfigVersion, Epoch, GroupId, Member, NodeId, ShardId};

/// What the meta group knows, as of one log position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaState {
    /// The number of this state of routing; 0 before the cluster is founded.
    pub config: ConfigVersion,
    /// How the cluster was founded; `None` before.
    pub founding: Option<Founding>,
    /// All nodes.
    pub nodes: Arc<BTreeMap<NodeId, Member>>,
    /// All data groups.
    pub groups: Arc<BTreeSet<GroupId>>,
    /// Who owns each shard, by its number. Empty before the founding.
    pub shards: Arc<Vec<ShardOwner>>,
    /// Live collections and those being dropped, by name.
    pub collections: Arc<BTreeMap<Arc<str>, Collection>>,
    /// Drops that are not finished in every group.
    pub drops: Arc<BTreeMap<CollectionId, Drop>>,
    /// The id that the next collection gets.
    pub next_collection: CollectionId,
}

/// How the cluster was founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Founding {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// How many shards it has.
    pub shards: u16,
    /// How many data groups it was founded with.
    pub groups: u32,
}

/// Who owns a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardOwner {
    /// The group that serves it.
    pub group: GroupId,
    /// The config that decided it.
    pub epoch: Epoch,
}

/// A collection in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its id.
    pub id: CollectionId,
    /// It is being dropped: nobody answers for it, and the name stays taken
    /// until every group has fenced it.
    pub dropping: bool,
}

/// How far the drop of a collection is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drop {
    /// The config that began it.
    pub config: ConfigVersion,
    /// Groups that answer nothing for the collection any more.
    pub fenced: BTreeSet<GroupId>,
    /// Groups that hold no row of it any more.
    pub swept: BTreeSet<GroupId>,
}

impl Default for MetaState {
    fn default() -> Self {
        Self {
            config: ConfigVersion(0),
            founding: None,
            nodes: Arc::default(),
            groups: Arc::default(),
            shards: Arc::default(),
            collections: Arc::default(),
            drops: Arc::default(),
            // 0 stands for "no collection" in a header.
            next_collection: CollectionId(1),
        }
    }
}

impl MetaState {
    /// The cluster's id, once it is founded.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterId> {
        self.founding.map(|founding| founding.cluster)
    }

    /// The collection that has this name now, whether it is being dropped or not.
    #[must_use]
    pub fn collection(&self, name: &str) -> Option<Collection> {
        self.collections.get(name).copied()
    }

    /// The collection that serves requests for this name. A negative answer is
    /// true of this view only.
    #[must_use]
    pub fn active(&self, name: &str) -> Option<CollectionId> {
        let collection = self.collection(name).filter(|collection| !collection.dropping);
        collection.map(|collection| collection.id)
    }

    /// Whether the collection of this name is being dropped.
    #[must_use]
    pub fn is_dropping(&self, name: &str) -> bool {
        self.collection(name).is_some_and(|collection| collection.dropping)
    }

    /// Whether the collection of this id is being dropped and not gone yet.
    #[must_use]
    pub fn is_collection_dropping(&self, id: CollectionId) -> bool {
        self.drops.get(&id).is_some_and(|drop| drop.fenced != *self.groups)
    }

    /// The names that are taken, in order. One whose drop is under way still is.
    #[must_use]
    pub fn collection_names(&self) -> Vec<String> {
        self.collections.keys().map(|name| name.as_ref().to_owned()).collect()
    }

    /// The group that owns the shard; `None` before the founding.
    #[must_use]
    pub fn owner(&self, shard: ShardId) -> Option<GroupId> {
        self.shard(shard).map(|owner| owner.group)
    }

    /// Who owns the shard, and since when; `None` before the founding.
    #[must_use]
    pub fn shard(&self, shard: ShardId) -> Option<ShardOwner> {
        self.shards.get(usize::from(shard.0)).copied()
    }

    /// The shards that `group` owns, with their epochs.
    #[must_use]
    pub fn shards_of(&self, group: GroupId) -> Vec<(ShardId, Epoch)> {
        let numbered = (0..).map(ShardId).zip(self.shards.iter());
        let owned = numbered.filter(|(_, owner)| owner.group == group);
        owned.map(|(id, owner)| (id, owner.epoch)).collect()
    }

    /// Collections being dropped that some group has not fenced yet.
    pub fn dropping(&self) -> impl Iterator<Item = (CollectionId, &Drop)> {
        self.unfinished().filter(|(_, drop)| drop.fenced != *self.groups)
    }

    /// Dropped collections of which some group may still hold rows.
    pub fn dropped_unswept(&self) -> impl Iterator<Item = (CollectionId, &Drop)> {
        self.unfinished().filter(|(_, drop)| drop.fenced == *self.groups)
    }

    /// The collections that `group` has to fence, each with the config that says so.
    #[must_use]
    pub fn unfenced(&self, group: GroupId) -> Vec<(CollectionId, ConfigVersion)> {
        let waiting = self.dropping().filter(|(_, drop)| !drop.fenced.contains(&group));
        waiting.map(|(id, drop)| (id, drop.config)).collect()
    }

    /// The collections whose rows `group` has to delete.
    #[must_use]
    pub fn unswept(&self, group: GroupId) -> Vec<CollectionId> {
        let waiting = self.dropped_unswept().filter(|(_, drop)| !drop.swept.contains(&group));
        waiting.map(|(id, _)| id).collect()
    }

    fn unfinished(&self) -> impl Iterator<Item = (CollectionId, &Drop)> {
        self.drops.iter().map(|(id, drop)| (*id, drop))
    }

    /// What is wrong with this state, if anything. M1, M3 and M4.
    pub(crate) fn defect(&self) -> Option<String> {
        let mut ids = BTreeSet::new();
        for (name, collection) in self.collections.iter() {
            if collection.id >= self.next_collection || !ids.insert(collection.id) {
                return Some(format!("collection id {} was given twice", collection.id));
            }
            if collection.dropping != self.drops.contains_key(&collection.id) {
                return Some(format!("drop of collection {name:?} is not on record"));
            }
        }
        if let Some(id) = self.drops.keys().find(|id| **id >= self.next_collection) {
            return Some(format!("dropped collection {id} was never made"));
        }
        for drop in self.drops.values() {
            if !drop.fenced.is_subset(&self.groups) || !drop.swept.is_subset(&drop.fenced) {
                return Some("a drop is reported by a group that cannot".to_owned());
            }
        }
        let shards = self.founding.map_or(0, |founding| usize::from(founding.shards));
        if self.shards.len() != shards {
            return Some(format!("{} shards have an owner, not {shards}", self.shards.len()));
        }
        let stray = self.shards.iter().find(|owner| !self.groups.contains(&owner.group));
        stray.map(|owner| format!("a shard is owned by group {}, which is none", owner.group))
    }
}
