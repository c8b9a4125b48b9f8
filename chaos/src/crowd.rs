//! Crowd: clients who take room at a door and ask for nothing.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use tests::raw::{self, Raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const CONNECT_MAX: Duration = Duration::from_secs(2);
const DRIP_EVERY: Duration = Duration::from_millis(400);

/// What a crowd came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crowd {
    /// How many got in.
    pub entered: usize,
    /// How many of them were shown out.
    pub shown_out: usize,
}

/// Opens so many connections at once, holds them, and says nothing.
pub async fn flood(base: &str, size: usize, hold: Duration) -> Crowd {
    let connected = join_all((0..size).map(|_| timeout(CONNECT_MAX, raw::tcp(base)))).await;
    let mut streams: Vec<_> = connected.into_iter().flatten().flatten().collect();
    let entered = streams.len();
    sleep(hold).await;
    let closed = join_all(streams.iter_mut().map(is_closed)).await;
    Crowd { entered, shown_out: closed.into_iter().filter(|closed| *closed).count() }
}

/// So many clients that send their request byte by byte: half of them do not get
/// beyond the handshake.
pub async fn drip(base: &str, ca: &Path, size: usize, hold: Duration) -> Crowd {
    let at_handshake = join_all((0..size / 2).map(|_| drip_handshake(base, hold)));
    let at_request = join_all((0..size / 2).map(|_| drip_request(base, ca, hold)));
    let (one, other) = tokio::join!(at_handshake, at_request);
    let all: Vec<_> = one.into_iter().chain(other).collect();
    let entered = all.iter().flatten().count();
    Crowd { entered, shown_out: all.into_iter().flatten().filter(|out| *out).count() }
}

/// Whether it was shown out, if it got in.
async fn drip_handshake(base: &str, hold: Duration) -> Option<bool> {
    let mut stream = timeout(CONNECT_MAX, raw::tcp(base)).await.ok()?.ok()?;
    // The beginning of a record of a handshake, and then its bytes.
    let bytes = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let dripping = async {
        for byte in bytes.iter().chain(std::iter::repeat(&0)) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(DRIP_EVERY).await;
        }
    };
    let cut = timeout(hold, dripping).await.is_ok();
    Some(cut || is_closed(&mut stream).await)
}

async fn drip_request(base: &str, ca: &Path, hold: Duration) -> Option<bool> {
    let mut stream = Raw::connect(base, ca).await.ok()?;
    let head = "POST /command HTTP/1.1\r\nhost: rdb\r\ncontent-length: 100000\r\nx-slow: ";
    let dripping = async {
        for byte in head.bytes().chain(std::iter::repeat(b'a')) {
            if stream.send(&[byte]).await.is_err() {
                return;
            }
            sleep(DRIP_EVERY).await;
        }
    };
    Some(timeout(hold, dripping).await.is_ok())
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = timeout(Duration::from_millis(1), stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}
