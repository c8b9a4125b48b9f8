//! Apply: what a meta command does to the state. Pure: no table, no clock.
//!
//! Every command is judged before it is proposed; what slips through must still
//! end the same way on every replica, so every case has an outcome.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::limits::{COLLECTION_NAME_BYTES_MAX, COLLECTIONS_MAX, GROUPS_MAX, SHARDS};
use api::{
    ClusterId, CollectionId, ConfigVersion, Epoch, GroupId, Member, MetaOperation, NodeId, Outcome,
    ShardId, Verdict,
};

use super::state::{Collection, Drop, Founding, MetaState, ShardOwner};

/// What a command came to, and what it changed.
pub(super) struct Step {
    pub outcome: Outcome,
    pub changes: Vec<Change>,
}

/// A part of the state that has to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Everything.
    All,
    /// Config number and next collection id.
    Counters,
    /// The catalogue's row of this name.
    Collection(Arc<str>),
    /// The drop of this collection.
    Drop(CollectionId),
}

/// Whether the operation must wait: until a drop is decided, or until there is
/// a cluster that has groups to keep a collection in.
pub(super) fn is_blocked(state: &MetaState, operation: &MetaOperation) -> bool {
    match operation {
        MetaOperation::CreateCollection { name } => {
            state.founding.is_none() || state.is_dropping(name)
        }
        MetaOperation::Found { .. }
        | MetaOperation::BeginDrop { .. }
        | MetaOperation::AckFence { .. }
        | MetaOperation::AckSwept { .. } => false,
    }
}

/// Runs the operation on the state.
pub(super) fn run(state: &mut MetaState, operation: &MetaOperation) -> Step {
    let config = state.config;
    let step = match operation {
        MetaOperation::Found { cluster, shards, groups, members } => {
            let founding = Founding { cluster: *cluster, shards: *shards, groups: *groups };
            found(state, founding, members)
        }
        MetaOperation::CreateCollection { name } => create_collection(state, name),
        MetaOperation::BeginDrop { name } => begin_drop(state, name),
        MetaOperation::AckFence { collection, group } => ack_fence(state, *collection, *group),
        MetaOperation::AckSwept { collection, group } => ack_swept(state, *collection, *group),
    };
    let moved = step.changes.iter().any(|change| matches!(change, Change::All | Change::Counters));
    let expected = config.0 + u64::from(moved);
    assert_eq!(state.config.0, expected, "M2: config moves by one, and only with what it counts");
    step
}

fn found(state: &mut MetaState, founding: Founding, members: &[(NodeId, Member)]) -> Step {
    match state.cluster() {
        Some(cluster) if cluster == founding.cluster => return unchanged(Verdict::Already, 0),
        Some(_) => return unchanged(Verdict::Conflict, 0),
        None => {}
    }
    let Founding { shards, groups, .. } = founding;
    if shards != SHARDS || !(1..=GROUPS_MAX).contains(&groups) || founding.cluster == NO_CLUSTER {
        return unchanged(Verdict::Mismatch, 0);
    }
    advance(state);
    let epoch = Epoch(state.config.0);
    let owner = |id| ShardOwner { group: shard::founding_owner(ShardId(id), groups), epoch };
    state.founding = Some(founding);
    state.nodes = Arc::new(members.iter().cloned().collect());
    state.groups = Arc::new((1..=groups).map(GroupId).collect());
    state.shards = Arc::new((0..shards).map(owner).collect());
    done(0, vec![Change::All])
}

const NO_CLUSTER: ClusterId = ClusterId([0; 16]);

fn create_collection(state: &mut MetaState, name: &str) -> Step {
    if let Some(collection) = state.collection(name) {
        return unchanged(Verdict::Already, collection.id.0);
    }
    let kept = state.collections.len() + state.dropped_unswept().count();
    let name_fits = (1..=COLLECTION_NAME_BYTES_MAX).contains(&name.len());
    let next = state.next_collection.0.checked_add(1);
    let (true, true, Some(next)) = (name_fits, kept < COLLECTIONS_MAX, next) else {
        return unchanged(Verdict::TooLarge, 0);
    };
    let id = std::mem::replace(&mut state.next_collection, CollectionId(next));
    let name: Arc<str> = name.into();
    let collection = Collection { id, dropping: false };
    let before = Arc::make_mut(&mut state.collections).insert(name.clone(), collection);
    assert_eq!(before, None, "a name means one collection");
    advance(state);
    done(id.0, vec![Change::Counters, Change::Collection(name)])
}

