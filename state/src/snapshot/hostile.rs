//! Hostile: any bytes in place of a snapshot file, or in one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use api::{ClusterId, GroupId, NodeId};
use flate2::{Compression, GzBuilder};
use fuzz::{Taken, Target, every_damage};
use sha2::{Digest, Sha256};

use super::file::name_of;
use super::{BadSnapshot, Header, SnapshotFile};
use crate::membership::{StoredMembership, log_id};

/// Two buffers of a quarter MiB, what inflating needs, and a gzip header.
const UNPACK_MEMORY: fn(usize) -> usize = |_| 800 << 10;

fn header(raw_bytes: usize) -> Header {
    Header {
        cluster: ClusterId([7; 16]),
        group: GroupId(3),
        last: Some(log_id(2, NodeId(1), 99)),
        membership: StoredMembership::default(),
        raw_bytes: raw_bytes as u64,
    }
}

/// A file whose header says `header`, whatever `content` is.
fn packed(header: &Header, content: &[u8]) -> Vec<u8> {
    let extra = header.to_extra().unwrap();
    let mut encoder = GzBuilder::new().extra(extra).write(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Puts `bytes` where a snapshot of that hash would lie.
fn lay(directory: &Path, bytes: &[u8], sha256: &[u8; 32]) -> PathBuf {
    let path = directory.join(name_of(sha256));
    fs::write(&path, bytes).unwrap();
    path
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Opens and unpacks to nowhere; tells how many bytes came out.
fn unpack(path: &Path) -> Result<u64, BadSnapshot> {
    let file = SnapshotFile::open(path)?;
    let mut counted = Counted(0);
    file.unpack_into(&mut counted)?;
    assert_eq!(counted.0, file.header().raw_bytes);
    Ok(counted.0)
}

struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.0 += chunk.len() as u64;
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of a name that does not tell its hash: what a disk does to it.
#[test]
fn no_damage_to_a_snapshot_goes_unseen() {
    let directory = tempfile::tempdir().unwrap();
    let whole = packed(&header(300), &[0x5a; 300]);
    let sha256 = hash(&whole);
    assert_eq!(unpack(&lay(directory.path(), &whole, &sha256)).unwrap(), 300);
    every_damage(&whole, |what, damaged| {
        let path = lay(directory.path(), damaged, &sha256);
        assert!(unpack(&path).is_err(), "{what}");
    });
}

/// A file whose name fits its bytes, whatever they are: what a peer may send.
#[test]
fn fuzz_snapshot_files() {
    let directory = tempfile::tempdir().unwrap();
    let contents: [&[u8]; 3] = [b"", b"not much", &[0; 5_000]];
    let seeds = contents.map(|content| packed(&header(content.len()), content));
    Target::new("snapshot files", seeds).memory(UNPACK_MEMORY).run(|input| {
        let path = lay(directory.path(), input.bytes, &hash(input.bytes));
        let unpacked = input.decode(|_| unpack(&path));
        fs::remove_file(&path).unwrap();
        match unpacked {
            Ok(_) => Taken::Read,
            Err(BadSnapshot::Fault(fault)) => panic!("no disk is to blame: {fault}"),
            Err(bad) => Taken::refused(bad),
        }
    });
}

/// Damaged content under a header, a length, a checksum and a name that fit.
#[test]
fn fuzz_snapshot_contents() {
    let directory = tempfile::tempdir().unwrap();
    let seeds: [&[u8]; 2] = [b"content", &[7; 20]];
    Target::new("snapshot contents", seeds).memory(UNPACK_MEMORY).run(|input| {
        let file = packed(&header(input.bytes.len()), input.bytes);
        let path = lay(directory.path(), &file, &hash(&file));
        let mut back = Vec::new();
        SnapshotFile::open(&path).unwrap().unpack_into(&mut back).unwrap();
        assert_eq!(back, input.bytes);
        fs::remove_file(&path).unwrap();
        // The same under a header that promises more.
        let file = packed(&header(input.bytes.len() + 1), input.bytes);
        let path = lay(directory.path(), &file, &hash(&file));
        assert!(input.decode(|_| unpack(&path)).is_err());
        fs::remove_file(&path).unwrap();
        Taken::Read
    });
}

#[test]
fn fuzz_snapshot_names() {
    let seeds = [[0xab; 32], [0; 32]].map(|sha256| name_of(&sha256));
    let words = ["/", "../", "state_", ".gz", "\0", "AB"];
    Target::new("snapshot names", seeds).words(words).run(|input| {
        let name = String::from_utf8_lossy(input.bytes);
        match input.decode(|_| super::file::parse_name(&name)) {
            Ok(sha256) => {
                assert_eq!(name_of(&sha256), name);
                assert!(!name.contains(['/', '\0', '\\']));
                Taken::Read
            }
            Err(bad) => Taken::refused(bad),
        }
    });
}
