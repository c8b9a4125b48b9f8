//! Crash order: log and state, cut off at every point between their commits.
//!
//! A quorum may commit an entry that this node's own log has not synced yet. If
//! the state got ahead of the log, a crash followed by a conflicting leader would
//! leave a node that cannot start ("inverted log order"). Here a random schedule
//! of appends, truncations, flushes and applies runs on the real log and the
//! real state; after every single effect the files are copied as a crash of the
//! process would leave them, opened again, and asked to start.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::{ClusterId, GroupId, Incarnation, NodeId};
use openraft::StorageHelper;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use raft::binding::{Entry, LogId, Types};
use raft::codec::Codec;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use state::membership::log_id;
use state::{LogWatermark, OpenOptions, Store};
use tokio::task::JoinHandle;
use wal::wal::Driver;
use wal::{Flushed, LmdbStore, Log, Waited, Wal};

const CLUSTER: ClusterId = ClusterId([1; 16]);
const INCARNATION: Incarnation = Incarnation([2; 16]);
const GROUP: GroupId = GroupId(1);
const ME: NodeId = NodeId(1);
const MAP_BYTES: usize = 16 << 20;
const SEEDS: u64 = 12;
const EFFECTS: usize = 40;

struct Watermark(Flushed);

impl LogWatermark for Watermark {
    fn wait_until(&self, index: u64, patience: Duration) -> bool {
        self.0.wait_until(index, patience.min(Duration::from_millis(20))) == Waited::Flushed
    }
}

/// One node's files, open.
struct Node {
    wal: Wal,
    log: Log<Types, Codec>,
    store: Store,
}

impl Node {
    fn open(directory: &Path, boot: &str) -> Self {
        let identity = wal::Identity { cluster: CLUSTER, incarnation: INCARNATION };
        let options = wal::Options { map_bytes: MAP_BYTES, ..wal::Options::default() };
        let lmdb = LmdbStore::open(&directory.join("replication"), MAP_BYTES).expect("log opens");
        let broken = |fault: &disk::Fault| panic!("{fault}");
        let wal =
            Wal::on_store(lmdb, identity, options, Driver::Inline, broken).expect("log opens");
        let log = wal.group::<Types, _>(GROUP, Codec).expect("group opens");
        let watermark = Arc::new(Watermark(wal.flushed(GROUP)));
        let options = OpenOptions::new(CLUSTER, GROUP, INCARNATION, boot.to_owned(), watermark);
        let options = OpenOptions { map_bytes: MAP_BYTES, ..options };
        let store = Store::open(&directory.join("state"), options).expect("state opens");
        Self { wal, log, store }
    }

    fn flush(&self) {
        while self.wal.drive() {}
    }

