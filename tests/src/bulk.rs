//! Bulk: how does a cluster take many rows?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::command::Command;
use crate::deadline::until;

const COLLECTION: &str = "bulk";
const ROW_MAX: Duration = Duration::from_secs(30);

/// Rows to load.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// How many.
    pub rows: u32,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// Tasks that load, each one row at a time.
    pub writers: u32,
}

/// How loading went.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// How long it took.
    pub took: Duration,
    /// Rows acknowledged per second.
    pub rows_per_second: f64,
}

impl Bulk {
    /// Puts every row, through all clients; a row that fails is sent again.
    ///
    /// # Panics
    ///
    /// If a row is not acknowledged in half a minute.
    pub async fn load(self, clients: &[Client]) -> Loaded {
        let start = Instant::now();
        let next = Arc::new(AtomicU32::new(0));
        let mut tasks = JoinSet::new();
        for (_, client) in (0..self.writers).zip(clients.iter().cycle()) {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    if row >= self.rows {
                        break;
                    }
                    self.put(&client, row).await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("a task that loads panicked");
        }
        let took = start.elapsed();
        Loaded { took, rows_per_second: f64::from(self.rows) / took.as_secs_f64() }
    }

    /// Reads about `samples` rows back through all clients.
    ///
    /// # Panics
    ///
    /// If one is not what was put.
    pub async fn verify(self, clients: &[Client], samples: u32) {
        self.compare(clients, samples, |get| get).await;
    }

    /// The same, but each node shows what it has itself.
    ///
    /// # Panics
    ///
    /// If one is not what was put.
    pub async fn verify_stale(self, clients: &[Client], samples: u32) {
        self.compare(clients, samples, Command::stale).await;
    }

    async fn compare(self, clients: &[Client], samples: u32, how: fn(Command) -> Command) {
        let step = (self.rows / samples.max(1)).max(1) as usize;
        for (row, client) in (0..self.rows).step_by(step).zip(clients.iter().cycle()) {
            let answer = client.ok(&how(Command::get_key(COLLECTION, &key(row)))).await;
            assert_eq!(answer.triple().value, self.value(row), "row {row} from {}", client.base());
        }
    }

    async fn put(self, client: &Client, row: u32) {
        let command = Command::put_key(COLLECTION, &key(row), &self.value(row));
        until(&format!("putting row {row}"), ROW_MAX, async || match client.send(&command).await {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{}: {}", answer.status, answer.text())),
            Err(none) => Err(none.why),
        })
        .await;
    }

    /// Text that gzip cannot make much of, the same every time.
    fn value(self, row: u32) -> String {
        let mut state = u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut value = String::with_capacity(self.value_bytes + 16);
        while value.len() < self.value_bytes {
            // Xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            value.push_str(&format!("{state:016x}"));
        }
        value.truncate(self.value_bytes);
        value
    }
}

fn key(row: u32) -> String {
    format!("row-{row:08}")
}
