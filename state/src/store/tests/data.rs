//! A data group: its rows go through snapshots, installs and restarts.

use std::sync::Arc;

use api::{
    Answer, CollectionId, Command, Condition, Content, Epoch, GroupId, Header, NodeId, Operation,
    Payload, RequestClass, RequestId, ShardId, Verdict,
};
use bytes::Bytes;
use openraft::EntryPayload;

use super::lab::{Lab, NEXT_BOOT, THIS_BOOT, applied, membership};
use crate::membership::log_id;
use crate::store::{Entry, OpenOptions, Store};

const GROUP: GroupId = GroupId(1);

fn open(lab: &Lab, boot: &str) -> Store {
    let options = OpenOptions { group: GROUP, ..lab.options(boot) };
    Store::open(&lab.path(), options).unwrap()
}

fn entry(index: u64) -> Entry {
    let stamp_ms = 1_000_000 + index;
    let payload = match index {
        0 => EntryPayload::Membership(membership()),
        1 => {
            let content = Content::Assign { epoch: Epoch(1), shards: vec![ShardId(5)] };
            EntryPayload::Normal(Payload::encode(stamp_ms, &content))
        }
        index => {
            let content = Content::Commands(vec![put(index).encode()]);
            EntryPayload::Normal(Payload::encode(stamp_ms, &content))
        }
    };
    Entry { log_id: log_id(1, NodeId(1), index), payload }
}

fn put(index: u64) -> Command {
    let operation = Operation::Put {
        key: Bytes::from(format!("key {}", index % 50)),
        value: Bytes::from(vec![b'v'; 1000]),
        condition: Condition::Always,
    };
    let header = Header {
        id: RequestId::made_here(2, index),
        class: RequestClass::Internal,
        issued_at_ms: 1_000_000 + index,
        fingerprint: operation.fingerprint("c"),
        shard: ShardId(5),
        collection: CollectionId(1),
    };
    Command { header, operation }
}

fn log_to(last: u64) -> Vec<Entry> {
    (0..=last).map(entry).collect()
}

fn expect_sound(store: &Store, rows: u64) {
    let report = store.view().unwrap().verify().unwrap();
    assert_eq!(report.described, Vec::<String>::new());
    assert_eq!(report.total.rows, rows);
}

#[test]
fn rows_and_remembered_requests_go_from_node_to_node() {
    let (from, to) = (Lab::new(), Lab::new());
    let (leader, follower) = (open(&from, THIS_BOOT), open(&to, THIS_BOOT));
    assert!(leader.meta().is_none());
    from.apply(&leader, &log_to(100));
    expect_sound(&leader, 50);
    to.apply(&follower, &log_to(10));

    let built = leader.build_snapshot().unwrap();
    std::fs::copy(built.path(), follower.incoming(&built.name()).unwrap()).unwrap();
    let accepted = follower.accept(&built.name()).unwrap();
    to.wait(follower.install(accepted)).unwrap();
    assert_eq!(applied(&follower), Some(100));
    expect_sound(&follower, 50);

    // A retry of a request that ran before the snapshot is answered, not run.
    let retry = Content::Commands(vec![put(99).encode()]);
    let payload = EntryPayload::Normal(Payload::encode(1_000_101, &retry));
    let retried = vec![Entry { log_id: log_id(1, NodeId(1), 101), payload }];
    let answers = (from.apply(&leader, &retried), to.apply(&follower, &retried));
    assert_eq!(answers.0, answers.1);
    let Answer::Executed { outcome, replay: true } = &answers.0[0].0[0] else { panic!() };
    assert_eq!(outcome.verdict, Verdict::Done);

    let crashed = Lab::on_copy_of(&to.path());
    let revived = open(&crashed, NEXT_BOOT);
    assert_eq!(applied(&revived), Some(100));
    expect_sound(&revived, 50);
}

#[test]
fn views_builds_and_applies_run_beside_each_other() {
    let lab = Lab::new();
    let store = open(&lab, THIS_BOOT);
    lab.apply(&store, &log_to(50));
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = {
        let (store, done) = (store.clone(), done.clone());
        std::thread::spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                expect_sound(&store, 49);
            }
        })
    };
    let builder = {
        let store = store.clone();
        std::thread::spawn(move || {
            (0..5).map(|_| store.build_snapshot().unwrap()).collect::<Vec<_>>()
        })
    };
    for index in (51..=1500).filter(|index| index % 50 > 1) {
        lab.apply(&store, &[entry(index)]);
    }
    let built = builder.join().unwrap();
    done.store(true, std::sync::atomic::Ordering::Release);
    reader.join().unwrap();
    assert!(built.is_sorted_by_key(|file| file.header().last));
    store.close().unwrap();
}
