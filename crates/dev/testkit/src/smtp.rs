//! A mail server in the test's own process: it speaks SMTP as servers do, with STARTTLS, TLS from the
//! first byte on, the three usual ways of authentication, and keeps what it was sent. It is strict: what
//! comes out of order, in lines that are too long or end in a bare line feed is refused.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What the server proves itself with: a certificate for `localhost` and `127.0.0.1`, signed by itself.
pub const CERTIFICATE: &str = include_str!("certificates/mail.pem");
const KEY: &str = include_str!("certificates/mail.key.pem");
/// What it asks for with CRAM-MD5.
const CHALLENGE: &str = "<1896.697170952@postoffice.reston.mci.net>";
/// The longest line that SMTP knows, with its end.
const LINE_MAX_BYTES: usize = 1000;

/// How a server behaves.
pub struct Behaviour {
    /// Whether TLS is spoken from the first byte on.
    pub is_implicit_tls: bool,
    /// Whether STARTTLS is offered.
    pub offers_start_tls: bool,
    /// The ways of authentication that are offered, in this order: `PLAIN`, `LOGIN`, `CRAM-MD5` or others.
    pub mechanisms: &'static str,
    /// Whether authentication is offered only under TLS.
    pub hides_mechanisms: bool,
    /// Whether mail is taken only from those who said who they are.
    pub needs_login: bool,
    /// Who is let in: a name, and its password or secret.
    pub user: (&'static str, &'static str),
    /// Whether it knows only the greeting of old, HELO.
    pub is_old: bool,
    /// What is done in place of an answer to a command, or to the whole mail, for which this is asked with
    /// `.`, or to the connection, for which it is asked with nothing.
    pub instead: Box<dyn Fn(&str) -> Instead + Send + Sync>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            is_implicit_tls: false,
            offers_start_tls: false,
            mechanisms: "",
            hides_mechanisms: false,
            needs_login: false,
            user: ("user", "pass"),
            is_old: false,
            instead: Box::new(|_| Instead::Nothing),
        }
    }
}

/// What is done in place of an answer.
pub enum Instead {
    /// Nothing: the answer is given.
    Nothing,
    /// Another answer, whole lines without the end of the last one.
    Say(&'static str),
    /// The connection is closed.
    Close,
    /// No answer is ever given.
    Hang,
}

/// A mail as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// How the client called itself.
    pub hello: String,
    /// Whether it came under TLS.
    pub is_secure: bool,
    /// How the client said who it is: the way, and the name.
    pub login: Option<(String, String)>,
    /// The sender.
    pub from: String,
    /// What came with the sender.
    pub parameters: String,
    /// The recipients.
    pub recipients: Vec<String>,
    /// Headers and body, lines ending with a line feed.
    pub text: String,
}

impl Mail {
    /// A header's text with its lines joined, or nothing.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\n\n").next().unwrap_or("").replace("\n ", " ");
        head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_string())
        })
    }

    /// The parts of the body: each one's type and its text, decoded.
    pub fn parts(&self) -> Vec<(String, String)> {
        let kind = self.header("content-type").unwrap_or_default();
        let boundary = kind.split("boundary=").nth(1).unwrap_or("").trim_matches('"').to_string();
        let (_, body) = self.text.split_once("\n\n").unwrap_or(("", ""));
        let boundary = format!("--{boundary}");
        let parts = body.split(&boundary).skip(1).filter(|part| !part.starts_with("--"));
        parts
            .map(|part| {
                let (head, text) = part.split_once("\n\n").unwrap_or((part, ""));
                let kind = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
                // The line end before a boundary belongs to the boundary.
                let text = text.strip_suffix('\n').unwrap_or(text);
                (kind.unwrap_or("").to_string(), quoted_printable(text))
            })
            .collect()
    }
}

/// The server. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    kept: Arc<Kept>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Kept {
    mails: Mutex<Vec<Mail>>,
    commands: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Starts a server on a free port of this machine, inside a tokio runtime.
    pub async fn start(behaviour: Behaviour) -> Server {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("cannot listen: {error}"),
        };
        let address = match listener.local_addr() {
            Ok(address) => address,
            Err(error) => panic!("no address: {error}"),
        };
        let kept: Arc<Kept> = Arc::default();
        let (behaviour, keeping) = (Arc::new(behaviour), kept.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behaviour.clone(), keeping.clone()));
            }
        });
        Server { address, kept, accepting }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that were taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.kept.mails).clone()
    }

    /// What clients have said so far, but for mails.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.kept.commands).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn acceptor() -> TlsAcceptor {
    let (Ok(certificate), Ok(key)) = (
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()),
        PrivateKeyDer::from_pem_slice(KEY.as_bytes()),
    ) else {
        panic!("the certificate of the mail server cannot be read");
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
    match config {
        Ok(config) => TlsAcceptor::from(Arc::new(config)),
        Err(error) => panic!("the certificate of the mail server cannot be used: {error}"),
    }
}

