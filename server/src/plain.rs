//! Plain: what does a client get that speaks HTTP where TLS is spoken?
//!
//! An answer that says so: without it, it would have to guess from a closed
//! connection. Nothing of its request is looked at but the method.
//!
//! # Limits
//!
//! [`LINGER_BYTES_MAX`] of the request are read, for at most [`LINGER_TIME`].

use std::io;

use certificates::handshake::{Opening, is_plain_http};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::body::{LINGER_BYTES_MAX, LINGER_TIME};

const ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 39\r\n\
    rdb-applied: no\r\n\
    connection: close\r\n\
    \r\n\
    plain HTTP on a TLS port: use https://\n";

/// Whether the other end speaks plain HTTP. Waits for its first bytes, and
/// leaves them to be read.
pub(crate) async fn is_spoken(socket: &TcpStream) -> io::Result<bool> {
    let mut opening = Opening::default();
    socket.peek(&mut opening).await?;
    Ok(is_plain_http(&opening))
}

/// Says what is wrong and closes.
pub(crate) async fn turn_away(mut socket: TcpStream) -> io::Result<()> {
    socket.write_all(ANSWER.as_bytes()).await?;
    socket.shutdown().await?;
    // Closed over unread bytes, the connection would reset and the answer be lost.
    let mut rest = socket.take(LINGER_BYTES_MAX);
    let _slow = timeout(LINGER_TIME, copy(&mut rest, &mut sink())).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ANSWER;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
