//! A plain blocking HTTP/1.1 client for servers on loopback, one connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take; no measured request comes near it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// The most that is read of an answer.
const BODY_BYTES_MAX: u64 = 1 << 30;

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The start of the body as text, for messages.
    pub(crate) fn excerpt(&self) -> String {
        let end = self.body.len().min(300);
        String::from_utf8_lossy(&self.body[..end]).trim().to_string()
    }
}

pub(crate) struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// `address` is HOST:PORT.
    pub(crate) fn new(address: &str) -> Client {
        Client { address: address.to_string(), connection: None }
    }

    /// Whether it talks to this address.
    pub(crate) fn is_for(&self, address: &str) -> bool {
        self.address == address
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Reply, String> {
        self.send("GET", path, &[], &[])
    }

    /// Sends a request; a connection that broke is opened again for the next one.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, String> {
        let answer = self.exchange(method, path, headers, body);
        if answer.is_err() {
            self.connection = None;
        }
        answer.map_err(|error| format!("{method} http://{}{path:.80}: {error}", self.address))
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(&self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                BufReader::with_capacity(64 << 10, stream)
            }
        };
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let stream = connection.get_mut();
        stream.write_all(request.as_bytes())?;
        stream.write_all(body)?;
        let (reply, keep) = read_reply(&mut connection)?;
        if keep {
            self.connection = Some(connection);
        }
        Ok(reply)
    }
}

fn read_reply(input: &mut impl BufRead) -> std::io::Result<(Reply, bool)> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_string());
    let mut line = String::new();
    let mut next_line = |input: &mut dyn BufRead| -> std::io::Result<String> {
        line.clear();
        if input.take(64 << 10).read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_string())
    };
    let first = next_line(input)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| wrong("not an HTTP answer"))?;
    let (mut length, mut chunked, mut keep) = (None, false, true);
    loop {
        let header = next_line(input)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { continue };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse::<u64>().ok(),
            ("transfer-encoding", "chunked") => chunked = true,
            ("connection", "close") => keep = false,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let size = next_line(input)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| wrong("a chunk without a size"))?;
            if body.len() as u64 + size > BODY_BYTES_MAX {
                return Err(wrong("the answer is too large"));
            }
            if input.take(size).read_to_end(&mut body)? as u64 != size {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            next_line(input)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = length {
        if length > BODY_BYTES_MAX {
            return Err(wrong("the answer is too large"));
        }
        if input.take(length).read_to_end(&mut body)? as u64 != length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    } else if status != 204 && status != 304 {
        keep = false;
        input.take(BODY_BYTES_MAX).read_to_end(&mut body)?;
    }
    Ok((Reply { status, body }, keep))
}

/// Encodes text for a query string.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_a_length_in_chunks_and_without_either_are_read() {
        let read = |text: &str| {
            let (reply, keep) = read_reply(&mut text.as_bytes()).unwrap();
            (reply.status, String::from_utf8(reply.body).unwrap(), keep)
        };
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd"), (200, "abc".into(), true));
        let chunks =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n";
        assert_eq!(read(chunks), (200, "abc".into(), true));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), (204, String::new(), true));
        assert_eq!(read("HTTP/1.0 500 Oh\r\n\r\nwhy"), (500, "why".into(), false));
        assert!(read_reply(&mut "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".as_bytes()).is_err());
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encode("up{a=\"b c\"}"), "up%7Ba%3D%22b%20c%22%7D");
    }
}