async fn serve(stream: TcpStream, behaviour: Arc<Behaviour>, kept: Arc<Kept>) {
    let mut session = Session { behaviour: &behaviour, kept: &kept, is_secure: false, read: Vec::new() };
    if behaviour.is_implicit_tls {
        session.is_secure = true;
        if let Ok(mut stream) = acceptor().accept(stream).await {
            session.talk(&mut stream, true).await;
        }
        return;
    }
    let mut stream = stream;
    if session.talk(&mut stream, true).await != Some(End::StartTls) {
        return;
    }
    // What came before the handshake was not protected: RFC 3207 wants it forgotten.
    session.read.clear();
    session.is_secure = true;
    if let Ok(mut stream) = acceptor().accept(stream).await {
        session.talk(&mut stream, false).await;
    }
}

#[derive(PartialEq)]
enum End {
    StartTls,
    Closed,
}

struct Session<'a> {
    behaviour: &'a Behaviour,
    kept: &'a Kept,
    is_secure: bool,
    read: Vec<u8>,
}

impl Session<'_> {
    /// The next line, without its end; none if there is no more or it is not a line of SMTP.
    async fn line(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let is_line = line.ends_with(b"\r\n") && line.len() <= LINE_MAX_BYTES;
                return is_line.then(|| String::from_utf8_lossy(&line[..line.len() - 2]).into_owned());
            }
            if stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn talk(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        greets: bool,
    ) -> Option<End> {
        let mut mail = Mail { is_secure: self.is_secure, ..Mail::default() };
        if greets && !self.answer(stream, "", "220 test ESMTP").await {
            return Some(End::Closed);
        }
        loop {
            let line = self.line(stream).await?;
            lock(&self.kept.commands).push(line.clone());
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            let has_own_way = matches!(verb.as_str(), "DATA" | "QUIT" | "STARTTLS");
            if !has_own_way && !matches!((self.behaviour.instead)(&line), Instead::Nothing) {
                // The command is not obeyed.
                self.answer(stream, &line, "").await;
                continue;
            }
            let answer = match verb.as_str() {
                "EHLO" if self.behaviour.is_old => "502 what?".to_string(),
                "EHLO" | "HELO" => {
                    mail.hello = rest.to_string();
                    if verb == "EHLO" { self.extensions() } else { "250 test".into() }
                }
                "QUIT" => {
                    self.answer(stream, &line, "221 bye").await;
                    return Some(End::Closed);
                }
                "NOOP" | "RSET" => "250 ok".into(),
                _ if mail.hello.is_empty() => "503 say hello first".into(),
                "STARTTLS" if self.behaviour.offers_start_tls && !self.is_secure => {
                    if !self.answer(stream, &line, "220 go ahead").await {
                        continue;
                    }
                    return Some(End::StartTls);
                }
                "AUTH" => match self.login(stream, rest).await? {
                    Ok(login) => {
                        mail.login = Some(login);
                        "235 welcome".into()
                    }
                    Err(answer) => answer.into(),
                },
                "MAIL" if self.behaviour.needs_login && mail.login.is_none() => {
                    "530 authentication Required".into()
                }
                "MAIL" => match path(rest, "FROM:") {
                    Some((from, parameters)) => {
                        (mail.from, mail.parameters) = (from, parameters);
                        mail.recipients.clear();
                        "250 ok".into()
                    }
                    None => "501 5.5.4 Invalid arguments".into(),
                },
                "RCPT" if mail.from.is_empty() => "503 who sends it?".into(),
                "RCPT" => match path(rest, "TO:") {
                    Some((to, _)) => {
                        mail.recipients.push(to);
                        "250 ok".into()
                    }
                    None => "501 5.5.4 Invalid arguments".into(),
                },
                "DATA" if mail.recipients.is_empty() => "503 to whom?".into(),
                "DATA" => {
                    if !self.answer(stream, &line, "354 go on").await {
                        continue;
                    }
                    mail.text.clear();
                    loop {
                        let line = self.line(stream).await?;
                        if line == "." {
                            break;
                        }
                        mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                        mail.text.push('\n');
                    }
                    // Kept before the answer: who hears that it was taken finds it here.
                    let is_taken = !matches!((self.behaviour.instead)("."), Instead::Say(text) if !text.starts_with('2'));
                    if is_taken {
                        lock(&self.kept.mails).push(mail.clone());
                    }
                    if !self.answer(stream, ".", "250 taken").await && is_taken {
                        return Some(End::Closed);
                    }
                    continue;
                }
                _ => "500 what?".into(),
            };
            self.answer(stream, &line, &answer).await;
        }
    }

    /// Answers, or does what is to be done in its place. Says whether the answer was given.
    async fn answer(&self, stream: &mut (impl AsyncWrite + Unpin), to: &str, answer: &str) -> bool {
        let (text, is_given) = match (self.behaviour.instead)(to) {
            Instead::Nothing => (answer, true),
            Instead::Say(text) => (text, false),
            Instead::Close => {
                let _ = stream.shutdown().await;
                return false;
            }
            Instead::Hang => std::future::pending().await,
        };
        let _ = stream.write_all(format!("{}\r\n", text.replace('\n', "\r\n")).as_bytes()).await;
        let _ = stream.flush().await;
        is_given
    }

    fn extensions(&self) -> String {
        let mut all = vec!["test".to_string(), "SIZE 1000000".into(), "8BITMIME".into(), "SMTPUTF8".into()];
        if self.behaviour.offers_start_tls && !self.is_secure {
            all.push("STARTTLS".into());
        }
        if !self.behaviour.mechanisms.is_empty() && (self.is_secure || !self.behaviour.hides_mechanisms) {
            all.push(format!("AUTH {}", self.behaviour.mechanisms));
        }
        let last = all.len() - 1;
        let lines = all.iter().enumerate();
        let lines = lines.map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' }));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Who the client is, or what it is told instead.
    async fn login(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        rest: &str,
    ) -> Option<Result<(String, String), &'static str>> {
        let (way, first) = rest.split_once(' ').unwrap_or((rest, ""));
        let (user, password) = self.behaviour.user;
        let (name, is_good) = match way {
            "PLAIN" => {
                let first = match first {
                    "" => self.ask(stream, "").await?,
                    first => decoded(first),
                };
                let mut parts = first.split('\0').skip(1).map(str::to_string);
                let name = parts.next().unwrap_or_default();
                let is_good = name == user && parts.next().as_deref() == Some(password);
                (name, is_good)
            }
            "LOGIN" => {
                let name = self.ask(stream, "Username:").await?;
                let said = self.ask(stream, "Password:").await?;
                let is_good = name == user && said == password;
                (name, is_good)
            }
            "CRAM-MD5" => {
                let said = self.ask(stream, CHALLENGE).await?;
                let (name, digest) = said.rsplit_once(' ').unwrap_or((&said, ""));
                let is_good = name == user && digest == hmac_md5(password.as_bytes(), CHALLENGE.as_bytes());
                (name.to_string(), is_good)
            }
            _ => return Some(Err("504 not this way")),
        };
        Some(if is_good {
            Ok((way.to_string(), name))
        } else {
            Err("535 5.7.8 Invalid username or password")
        })
    }

    /// Asks for the next piece of a login.
    async fn ask(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        question: &str,
    ) -> Option<String> {
        self.answer(stream, "334", &format!("334 {}", encoded(question.as_bytes()))).await;
        let line = self.line(stream).await?;
        lock(&self.kept.commands).push(line.clone());
        Some(decoded(&line))
    }
}

