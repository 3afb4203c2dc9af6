//! Answers that are written while they are sent, in pieces of which only a few wait at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{mpsc, oneshot};

/// An answer up to this size is sent whole, with its length; a larger one begins when so much is written.
const WHOLE_MAX_BYTES: usize = 256 << 10;
/// Size of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the client; then the writer waits.
const PIECES_MAX: usize = 2;

/// Where the name of the next page stands.
pub(crate) const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// The client went away; there is nobody to write for.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where an answer is written, by a thread that may wait.
pub(crate) struct Sink {
    /// What is written next.
    pub(crate) out: Vec<u8>,
    begin: Option<oneshot::Sender<Response>>,
    pieces: Option<mpsc::Sender<io::Result<Bytes>>>,
    next_cursor: Option<String>,
}

impl Sink {
    /// Sends what has gathered, if it is enough. To be called between the parts of an answer.
    pub(crate) fn step(&mut self) -> Result<(), Gone> {
        let full = if self.pieces.is_some() { PIECE_BYTES } else { WHOLE_MAX_BYTES };
        if self.out.len() < full { Ok(()) } else { self.flush() }
    }

    /// Names the next page. Only while nothing was sent, so for answers that are whole.
    pub(crate) fn continues_at(&mut self, cursor: String) {
        self.next_cursor = Some(cursor);
    }

    fn flush(&mut self) -> Result<(), Gone> {
        if let Some(begin) = self.begin.take() {
            let (sender, receiver) = mpsc::channel(PIECES_MAX);
            self.pieces = Some(sender);
            let response = self.response(Body::new(Pieces { receiver, is_over: false }));
            begin.send(response).map_err(|_| Gone)?;
        }
        let data = std::mem::replace(&mut self.out, Vec::with_capacity(PIECE_BYTES * 2));
        let pieces = self.pieces.as_ref().ok_or(Gone)?;
        pieces.blocking_send(Ok(data.into())).map_err(|_| Gone)
    }

    fn response(&mut self, body: Body) -> Response {
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(cursor) = self.next_cursor.take().and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(NEXT_CURSOR, cursor);
        }
        response
    }

    fn finish(mut self) -> Result<(), Gone> {
        self.out.push(b'\n');
        match self.begin.take() {
            Some(begin) => {
                let body = std::mem::take(&mut self.out);
                let response = self.response(Body::from(body));
                begin.send(response).map_err(|_| Gone)
            }
            None => self.flush(),
        }
    }

    /// Breaks the answer off, so that it does not look complete.
    fn break_off(self) {
        if let Some(pieces) = self.pieces {
            let _ = pieces.blocking_send(Err(io::Error::other("the answer was broken off")));
        }
    }
}

/// Ends an answer that its writer did not.
struct Unfinished(Option<Sink>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(sink) = self.0.take() {
            sink.break_off();
        }
    }
}

/// An answer in JSON that `write` writes on a thread that may wait.
pub(crate) async fn answer(write: impl FnOnce(&mut Sink) -> Result<(), Gone> + Send + 'static) -> Response {
    let (begin, begun) = oneshot::channel();
    let sink = Sink { out: Vec::new(), begin: Some(begin), pieces: None, next_cursor: None };
    tokio::task::spawn_blocking(move || {
        let mut guard = Unfinished(Some(sink));
        let written = guard.0.as_mut().map_or(Err(Gone), write);
        if written.is_ok()
            && let Some(sink) = guard.0.take()
        {
            let _ = sink.finish();
        }
    });
    begun.await.unwrap_or_else(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    is_over: bool,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|piece| {
            self.is_over = !matches!(piece, Some(Ok(_)));
            piece.map(|piece| piece.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}
