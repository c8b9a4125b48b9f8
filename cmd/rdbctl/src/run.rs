//! Run: does what the command line says.

use std::fs;
use std::io::{self, IsTerminal};

use api::limits::RANGE_ROWS_MAX;
use clap::Parser;
use client::{Client, Error, Expected, Page};

use crate::cli::{
    Cli, Collections, Consistency, Find, Form, Fresh, Get, Once, Order, Part, Put, Range, Target,
    Verb,
};
use crate::consent::Consent;
use crate::exit::Exit;
use crate::failure::{Asked, Failure};
use crate::status::{Report, problem, screen};
use crate::{cli, input, output, rows};

/// What a verb that worked has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Done {
    text: String,
    note: Option<String>,
    exit: Exit,
}

impl From<String> for Done {
    fn from(text: String) -> Self {
        Self { text, note: None, exit: Exit::Success }
    }
}

/// Reads the command line of this process and does what it says.
#[must_use]
pub fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed = error.print();
            if !error.use_stderr() {
                return Exit::Success;
            }
            output::progress("hint: `rdbctl --help`, and --help of every verb, has examples");
            return Exit::Usage;
        }
    };
    match execute(cli).and_then(tell) {
        Ok(exit) => exit,
        Err(failure) => {
            output::progress(&failure);
            failure.exit
        }
    }
}

fn tell(done: Done) -> Result<Exit, Failure> {
    output::text(&done.text).map_err(|error| Failure {
        exit: Exit::Failure,
        message: format!("it was done, but stdout does not take the answer: {error}"),
        hint: "is the disk behind it full?".to_owned(),
    })?;
    if let Some(note) = done.note {
        output::progress(note);
    }
    Ok(done.exit)
}

fn execute(mut cli: Cli) -> Result<Done, Failure> {
    input::resolve(cli.verb.values_mut(), &mut io::stdin().lock())?;
    let client = connect(&cli.target)?;
    if let Verb::Collections(Collections::Drop { name, yes, .. }) = &cli.verb {
        let what = format!("dropping collection `{name}` with all its rows");
        Consent::of(*yes, io::stdin().is_terminal()).obtain(&what, name, ask)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure {
        exit: Exit::Failure,
        message: format!("start a runtime: {error}"),
        hint: "the system may be out of file descriptors".to_owned(),
    })?;
    runtime.block_on(perform(&client, &cli))
}

/// Asks whoever sits at the terminal. What cannot be read is an empty answer.
fn ask(question: &str) -> String {
    output::prompt(question);
    let mut line = String::new();
    let _unread = io::stdin().read_line(&mut line);
    line
}

fn connect(target: &Target) -> Result<Client, Failure> {
    let usage = |message, hint: &str| Failure { exit: Exit::Usage, message, hint: hint.to_owned() };
    let mut builder = Client::builder().endpoints(&target.endpoints).timeout(target.timeout);
    if let Some(path) = &target.cacert {
        let pem = fs::read(path).map_err(|error| {
            let message = format!("read {}: {error}", path.display());
            usage(message, "--cacert or RDBCTL_CACERT names a file with the cluster's authority")
        })?;
        builder = builder.ca_pem(pem);
    }
    builder.build().map_err(|error| {
        usage(error.to_string(), "`rdbctl --help` shows how to name nodes and certificates")
    })
}

async fn perform(client: &Client, cli: &Cli) -> Result<Done, Failure> {
    let form = cli.target.output;
    let listed = form.unwrap_or(Form::Table);
    match &cli.verb {
        Verb::Put(args) => Writer::new(client, &args.once).put(args, listed).await,
        Verb::Get(args) => get(client, args, form.unwrap_or(Form::Plain)).await,
        Verb::Del(args) => {
            Writer::new(client, &args.once).del(args, form.unwrap_or(Form::Plain)).await
        }
        Verb::Append(args) => {
            let writer = Writer::new(client, &args.once);
            let done = writer.client.append(&args.collection, &args.key, &args.value).await;
            Ok(rows::written(&writer.judge(done)?, listed).into())
        }
        Verb::Cas(args) => Writer::new(client, &args.once).cas(args, listed).await,
        Verb::Range(args) => range(client, args, listed).await,
        Verb::Find(args) => find(client, args, listed).await,
        Verb::Collections(args) => collections(client, args, listed).await,
        Verb::Status(args) => status(client, args, listed).await,
    }
}

/// A client for one change, whose idempotency key is known beforehand: if the
/// outcome is not, the user can settle it with that key.
struct Writer {
    client: Client,
    key: String,
}

impl Writer {
    fn new(client: &Client, once: &Once) -> Self {
        let made = || format!("{:032x}", rand::random::<u128>());
        let key = once.idempotency_key.clone().unwrap_or_else(made);
        Self { client: client.with_idempotency_key(&key), key }
    }

    fn judge<T>(&self, done: Result<T, Error>) -> Result<T, Failure> {
        done.map_err(|error| Failure::of(&error, Asked::Write(&self.key)))
    }

    async fn put(&self, args: &Put, form: Form) -> Result<Done, Failure> {
        let Put { collection, key, value, member, .. } = args;
        let done = match (key, value, member) {
            (Some(key), Some(value), _) => self.client.put(collection, key, value).await,
            (_, _, Some(member)) => self.client.put_value(collection, member).await,
            _ => return Err(neither()),
        };
        Ok(rows::written(&self.judge(done)?, form).into())
    }

    async fn cas(&self, args: &cli::Cas, form: Form) -> Result<Done, Failure> {
        let expected = match (&args.condition.expect, args.condition.if_version) {
            (Some(value), _) => Expected::Value(value),
            (None, Some(version)) => Expected::Version(version),
            (None, None) => Expected::Absent,
        };
        let done = self.client.cas(&args.collection, &args.key, &args.value, expected).await;
        Ok(rows::written(&self.judge(done)?, form).into())
    }

