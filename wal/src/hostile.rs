//! Hostile: any bytes in place of what lies in the log environment.

use api::{ClusterId, GroupId, Incarnation};
use bytes::{BufMut, Bytes};
use fuzz::{Taken, Target, every_damage};

use crate::fact::split_index;
use crate::identity::{self, Identity};
use crate::key::{Fact, Key, parse_entry, parse_fact};
use crate::record::{seal, unseal};
use crate::store::{Change, MemoryStore, Store, Table};

fn key() -> Key {
    Key::entry(GroupId(1), 2)
}

fn sealed(body: &[u8]) -> Bytes {
    seal(&key(), body.len(), |record| record.put_slice(body))
}

#[test]
fn fuzz_records() {
    let bodies: [&[u8]; 3] = [b"", b"hello", &[0xff; 300]];
    Target::new("records", bodies.map(sealed)).memory(|_| 0).run(|input| {
        // Whatever the body is, its record gives back exactly that.
        let record = sealed(input.bytes);
        assert_eq!(unseal(key().as_slice(), &record), Ok(input.bytes));
        match input.decode(|record| unseal(key().as_slice(), record).map(<[u8]>::len)) {
            Ok(_) => {
                let body = unseal(key().as_slice(), input.bytes).unwrap();
                assert_eq!(sealed(body), input.bytes);
                Taken::Read
            }
            Err(bad) => Taken::refused(bad),
        }
    });
}

#[test]
fn no_damage_to_a_record_goes_unseen() {
    for bytes in [0, 1, 7, 64, 500] {
        let record = sealed(&vec![0xa5; bytes]);
        every_damage(&record, |what, damaged| {
            assert!(unseal(key().as_slice(), damaged).is_err(), "{bytes} bytes: {what}");
        });
    }
}

#[test]
fn fuzz_log_keys() {
    let facts = Fact::ALL.map(|fact| Key::fact(GroupId(9), fact).as_slice().to_vec());
    let seeds = [vec![key().as_slice().to_vec()], facts.into()].concat();
    Target::new("log keys", seeds).memory(|_| 0).run(|input| {
        let entry = input.decode(parse_entry);
        let fact = input.decode(parse_fact);
        assert!(entry.is_none() || fact.is_none(), "one key, two meanings");
        let again = entry
            .map(|(group, index)| Key::entry(group, index))
            .or(fact.map(|(group, fact)| Key::fact(group, fact)));
        match again {
            Some(again) => {
                assert_eq!(again.as_slice(), input.bytes);
                Taken::Read
            }
            None => Taken::refused("no key"),
        }
    });
}

#[test]
fn fuzz_log_ids() {
    Target::new("log ids", [&7_u64.to_be_bytes()[..], b"\0\0\0\0\0\0\0\x01id"]).memory(|_| 64).run(
        |input| {
            let body = Bytes::copy_from_slice(input.bytes);
            match input.decode(|_| split_index(&body)) {
                Some((index, rest)) => {
                    assert_eq!([&index.to_be_bytes()[..], &rest].concat(), body);
                    Taken::Read
                }
                None => Taken::refused("too short"),
            }
        },
    );
}

/// The rows of table `system`, each in turn replaced by the input; the identity
/// also with a checksum that fits, for damage from before it was computed.
#[test]
fn fuzz_system_rows() {
    let whose = [[0xc1_u8; 16], [0x1d; 16]].concat();
    let identity = Key::system("identity");
    let of_body =
        |body: &[u8]| seal(&identity, body.len(), |record| record.put_slice(body)).to_vec();
    let format = identity::FORMAT.to_be_bytes().to_vec();
    let seeds = [format.clone(), of_body(&whose), whose.clone()];
    Target::new("system rows", seeds).memory(|bytes| 6 * bytes + 8192).run(|input| {
        let read = |format: &[u8], identity_row: &[u8]| {
            let put = |key, record: &[u8]| {
                let record = Bytes::copy_from_slice(record);
                Change::Put { table: Table::System, key, record }
            };
            let store = MemoryStore::new();
            let rows = [put(Key::system("format"), format), put(identity, identity_row)];
            store.apply(&rows).unwrap();
            identity::read(&store)
        };
        let good = of_body(&whose);
        let tried = [
            input.decode(|bytes| read(bytes, &good)),
            input.decode(|bytes| read(&format, bytes)),
            input.decode(|bytes| read(&format, &of_body(bytes))),
        ];
        let expected =
            Identity { cluster: ClusterId([0xc1; 16]), incarnation: Incarnation([0x1d; 16]) };
        let mut taken = Taken::Refused;
        for (number, found) in tried.into_iter().enumerate() {
            match found {
                Err(fault) => assert!(fault.is_corruption(), "{fault}"),
                Ok(None) => panic!("the rows are there"),
                Ok(Some(system)) => {
                    taken = Taken::Read;
                    // Only a checksum that was made for them lets other bytes pass.
                    let forged = number == 2;
                    assert!(forged || system.identity.is_none_or(|found| found == expected));
                }
            }
        }
        taken
    });
}
