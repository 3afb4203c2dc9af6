//! One exchange over an HTTP/1.1 connection: a request goes out, its answer comes in (RFC 9112). Runs in
//! the task that asks: nothing else wakes up. The body is read straight into the memory of the caller.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::Poll;

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::client::ClientError;

/// What a connection runs over: TCP, a Unix socket, TLS over one of them.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Size of an answer's head.
const HEAD_SIZE_MAX_BYTES: usize = 256 * 1024;
/// Headers of an answer.
const HEADERS_MAX: usize = 256;
/// Size of a line that announces a chunk, and of all headers behind the last one.
const CHUNK_LINE_MAX_BYTES: usize = 8 * 1024;
/// The least memory for a read.
const READ_MIN_BYTES: usize = 16 * 1024;
/// Memory taken at once for a body because its sender announced it; a larger one has to come first.
const ANNOUNCED_MAX_BYTES: u64 = 16 << 20;

/// An open connection that is at rest.
pub(crate) struct Connection {
    stream: Box<dyn Io>,
}

/// What to send.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    /// The request line and the headers, with the empty line behind them.
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Whether the connection can be used again.
    pub(crate) is_reusable: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection was closed before a byte of an answer came.
    Closed,
    /// Anything else.
    Failed(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Failure::Failed(error)
    }
}

fn network(error: &io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ClientError::Network("unexpected EOF".into()),
        _ => ClientError::Network(error.to_string()),
    }
}

fn malformed(what: &str) -> Failure {
    Failure::Failed(ClientError::Network(format!("malformed HTTP response: {what}")))
}

impl Connection {
    pub(crate) fn new(stream: Box<dyn Io>) -> Self {
        Connection { stream }
    }

    /// Whether the server has neither closed the connection nor said something nobody asked for.
    pub(crate) async fn is_open(&mut self) -> bool {
        let mut byte = [0u8; 1];
        let mut byte = ReadBuf::new(&mut byte);
        poll_fn(|context| match Pin::new(&mut self.stream).poll_read(context, &mut byte) {
            Poll::Pending => Poll::Ready(true),
            Poll::Ready(_) => Poll::Ready(false),
        })
        .await
    }

    /// Sends a request and reads its answer; the body is in `buffer` then, and nothing else.
    pub(crate) async fn exchange(
        &mut self,
        outgoing: Outgoing<'_>,
        body_size_max_bytes: u64,
        buffer: &mut BytesMut,
    ) -> Result<Incoming, Failure> {
        buffer.clear();
        let sent = self.send(&[outgoing.head, outgoing.body], buffer).await;
        let (status, headers, is_http11) = loop {
            if let Some(head) = take_head(buffer)? {
                // Interim answers such as 100 are followed by the real one.
                if !head.0.is_informational() {
                    break head;
                }
                continue;
            }
            if buffer.len() > HEAD_SIZE_MAX_BYTES {
                return Err(malformed("its head is too large"));
            }
            match self.fill(buffer, READ_MIN_BYTES).await {
                Ok(0) if buffer.is_empty() => return Err(Failure::Closed),
                Ok(0) => return Err(network(&io::ErrorKind::UnexpectedEof.into()).into()),
                Ok(_) => {}
                Err(_) if buffer.is_empty() => return Err(Failure::Closed),
                Err(error) => return Err(network(&error).into()),
            }
        };
        let is_tunnel = outgoing.head.starts_with(b"CONNECT ") && status.is_success();
        let has_none = is_tunnel || outgoing.head.starts_with(b"HEAD ");
        let has_none = has_none || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        let framing = if has_none { Framing::Length(0) } else { framing(&headers)? };
        let is_whole = match framing {
            Framing::Length(length) => self.read_length(buffer, length, body_size_max_bytes).await?,
            Framing::Chunked => self.read_chunks(buffer, body_size_max_bytes).await?,
            Framing::ToEnd => self.read_to_end(buffer, body_size_max_bytes).await?,
        };
        let keeps = keeps_alive(&headers, is_http11);
        Ok(Incoming { status, headers, is_reusable: is_whole && keeps && sent })
    }

