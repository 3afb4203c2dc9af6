//! Starts programs, talks to them, and listens for what they send.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wire::remote::WriteRequestEncoder;

/// How long anything may take that usually takes an instant; the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const POLL_PAUSE: Duration = Duration::from_millis(25);

pub(crate) fn now_ms() -> i64 {
    Clock::system().now_ms()
}

/// Looks again and again until there is something to see.
pub(crate) fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Clock::system().mark();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(POLL_PAUSE);
    }
}

/// A small seeded generator (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
    }
}

/// Writes a file into a folder and gives its path.
pub(crate) fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The program, to be given arguments, in a folder of its own.
pub(crate) fn promontory(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_promontory"));
    command.current_dir(dir).args(args);
    command
}

/// Runs the program to its end. What does not end by itself is killed and has no exit code.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Ended {
    let mut command = promontory(dir, args);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Clock::system().mark();
    while child.try_wait().unwrap().is_none() && started.elapsed() < SOON {
        std::thread::sleep(POLL_PAUSE);
    }
    let _ = child.kill();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// What a run that ended left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

/// A program that runs until it is dropped, and what it wrote to standard error.
pub(crate) struct Program {
    child: Child,
    log: Arc<Log>,
}

impl Program {
    pub(crate) fn spawn(command: &mut Command) -> Program {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Log::default());
        let shared = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let Ok(line) = line else { break };
                shared.lines.lock().unwrap().0.push(line);
                shared.changed.notify_all();
            }
            shared.lines.lock().unwrap().1 = true;
            shared.changed.notify_all();
        });
        Program { child, log }
    }

    /// Waits for a line of the log.
    pub(crate) fn line<T>(&self, what: &str, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let mut seen = 0;
        loop {
            let lines = self.log.lines.lock().unwrap();
            let wait = |lines: &mut (Vec<String>, bool)| lines.0.len() == seen && !lines.1;
            let (lines, waited) = self.log.changed.wait_timeout_while(lines, SOON, wait).unwrap();
            if let Some(found) = lines.0[seen..].iter().find_map(|line| found(line)) {
                return found;
            }
            let is_over = waited.timed_out() || (lines.1 && lines.0.len() == seen);
            seen = lines.0.len();
            drop(lines);
            assert!(!is_over, "{what}: not in the log:\n{}", self.log());
        }
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lines.lock().unwrap().0.join("\n")
    }

    /// The exit code of a program that has ended by itself.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status: ExitStatus = until("the program ends", SOON, || self.child.try_wait().unwrap());
        assert_eq!(status.signal(), None, "ended by a signal:\n{}", self.log());
        status.code()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGKILL, without waiting for the end.
    pub(crate) fn kill_at_once(&self) {
        self.signal(Signal::KILL);
    }

    /// The end without a warning: SIGKILL. Returns when nothing of the process is left.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- log of the program ---\n{}", self.log());
        }
    }
}

/// A program that answers requests.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: String,
}

impl Server {
    /// `promontory ARGS` on a free port of this machine, ready. Data in `promontory-data`.
    pub(crate) fn machine(dir: &Path, args: &[&str]) -> Server {
        Server::ready(promontory(dir, &["--listen", "127.0.0.1:0"]).args(args))
    }

    /// The same without watching the machine: nothing but what a test puts in.
    pub(crate) fn quiet(dir: &Path, args: &[&str]) -> Server {
        file(dir, "promontory.yml", "machine: {watch: false, alerts: false}\n");
        Server::machine(dir, &[&["--config", "promontory.yml"], args].concat())
    }

    /// `promontory prometheus ARGS` on a free port of this machine, ready. Data in `data`.
    pub(crate) fn prometheus(dir: &Path, args: &[&str]) -> Server {
        Server::ready(promontory(dir, &["prometheus", "--web.listen-address=127.0.0.1:0"]).args(args))
    }