    /// Runs what is durable when it returns, turning the writer meanwhile.
    async fn flushing<T>(wal: &Wal, work: impl Future<Output = T>) -> T {
        let turning = async {
            loop {
                let _worked = wal.drive();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = work => done,
            () = turning => unreachable!("turning never ends"),
        }
    }
}

/// What a crash of the process leaves: what is committed, in both folders.
fn crash_copy(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for folder in ["replication", "state"] {
        let to = copy.path().join(folder);
        fs::create_dir(&to).expect("new folder");
        for entry in fs::read_dir(from.join(folder)).expect("folder").flatten() {
            let name = entry.file_name();
            if entry.path().is_file() && name != "lock.mdb" {
                fs::copy(entry.path(), to.join(name)).expect("copy");
            }
        }
    }
    copy
}

/// Opens a copy as a restart would and checks that log and state fit together.
async fn check(from: &Path, boot: &str, context: &str) {
    let copy = crash_copy(from);
    let mut node = Node::open(copy.path(), boot);
    let initial = StorageHelper::new(&mut node.log, &mut node.store).with_id(ME);
    let started = { initial }.get_initial_state().await;
    assert!(started.is_ok(), "{context}: {:?}", started.err());
    let last = node.log.get_log_state().await.expect("log state").last_log_id;
    let (applied, _) = node.store.position();
    assert!(applied <= last, "{context}: applied {applied:?}, but the log ends at {last:?}");
    if let Some(applied) = applied {
        let range = applied.index..=applied.index;
        let entries = node.log.reader().try_get_log_entries(range).await.expect("log reads");
        let logged: Vec<LogId> = entries.iter().map(RaftEntry::log_id).collect();
        assert_eq!(logged, [applied], "{context}: the log has another entry there");
    }
    tokio::task::block_in_place(|| node.store.close()).expect("state closes");
}

type Applying = JoinHandle<Result<Vec<api::Answers>, disk::Fault>>;

/// A follower's life under changing leaders.
struct Life {
    random: StdRng,
    term: u64,
    /// The log as its owner sees it, synced or not.
    entries: Vec<Entry>,
    /// How many of them are committed, and so handed to the state.
    committed: usize,
    applying: Option<Applying>,
}

impl Life {
    async fn step(&mut self, node: &mut Node) -> &'static str {
        match self.random.random_range(0..5) {
            0 | 1 => {
                let first = self.entries.len();
                let count = self.random.random_range(1..4);
                let id = |index: usize| log_id(self.term, NodeId(2), index as u64);
                let new: Vec<Entry> =
                    (first..first + count).map(|i| Entry::new_blank(id(i))).collect();
                self.entries.extend(new.iter().cloned());
                node.log.append(new, IOFlushed::noop()).await.expect("append");
                "append"
            }
            2 => {
                self.term += 1;
                let keep = self.random.random_range(self.committed..=self.entries.len());
                self.entries.truncate(keep);
                let last = self.entries.last().map(RaftEntry::log_id);
                let wal = node.wal.clone();
                Node::flushing(&wal, node.log.truncate_after(last)).await.expect("truncate");
                "truncate"
            }
            3 => {
                node.flush();
                "flush"
            }
            _ => {
                self.commit_more(node).await;
                "commit"
            }
        }
    }

    /// Waits for an apply that nothing holds up any more, so that no copy is
    /// taken in the middle of a commit.
    async fn settle(&mut self, node: &Node) {
        let last = self.committed.checked_sub(1).map(|last| last as u64);
        if node.wal.flushed(GROUP).index() >= last
            && let Some(applying) = self.applying.take()
        {
            applying.await.expect("apply ends").expect("apply works");
        }
    }

    /// A quorum has some more entries, whether or not this node has synced them.
    async fn commit_more(&mut self, node: &Node) {
        if let Some(applying) = self.applying.take() {
            let done = Node::flushing(&node.wal, applying).await.expect("apply ends");
            done.expect("apply works");
        }
        let upto = self.random.random_range(self.committed..=self.entries.len());
        let chunk: Vec<Entry> =
            self.entries.iter().take(upto).skip(self.committed).cloned().collect();
        self.committed = upto;
        if !chunk.is_empty() {
            let store = node.store.clone();
            self.applying = Some(tokio::spawn(async move { store.apply(chunk).await }));
            // Long enough for a state that does not wait to commit too early.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_any_effect_leaves_a_state_that_its_log_accounts_for() {
    for seed in 0..SEEDS {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Node::open(directory.path(), "boot");
        let random = StdRng::seed_from_u64(seed);
        let mut life = Life { random, term: 1, entries: vec![], committed: 0, applying: None };
        for effect in 0..EFFECTS {
            let what = life.step(&mut node).await;
            life.settle(&node).await;
            let context = format!("seed {seed}, effect {effect}: {what}");
            check(directory.path(), "boot", &context).await;
            if effect % 8 == 0 {
                check(directory.path(), "another boot", &context).await;
            }
        }
        node.flush();
        life.settle(&node).await;
        assert_eq!(
            node.store.position().0,
            life.entries.get(life.committed.wrapping_sub(1)).map(RaftEntry::log_id)
        );
    }
}
