//! Answers that are written while they are sent: in pieces, of which only a few wait at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use promql::Cancel;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::answer::{Answer, ApiError, ErrorType};

/// An answer up to this size is sent whole, with its length; a larger one begins when so much is written.
const WHOLE_MAX_BYTES: usize = 256 << 10;
/// Size of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the client; then the writer waits.
const PIECES_MAX: usize = 4;
/// How often a writer that waits looks whether the query was killed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

enum Piece {
    Data(Bytes),
    /// Without it the answer was broken off.
    End,
}

/// Stops a query when its client goes away.
pub(crate) struct CancelOnDrop(pub(crate) Option<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.cancel();
        }
    }
}

/// The client went away; there is nobody to write for.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where an answer is written, by a thread that may wait.
pub(crate) struct Sink {
    buffer: Vec<u8>,
    content_type: &'static str,
    /// Until the answer has begun.
    begin: Option<oneshot::Sender<Answer>>,
    cancel: Cancel,
    pieces: Option<mpsc::Sender<Piece>>,
    /// The query's turn while it is evaluated. Whoever waits for a client lets others have it meanwhile.
    slot: Option<OwnedSemaphorePermit>,
    /// What a thread that is not the runtime's waits with.
    runtime: tokio::runtime::Handle,
}

/// An answer that is being written.
pub(crate) struct Pending {
    begun: oneshot::Receiver<Answer>,
    guard: CancelOnDrop,
}

/// A place to write an answer of this type, and the answer. `cancel` is called when the client leaves. To be
/// called on the runtime.
pub(crate) fn answer(content_type: &'static str, cancel: Cancel) -> (Sink, Pending) {
    let (begin, begun) = oneshot::channel();
    let guard = CancelOnDrop(Some(cancel.clone()));
    let runtime = tokio::runtime::Handle::current();
    let (buffer, begin) = (Vec::new(), Some(begin));
    let sink = Sink { buffer, content_type, begin, cancel, pieces: None, slot: None, runtime };
    (sink, Pending { begun, guard })
}

impl Pending {
    /// The answer, when it has begun.
    pub(crate) async fn begun(mut self) -> Answer {
        let answer = self.begun.await;
        // From here on the body watches over the client.
        self.guard.0 = None;
        match answer {
            Ok(answer) => answer,
            Err(_) => Err(ApiError::new(ErrorType::Internal, "the evaluation failed unexpectedly")),
        }
    }
}

impl Sink {
    /// What is written next.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Sends what has gathered, if it is enough. To be called between the parts of an answer.
    pub(crate) fn step(&mut self) -> Result<(), Gone> {
        let full = if self.pieces.is_some() { PIECE_BYTES } else { WHOLE_MAX_BYTES };
        if self.buffer.len() < full {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Gone> {
        if let Some(begin) = self.begin.take() {
            let (sender, receiver) = mpsc::channel(PIECES_MAX);
            let body = Pieces { receiver, is_over: false, _guard: CancelOnDrop(Some(self.cancel.clone())) };
            self.pieces = Some(sender);
            begin.send(Ok(self.response(Body::new(body)))).map_err(|_| Gone)?;
        }
        let data = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES * 2)));
        self.send(Piece::Data(data))
    }

    /// Keeps the turn of a query that is being evaluated.
    pub(crate) fn hold(&mut self, slot: OwnedSemaphorePermit) {
        self.slot = Some(slot);
    }

    /// The evaluation has ended.
    pub(crate) fn release(&mut self) {
        self.slot = None;
    }

    fn send(&mut self, piece: Piece) -> Result<(), Gone> {
        let pieces = self.pieces.as_ref().ok_or(Gone)?;
        let piece = match pieces.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Gone),
            Err(TrySendError::Full(piece)) => piece,
        };
        let slots = self.slot.take().map(|slot| slot.semaphore().clone());
        self.wait(pieces.reserve())?.send(piece);
        if let Some(slots) = slots {
            self.slot = Some(self.wait(slots.acquire_owned())?);
        }
        Ok(())
    }

    /// Waits, unless the query is killed meanwhile.
    fn wait<T, E>(&self, until: impl Future<Output = Result<T, E>>) -> Result<T, Gone> {
        self.runtime.block_on(async {
            let mut until = std::pin::pin!(until);
            loop {
                match tokio::time::timeout(LOOK_INTERVAL, until.as_mut()).await {
                    Ok(done) => return done.map_err(|_| Gone),
                    Err(_) if self.cancel.is_canceled() => return Err(Gone),
                    Err(_) => {}
                }
            }
        })
    }

    fn response(&self, body: Body) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type))], body).into_response()
    }

    /// Ends a complete answer.
    pub(crate) fn finish(mut self) -> Result<(), Gone> {
        if let Some(begin) = self.begin.take() {
            let buffer = std::mem::take(&mut self.buffer);
            return begin.send(Ok(self.response(Body::from(buffer)))).map_err(|_| Gone);
        }
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        self.send(Piece::End)
    }

    /// Ends an answer with an error: as one, or, if it has begun, by breaking it off.
    pub(crate) fn fail(mut self, answer: Answer) {
        if let Some(begin) = self.begin.take() {
            let _ = begin.send(answer);
        }
    }
}