    /// Waits for the line that says where to go.
    pub(crate) fn ready(command: &mut Command) -> Server {
        let program = Program::spawn(command);
        let address = program.line("a start", |line| {
            let (_, rest) = line.split_once("Promontory ")?;
            let (_, rest) = rest.split_once(": http://")?;
            Some(rest.split_once(' ')?.0.to_string())
        });
        Server { program, address }
    }

    /// Another program, which says `address=...` when it listens.
    pub(crate) fn listening(command: &mut Command) -> Server {
        let program = Program::spawn(command);
        let address = program.line("a start", |line| {
            let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
            Some(address.trim().to_string())
        });
        Server { program, address }
    }

    pub(crate) fn try_request(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> std::io::Result<Answer> {
        request(&self.address, method, path, content_type, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_request("GET", path, "", b"").unwrap()
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        self.try_request("POST", path, "", b"").unwrap()
    }

    /// What `/api/v1/…` has under `data`.
    pub(crate) fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut target = format!("/api/v1/{path}");
        for (at, (name, value)) in parameters.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            for byte in value.bytes() {
                target.push_str(&format!("%{byte:02X}"));
            }
        }
        let answer = self.get(&target);
        assert_eq!(answer.status, 200, "{path} {parameters:?}: {}", answer.text());
        let mut json: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["status"], "success", "{path} {parameters:?}");
        json["data"].take()
    }

    /// The series of an instant query, now: labels and value.
    pub(crate) fn vector(&self, expression: &str) -> Vec<(Value, f64)> {
        let data = self.api("query", &[("query", expression)]);
        let series = data["result"].as_array().unwrap().iter();
        series.map(|s| (s["metric"].clone(), number(&s["value"][1]))).collect()
    }

    /// The value of the only series of an instant query.
    pub(crate) fn value(&self, expression: &str) -> Option<f64> {
        let vector = self.vector(expression);
        assert!(vector.len() <= 1, "{expression} has more than one series: {vector:?}");
        vector.first().map(|(_, value)| *value)
    }

    /// The samples of a range of time before `end_ms`, by series: labels, then time in ms and value.
    pub(crate) fn samples(&self, selector: &str, end_ms: i64) -> Vec<(Value, Vec<(i64, f64)>)> {
        let data = self.api("query", &[("query", selector), ("time", &seconds(end_ms))]);
        assert_eq!(data["resultType"], "matrix");
        let samples = |series: &Value| {
            let values = series["values"].as_array().unwrap().iter();
            values.map(|v| ((v[0].as_f64().unwrap() * 1000.0).round() as i64, number(&v[1]))).collect()
        };
        data["result"].as_array().unwrap().iter().map(|s| (s["metric"].clone(), samples(s))).collect()
    }

    /// One of the program's own metrics, from `/metrics`; the sum over its series.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let answer = self.get("/metrics").text();
        let of_metric = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        };
        let lines: Vec<&str> = answer.lines().filter(of_metric).collect();
        assert!(!lines.is_empty(), "no metric {name}");
        lines.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// Writes samples by remote write; an error if there is no answer.
    pub(crate) fn try_write(&self, series: &[Series]) -> std::io::Result<Answer> {
        self.try_request("POST", "/api/v1/write", "application/x-protobuf", &write_request(series))
    }

    /// Writes samples by remote write, which must succeed.
    pub(crate) fn write(&self, series: &[Series]) {
        let answer = self.try_write(series).unwrap();
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
    }

    pub(crate) fn terminate(mut self) -> String {
        self.program.signal(Signal::TERM);
        assert_eq!(self.program.exit_code(), Some(0));
        self.program.log()
    }
}

/// A time in ms as the API takes it.
pub(crate) fn seconds(time_ms: i64) -> String {
    format!("{}.{:03}", time_ms.div_euclid(1000), time_ms.rem_euclid(1000))
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// A series to write: labels in any order, then time in ms and value.
pub(crate) struct Series {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) samples: Vec<(i64, f64)>,
}

