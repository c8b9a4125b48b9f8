//! The calls that openraft makes.

use futures::stream;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftTypeConfig};

use super::lab::{Lab, applied, entry, expected, log_to, shown};
use crate::membership::LeaderId;
use crate::raft_machine::CHUNK_ENTRIES_MAX;
use crate::store::Entry;

/// What crate `raft` will declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Types;

impl RaftTypeConfig for Types {
    type D = api::Payload;
    type R = api::Answers;
    type NodeId = api::NodeId;
    type Node = api::Member;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = openraft::impls::Vote<LeaderId>;
    type Payload = EntryPayload<api::Payload, api::NodeId, api::Member>;
    type Entry = Entry;
    type Responder<T>
        = openraft::impls::ProgressResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type AsyncRuntime = openraft::impls::TokioRuntime;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

fn machine(store: &mut impl RaftStateMachine<Types>) -> &mut impl RaftStateMachine<Types> {
    store
}

#[test]
fn a_stream_longer_than_a_chunk_is_applied_whole() {
    let lab = Lab::new();
    let mut store = lab.open();
    let last = CHUNK_ENTRIES_MAX as u64 * 2 + 5;
    let log = log_to(last);
    let entries = stream::iter(log.clone().into_iter().map(|entry| Ok((entry, None))));
    lab.wait(machine(&mut store).apply(entries)).unwrap();
    assert_eq!(applied(&store), Some(last));
    let (found, membership) = lab.wait(machine(&mut store).applied_state()).unwrap();
    assert_eq!(found, Some(entry(last).log_id));
    assert_eq!(membership.log_id(), &Some(entry(0).log_id));
}

#[test]
fn a_snapshot_goes_from_one_machine_to_another() {
    let (from, to) = (Lab::new(), Lab::new());
    let (mut leader, mut follower) = (from.open(), to.open());
    from.apply(&leader, &log_to(9));
    assert!(
        from.wait(RaftStateMachine::<Types>::get_current_snapshot(&mut leader)).unwrap().is_none()
    );
    let builder = RaftStateMachine::<Types>::try_create_snapshot_builder(&mut leader, true);
    let mut builder = from.wait(builder).unwrap();
    let built = from.wait(RaftSnapshotBuilder::<Types>::build_snapshot(&mut builder)).unwrap();
    assert_eq!(built.meta.last_log_id, Some(entry(9).log_id));
    let install =
        RaftStateMachine::<Types>::install_snapshot(&mut follower, &built.meta, built.snapshot);
    to.wait(install).unwrap();
    assert_eq!(shown(&follower), expected(&log_to(9)));
    let current = RaftStateMachine::<Types>::get_current_snapshot(&mut follower);
    let current = to.wait(current).unwrap().unwrap();
    assert_eq!(current.meta, built.meta);
    assert!(current.snapshot.path().starts_with(to.path()));
    assert!(
        from.wait(RaftStateMachine::<Types>::get_current_snapshot(&mut leader)).unwrap().is_some()
    );
}

#[test]
fn a_snapshot_that_ends_before_the_log_starts_is_replaced() {
    let lab = Lab::new();
    let mut store = lab.open();
    lab.apply(&store, &log_to(5));
    store.build_snapshot().unwrap();
    lab.apply(&store, &log_to(9)[6..]);
    *lab.log.purged.lock() = Some(5);
    let mut current = || {
        let current = RaftStateMachine::<Types>::get_current_snapshot(&mut store);
        lab.wait(current).unwrap().unwrap().meta.last_log_id.map(|last| last.index)
    };
    assert_eq!(current(), Some(5));
    *lab.log.purged.lock() = Some(8);
    assert_eq!(current(), Some(9));
}
