//! A question sent and its answer received, over UDP or a stream.

use std::io::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::message::{self, Message};

/// Size of an answer over UDP in bytes.
pub(super) const UDP_MAX_BYTES: u16 = 4_096;
/// Size of a message's header in bytes.
const HEADER_BYTES: usize = 12;

/// Sends a question over UDP and waits for the answer that belongs to it; how long is the caller's business.
/// The question is sent from `source`, or from where the system likes.
pub async fn exchange_udp(server: SocketAddr, source: Option<IpAddr>, question: &[u8]) -> Result<Message> {
    read(&receive_udp(server, source, question).await?)
}

/// As `exchange_udp`, the answer unread: one that is cut may end within a record.
pub(super) async fn receive_udp(
    server: SocketAddr,
    source: Option<IpAddr>,
    question: &[u8],
) -> Result<Vec<u8>> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; usize::from(UDP_MAX_BYTES)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let is_response = buffer.get(2).is_some_and(|flags| flags & 0x80 != 0);
        // Something else may have strayed here.
        if length >= HEADER_BYTES && is_response && buffer.get(..2) == question.get(..2) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

/// Whether an answer says that it did not fit.
pub(super) fn is_truncated(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// Sends a question over a stream, with its length before it, and reads the answer. Fails if the answer is
/// to another question.
pub async fn exchange_stream<S>(stream: &mut S, question: &[u8]) -> Result<Message>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let length = u16::try_from(question.len()).map_err(Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    let message = read(&answer)?;
    match message.is_response && answer.get(..2) == question.get(..2) {
        true => Ok(message),
        false => Err(Error::other("dns: id mismatch")),
    }
}

fn read(answer: &[u8]) -> Result<Message> {
    message::parse(answer).map_err(Error::other)
}

/// A number that others cannot guess, for a question's.
pub fn random_u16() -> u16 {
    let mut bytes = [0; 2];
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    u16::from_be_bytes(bytes)
}
