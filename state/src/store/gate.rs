//! Gate: who may look at the environment now?
//!
//! While a snapshot takes the environment's place there is none. Whoever asks
//! then waits: what takes long was done before the gate closed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use disk::fault::OrFault;
use disk::{Environment, Fault};
use parking_lot::{Condvar, Mutex};

use crate::tables::Tables;
use crate::view::View;

/// The way to the environment.
pub(crate) struct Gate {
    path: Arc<Path>,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Open(Environment, Tables),
    Swapping,
    Closed,
}

impl Gate {
    pub(crate) fn open(path: &Path, environment: Environment, tables: Tables) -> Self {
        let state = Mutex::new(State::Open(environment, tables));
        Self { path: path.into(), state, changed: Condvar::new() }
    }

    /// The path of the environment, to name in faults.
    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// One consistent look at what is committed.
    pub(crate) fn view(&self) -> Result<View, Fault> {
        let (environment, tables) = self.enter()?;
        let txn =
            environment.heed().clone().static_read_txn().or_fault("begin read", &self.path)?;
        Ok(View { txn, tables, path: self.path.clone() })
    }

    /// The environment and its tables. Whoever keeps them keeps it from closing.
    pub(crate) fn enter(&self) -> Result<(Environment, Tables), Fault> {
        let mut state = self.state.lock();
        loop {
            match &*state {
                State::Open(environment, tables) => return Ok((environment.clone(), *tables)),
                State::Swapping => self.changed.wait(&mut state),
                State::Closed => {
                    let error = io::Error::other("it is closed");
                    return Err(Fault::io("use state", &*self.path, error));
                }
            }
        }
    }

    /// The environment.
    pub(crate) fn environment(&self) -> Result<Environment, Fault> {
        Ok(self.enter()?.0)
    }

    /// Takes the environment out to be replaced. Until [`Gate::reopen`] or
    /// [`Gate::close`] everyone waits.
    pub(crate) fn take(&self) -> Option<Environment> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Swapping) {
            State::Open(environment, _) => Some(environment),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Puts the new environment in.
    pub(crate) fn reopen(&self, environment: Environment, tables: Tables) {
        *self.state.lock() = State::Open(environment, tables);
        self.changed.notify_all();
    }

    /// Nobody gets in any more. Gives back the environment if it is there.
    pub(crate) fn close(&self) -> Option<Environment> {
        let state = std::mem::replace(&mut *self.state.lock(), State::Closed);
        self.changed.notify_all();
        match state {
            State::Open(environment, _) => Some(environment),
            State::Swapping | State::Closed => None,
        }
    }
}
