//! Identity: foreign and unknown logs are refused, and say so.

use wal::identity::Left;
use wal::inspect::Inspector;
use wal::key::Key;
use wal::store::{Change, MemoryStore, Table};
use wal::{Driver, LmdbStore, OpenError, Store, Wal};

use crate::harness::{MAP_BYTES, identity, no_fault, options};

#[test]
fn another_clusters_log_is_refused_and_stays_its_own() {
    let dir = tempfile::tempdir().unwrap();
    Wal::open(dir.path(), identity(1), options(), no_fault).unwrap().close().unwrap();
    let refused = Wal::open(dir.path(), identity(2), options(), no_fault).unwrap_err();
    let OpenError::Foreign { found, expected, .. } = &refused else { panic!("{refused}") };
    assert_eq!((*found, *expected), (identity(1), identity(2)));
    assert!(refused.to_string().contains("belongs to cluster 0101"), "{refused}");
    drop(refused);
    Wal::open(dir.path(), identity(1), options(), no_fault).unwrap().close().unwrap();
}

#[test]
fn another_life_of_the_directory_is_refused() {
    let store = MemoryStore::new();
    let open =
        |identity| Wal::on_store(store.clone(), identity, options(), Driver::Inline, no_fault);
    drop(open(identity(1)).unwrap());
    let mut other = identity(1);
    other.incarnation.0[0] ^= 1;
    assert!(matches!(open(other), Err(OpenError::Foreign { .. })));
}

#[test]
fn another_releases_format_is_refused() {
    let store = MemoryStore::new();
    let open = || Wal::on_store(store.clone(), identity(1), options(), Driver::Inline, no_fault);
    drop(open().unwrap());
    let record = 2_u32.to_be_bytes().to_vec().into();
    let newer = Change::Put { table: Table::System, key: Key::system("format"), record };
    store.apply(&[newer]).unwrap();
    let refused = open().unwrap_err();
    assert!(matches!(refused, OpenError::Format { found: 2, .. }), "{refused}");
}

#[test]
fn entries_without_a_format_are_a_fault() {
    let store = MemoryStore::new();
    let key = Key::entry(api::GroupId(1), 0);
    let stray = Change::Put { table: Table::Log, key, record: b"stray".to_vec().into() };
    store.apply(&[stray]).unwrap();
    let refused = Wal::on_store(store, identity(1), options(), Driver::Inline, no_fault);
    assert!(matches!(refused, Err(OpenError::Fault(fault)) if fault.is_corruption()));
}

#[test]
fn the_clean_mark_is_there_only_while_nobody_writes() {
    let store = MemoryStore::new();
    let left = || Inspector::on_store(store.clone()).system().unwrap().unwrap().left;
    let open =
        || Wal::on_store(store.clone(), identity(1), options(), Driver::Inline, no_fault).unwrap();
    let wal = open();
    assert_eq!(left(), Left::Unclean);
    wal.close().unwrap();
    assert_eq!(left(), Left::Clean);
    drop(open());
    assert_eq!(left(), Left::Unclean);
}

#[test]
fn a_second_opening_in_this_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), identity(1), options(), no_fault).unwrap();
    assert!(LmdbStore::open(dir.path(), MAP_BYTES).is_err());
    wal.close().unwrap();
    LmdbStore::open(dir.path(), MAP_BYTES).unwrap();
}
