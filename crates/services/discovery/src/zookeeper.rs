//! A client of ZooKeeper: one session on one connection, reads with watches. Just what following a tree
//! needs of its protocol (length-prefixed frames of big-endian numbers, "jute").

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A larger frame is refused; servers refuse more than a MiB themselves.
const FRAME_SIZE_MAX_BYTES: usize = 64 << 20;
/// Nodes of a tree that are followed.
const NODES_MAX: usize = 100_000;

const PING: i32 = 11;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const GET_CHILDREN: i32 = 8;
const NO_NODE: i32 = -101;
const WATCH_XID: i32 = -1;
const PING_XID: i32 = -2;

pub(crate) struct Session {
    stream: TcpStream,
    buffer: Vec<u8>,
    xid: i32,
    timeout: Duration,
    /// Paths at which something happened, told while we waited for an answer.
    told: VecDeque<String>,
}

/// Fields of a frame, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn int(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    /// Bytes behind their length; a negative one is nothing.
    fn bytes(&mut self) -> Option<Vec<u8>> {
        let Ok(length) = usize::try_from(self.int()?) else { return Some(Vec::new()) };
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn bad() -> String {
    "the answer cannot be read".into()
}

impl Session {
    /// Opens a session at a server, `host:port`; `timeout` is how long it lives without a sign.
    pub(crate) async fn open(server: &str, timeout: Duration) -> Result<Session, String> {
        let address = if server.contains(':') { server.to_string() } else { format!("{server}:2181") };
        let connecting = tokio::time::timeout(timeout, TcpStream::connect(&address)).await;
        let stream = connecting.map_err(|_| "no answer".to_string())?.map_err(|error| error.to_string())?;
        let mut session = Session { stream, buffer: Vec::new(), xid: 0, timeout, told: VecDeque::new() };
        let mut hello = Vec::new();
        hello.extend_from_slice(&0i32.to_be_bytes());
        hello.extend_from_slice(&0i64.to_be_bytes());
        hello.extend_from_slice(&i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
        hello.extend_from_slice(&0i64.to_be_bytes());
        put_bytes(&mut hello, &[0; 16]);
        hello.push(0);
        session.write(&hello).await?;
        let answer = session.frame_in_time().await?;
        let mut fields = Fields(&answer);
        let (_, granted_ms) = (fields.int().ok_or_else(bad)?, fields.int().ok_or_else(bad)?);
        if granted_ms <= 0 {
            return Err("the server refused the session".into());
        }
        session.timeout = Duration::from_millis(granted_ms.unsigned_abs().into());
        Ok(session)
    }

    /// The data of every node at and below a path, with a watch on each. A path that does not exist is
    /// watched until it does.
    pub(crate) async fn tree(&mut self, path: &str) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![path.to_string()];
        while let Some(path) = open.pop() {
            if found.len() >= NODES_MAX {
                return Err(format!("more than {NODES_MAX} nodes"));
            }
            let Some(data) = self.ask(GET_DATA, &path).await? else {
                self.ask(EXISTS, &path).await?;
                continue;
            };
            let data = Fields(&data).bytes().ok_or_else(bad)?;
            if let Some(children) = self.ask(GET_CHILDREN, &path).await? {
                let mut fields = Fields(&children);
                for _ in 0..fields.int().ok_or_else(bad)? {
                    let child = fields.text().ok_or_else(bad)?;
                    open.push(if path == "/" { format!("/{child}") } else { format!("{path}/{child}") });
                }
            }
            found.insert(path, data);
        }
        Ok(found)
    }

    /// Waits until something happened at a path that is watched; keeps the session alive meanwhile.
    pub(crate) async fn event(&mut self) -> Result<String, String> {
        let pause = self.timeout / 3;
        let mut silent = 0;
        loop {
            if let Some(path) = self.told.pop_front() {
                return Ok(path);
            }
            match tokio::time::timeout(pause, self.frame()).await {
                Ok(frame) => {
                    silent = 0;
                    self.understand(&frame?)?;
                }
                Err(_) if silent >= 2 => return Err("the server does not answer any more".into()),
                Err(_) => {
                    silent += 1;
                    let mut ping = PING_XID.to_be_bytes().to_vec();
                    ping.extend_from_slice(&PING.to_be_bytes());
                    self.write(&ping).await?;
                }
            }
        }
    }

    /// A read with a watch; nothing if there is no such node.
    async fn ask(&mut self, operation: i32, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.xid = self.xid.wrapping_add(1).max(1);
        let mut request = self.xid.to_be_bytes().to_vec();
        request.extend_from_slice(&operation.to_be_bytes());
        put_bytes(&mut request, path.as_bytes());
        request.push(1);
        self.write(&request).await?;
        loop {
            let frame = self.frame_in_time().await?;
            let Some((error, rest)) = self.understand(&frame)? else { continue };
            return match error {
                0 => Ok(Some(rest)),
                NO_NODE => Ok(None),
                code => Err(format!("{path}: error {code}")),
            };
        }
    }

    /// The answer to the last question: its error and the rest; nothing for a sign of life. What happened
    /// at a watched path is remembered.
    fn understand(&mut self, frame: &[u8]) -> Result<Option<(i32, Vec<u8>)>, String> {
        let mut fields = Fields(frame);
        let xid = fields.int().ok_or_else(bad)?;
        fields.long().ok_or_else(bad)?;
        let error = fields.int().ok_or_else(bad)?;
        match xid {
            PING_XID => Ok(None),
            WATCH_XID => {
                let (kind, _state) = (fields.int().ok_or_else(bad)?, fields.int().ok_or_else(bad)?);
                let path = fields.text().ok_or_else(bad)?;
                // Others tell of the session itself.
                if kind > 0 {
                    self.told.push_back(path);
                }
                Ok(None)
            }
            xid if xid == self.xid => Ok(Some((error, fields.0.to_vec()))),
            _ => Err("an answer to another question".into()),
        }
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), String> {
        let mut framed = Vec::with_capacity(frame.len() + 4);
        put_bytes(&mut framed, frame);
        self.stream.write_all(&framed).await.map_err(|error| error.to_string())
    }

    async fn frame_in_time(&mut self) -> Result<Vec<u8>, String> {
        tokio::time::timeout(self.timeout, self.frame()).await.map_err(|_| "no answer".to_string())?
    }

    /// The next frame. May be dropped halfway: what was read stays.
    async fn frame(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(length) =
                self.buffer.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize)
            {
                if length > FRAME_SIZE_MAX_BYTES {
                    return Err("an answer is larger than 64 MiB".into());
                }
                if self.buffer.len() >= length + 4 {
                    let frame = self.buffer.get(4..length + 4).unwrap_or_default().to_vec();
                    self.buffer.drain(..length + 4);
                    return Ok(frame);
                }
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
