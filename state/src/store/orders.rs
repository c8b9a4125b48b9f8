//! Orders: the way to whoever changes the state.

use std::sync::Arc;
use std::time::Duration;

use disk::Fault;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Shared;
use super::options::Driver;
use super::thread::{Order, StateWorker, Worker};
use crate::machine::Machine;

/// Orders that may wait for the state thread.
pub(super) const ORDERS_MAX: usize = 4;

/// How often an inline store looks whether the log is flushed.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Where orders go. Clones give to the same.
#[derive(Clone)]
pub(super) enum Orders {
    Thread(mpsc::Sender<Order>),
    Inline(Arc<Mutex<dyn Worker>>),
}

impl Orders {
    pub(super) fn begin<M: Machine>(worker: StateWorker<M>, driver: Driver) -> Result<Self, Fault> {
        match driver {
            Driver::Thread => {
                let (orders, inbox) = mpsc::channel(ORDERS_MAX);
                worker.spawn(inbox)?;
                Ok(Self::Thread(orders))
            }
            Driver::Inline => Ok(Self::Inline(Arc::new(Mutex::new(worker)))),
        }
    }

    /// Gives an order; `None` if nobody takes any more.
    pub(super) async fn give(&self, order: Order, store: &Shared) -> Option<()> {
        match self {
            Self::Thread(orders) => orders.send(order).await.ok(),
            Self::Inline(worker) => {
                // The thread would wait for the log in the middle of its work.
                if let Order::Apply { entries, .. } = &order
                    && let Some(last) = entries.last()
                {
                    while !store.options.log.wait_until(last.log_id.index, Duration::ZERO) {
                        if store.health.is_closing() {
                            return None;
                        }
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                }
                // Nor would it take anything after the close.
                if store.health.is_closing() {
                    return None;
                }
                worker.lock().carry_out(order);
                Some(())
            }
        }
    }

    /// The same for who may wait on the spot.
    pub(super) fn give_blocking(&self, order: Order) -> Option<()> {
        match self {
            Self::Thread(orders) => orders.blocking_send(order).ok(),
            Self::Inline(worker) => {
                worker.lock().carry_out(order);
                Some(())
            }
        }
    }
}