/// The address and the parameters of `FROM:<a@b> SIZE=1`.
fn path(text: &str, word: &str) -> Option<(String, String)> {
    let (start, rest) = text.split_at_checked(word.len())?;
    let (address, parameters) = rest.strip_prefix('<')?.split_once('>')?;
    let is_address = address.split_once('@').is_some_and(|(_, domain)| !domain.is_empty());
    (start.eq_ignore_ascii_case(word) && is_address && !address.contains(char::is_whitespace))
        .then(|| (address.to_string(), parameters.trim().to_string()))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let is_there = digit <= group.len();
            out.push(if is_there {
                char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])
            } else {
                '='
            });
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte).unwrap_or(0);
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 255) as u8);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// RFC 2104 with MD5, in hexadecimal.
fn hmac_md5(key: &[u8], text: &[u8]) -> String {
    use md5::{Digest, Md5};
    let mut block = [0; 64];
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..16].copy_from_slice(&Md5::digest(key)),
    }
    let inner = Md5::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    let outer = Md5::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text of a quoted-printable body.
fn quoted_printable(text: &str) -> String {
    let mut out = Vec::new();
    let joined = text.replace("=\n", "");
    let mut bytes = joined.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let hex: String = bytes.by_ref().take(2).map(char::from).collect();
            out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
