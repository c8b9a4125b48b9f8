//! Cli: which verb, with what, to whom?

use std::path::PathBuf;
use std::time::Duration;

use api::limits::{IDEMPOTENCY_KEY_BYTES_MAX, RANGE_ROWS_DEFAULT};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  export RDBCTL_CACERT=rdb-dev/certs/ca.crt
  export RDBCTL_ENDPOINTS=localhost:8443,localhost:8444,localhost:8445
  rdbctl put users alice 1                 writes a row
  rdbctl get users alice                   prints its value
  rdbctl range users --prefix a            lists rows by key
  rdbctl status                            how the cluster is, on one screen

A value given as `-` is read from stdin. Data goes to stdout, everything else to stderr.";

/// Reads and writes rows of an rdb cluster, and shows how the cluster is.
#[derive(Debug, Parser)]
#[command(name = "rdbctl", version, after_help = help_tail(), max_term_width = 100)]
pub struct Cli {
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub target: Target,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The flags of every verb.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Nodes, or the proxy, to ask; any one will do, more survive a loss. https if nothing is said.
    #[arg(
        short,
        long,
        global = true,
        env = "RDBCTL_ENDPOINTS",
        value_name = "ADDRESSES",
        value_delimiter = ',',
        value_parser = endpoint,
        default_value = "https://localhost:8443"
    )]
    pub endpoints: Vec<String>,
    /// The certificates to trust, as PEM [default: those of the system].
    #[arg(long, global = true, env = "RDBCTL_CACERT", value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// How long a call may take, with all its retries.
    #[arg(
        long,
        global = true,
        env = "RDBCTL_TIMEOUT",
        value_name = "TIME",
        value_parser = duration,
        default_value = "10s"
    )]
    pub timeout: Duration,
    /// How to answer [default: plain for `get` and `del`, table for the rest].
    #[arg(short, long, global = true, value_enum)]
    pub output: Option<Form>,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people: aligned, with a heading; long cells are cut.
    Table,
    /// For pipes: a line per row, its fields separated by tabs.
    Plain,
    /// For programs.
    Json,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a value under a key, or add a value to the collection's set of values.
    #[command(after_help = "Examples:
  rdbctl put users alice 1
  rdbctl put users alice - < alice.json
  rdbctl put words --value hello          without a key: its hash is the key")]
    Put(Put),
    /// Print the value of a row.
    #[command(after_help = "Examples:
  rdbctl get users alice
  rdbctl get users alice -n > alice.json  byte for byte
  rdbctl get users alice -o json          with its version
  rdbctl get words --value hello          is it in the set?")]
    Get(Get),
    /// Remove a row and print the value it had.
    #[command(after_help = "Examples:
  rdbctl del users alice
  rdbctl del users alice --if-version 7
  rdbctl del words --value hello")]
    Del(Del),
    /// Add to the end of a row's value; a row that is not there counts as empty.
    #[command(after_help = "Examples:
  rdbctl append log today 'one more line'
  date | rdbctl append log today -")]
    Append(Append),
    /// Write a value if the row is what you expect; exit code 6 if it is not.
    #[command(after_help = "Examples:
  rdbctl cas users alice 1 --if-absent
  rdbctl cas users alice 2 --expect 1
  rdbctl cas users alice 3 --if-version 7")]
    Cas(Cas),
    /// List rows in the order of their keys, or of their values.
    #[command(after_help = "Examples:
  rdbctl range users
  rdbctl range users --prefix a --limit 10
  rdbctl range users --start alice --end bob -o plain
  rdbctl range scores --by value --start 100")]
    Range(Range),
    /// List the rows that hold exactly a value, whatever their keys.
    #[command(after_help = "Example:
  rdbctl find users 1")]
    Find(Find),
    /// List, create or drop collections.
    #[command(
        subcommand,
        visible_alias = "collection",
        after_help = "Examples:
  rdbctl collections list
  rdbctl collections create users
  rdbctl collections drop users --yes"
    )]
    Collections(Collections),
    /// Show on one screen how the cluster is, and what is wrong with it.
    #[command(after_help = "Examples:
  rdbctl status
  rdbctl status -e localhost:8443,localhost:8444,localhost:8445
  rdbctl status --check -o json           exit code 10 if something is wrong")]
    Status(Status),
}

