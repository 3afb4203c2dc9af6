//! A connection whose peer must keep pace: what is written has to get on within a time, and so has the head of a
//! request once its first byte is there. Between two requests a connection may be still for longer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What a connection is about: the head of a request (as at its beginning), its answer, or nothing.
#[derive(Clone, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

const HEAD: u8 = 0;
const ANSWER: u8 = 1;
const IDLE: u8 = 2;

impl Phase {
    fn is(&self, phase: u8) -> bool {
        self.0.load(Ordering::Acquire) == phase
    }

    fn become_now(&self, phase: u8) {
        self.0.store(phase, Ordering::Release);
    }
}

/// A service that says when its connection answers.
pub(crate) struct Service<S> {
    inner: S,
    phase: Phase,
}

impl<S> Service<S> {
    pub(crate) fn new(inner: S, phase: Phase) -> Self {
        Service { inner, phase }
    }
}

impl<S, B> hyper::service::Service<Request<B>> for Service<S>
where
    S: hyper::service::Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, S::Error>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.phase.become_now(ANSWER);
        let phase = self.phase.clone();
        let answered = self.inner.call(request);
        Box::pin(async move {
            let response = answered.await?;
            // What becomes of such a connection is no request any more.
            let phase = (response.status() != StatusCode::SWITCHING_PROTOCOLS).then_some(phase);
            Ok(response.map(|body| Answer { body, phase }))
        })
    }
}

/// The body of an answer, after which its connection is idle.
pub(crate) struct Answer {
    body: Body,
    phase: Option<Phase>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(phase) = &self.phase {
            phase.become_now(IDLE);
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Fails writes that do not get on for a while, and heads of requests that do not end.
pub(crate) struct Paced<S> {
    stream: S,
    timeout: Duration,
    /// Runs while a write waits.
    sleep: Pin<Box<Sleep>>,
    is_waiting: bool,
    head_timeout: Duration,
    /// Runs from the first byte of a head.
    head_sleep: Pin<Box<Sleep>>,
    phase: Phase,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, timeout: Duration, head_timeout: Duration, phase: Phase) -> Self {
        Paced {
            stream,
            timeout,
            sleep: Box::pin(tokio::time::sleep(timeout)),
            is_waiting: false,
            head_timeout,
            head_sleep: Box::pin(tokio::time::sleep(head_timeout)),
            phase,
        }
    }

    /// A write's outcome, or that it has waited too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.sleep.set(tokio::time::sleep(self.timeout));
        }
        match self.sleep.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let message = "the client does not read the answer";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            if self.phase.is(HEAD) {
                ready!(self.head_sleep.as_mut().poll(context));
                let message = "the head of the request takes too long";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
            }
            return Poll::Pending;
        };
        if self.phase.is(IDLE) && buffer.filled().len() > before {
            self.phase.become_now(HEAD);
            let timeout = self.head_timeout;
            self.head_sleep.set(tokio::time::sleep(timeout));
        }
        Poll::Ready(outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn paced(stream: DuplexStream) -> Paced<DuplexStream> {
        Paced::new(stream, Duration::from_secs(30), Duration::from_secs(10), Phase::default())
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_of_a_request_has_to_end_and_a_pause_between_two_may_be_long() {
        let (ours, mut theirs) = duplex(64);
        let mut ours = paced(ours);
        let phase = ours.phase.clone();
        let mut part = [0; 8];
        theirs.write_all(b"GET /").await.unwrap();
        assert_eq!(ours.read(&mut part).await.unwrap(), 5);
        phase.become_now(ANSWER);
        drop(Answer { body: Body::empty(), phase: Some(phase) });
        // Nothing for minutes.
        let still = tokio::time::timeout(Duration::from_secs(240), ours.read(&mut part)).await;
        assert!(still.is_err());
        theirs.write_all(b"GET /").await.unwrap();
        assert_eq!(ours.read(&mut part).await.unwrap(), 5);
        let since = tokio::time::Instant::now();
        let error = ours.read(&mut part).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(since.elapsed() < Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_says_anything_is_given_up_soon() {
        let (ours, _theirs) = duplex(16);
        let error = paced(ours).read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_is_given_up() {
        let (ours, _theirs) = duplex(16);
        let mut ours = paced(ours);
        let error = ours.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_reads_on_is_served() {
        let (ours, mut theirs) = duplex(16);
        let mut ours = paced(ours);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            let mut part = [0; 8];
            while all.len() < 64 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                let count = theirs.read(&mut part).await.unwrap();
                all.extend_from_slice(&part[..count]);
            }
            all
        });
        ours.write_all(&[7; 64]).await.unwrap();
        assert_eq!(reader.await.unwrap(), [7; 64]);
    }
}