/// The body of an answer that is being written.
struct Pieces {
    receiver: mpsc::Receiver<Piece>,
    is_over: bool,
    _guard: CancelOnDrop,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.receiver.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::Data(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Poll::Ready(Some(Piece::End)) => {
                self.is_over = true;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.is_over = true;
                Poll::Ready(Some(Err(io::Error::other("the answer was broken off"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_small_answer_has_a_length() {
        let (mut sink, pending) = answer("text/plain", Cancel::default());
        sink.out().extend_from_slice(b"hello");
        sink.step().unwrap();
        sink.finish().unwrap();
        let body = pending.begun().await.unwrap().into_body();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(5));
    }

    #[tokio::test]
    async fn a_large_answer_comes_in_pieces_of_which_few_wait() {
        let (mut sink, pending) = answer("text/plain", Cancel::default());
        let writer = tokio::task::spawn_blocking(move || {
            for _ in 0..100 {
                sink.out().extend_from_slice(&[b'x'; PIECE_BYTES]);
                sink.step().unwrap();
            }
            sink.finish().unwrap();
        });
        let body = pending.begun().await.unwrap().into_body();
        assert!(!writer.is_finished());
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 100 * PIECE_BYTES);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_a_client_lets_others_have_the_turn() {
        let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let (mut sink, pending) = answer("text/plain", Cancel::default());
        sink.hold(slots.clone().acquire_owned().await.unwrap());
        let writer = tokio::task::spawn_blocking(move || {
            for _ in 0..100 {
                sink.out().extend_from_slice(&[b'x'; PIECE_BYTES]);
                sink.step().unwrap();
            }
            sink.release();
            sink.finish().unwrap();
        });
        let body = pending.begun().await.unwrap().into_body();
        drop(slots.acquire().await.unwrap());
        assert!(!writer.is_finished());
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 100 * PIECE_BYTES);
        writer.await.unwrap();
        assert_eq!(slots.available_permits(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_fails_halfway_does_not_look_complete() {
        let (mut sink, pending) = answer("text/plain", Cancel::default());
        let writer = tokio::task::spawn_blocking(move || {
            sink.out().extend_from_slice(&[b'x'; WHOLE_MAX_BYTES]);
            sink.step().unwrap();
            sink.fail(Err(ApiError::bad_data("x")));
        });
        let body = pending.begun().await.unwrap().into_body();
        assert!(body.collect().await.is_err());
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_leaves_stops_the_query_and_the_writer() {
        let cancel = Cancel::default();
        let (mut sink, pending) = answer("text/plain", cancel.clone());
        let writer = tokio::task::spawn_blocking(move || {
            loop {
                sink.out().extend_from_slice(&[b'x'; PIECE_BYTES]);
                if sink.step().is_err() {
                    return;
                }
            }
        });
        let answer = pending.begun().await.unwrap();
        assert!(!cancel.is_canceled());
        drop(answer);
        writer.await.unwrap();
        assert!(cancel.is_canceled());
    }
}