/// The arguments of `put`.
#[derive(Debug, Args)]
pub struct Put {
    /// The collection; made if it is not there.
    pub collection: String,
    /// The row's key.
    #[arg(required_unless_present = "member")]
    pub key: Option<String>,
    /// The value, or `-` for stdin.
    #[arg(required_unless_present = "member", allow_negative_numbers = true)]
    pub value: Option<String>,
    /// Add this value without a key; nothing changes if it is there.
    #[arg(
        id = "member",
        long = "value",
        value_name = "VALUE",
        conflicts_with_all = ["key", "value"]
    )]
    pub member: Option<String>,
    /// What makes it safe to repeat.
    #[command(flatten)]
    pub once: Once,
}

/// The arguments of `get`.
#[derive(Debug, Args)]
pub struct Get {
    /// The collection.
    pub collection: String,
    /// The row's key.
    #[arg(required_unless_present = "member")]
    pub key: Option<String>,
    /// Look for this value, which was put without a key.
    #[arg(id = "member", long = "value", value_name = "VALUE", conflicts_with = "key")]
    pub member: Option<String>,
    /// Print nothing but the value, not even the line's end.
    #[arg(short = 'n', long)]
    pub no_newline: bool,
    /// How fresh the answer must be.
    #[command(flatten)]
    pub fresh: Fresh,
}

/// The arguments of `del`.
#[derive(Debug, Args)]
pub struct Del {
    /// The collection.
    pub collection: String,
    /// The row's key.
    #[arg(required_unless_present = "member")]
    pub key: Option<String>,
    /// Remove this value, which was put without a key.
    #[arg(id = "member", long = "value", value_name = "VALUE", conflicts_with = "key")]
    pub member: Option<String>,
    /// Only if the row has this version; exit code 6 if it has not.
    #[arg(long, value_name = "VERSION", conflicts_with = "member")]
    pub if_version: Option<u64>,
    /// What makes it safe to repeat.
    #[command(flatten)]
    pub once: Once,
}

/// The arguments of `append`.
#[derive(Debug, Args)]
pub struct Append {
    /// The collection; made if it is not there.
    pub collection: String,
    /// The row's key.
    pub key: String,
    /// What to add, or `-` for stdin.
    #[arg(allow_negative_numbers = true)]
    pub value: String,
    /// What makes it safe to repeat.
    #[command(flatten)]
    pub once: Once,
}

/// The arguments of `cas`.
#[derive(Debug, Args)]
pub struct Cas {
    /// The collection; made if it is not there.
    pub collection: String,
    /// The row's key.
    pub key: String,
    /// The new value, or `-` for stdin.
    #[arg(allow_negative_numbers = true)]
    pub value: String,
    /// What must be there.
    #[command(flatten)]
    pub condition: Condition,
    /// What makes it safe to repeat.
    #[command(flatten)]
    pub once: Once,
}

/// What a `cas` expects; exactly one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Condition {
    /// The row holds this value, or `-` for stdin.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub expect: Option<String>,
    /// The row has this version.
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<u64>,
    /// There is no row.
    #[arg(long)]
    pub if_absent: bool,
}

/// The arguments of `range`.
#[derive(Debug, Args)]
pub struct Range {
    /// The collection.
    pub collection: String,
    /// What orders and bounds the rows.
    #[arg(long, value_enum, default_value_t = Order::Key)]
    pub by: Order,
    /// The first key (or value) that may be in it.
    #[arg(long, value_name = "START", default_value = "", hide_default_value = true)]
    pub start: String,
    /// The first that is past it.
    #[arg(long, value_name = "END")]
    pub end: Option<String>,
    /// What all in it start with.
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// How much of it.
    #[command(flatten)]
    pub part: Part,
    /// How fresh the answer must be.
    #[command(flatten)]
    pub fresh: Fresh,
}

