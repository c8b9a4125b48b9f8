//! Renewal: new certificates are taken up while the node runs.
//!
//! The files are looked at now and then, and at once on SIGHUP. Connections made
//! from then on use them; those that stand are left alone. A certificate that
//! has expired is complained of, and shown all the same: others may have clocks
//! that see it otherwise.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certificates::{Expiry, Reloading};
use raft::transport::tls::PeerTls;
use server::Tls;
use server::expiry::{Expiries, Role};
use tokio::signal::unix::{SignalKind, signal};

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Follows the files of both doors for as long as the process lives.
pub(super) async fn follow(
    clients: Option<Arc<Tls>>,
    peers: Arc<Reloading<PeerTls>>,
    expiries: Arc<Expiries>,
) {
    let mut clients =
        clients.map(|files| Followed::new("clients", Role::Https, files, Arc::clone(&expiries)));
    let mut peers = Followed::new("other nodes", Role::Peer, peers, expiries);
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("cannot listen for SIGHUP; renewed certificates need a restart");
        return;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Some(clients) = &mut clients {
            clients.look();
        }
        peers.look();
    }
}

/// What one door shows.
struct Followed<T> {
    door: &'static str,
    role: Role,
    files: Arc<Reloading<T>>,
    expiries: Arc<Expiries>,
    /// The trouble that was said last.
    said: String,
    /// The expiry that was said to have passed.
    expired: Option<Expiry>,
}

impl<T> Followed<T> {
    fn new(
        door: &'static str,
        role: Role,
        files: Arc<Reloading<T>>,
        expiries: Arc<Expiries>,
    ) -> Self {
        let mut new = Self { door, role, files, expiries, said: String::new(), expired: None };
        new.note_expiry();
        new
    }

    /// Takes up what changed. The same trouble is said once.
    fn look(&mut self) {
        match self.files.reload_if_changed() {
            Ok(false) => {}
            Ok(true) => {
                self.said.clear();
                let files = self.files.files().paths();
                tracing::info!(door = self.door, ?files, "new certificates are in use");
            }
            Err(error) => {
                let error = error.to_string();
                if self.said != error {
                    let door = self.door;
                    tracing::warn!(
                        door,
                        error,
                        "new certificates cannot be used, the old ones stay"
                    );
                    self.said = error;
                }
            }
        }
        self.note_expiry();
    }

    fn note_expiry(&mut self) {
        let expiry = self.files.expiry();
        self.expiries.note(self.role, expiry);
        if expiry.has_passed(SystemTime::now()) && self.expired != Some(expiry) {
            self.expired = Some(expiry);
            tracing::error!(
                door = self.door,
                file = %self.files.files().chain.display(),
                expired = expiry.to_string(),
                "this node's certificate has expired and will be refused: renew it"
            );
        }
    }
}
