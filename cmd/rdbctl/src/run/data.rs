//! Data: reads and writes rows and collections.

use std::ops::ControlFlow;

use api::limits::RANGE_ROWS_MAX;
use client::{Client, Error, Expected, Page};

use crate::cli::data::{Append, Cas, Del};
use crate::cli::{
    Collections, Consistency, DataVerb, Find, Form, Fresh, Get, Once, Order, Part, Put, Scan,
};
use crate::exit::Exit;
use crate::failure::{Asked, Failure};
use crate::rows;
use crate::run::{Contact, Done, deliver, read_failure};

/// Does what a verb says.
pub(super) async fn perform(contact: &Contact, verb: &DataVerb) -> Result<Done, Failure> {
    let client = &contact.client;
    let listed = contact.form_or(Form::Table);
    let alone = contact.form_or(Form::Plain);
    match verb {
        DataVerb::Put(args) => Writer::new(client, &args.once).put(args, listed).await,
        DataVerb::Get(args) => get(client, args, alone).await,
        DataVerb::Del(args) => Writer::new(client, &args.once).del(args, alone).await,
        DataVerb::Append(args) => Writer::new(client, &args.once).append(args, listed).await,
        DataVerb::Cas(args) => Writer::new(client, &args.once).cas(args, listed).await,
        DataVerb::Scan(args) => scan(client, args, listed).await,
        DataVerb::Find(args) => find(client, args, listed).await,
        DataVerb::Collections(args) => collections(client, args, listed).await,
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

    async fn append(&self, args: &Append, form: Form) -> Result<Done, Failure> {
        let done = self.client.append(&args.collection, &args.key, &args.value).await;
        Ok(rows::written(&self.judge(done)?, form).into())
    }

    async fn cas(&self, args: &Cas, form: Form) -> Result<Done, Failure> {
        let expected = match (&args.condition.expect, args.condition.if_version) {
            (Some(value), _) => Expected::Value(value),
            (None, Some(version)) => Expected::Version(version),
            (None, None) => Expected::Absent,
        };
        let done = self.client.cas(&args.collection, &args.key, &args.value, expected).await;
        Ok(rows::written(&self.judge(done)?, form).into())
    }

    async fn del(&self, args: &Del, form: Form) -> Result<Done, Failure> {
        let Del { collection, key, member, if_version, .. } = args;
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

async fn scan(client: &Client, args: &Scan, form: Form) -> Result<Done, Failure> {
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
/// Forms without a whole to complete are printed page by page.
async fn list(
    part: &Part,
    form: Form,
    page: impl AsyncFn(usize, Option<&str>) -> Result<Page, Error>,
) -> Result<Done, Failure> {
    let mut kept = Vec::new();
    let mut count = 0;
    let mut cursor = part.cursor.clone();
    loop {
        let wanted = part.limit.saturating_sub(count).min(RANGE_ROWS_MAX);
        let Page { rows, cursor: next } =
            page(wanted, cursor.as_deref()).await.map_err(read_failure)?;
        cursor = next;
        count += rows.len();
        // A page without rows ends the loop even if a cursor says that there is more.
        let ends = rows.is_empty() || cursor.is_none() || count >= part.limit;
        match form {
            Form::Table | Form::Json => kept.extend(rows),
            Form::Plain | Form::Ndjson => {
                if deliver(&rows::many(&rows, None, form))? == ControlFlow::Break(()) {
                    return Ok(Done::default());
                }
            }
        }
        if ends {
            break;
        }
    }
    let more = |cursor| format!("note: there may be more: the same with --cursor={cursor}");
    let note = cursor.as_ref().map(more);
    let text = match form {
        Form::Table | Form::Json => rows::many(&kept, cursor.as_deref(), form),
        Form::Plain | Form::Ndjson => String::new(),
    };
    Ok(Done { text, note, ..Done::default() })
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

fn fresh(client: &Client, fresh: Fresh) -> Client {
    match fresh.consistency {
        Consistency::Linearizable => client.clone(),
        Consistency::Stale => client.stale(),
    }
}

/// The command line grammar asks for one of them; this says so a second time.
fn neither() -> Failure {
    Failure {
        exit: Exit::Usage,
        message: "neither a key nor a value".to_owned(),
        hint: "give a key, or --value".to_owned(),
    }
}
