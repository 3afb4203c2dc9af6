//! A name server, over UDP and TCP.

#![allow(clippy::unwrap_used, reason = "a test that cannot have its server fails")]

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// Size of an answer over UDP in bytes; a longer one is cut.
const UDP_MAX_BYTES: usize = 4_096;

/// What the server says to a question.
pub struct Answer {
    code: u8,
    records: Vec<(u16, Vec<u8>)>,
}

impl Answer {
    /// No records and this response code (RFC 1035, 4.1.1).
    pub fn code(code: u8) -> Answer {
        Answer { code, records: Vec::new() }
    }

    /// Records of the name that is asked for: their types and data. `\xc0\x0c` in them is that name.
    pub fn records(records: &[(u16, &[u8])]) -> Answer {
        Answer { code: 0, records: records.iter().map(|(kind, data)| (*kind, data.to_vec())).collect() }
    }

    /// SRV records: hosts and ports.
    pub fn srv(targets: &[(&str, u16)]) -> Answer {
        let record = |(host, port): &(&str, u16)| {
            let mut data = vec![0, 1, 0, 2];
            data.extend_from_slice(&port.to_be_bytes());
            for label in host.trim_end_matches('.').split('.') {
                data.push(label.len() as u8);
                data.extend_from_slice(label.as_bytes());
            }
            data.push(0);
            (33, data)
        };
        Answer { code: 0, records: targets.iter().map(record).collect() }
    }

    fn message(&self, question: &[u8], end: usize, is_udp: bool) -> Vec<u8> {
        let mut out = question[..2].to_vec();
        out.extend_from_slice(&[0x81, 0x80 | self.code, 0, 1]);
        out.extend_from_slice(&(self.records.len() as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&question[12..end]);
        for (kind, data) in &self.records {
            out.extend_from_slice(&[0xc0, 0x0c]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            out.extend_from_slice(data);
        }
        if is_udp && out.len() > UDP_MAX_BYTES {
            // Within a record, and with the count of all: some servers do so.
            out.truncate(512);
            out[2] |= 0x02;
        }
        out
    }
}

/// The name that a question asks for, without the dot at its end, its type, and where the question ends.
fn asked(question: &[u8]) -> (String, u16, usize) {
    let (mut name, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let length = usize::from(question[at]);
        name.push(String::from_utf8_lossy(&question[at + 1..at + 1 + length]).into_owned());
        at += 1 + length;
    }
    (name.join("."), u16::from_be_bytes([question[at + 1], question[at + 2]]), at + 5)
}

/// Starts a server that answers a name, without the dot at its end, and a type of record.
pub async fn serve(answer: impl Fn(&str, u16) -> Answer + Send + Sync + 'static) -> SocketAddr {
    // The port must be free for both.
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, udp);
        }
    };
    let address = tcp.local_addr().unwrap();
    let answer = Arc::new(move |question: &[u8], is_udp: bool| {
        let (name, record_type, end) = asked(question);
        answer(&name, record_type).message(question, end, is_udp)
    });
    let over_tcp = answer.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
            let _ = udp.send_to(&answer(&buffer[..length], true), peer).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut question).await.unwrap();
            let message = over_tcp(&question, false);
            stream.write_u16(message.len() as u16).await.unwrap();
            stream.write_all(&message).await.unwrap();
        }
    });
    address
}
