//! Renewal: new certificates are taken up while the node runs.
//!
//! The files are looked at now and then, and at once on SIGHUP. Connections made
//! from then on use them; those that stand are left alone.

use std::sync::Arc;
use std::time::Duration;

use certificates::Reloading;
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
    if let Some(clients) = &clients {
        expiries.note(Role::Https, clients.expiry());
    }
    expiries.note(Role::Peer, peers.expiry());
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("cannot listen for SIGHUP; renewed certificates need a restart");
        return;
    };
    let (mut clients_said, mut peers_said) = (String::new(), String::new());
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Some(clients) = &clients
            && look("clients", clients, &mut clients_said)
        {
            expiries.note(Role::Https, clients.expiry());
        }
        if look("other nodes", &peers, &mut peers_said) {
            expiries.note(Role::Peer, peers.expiry());
        }
    }
}

/// Takes up what changed, and says whether anything did. The same trouble is said once.
fn look<T>(door: &str, files: &Reloading<T>, said: &mut String) -> bool {
    match files.reload_if_changed() {
        Ok(false) => false,
        Ok(true) => {
            said.clear();
            tracing::info!(door, files = ?files.files().paths(), "new certificates are in use");
            true
        }
        Err(error) => {
            let error = error.to_string();
            if *said != error {
                tracing::warn!(door, error, "new certificates cannot be used, the old ones stay");
                *said = error;
            }
            false
        }
    }
}