    /// Writes all parts. False if it could not, or if the server answered before it had read all; the answer's
    /// beginning is in `buffer` then.
    async fn send(&mut self, parts: &[&[u8]; 2], buffer: &mut BytesMut) -> bool {
        let mut sent = 0;
        let total = parts[0].len() + parts[1].len();
        let stream = &mut self.stream;
        poll_fn(|context| {
            while sent < total {
                let head = parts[0].get(sent..).unwrap_or_default();
                let body = parts[1].get(sent.saturating_sub(parts[0].len())..).unwrap_or_default();
                let slices = [IoSlice::new(head), IoSlice::new(body)];
                let slices = if head.is_empty() { &slices[1..] } else { &slices[..] };
                match Pin::new(&mut *stream).poll_write_vectored(context, slices) {
                    Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Ready(Ok(count)) => sent += count,
                    Poll::Pending => {
                        let mut early = [0u8; 4096];
                        let mut early = ReadBuf::new(&mut early);
                        return match Pin::new(&mut *stream).poll_read(context, &mut early) {
                            Poll::Ready(_) => {
                                buffer.extend_from_slice(early.filled());
                                Poll::Ready(false)
                            }
                            Poll::Pending => Poll::Pending,
                        };
                    }
                }
            }
            Pin::new(&mut *stream).poll_flush(context).map(|flushed| flushed.is_ok())
        })
        .await
    }

    /// Gives the stream back, for another protocol to go on with.
    pub(crate) fn into_stream(self) -> Box<dyn Io> {
        self.stream
    }

    /// Reads once, with room for so many bytes.
    async fn fill(&mut self, buffer: &mut BytesMut, room_bytes: usize) -> io::Result<usize> {
        buffer.reserve(room_bytes.max(READ_MIN_BYTES));
        self.stream.read_buf(buffer).await
    }

    /// Reads a body of known length. False if more came than was announced.
    async fn read_length(
        &mut self,
        buffer: &mut BytesMut,
        length: u64,
        max_bytes: u64,
    ) -> Result<bool, ClientError> {
        if length > max_bytes {
            return Err(ClientError::TooLarge);
        }
        while (buffer.len() as u64) < length {
            let missing = (length - buffer.len() as u64).min(ANNOUNCED_MAX_BYTES) as usize;
            match self.fill(buffer, missing).await {
                Ok(0) => return Err(network(&io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(network(&error)),
            }
        }
        let is_exact = buffer.len() as u64 == length;
        buffer.truncate(length as usize);
        Ok(is_exact)
    }

    /// Reads a body that ends with the connection.
    async fn read_to_end(&mut self, buffer: &mut BytesMut, max_bytes: u64) -> Result<bool, ClientError> {
        loop {
            if buffer.len() as u64 > max_bytes {
                return Err(ClientError::TooLarge);
            }
            match self.fill(buffer, READ_MIN_BYTES).await {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) => return Err(network(&error)),
            }
        }
    }

    /// Reads a body in chunks. False if more came than belongs to it.
    async fn read_chunks(&mut self, buffer: &mut BytesMut, max_bytes: u64) -> Result<bool, Failure> {
        let mut chunks = Chunks::default();
        loop {
            let is_done = chunks.decode(buffer)?;
            if chunks.body_bytes as u64 > max_bytes {
                return Err(ClientError::TooLarge.into());
            }
            if is_done {
                let is_exact = buffer.len() == chunks.body_bytes;
                buffer.truncate(chunks.body_bytes);
                return Ok(is_exact);
            }
            match self.fill(buffer, READ_MIN_BYTES).await {
                Ok(0) => return Err(network(&io::ErrorKind::UnexpectedEof.into()).into()),
                Ok(_) => {}
                Err(error) => return Err(network(&error).into()),
            }
        }
    }
}

/// Takes a whole head off the front: status, headers, and whether it is of HTTP/1.1.
fn take_head(buffer: &mut BytesMut) -> Result<Option<(StatusCode, HeaderMap, bool)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(buffer) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(length)) => length,
        Err(error) => return Err(malformed(&error.to_string())),
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| malformed("its status is no number from 100 to 999"))?;
    let mut map = HeaderMap::with_capacity(head.headers.len());
    for line in head.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| malformed("a header's name"))?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| malformed("a header's value"))?;
        map.append(name, value);
    }
    let is_http11 = head.version == Some(1);
    buffer.advance(length);
    Ok(Some((status, map, is_http11)))
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    ToEnd,
}

