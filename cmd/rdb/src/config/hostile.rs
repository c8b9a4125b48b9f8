//! Hostile: any text in place of a node's configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fuzz::{Taken, Target};

use crate::config::check;
use crate::config::example::in_force;
use crate::config::merge::{Merged, Sources};
use crate::config::setting;
use crate::config::value::Value;

const COMPLETE: &str = r#"
[node]
name = "rdb_replica_0"
data_dir = "data"
[https]
listen = "127.0.0.1:8080"
cert = "a.crt"
key = "a.key"
[peer]
ca = "ca.crt"
cert = "b.crt"
key = "b.key"
seeds = ["rdb_replica_0=127.0.0.1:7402"]
advertise = "127.0.0.1:7402"
[storage]
snapshot_disk_fraction = "12.5%"
"#;

const FEW: &str = r#"
[raft]
heartbeat = "50ms"
[cluster]
groups = 3
[https]
plain = true
"#;

fn merged(text: &str) -> Result<Merged, String> {
    // Beside no other: its relative paths stay what they are.
    let file = Some((PathBuf::from("rdb.toml"), text.to_owned()));
    Merged::from_sources(&Sources { file, ..Sources::default() }).map_err(|why| why.to_string())
}

/// A problem may quote its setting, and there may be many: an operator reads all.
#[test]
fn fuzz_configuration_files() {
    let words = [
        "[raft]\n",
        "heartbeat = ",
        "\"100ms\"",
        "\"64MiB\"",
        "0x",
        "1979-05-27T07:32:00Z",
        "\n",
        "= [",
        "]",
        "{",
        "}",
        "'''",
        "\"\"\"",
        "\\u0000",
        "-1",
        "1e400",
        "nan",
        "\u{feff}",
    ];
    let seeds = [COMPLETE, FEW];
    let memory = |bytes| 256 * bytes + 262_144;
    Target::new("configuration files", seeds).words(words).memory(memory).run(|input| {
        let Ok(text) = str::from_utf8(input.bytes) else { return Taken::refused("not UTF-8") };
        let read = input.decode(|_| {
            let merged = merged(text)?;
            let checked = check::config(&merged).map_err(|why| why.to_string());
            Ok::<_, String>((merged, checked))
        });
        let Ok((read, checked)) = read else {
            return Taken::Refused;
        };
        // What is in force says so in the same form.
        let again = merged(&in_force(&read, false)).unwrap();
        for setting in setting::ALL {
            assert_eq!(again.value(setting), read.value(setting), "{}", setting.name());
        }
        assert_eq!(check::config(&again).map_err(|why| why.to_string()), checked);
        Taken::Read
    });
}

/// The same words, from a flag or the environment: the setting's number in front.
#[test]
fn fuzz_configuration_values() {
    let seeds = (0_u8..).zip(setting::ALL).map(|(number, setting)| {
        [&[number][..], setting.default.unwrap_or(setting.example).as_bytes()].concat()
    });
    let words = ["ms", "MiB", "%", "0.", "99999999999999999999", ":", "[::1]", ",", "true"];
    let memory = |bytes| 16 * bytes + 16_384;
    Target::new("configuration values", seeds).words(words).memory(memory).run(|input| {
        let Some((number, text)) = input.bytes.split_first() else {
            return Taken::refused("no setting");
        };
        let (Some(setting), Ok(text)) =
            (setting::ALL.get(usize::from(*number)), str::from_utf8(text))
        else {
            return Taken::refused("no setting or no text");
        };
        match input.decode(|_| Value::from_text(setting.kind, text)) {
            Ok(value) => {
                let shown = format!("{} = {value}", setting.key);
                let table: toml::Table = shown.parse().unwrap();
                assert_eq!(Value::from_toml(setting.kind, &table[setting.key]), Ok(value));
                let flags = BTreeMap::from([(setting.flag(), text.to_owned())]);
                assert!(Merged::from_sources(&Sources { flags, ..Sources::default() }).is_ok());
                Taken::Read
            }
            Err(_) => Taken::Refused,
        }
    });
}
