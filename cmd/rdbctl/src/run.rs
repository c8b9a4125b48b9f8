//! Run: does what the command line says.

mod bench;
mod cluster;
mod data;

use std::future::Future;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use client::{Client, Error};
use serde_json::json;

use crate::cli::{Cli, Collections, DataVerb, Form, Target, ToolVerb, Verb, Voice};
use crate::connect::connect;
use crate::consent::Consent;
use crate::exit::Exit;
use crate::failure::{Asked, Failure};
use crate::{input, manual, output, settings};

/// A cluster, and how to answer.
struct Contact {
    client: Client,
    form: Option<Form>,
    voice: Voice,
}

/// What a verb that worked has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Done {
    text: String,
    note: Option<String>,
    exit: Exit,
}

impl Default for Done {
    fn default() -> Self {
        Self { text: String::new(), note: None, exit: Exit::Success }
    }
}

impl From<String> for Done {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// Reads the command line of this process and does what it says.
#[must_use]
pub fn run() -> Exit {
    let parsed = Cli::command()
        .try_get_matches()
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let _closed = error.print();
            if !error.use_stderr() {
                return Exit::Success;
            }
            output::note("hint: `rdbctl --help`, and --help of every verb, has examples");
            return Exit::Usage;
        }
    };
    let voice = cli.target.voice();
    match execute(cli, &matches).and_then(|done| tell(done, voice)) {
        Ok(exit) => exit,
        Err(failure) => {
            output::note(&failure);
            failure.exit
        }
    }
}

fn tell(done: Done, voice: Voice) -> Result<Exit, Failure> {
    let _read_or_not = deliver(&done.text)?;
    if let Some(note) = done.note.filter(|_| voice != Voice::Quiet) {
        output::note(note);
    }
    Ok(done.exit)
}

/// Prints data. `Break`: nobody reads any more.
fn deliver(text: &str) -> Result<ControlFlow<()>, Failure> {
    output::text(text).map_err(undelivered)
}

fn undelivered(error: io::Error) -> Failure {
    Failure {
        exit: Exit::Failure,
        message: format!("it was done, but stdout does not take the answer: {error}"),
        hint: "is the disk behind it full?".to_owned(),
    }
}

fn execute(mut cli: Cli, matches: &ArgMatches) -> Result<Done, Failure> {
    input::resolve(cli.verb.values_mut(), &mut io::stdin().lock())?;
    let Cli { target, verb } = cli;
    match verb {
        Verb::Data(verb) => {
            let contact = Contact::new(&target)?;
            if let DataVerb::Collections(Collections::Drop { name, yes, .. }) = &verb {
                consent(*yes, &format!("dropping collection `{name}` with all its rows"), name)?;
            }
            block_on(data::perform(&contact, &verb))
        }
        Verb::Cluster(verb) => block_on(cluster::perform(&Contact::new(&target)?, &verb)),
        Verb::Tool(verb) => tool(&verb, &target, matches),
    }
}

impl Contact {
    fn new(target: &Target) -> Result<Self, Failure> {
        Ok(Self { client: connect(target)?, form: target.output, voice: target.voice() })
    }

    fn form_or(&self, default: Form) -> Form {
        self.form.unwrap_or(default)
    }
}

fn block_on(work: impl Future<Output = Result<Done, Failure>>) -> Result<Done, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure {
        exit: Exit::Failure,
        message: format!("start a runtime: {error}"),
        hint: "the system may be out of file descriptors".to_owned(),
    })?;
    runtime.block_on(work)
}

/// Goes on if the user agrees to lose `name`.
fn consent(yes: bool, what: &str, name: &str) -> Result<(), Failure> {
    Consent::of(yes, io::stdin().is_terminal()).obtain(what, name, ask)
}

/// Asks whoever sits at the terminal. What cannot be read is an empty answer.
fn ask(question: &str) -> String {
    output::prompt(question);
    let mut line = String::new();
    let _unread = io::stdin().read_line(&mut line);
    line
}

fn tool(verb: &ToolVerb, target: &Target, matches: &ArgMatches) -> Result<Done, Failure> {
    let form = target.output.unwrap_or(Form::Table);
    Ok(match verb {
        ToolVerb::Completion { shell } => manual::completion(*shell).into(),
        ToolVerb::Man { dir: None } => manual::page().into(),
        ToolVerb::Man { dir: Some(dir) } => {
            manual::write_pages(dir)?;
            Done::default()
        }
        ToolVerb::Version => version(form).into(),
        ToolVerb::Config => settings::render(&settings::settings(target, matches), form).into(),
    })
}

fn version(form: Form) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match form {
        Form::Table | Form::Plain => format!("rdbctl {version}\n"),
        Form::Json | Form::Ndjson => format!("{}\n", json!({"rdbctl": version})),
    }
}

fn read_failure(error: Error) -> Failure {
    Failure::of(&error, Asked::Read)
}