fn begin_drop(state: &mut MetaState, name: &str) -> Step {
    let Some((name, collection)) = state.collections.get_key_value(name) else {
        return unchanged(Verdict::NotFound, 0);
    };
    let (name, id) = (name.clone(), collection.id);
    if collection.dropping {
        return done(id.0, vec![]);
    }
    advance(state);
    let dropping = Collection { id, dropping: true };
    Arc::make_mut(&mut state.collections).insert(name.clone(), dropping);
    let drop = Drop { config: state.config, ..Drop::default() };
    Arc::make_mut(&mut state.drops).insert(id, drop);
    done(id.0, vec![Change::Counters, Change::Collection(name), Change::Drop(id)])
}

fn ack_fence(state: &mut MetaState, id: CollectionId, group: GroupId) -> Step {
    let (groups, made) = (state.groups.clone(), id < state.next_collection);
    let Some(drop) = Arc::make_mut(&mut state.drops).get_mut(&id) else {
        return not_dropping(state, id, made);
    };
    if !groups.contains(&group) {
        return unchanged(Verdict::NotFound, id.0);
    }
    if !drop.fenced.insert(group) {
        return unchanged(Verdict::Already, id.0);
    }
    if drop.fenced != *groups {
        return done(id.0, vec![Change::Drop(id)]);
    }
    // The last group has fenced it: here the collection is gone.
    let found = state.collections.iter().find(|(_, collection)| collection.id == id);
    let name = found.map(|(name, _)| name.clone()).expect("M4: its name is taken until now");
    Arc::make_mut(&mut state.collections).remove(&name);
    advance(state);
    done(id.0, vec![Change::Counters, Change::Collection(name), Change::Drop(id)])
}

fn ack_swept(state: &mut MetaState, id: CollectionId, group: GroupId) -> Step {
    let (groups, made) = (state.groups.clone(), id < state.next_collection);
    let Some(drop) = Arc::make_mut(&mut state.drops).get_mut(&id) else {
        return not_dropping(state, id, made);
    };
    if !groups.contains(&group) {
        return unchanged(Verdict::NotFound, id.0);
    }
    // Rows go only after the collection is gone for everyone.
    if drop.fenced != *groups {
        return unchanged(Verdict::Mismatch, id.0);
    }
    if !drop.swept.insert(group) {
        return unchanged(Verdict::Already, id.0);
    }
    if all(&drop.swept, &groups) {
        Arc::make_mut(&mut state.drops).remove(&id);
    }
    done(id.0, vec![Change::Drop(id)])
}

fn all(reported: &BTreeSet<GroupId>, groups: &BTreeSet<GroupId>) -> bool {
    reported.is_superset(groups)
}

/// A report about a collection that is not being dropped: it lives, its drop is
/// finished, or it never was.
fn not_dropping(state: &MetaState, id: CollectionId, made: bool) -> Step {
    let lives = state.collections.values().any(|collection| collection.id == id);
    match (made && id.0 != 0, lives) {
        (true, true) => unchanged(Verdict::Mismatch, id.0),
        (true, false) => unchanged(Verdict::Already, id.0),
        (false, _) => unchanged(Verdict::NotFound, id.0),
    }
}

fn advance(state: &mut MetaState) {
    state.config = ConfigVersion(state.config.0 + 1);
}

fn done(version: u32, changes: Vec<Change>) -> Step {
    Step { outcome: Outcome::bare(Verdict::Done, version.into()), changes }
}

fn unchanged(verdict: Verdict, version: u32) -> Step {
    Step { outcome: Outcome::bare(verdict, version.into()), changes: Vec::new() }
}
