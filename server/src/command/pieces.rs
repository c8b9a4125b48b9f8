//! Pieces: an answer's body, handed over bit by bit.
//!
//! The protocols take a piece when their peer has room for some of it. In one
//! piece, a long answer would be theirs at once, where nobody sees that nothing
//! moves; in pieces it stays here, with the room it takes, until it is taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::admission::BodyHold;

/// Bytes in one piece. So many, times the streams of a connection, lie in its
/// buffers at most.
const PIECE_BYTES: usize = 32 << 10;

/// The rest of a body.
#[derive(Debug)]
pub(crate) struct Pieces {
    rest: Bytes,
    /// Given back with the last piece.
    _hold: BodyHold,
}

impl Pieces {
    pub(crate) fn new(body: Bytes, hold: BodyHold) -> Self {
        Self { rest: body, _hold: hold }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_add_up_to_the_body() {
        let whole = Bytes::from((0..100_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>());
        let mut pieces = Pieces::new(whole.clone(), BodyHold::default());
        assert_eq!(pieces.size_hint().exact(), Some(400_000));
        let mut all = Vec::new();
        while let Some(frame) = pieces.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE_BYTES);
            all.extend_from_slice(&piece);
        }
        assert_eq!(all, whole);
        assert!(pieces.is_end_stream());
    }
}