/// What orders and bounds the rows of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Their keys.
    Key,
    /// Their values.
    Value,
}

/// The arguments of `find`.
#[derive(Debug, Args)]
pub struct Find {
    /// The collection.
    pub collection: String,
    /// The value, or `-` for stdin.
    #[arg(allow_negative_numbers = true)]
    pub value: String,
    /// How much of it.
    #[command(flatten)]
    pub part: Part,
    /// How fresh the answer must be.
    #[command(flatten)]
    pub fresh: Fresh,
}

/// How much of a list.
#[derive(Debug, Args)]
pub struct Part {
    /// Rows at most.
    #[arg(long, value_name = "ROWS", default_value_t = RANGE_ROWS_DEFAULT, value_parser = rows)]
    pub limit: usize,
    /// Go on where an earlier list ended.
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// What can be done with collections.
#[derive(Debug, Subcommand)]
pub enum Collections {
    /// Name all collections.
    List,
    /// Make sure a collection exists.
    Create {
        /// Its name.
        name: String,
        /// What makes it safe to repeat.
        #[command(flatten)]
        once: Once,
    },
    /// Drop a collection with all its rows.
    Drop {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// What makes it safe to repeat.
        #[command(flatten)]
        once: Once,
    },
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Exit with 10 if something is wrong.
    #[arg(long)]
    pub check: bool,
}

/// What makes a change safe to repeat.
#[derive(Clone, Debug, Args)]
pub struct Once {
    /// Names the change: repeated under the same key within ten minutes, it takes effect once.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    pub idempotency_key: Option<String>,
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Args)]
pub struct Fresh {
    /// How fresh the answer must be.
    #[arg(long, value_enum, default_value_t = Consistency::Linearizable)]
    pub consistency: Consistency,
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Consistency {
    /// It sees every write that was acknowledged before it was asked.
    Linearizable,
    /// What the asked node has, however old.
    Stale,
}

impl Verb {
    /// The values that may be `-` for stdin.
    pub fn values_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Put(put) => put.value.iter_mut().chain(&mut put.member).collect(),
            Self::Get(get) => get.member.iter_mut().collect(),
            Self::Del(del) => del.member.iter_mut().collect(),
            Self::Append(append) => vec![&mut append.value],
            Self::Cas(cas) => {
                std::iter::once(&mut cas.value).chain(&mut cas.condition.expect).collect()
            }
            Self::Find(find) => vec![&mut find.value],
            Self::Range(_) | Self::Collections(_) | Self::Status(_) => Vec::new(),
        }
    }
}

/// An address with its scheme; https unless it says otherwise.
fn endpoint(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("an address is empty: give host:port".to_owned()),
        text if text.contains("://") => Ok(text.to_owned()),
        text => Ok(format!("https://{text}")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let read = || {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*scale)
    };
    match read() {
        Some(0) => Err("no time at all is too little".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("it is not a duration such as 250ms, 5s, 2m or 1h".to_owned()),
    }
}

fn rows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("no rows at all are too few".to_owned()),
        Ok(rows) => Ok(rows),
        Err(_) => Err("it is not a whole number".to_owned()),
    }
}

fn idempotency_key(text: &str) -> Result<String, String> {
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(format!("it is not 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"))
}

fn help_tail() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
    format!("{EXAMPLES}\n\nExit codes:\n{}", codes.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_unless_they_say_otherwise() {
        assert_eq!(endpoint("localhost:8443").unwrap(), "https://localhost:8443");
        assert_eq!(endpoint(" a:1 ").unwrap(), "https://a:1");
        assert_eq!(endpoint("http://a:1").unwrap(), "http://a:1");
        assert!(endpoint("").is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "0s", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn idempotency_keys_fit_a_header() {
        assert!(idempotency_key("order-1").is_ok());
        for wrong in ["", "a b", "a\n", "\u{e4}", &"x".repeat(256)] {
            assert!(idempotency_key(wrong).is_err(), "{wrong:?}");
        }
    }
}
