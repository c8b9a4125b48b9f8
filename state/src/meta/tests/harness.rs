//! Harness: a meta machine, entry by entry, without a store.

use std::path::Path;
use std::sync::Arc;

use api::{
    Answers, Content, Header, MetaCommand, MetaOperation, Payload, RequestClass, RequestId, ShardId,
};
use disk::{Environment, Options, Sync};
use tempfile::TempDir;

use crate::machine::Machine;
use crate::meta::{MetaMachine, MetaState};
use crate::tables::{TABLES_MAX, Tables};

/// A meta group with one replica and no log.
pub(super) struct Harness {
    environment: Environment,
    tables: Tables,
    machine: MetaMachine,
    path: Arc<Path>,
    index: u64,
    _dir: TempDir,
}

impl Harness {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            map_bytes: 64 << 20,
            databases: TABLES_MAX,
            readers: 8,
            sync: Sync::OnRequest,
        };
        let environment = Environment::open(dir.path(), &options).unwrap();
        let mut txn = environment.heed().write_txn().unwrap();
        let tables = Tables::create(&environment, &mut txn).unwrap();
        let path: Arc<Path> = dir.path().into();
        let machine = MetaMachine::load(&tables, &txn, &path).unwrap();
        txn.commit().unwrap();
        Self { environment, tables, machine, path, index: 0, _dir: dir }
    }

    /// Applies payloads in one transaction.
    pub(super) fn apply_all(&mut self, payloads: &[Payload]) -> Vec<Answers> {
        let mut txn = self.environment.heed().write_txn().unwrap();
        let mut answers = Vec::new();
        for payload in payloads {
            self.index += 1;
            let answer = self.machine.apply(&self.tables, &mut txn, self.index, payload).unwrap();
            answers.push(answer);
        }
        txn.commit().unwrap();
        self.machine.committed();
        assert_eq!(self.machine.state.defect(), None);
        assert_eq!(**self.machine.subscribe().borrow(), self.machine.state);
        answers
    }

    /// Loads the machine again, as a restart does.
    pub(super) fn reopen(&mut self) {
        let before = self.machine.state.clone();
        let txn = self.environment.heed().read_txn().unwrap();
        self.machine = MetaMachine::load(&self.tables, &txn, &self.path).unwrap();
        assert_eq!(self.machine.state, before, "what was written is what was meant");
    }

    pub(super) fn state(&self) -> &MetaState {
        &self.machine.state
    }

    /// Every byte of every table.
    pub(super) fn dump(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let txn = self.environment.heed().read_txn().unwrap();
        let mut rows = Vec::new();
        for table in [self.tables.meta, self.tables.dedup, self.tables.system] {
            let found = table.iter(&txn).unwrap().map(|row| row.unwrap());
            rows.extend(found.map(|(key, value)| (key.to_vec(), value.to_vec())));
        }
        rows
    }
}

/// A payload of one command per operation, asked under ids from `number` on.
pub(super) fn payload(number: u64, time_ms: u64, operations: &[MetaOperation]) -> Payload {
    let numbered = (number..).zip(operations);
    let commands = numbered.map(|(number, operation)| {
        let header = Header {
            id: RequestId::made_here(1, number),
            class: RequestClass::Internal,
            issued_at_ms: time_ms,
            fingerprint: operation.fingerprint(),
            shard: ShardId(0),
            collection: api::CollectionId(0),
        };
        MetaCommand { header, operation: operation.clone() }.encode()
    });
    Payload::encode(time_ms, &Content::Commands(commands.collect()))
}