    async fn del(&self, args: &cli::Del, form: Form) -> Result<Done, Failure> {
        let cli::Del { collection, key, member, if_version, .. } = args;
        let done = match (key, member, if_version) {
            (Some(key), _, Some(version)) => {
                self.client.delete_version(collection, key, *version).await
            }
            (Some(key), _, None) => self.client.delete(collection, key).await,
            (None, Some(member), _) => self.client.delete_value(collection, member).await,
            (None, None, _) => return Err(neither()),
        };
        let row = self.judge(done)?.ok_or_else(Failure::not_found)?;
        let note = row.value.is_none().then(|| "note: removed; its value is not shown".to_owned());
        Ok(Done { note, ..rows::one(&row, form).into() })
    }
}

async fn get(client: &Client, args: &Get, form: Form) -> Result<Done, Failure> {
    let client = fresh(client, args.fresh);
    let found = match (&args.key, &args.member) {
        (Some(key), _) => client.get(&args.collection, key).await,
        (None, Some(member)) => client.get_value(&args.collection, member).await,
        (None, None) => return Err(neither()),
    };
    let row = found.map_err(read_failure)?.ok_or_else(Failure::not_found)?;
    let Some(value) = &row.value else {
        return Err(Failure {
            exit: Exit::Failure,
            message: "the row has a value that is no text".to_owned(),
            hint: "read it by the interface that wrote it".to_owned(),
        });
    };
    if args.no_newline && form == Form::Plain {
        return Ok(value.clone().into());
    }
    Ok(rows::one(&row, form).into())
}

async fn range(client: &Client, args: &Range, form: Form) -> Result<Done, Failure> {
    let client = fresh(client, args.fresh);
    list(&args.part, form, async |limit, cursor| {
        let range = client::Range {
            start: &args.start,
            end: args.end.as_deref(),
            prefix: args.prefix.as_deref(),
            limit: Some(limit),
            cursor,
        };
        match args.by {
            Order::Key => client.range_by_key(&args.collection, range).await,
            Order::Value => client.range(&args.collection, range).await,
        }
    })
    .await
}

async fn find(client: &Client, args: &Find, form: Form) -> Result<Done, Failure> {
    let client = fresh(client, args.fresh);
    list(&args.part, form, async |limit, cursor| {
        client.find(&args.collection, &args.value, Some(limit), cursor).await
    })
    .await
}

/// Reads pages until there are as many rows as were asked for, or no more.
async fn list(
    part: &Part,
    form: Form,
    page: impl AsyncFn(usize, Option<&str>) -> Result<Page, Error>,
) -> Result<Done, Failure> {
    let mut found = Vec::new();
    let mut cursor = part.cursor.clone();
    loop {
        let wanted = part.limit.saturating_sub(found.len()).min(RANGE_ROWS_MAX);
        let Page { rows, cursor: next } =
            page(wanted, cursor.as_deref()).await.map_err(read_failure)?;
        cursor = next;
        // A page without rows ends the loop even if a cursor says that there is more.
        let ends = rows.is_empty() || cursor.is_none();
        found.extend(rows);
        if ends || found.len() >= part.limit {
            break;
        }
    }
    let more = |cursor| format!("note: there may be more: the same with --cursor={cursor}");
    let note = cursor.as_ref().map(more);
    Ok(Done { note, ..rows::many(&found, cursor.as_deref(), form).into() })
}

async fn collections(client: &Client, verb: &Collections, form: Form) -> Result<Done, Failure> {
    Ok(match verb {
        Collections::List => {
            let names = client.list_collections().await.map_err(read_failure)?;
            rows::collections(&names, form).into()
        }
        Collections::Create { name, once } => {
            let writer = Writer::new(client, once);
            writer.judge(writer.client.create_collection(name).await)?;
            rows::collection(name, "there", form).into()
        }
        Collections::Drop { name, once, .. } => {
            let writer = Writer::new(client, once);
            writer.judge(writer.client.drop_collection(name).await)?;
            rows::collection(name, "dropped", form).into()
        }
    })
}

async fn status(client: &Client, args: &cli::Status, form: Form) -> Result<Done, Failure> {
    let seen = client.statuses().await;
    let report = Report::of(&seen);
    let first = seen.iter().find_map(|seen| seen.status.as_ref().err());
    if let (false, Some(error)) = (report.has_answers(), first) {
        let silent = report.endpoints.iter().map(|endpoint| {
            let why = endpoint.silence.as_deref().unwrap_or_default();
            format!("\n  {}: {why}", endpoint.address)
        });
        let message = format!("no endpoint gives a status:{}", silent.collect::<String>());
        return Err(Failure { message, ..read_failure(error.clone()) });
    }
    let problems = problem::problems(&report);
    let text = screen::render(&report, &problems, form);
    let sick = args.check && !problems.is_empty();
    let exit = if sick { Exit::Unhealthy } else { Exit::Success };
    Ok(Done { text, note: None, exit })
}

fn fresh(client: &Client, fresh: Fresh) -> Client {
    match fresh.consistency {
        Consistency::Linearizable => client.clone(),
        Consistency::Stale => client.stale(),
    }
}

fn read_failure(error: Error) -> Failure {
    Failure::of(&error, Asked::Read)
}

/// The command line grammar asks for one of them; this says so a second time.
fn neither() -> Failure {
    Failure {
        exit: Exit::Usage,
        message: "neither a key nor a value".to_owned(),
        hint: "give a key, or --value".to_owned(),
    }
}