impl Series {
    pub(crate) fn new(name: &str, labels: &[(&str, &str)], samples: Vec<(i64, f64)>) -> Series {
        let all = [&[("__name__", name)], labels].concat();
        let mut labels: Vec<_> = all.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        labels.sort();
        Series { labels, samples }
    }
}

fn write_request(series: &[Series]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut encoder = WriteRequestEncoder::new(&mut body);
    for one in series {
        encoder.series(one.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())), |out| {
            for &(timestamp_ms, value) in &one.samples {
                out.sample(timestamp_ms, value);
            }
        });
    }
    snap::raw::Encoder::new().compress_vec(&body).unwrap()
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
fn request(
    address: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_nodelay(true)?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    if !content_type.is_empty() {
        head.push_str(&format!("content-type: {content_type}\r\n"));
    }
    if content_type == "application/x-protobuf" {
        head.push_str("content-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    // What has arrived whole counts, whatever becomes of the connection then.
    let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let length = stream.read(&mut buffer)?;
        received.extend_from_slice(&buffer[..length]);
        if let Some(answer) = parse_answer(&received, length == 0) {
            return Ok(answer);
        }
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

fn parse_answer(received: &[u8], is_end: bool) -> Option<Answer> {
    let (head, rest) = split_head(received)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let content_type = header(&head, "content-type").unwrap_or("").to_string();
    let body = match (header(&head, "content-length"), header(&head, "transfer-encoding")) {
        _ if status == 204 => Vec::new(),
        // It does not end: the first event counts.
        (None, Some(_)) if content_type == "text/event-stream" => {
            let (length, rest) = std::str::from_utf8(rest).ok()?.split_once("\r\n")?;
            rest.get(..usize::from_str_radix(length.trim(), 16).ok()?)?.as_bytes().to_vec()
        }
        (Some(length), _) => rest.get(..length.parse().ok()?)?.to_vec(),
        (None, Some(_)) => dechunk(rest)?,
        (None, None) if is_end => rest.to_vec(),
        (None, None) => return None,
    };
    Some(Answer { status, content_type, body })
}

/// The head of a message, and what follows it.
fn split_head(received: &[u8]) -> Option<(String, &[u8])> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&received[..end]).into_owned(), &received[end + 4..]))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 2 + length + 2..)?;
    }
}

/// A webhook: takes every POST, answers 200, and keeps the JSON it was sent.
pub(crate) struct Webhook {
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    pub(crate) fn start() -> Webhook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let shared = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = shared.clone();
                std::thread::spawn(move || take_posts(&mut stream.unwrap(), &shared));
            }
        });
        Webhook { url, taken }
    }

    /// The same under another address, where it may not be reached.
    pub(crate) fn with_url(&self, url: &str) -> Webhook {
        Webhook { url: url.to_string(), taken: self.taken.clone() }
    }

    /// Everything taken so far.
    pub(crate) fn posts(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// The posts with this status that speak of this alert.
    pub(crate) fn posts_of(&self, alert: &str, status: &str) -> Vec<Value> {
        let speaks = |post: &Value| {
            post["status"] == status
                && post["alerts"].as_array().unwrap().iter().any(|a| a["labels"]["alertname"] == alert)
        };
        self.posts().into_iter().filter(speaks).collect()
    }
}

fn take_posts(stream: &mut TcpStream, taken: &Mutex<Vec<Value>>) {
    let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let Some(length) = stream.read(&mut buffer).ok().filter(|&length| length > 0) else { return };
        received.extend_from_slice(&buffer[..length]);
        let Some((head, rest)) = split_head(&received) else { continue };
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let Some(body) = rest.get(..length) else { continue };
        taken.lock().unwrap().push(serde_json::from_slice(body).unwrap());
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        received.clear();
    }
}

/// A program of another project, if this machine has it. Where all must run (`CI`), it must be there.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// Says that a test cannot run here. Where all must run, that is a failure.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
}
