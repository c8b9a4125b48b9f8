//! Data: the verbs that read and write rows and collections.

use api::limits::RANGE_ROWS_DEFAULT;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::value::{idempotency_key, rows};

/// What can be done with rows and collections.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
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
    #[command(
        visible_alias = "range",
        after_help = "Examples:
  rdbctl scan users
  rdbctl scan users --prefix a --limit 10
  rdbctl scan users --start alice --end bob -o plain
  rdbctl scan users --limit 1000000 -o ndjson > users.ndjson
  rdbctl scan scores --by value --start 100

In the forms plain and ndjson rows are printed while more are read: the exit code says
whether they are all."
    )]
    Scan(Scan),
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

/// The arguments of `scan`.
#[derive(Debug, Args)]
pub struct Scan {
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

/// What orders and bounds the rows of a scan.
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

impl DataVerb {
    pub(super) fn values_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Put(put) => put.value.iter_mut().chain(&mut put.member).collect(),
            Self::Get(get) => get.member.iter_mut().collect(),
            Self::Del(del) => del.member.iter_mut().collect(),
            Self::Append(append) => vec![&mut append.value],
            Self::Cas(cas) => {
                std::iter::once(&mut cas.value).chain(&mut cas.condition.expect).collect()
            }
            Self::Find(find) => vec![&mut find.value],
            Self::Scan(_) | Self::Collections(_) => Vec::new(),
        }
    }
}
