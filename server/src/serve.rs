//! Serve: sockets in, connections out; how a listener starts, bounds and ends.
//!
//! [`Server::run`] owns a listener until it is told to stop. One server may run
//! several listeners, say one with TLS and one without: they share its bounds.
//!
//! # Limits
//!
//! [`Options::connections_max`] connections, of which one peer has at most
//! [`Options::connections_per_peer_max`]. Beyond, a connection is closed at
//! once, counted, and logged at most once a second.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::service::Service;
use api::throttle::Throttle;
use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::admission::{NoSeat, Seat, Seats};
use crate::connection::Line;
use crate::counters::Counters;
use crate::door::{self, Door};
use crate::expiry::Expiries;
use crate::options::{BadOption, Options};
use crate::tls::Tls;

/// The first pause after an error of accepting; each further one doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// The longest pause: descriptors come back as connections end.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How long cut connections may take to notice.
const CUT_TIME: Duration = Duration::from_secs(1);

/// The doors of one node.
#[derive(Debug)]
pub struct Server<S> {
    door: Arc<Door<S>>,
    router: Router,
    seats: Arc<Seats>,
    seats_log: Throttle,
    accept_log: Throttle,
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because draining took too long.
    pub cut: usize,
    /// Calls of the service that still ran when the draining time was over.
    pub abandoned: usize,
}

impl<S: Service> Server<S> {
    /// Makes the doors of `service`.
    pub fn new(service: Arc<S>, options: Options) -> Result<Self, BadOption> {
        options.validate()?;
        let seats = Seats::new(options.connections_max, options.connections_per_peer_max);
        let door = Arc::new(Door::new(service, options));
        let router = door::router(Arc::clone(&door));
        let (seats_log, accept_log) = (Throttle::default(), Throttle::default());
        Ok(Self { door, router, seats, seats_log, accept_log })
    }

    /// What happened on the sockets so far.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.door.counters)
    }

    /// Where whoever loads certificates notes until when they are valid.
    #[must_use]
    pub fn expiries(&self) -> Arc<Expiries> {
        Arc::clone(&self.door.expiries)
    }

    /// Serves `listener` until `shutdown`, then drains: says "not ready" for
    /// [`Options::drain_notice`], stops accepting, lets requests finish for at
    /// most [`Options::drain_time`], cuts the rest. Dropping the future cuts at once.
    pub async fn run(
        &self,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        shutdown: CancellationToken,
    ) -> Drained {
        let line = Arc::new(Line {
            router: self.router.clone(),
            timeouts: self.door.options.timeouts,
            counters: self.counters(),
            handshakes_log: Throttle::default(),
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        let _cut_when_dropped = line.cut.clone().drop_guard();
        let connections = TaskTracker::new();
        let stop = async {
            shutdown.cancelled().await;
            self.door.draining.cancel();
            sleep(self.door.options.drain_notice).await;
        };
        tokio::select! {
            () = stop => {}
            () = self.accept(&listener, tls, &line, &connections) => {}
        }
        drop(listener);
        self.drain(&line, &connections).await
    }

    /// Accepts until dropped.
    async fn accept(
        &self,
        listener: &TcpListener,
        tls: Option<Arc<Tls>>,
        line: &Arc<Line>,
        connections: &TaskTracker,
    ) {
        let mut backoff = BACKOFF_MIN;
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    backoff = BACKOFF_MIN;
                    if let Some(seat) = self.seat(peer) {
                        let (line, tls) = (Arc::clone(line), tls.clone());
                        connections.spawn(attend(line, socket, peer, tls, seat));
                    }
                }
                Err(error) if concerns_one_peer(&error) => {
                    self.door.counters.accept_errors.add();
                }
                Err(error) => {
                    self.door.counters.accept_errors.add();
                    if let Some(left_out) = self.accept_log.pass(Instant::now()) {
                        error!(%error, left_out, "accept no connections for a moment");
                    }
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    /// A place for a connection; without one it is closed by being dropped.
    fn seat(&self, peer: SocketAddr) -> Option<Seat> {
        let counters = &self.door.counters;
        let no_seat = match self.seats.take(peer.ip()) {
            Ok(seat) => {
                counters.accepted.add();
                return Some(seat);
            }
            Err(no_seat) => no_seat,
        };
        let (refused, limit) = match no_seat {
            NoSeat::Full => (&counters.refused_full, "connections_max"),
            NoSeat::PeerFull => (&counters.refused_peer, "connections_per_peer_max"),
        };
        let refused = refused.add();
        if let Some(left_out) = self.seats_log.pass(Instant::now()) {
            warn!(%peer, limit, refused, left_out, "close a connection at once");
        }
        None
    }

    async fn drain(&self, line: &Line, connections: &TaskTracker) -> Drained {
        line.drain.cancel();
        connections.close();
        let calls = &self.door.calls;
        let finished = async {
            connections.wait().await;
            // Another listener may still bring calls; then the time decides.
            calls.close();
            calls.wait().await;
        };
        if timeout(self.door.options.drain_time, finished).await.is_ok() {
            return Drained { cut: 0, abandoned: 0 };
        }
        let drained = Drained { cut: connections.len(), abandoned: calls.len() };
        (0..drained.cut).for_each(|_| {
            self.door.counters.cut_drain.add();
        });
        info!(cut = drained.cut, abandoned = drained.abandoned, "cut what did not drain in time");
        line.cut.cancel();
        // Connections end at their next poll; one that does not is the process's to end.
        let _late = timeout(CUT_TIME, connections.wait()).await;
        drained
    }
}

async fn attend(
    line: Arc<Line>,
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    _seat: Seat,
) {
    // Answers are one write each; without this the last segment waits for an ACK.
    // It fails only on a socket that is gone already.
    let _gone = socket.set_nodelay(true);
    line.serve(socket, peer, tls.as_deref()).await;
}

/// Errors of one connection that never was, as opposed to a lack of resources.
fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