fn framing(headers: &HeaderMap) -> Result<Framing, Failure> {
    if let Some(encoding) = headers.get_all(header::TRANSFER_ENCODING).iter().next_back() {
        let last = encoding.to_str().unwrap_or("").rsplit(',').next().unwrap_or("").trim();
        return Ok(if last.eq_ignore_ascii_case("chunked") { Framing::Chunked } else { Framing::ToEnd });
    }
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for text in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| digits);
            let number = number.ok_or_else(|| malformed(&format!("bad Content-Length {text:?}")))?;
            if length.is_some_and(|length| length != number) {
                return Err(malformed("two different lengths"));
            }
            length = Some(number);
        }
    }
    Ok(length.map_or(Framing::ToEnd, Framing::Length))
}

fn keeps_alive(headers: &HeaderMap, is_http11: bool) -> bool {
    let says = |word: &str| {
        headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    // Two ways to tell a body's end: somebody in between may have understood the other one.
    let is_ambiguous =
        headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    !is_ambiguous && if is_http11 { !says("close") } else { says("keep-alive") }
}

/// Takes the chunks' frames out of a body, in place: decoded bytes stand at the front of the buffer, bytes
/// that are not understood yet behind them.
#[derive(Debug, Default)]
struct Chunks {
    body_bytes: usize,
    state: ChunkState,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    /// A line with a size comes.
    #[default]
    Size,
    /// So many bytes of a chunk come.
    Data(u64),
    /// The line's end behind a chunk comes.
    DataEnd,
    /// Headers or the empty line at the end come.
    Trailer,
}

impl Chunks {
    /// Decodes what is there. True at the end of the body.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<bool, Failure> {
        let mut at = self.body_bytes;
        let is_done = loop {
            match self.state {
                ChunkState::Data(left) => {
                    let count = left.min((buffer.len() - at) as u64) as usize;
                    if at != self.body_bytes {
                        buffer.copy_within(at..at + count, self.body_bytes);
                    }
                    self.body_bytes += count;
                    at += count;
                    if (count as u64) < left {
                        self.state = ChunkState::Data(left - count as u64);
                        break false;
                    }
                    self.state = ChunkState::DataEnd;
                }
                ChunkState::Size | ChunkState::DataEnd | ChunkState::Trailer => {
                    let rest = &buffer[at..];
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        if rest.len() > CHUNK_LINE_MAX_BYTES {
                            return Err(malformed("a chunk's line is too long"));
                        }
                        break false;
                    };
                    let line = &rest[..end];
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    at += end + 1;
                    match self.state {
                        ChunkState::DataEnd if line.is_empty() => self.state = ChunkState::Size,
                        ChunkState::DataEnd => return Err(malformed("a chunk is longer than it says")),
                        ChunkState::Trailer if line.is_empty() => break true,
                        ChunkState::Trailer => {
                            self.trailer_bytes += line.len();
                            if self.trailer_bytes > CHUNK_LINE_MAX_BYTES {
                                return Err(malformed("too much behind the last chunk"));
                            }
                        }
                        _ => {
                            self.state = match chunk_size(line)? {
                                0 => ChunkState::Trailer,
                                size_bytes => ChunkState::Data(size_bytes),
                            }
                        }
                    }
                }
            }
        };
        if at != self.body_bytes {
            let left = buffer.len() - at;
            buffer.copy_within(at.., self.body_bytes);
            buffer.truncate(self.body_bytes + left);
        }
        Ok(is_done)
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Failure> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(digits).unwrap_or("");
    let is_hex = !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| is_hex).ok_or_else(|| malformed("a chunk without a size"))
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
