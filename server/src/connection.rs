//! Connection: one socket from its handshake to its end.
//!
//! hyper speaks the protocols. This module polls it together with one timer
//! and ends it by the connection's [`Activity`], by draining, or by force.
//!
//! # Limits
//!
//! HTTP/2: [`STREAMS_MAX`] requests at once; resets are bounded, so that rapid
//! reset and frame floods end the connection instead of costing memory.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use api::throttle::Throttle;
use axum::Router;
use axum::body::Body as AnswerBody;
use bytes::Bytes;
use certificates::handshake::{self, PLAIN_HTTP};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, info};

use crate::activity::{Activity, Busy, Overdue};
use crate::counters::Counters;
use crate::options::{
    CLOSE_GRACE, ERROR_RESET_STREAMS_MAX, HEADER_BYTES_MAX, PING_INTERVAL, PING_TIMEOUT,
    RESET_STREAMS_MAX, STREAMS_MAX, Timeouts,
};
use crate::plain;
use crate::proxy::Caller;
use crate::stream::Stream;
use crate::tls::{TRUSTED, Tls};

/// What all connections of one listener share.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) router: Router,
    pub(crate) timeouts: Timeouts,
    pub(crate) counters: Arc<Counters>,
    pub(crate) handshakes_log: Throttle,
    /// Set: finish the requests at hand and close.
    pub(crate) drain: CancellationToken,
    /// Set: close now.
    pub(crate) cut: CancellationToken,
}

/// Why a connection needs a decision.
enum Event {
    Ended,
    Overdue(Overdue),
    Drain,
    Cut,
}

impl Line {
    /// Serves one connection to its end.
    pub(crate) async fn serve(&self, socket: TcpStream, remote: SocketAddr, tls: Option<&Tls>) {
        let activity = Activity::open(Instant::now());
        let Some(tls) = tls else {
            let stream = Stream::new(socket, Arc::clone(&activity));
            return self.converse(stream, activity, Caller::default()).await;
        };
        let handshake = shake_hands(socket, tls, Arc::clone(&activity));
        let finished = tokio::select! {
            () = self.drain.cancelled() => return,
            finished = timeout(self.timeouts.handshake, handshake) => finished,
        };
        match finished.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(stream) => {
                let caller = Caller::of(stream.get_ref().1);
                Box::pin(self.converse(stream, activity, caller)).await;
            }
            Err(error) => self.handshake_failed(remote, &error),
        }
    }

    fn handshake_failed(&self, remote: SocketAddr, error: &io::Error) {
        self.counters.handshakes_failed.add();
        if let Some(left_out) = self.handshakes_log.pass(Instant::now().into_std()) {
            let reason = handshake::reason(error, TRUSTED);
            info!(%remote, reason, left_out, "refuse a TLS handshake");
        }
    }

    async fn converse<I>(&self, stream: I, activity: Arc<Activity>, caller: Caller)
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(caller);
            let http2 = request.version() == Version::HTTP_2;
            let busy = activity.begin(Instant::now(), http2);
            let router = self.router.clone();
            async move {
                let Ok(response) = router.oneshot(request).await;
                busy.progressed(Instant::now());
                Ok::<_, Infallible>(response.map(|body| Held { body, busy }))
            }
        });
        let http = http();
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut watch = Watch { line: self, activity: &activity, closing: None };
        loop {
            match watch.event(connection.as_mut()).await {
                Event::Ended | Event::Cut => return,
                Event::Overdue(Overdue::Slow) => {
                    self.counters.cut_slow.add();
                    return;
                }
                Event::Overdue(Overdue::Old) => {
                    connection.as_mut().graceful_shutdown();
                    watch.closing = Some(Closing { until: Some(Instant::now() + CLOSE_GRACE) });
                }
                // How long is the listener's decision: it cuts.
                Event::Drain => {
                    connection.as_mut().graceful_shutdown();
                    watch.closing = Some(Closing { until: None });
                }
            }
        }
    }
}

/// Who speaks plain HTTP instead gets an answer in it.
async fn shake_hands(
    socket: TcpStream,
    tls: &Tls,
    activity: Arc<Activity>,
) -> io::Result<TlsStream<Stream>> {
    if plain::is_spoken(&socket).await? {
        let _gone = plain::turn_away(socket).await;
        return Err(io::Error::other(PLAIN_HTTP));
    }
    TlsAcceptor::from(tls.get()).accept(Stream::new(socket, activity)).await
}

/// The one who decides how long a connection goes on.
struct Watch<'a> {
    line: &'a Line,
    activity: &'a Activity,
    closing: Option<Closing>,
}

/// A connection that takes no further request.
struct Closing {
    /// Then it is cut, if the listener does not do it.
    until: Option<Instant>,
}

impl Watch<'_> {
    /// Drives the connection until something is to be decided.
    async fn event<C, E>(&self, mut connection: Pin<&mut C>) -> Event
    where
        C: Future<Output = Result<(), E>>,
        E: std::fmt::Debug,
    {
        let mut timer = pin!(sleep_until(self.deadline().0));
        let driven = poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    debug!(?error, "end a connection early");
                }
                return Poll::Ready(Event::Ended);
            }
            self.poll_overdue(timer.as_mut(), cx).map(Event::Overdue)
        });
        tokio::select! {
            biased;
            () = self.line.cut.cancelled() => Event::Cut,
            () = self.line.drain.cancelled(), if self.closing.is_none() => Event::Drain,
            event = driven => event,
        }
    }

    /// Ready when the deadline has passed. It moves with every request, so the
    /// timer is set again only when it must ring earlier, or rang too early.
    fn poll_overdue(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            let (deadline, overdue) = self.deadline();
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(overdue);
            }
            timer.as_mut().reset(deadline);
        }
    }

    fn deadline(&self) -> (Instant, Overdue) {
        match &self.closing {
            None => self.activity.deadline(&self.line.timeouts),
            Some(Closing { until: Some(until) }) => (*until, Overdue::Slow),
            Some(Closing { until: None }) => {
                // Even a draining listener does not wait for a peer that stands still.
                (Instant::now() + self.line.timeouts.stall, Overdue::Slow)
            }
        }
    }
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // The activity keeps this time, and knows a waiting connection from a slow one.
        .header_read_timeout(None)
        .max_buf_size(HEADER_BYTES_MAX)
        .half_close(false);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(ERROR_RESET_STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    http
}

/// An answer's body, which keeps its connection busy until it is handed over.
struct Held {
    body: AnswerBody,
    busy: Busy,
}

impl Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.busy.progressed(Instant::now());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
