//! Harness: a data machine on an environment of its own, entry by entry.

use std::sync::Arc;
use std::time::Duration;

use api::service::{self, Range};
use api::{
    Answer, CollectionId, Command, Content, Epoch, Fingerprint, Header, Operation, Outcome,
    Payload, Rejection, RequestClass, RequestId, ShardId,
};
use disk::{Environment, Fault, Options, Sync};
use tempfile::TempDir;

use crate::data::DataMachine;
use crate::data::verify::Report;
use crate::dedup::Bounds;
use crate::machine::Machine;
use crate::read::ReadRejection;
use crate::scan::{Position, ScanPart, ScanRequest};
use crate::tables::{TABLES_MAX, Tables};
use crate::view::View;

/// Every byte of every table: name, key, value.
pub(super) type Dump = Vec<(&'static str, Vec<u8>, Vec<u8>)>;

/// A data group with one replica and no log.
pub(super) struct Harness {
    dir: TempDir,
    open: Option<(Environment, Tables, DataMachine)>,
    bounds: Bounds,
    /// The stamp of the next entry.
    pub(super) time_ms: u64,
    /// The last applied index.
    pub(super) index: u64,
    requests: u64,
}

impl Harness {
    /// An empty group.
    pub(super) fn new() -> Self {
        Self::bounded(Bounds::FORMAT)
    }

    /// An empty group that remembers less.
    pub(super) fn bounded(bounds: Bounds) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut harness =
            Self { dir, open: None, bounds, time_ms: 1_000_000, index: 0, requests: 0 };
        harness.reopen();
        harness
    }

    /// A group that serves `shards`.
    pub(super) fn serving(shards: &[u16]) -> Self {
        let mut harness = Self::new();
        harness.assign(1, shards);
        harness
    }

    /// Closes and opens the environment, as a restart does.
    pub(super) fn reopen(&mut self) {
        if let Some((environment, ..)) = self.open.take() {
            assert!(environment.close(Duration::from_secs(5)));
        }
        let options = Options {
            map_bytes: 1 << 30,
            databases: TABLES_MAX,
            readers: 16,
            sync: Sync::OnRequest,
        };
        let environment = Environment::open(self.dir.path(), &options).unwrap();
        let mut txn = environment.heed().write_txn().unwrap();
        let tables = Tables::create(&environment, &mut txn).unwrap();
        let path = Arc::from(environment.path());
        let machine = DataMachine::load_bounded(&tables, &txn, &path, self.bounds).unwrap();
        txn.commit().unwrap();
        self.open = Some((environment, tables, machine));
    }

    /// Applies one entry in a transaction of its own.
    pub(super) fn apply(&mut self, content: &Content) -> Vec<Answer> {
        self.try_apply(&Payload::encode(self.time_ms, content)).unwrap()
    }

    /// Applies any payload; a fault leaves the tables as they were.
    pub(super) fn try_apply(&mut self, payload: &Payload) -> Result<Vec<Answer>, Fault> {
        let (environment, tables, machine) = self.open.as_mut().unwrap();
        let mut txn = environment.heed().write_txn().unwrap();
        let answers = machine.apply(tables, &mut txn, self.index + 1, payload)?;
        txn.commit().unwrap();
        machine.committed();
        self.index += 1;
        Ok(answers.0)
    }

    /// Applies an entry whose transaction is then lost, as in a crash.
    pub(super) fn apply_and_lose(&mut self, content: &Content) {
        let (environment, tables, machine) = self.open.as_mut().unwrap();
        let mut txn = environment.heed().write_txn().unwrap();
        let payload = Payload::encode(self.time_ms, content);
        machine.apply(tables, &mut txn, self.index + 1, &payload).unwrap();
        txn.abort();
        self.reopen();
    }

    /// The group starts to own shards.
    pub(super) fn assign(&mut self, epoch: u64, shards: &[u16]) {
        let shards = shards.iter().copied().map(ShardId).collect();
        self.apply(&Content::Assign { epoch: Epoch(epoch), shards });
    }

    /// A header with an id of its own, issued now.
    pub(super) fn header(&mut self, shard: u16, collection: u32, operation: &Operation) -> Header {
        self.requests += 1;
        Header {
            id: RequestId::made_here(7, self.requests),
            class: RequestClass::Internal,
            issued_at_ms: self.time_ms,
            fingerprint: fingerprint(collection, operation),
            shard: ShardId(shard),
            collection: CollectionId(collection),
        }
    }

    /// Runs one operation in an entry of its own.
    pub(super) fn run(&mut self, shard: u16, collection: u32, operation: Operation) -> Outcome {
        let header = self.header(shard, collection, &operation);
        match self.command(header, operation) {
            Answer::Executed { outcome, replay: false } => outcome,
            answer => panic!("{answer:?}"),
        }
    }

    /// Runs one command in an entry of its own.
    pub(super) fn command(&mut self, header: Header, operation: Operation) -> Answer {
        let mut answers = self.apply(&commands(&[Command { header, operation }]));
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    /// Runs one command and expects it to be rejected.
    pub(super) fn rejected(&mut self, header: Header, operation: Operation) -> Rejection {
        match self.command(header, operation) {
            Answer::Rejected(rejection) => rejection,
            answer => panic!("{answer:?}"),
        }
    }

    /// Puts a value.
    pub(super) fn put(&mut self, shard: u16, collection: u32, key: &[u8], value: &[u8]) -> u64 {
        let (key, value) = (key.to_vec().into(), value.to_vec().into());
        let condition = api::Condition::Always;
        self.run(shard, collection, Operation::Put { key, value, condition }).version
    }

    /// A view of what is committed.
    pub(super) fn view(&self) -> View {
        let (environment, tables, _) = self.open.as_ref().unwrap();
        let txn = environment.heed().clone().static_read_txn().unwrap();
        View { txn, tables: *tables, path: environment.path().into() }
    }

    /// Reads one row.
    pub(super) fn get(
        &self,
        shard: u16,
        collection: u32,
        key: &[u8],
    ) -> Result<Option<service::Row>, ReadRejection> {
        self.view().get(ShardId(shard), CollectionId(collection), key).unwrap()
    }

    /// Reads one page.
    pub(super) fn scan(
        &self,
        collection: u32,
        range: &Range,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<ScanPart, ReadRejection> {
        let collection = CollectionId(collection);
        let request = ScanRequest { collection, range, after, limit, shards: None };
        self.view().scan(&request).unwrap()
    }

    /// Reads all pages, `limit` rows at a time.
    pub(super) fn scan_all(
        &self,
        collection: u32,
        range: &Range,
        limit: usize,
    ) -> Vec<service::Row> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let part = self.scan(collection, range, after.as_ref(), limit).unwrap();
            assert!(part.rows.len() <= limit);
            assert!(!part.more || !part.rows.is_empty(), "a page that is not the last has rows");
            rows.extend(part.rows);
            if !part.more {
                return rows;
            }
            after = rows.last().map(|row| Position::of(range, row));
        }
    }

    /// The scrub's findings.
    pub(super) fn verify(&self) -> Report {
        self.view().verify().unwrap()
    }

    /// Fails if the tables do not agree with each other.
    pub(super) fn assert_sound(&self) {
        let report = self.verify();
        assert!(report.is_sound(), "{:#?}", report.described);
    }

    /// Every byte of every table.
    pub(super) fn dump(&self) -> Dump {
        let (environment, tables, _) = self.open.as_ref().unwrap();
        let txn = environment.heed().read_txn().unwrap();
        let mut dump = Vec::new();
        for (name, table) in [
            ("rows", tables.rows),
            ("values", tables.values),
            ("shards", tables.shards),
            ("counts", tables.counts),
            ("dedup", tables.dedup),
            ("fences", tables.fences),
            ("system", tables.system),
        ] {
            for row in table.iter(&txn).unwrap() {
                let (key, value) = row.unwrap();
                dump.push((name, key.to_vec(), value.to_vec()));
            }
        }
        dump
    }

    /// Writes or removes bytes behind the machine's back.
    pub(super) fn damage(&mut self, name: &str, key: &[u8], value: Option<&[u8]>) {
        let (environment, tables, _) = self.open.as_ref().unwrap();
        let mut txn = environment.heed().write_txn().unwrap();
        let table = match name {
            "rows" => tables.rows,
            "values" => tables.values,
            "shards" => tables.shards,
            "counts" => tables.counts,
            "dedup" => tables.dedup,
            "fences" => tables.fences,
            "system" => tables.system,
            name => panic!("no table {name}"),
        };
        match value {
            Some(value) => table.put(&mut txn, key, value).unwrap(),
            None => assert!(table.delete(&mut txn, key).unwrap()),
        }
        txn.commit().unwrap();
    }

    /// How many requests the machine remembers.
    pub(super) fn remembered(&self) -> usize {
        let (.., machine) = self.open.as_ref().unwrap();
        machine.dedup.len()
    }
}

/// An entry of commands.
pub(super) fn commands(commands: &[Command]) -> Content {
    Content::Commands(commands.iter().map(Command::encode).collect())
}

/// What a router would compute, if collections were named after their ids.
pub(super) fn fingerprint(collection: u32, operation: &Operation) -> Fingerprint {
    operation.fingerprint(&format!("c{collection}"))
}
