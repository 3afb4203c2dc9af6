//! The client's side of SMTP as a state machine without I/O: it is fed with replies and says what to
//! send. RFC 5321, 3207 (STARTTLS), 4954 (authentication), 6531 (addresses beyond ASCII).

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use net::client::{base64, base64_decoded};

/// The longest line of a reply; the standard has 512, some servers say more.
const LINE_MAX_BYTES: usize = 8 * 1024;
/// The longest reply.
const REPLY_MAX_BYTES: usize = 64 * 1024;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The texts of its lines.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Code and text, as errors tell it.
    fn shown(&self) -> String {
        format!("{:03} {}", self.code, self.lines.join(" ")).trim_end().to_string()
    }
}

/// Puts replies together from the bytes that arrive.
#[derive(Default)]
pub(super) struct Replies {
    bytes: Vec<u8>,
    lines: Vec<String>,
    size_bytes: usize,
}

impl Replies {
    /// Takes bytes as they arrive.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether bytes have arrived that belong to no reply yet.
    pub(super) fn has_rest(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next whole reply, if it has arrived.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, String> {
        loop {
            let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
                return if self.bytes.len() > LINE_MAX_BYTES {
                    Err("the reply is too long".into())
                } else {
                    Ok(None)
                };
            };
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            self.size_bytes += line.len();
            if self.size_bytes > REPLY_MAX_BYTES {
                return Err("the reply is too long".into());
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let (code, rest) = line.split_at_checked(3).unwrap_or((line, ""));
            let code = code.parse().ok().filter(|_| code.bytes().all(|byte| byte.is_ascii_digit()));
            let Some(code) = code.filter(|code| (200..600).contains(code)) else {
                return Err(format!("not a reply of SMTP: {line:?}"));
            };
            self.lines.push(rest.get(1..).unwrap_or_default().to_string());
            if !rest.starts_with('-') {
                self.size_bytes = 0;
                return Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
    }
}

/// How to say who we are. What could not be read is an error only if the server asks for it.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) identity: String,
    pub(super) password: Secret,
    /// For CRAM-MD5.
    pub(super) secret: Secret,
}

/// A secret, or why it could not be read. Empty if there is none.
pub(super) type Secret = Result<String, String>;

impl Default for Login {
    fn default() -> Self {
        let (password, secret) = (Ok(String::new()), Ok(String::new()));
        Login { username: String::new(), identity: String::new(), password, secret }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            server: String::new(),
            is_local: false,
            is_secure: false,
            needs_tls: true,
            hello: "localhost".into(),
            login: None,
            from: String::new(),
            recipients: Vec::new(),
            message: String::new(),
        }
    }
}

/// What to do with a server.
pub(super) struct Plan {
    /// The server's `host:port`, for errors.
    pub(super) server: String,
    /// Whether the server is on this machine, where nobody listens in.
    pub(super) is_local: bool,
    /// Whether TLS is spoken from the first byte on.
    pub(super) is_secure: bool,
    /// Whether TLS is to be started.
    pub(super) needs_tls: bool,
    /// How we call ourselves.
    pub(super) hello: String,
    /// Who we are, if the server asks.
    pub(super) login: Option<Login>,
    /// The sender.
    pub(super) from: String,
    /// The recipients.
    pub(super) recipients: Vec<String>,
    /// The mail, in lines.
    pub(super) message: String,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this and wait for the reply.
    Send(String),
    /// Make the connection a TLS one, then go on with [`Dialogue::secured`].
    StartTls,
    /// The mail was taken.
    Done,
}

/// Why the mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Whether another attempt would go the same way.
    pub(super) is_final: bool,
    /// The word metrics have for it.
    pub(super) reason: &'static str,
    /// What happened.
    pub(super) message: String,
}

/// A conversation with a server.
pub(super) struct Dialogue {
    plan: Plan,
    state: State,
    extensions: BTreeMap<String, String>,
    is_secure: bool,
}

enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Plain,
    Login {
        asked: u8,
    },
    CramMd5 {
        is_answered: bool,
    },
    /// The login is called off because of this.
    CalledOff(Failed),
    Mail,
    Recipient(usize),
    Data,
    Body,
}

impl Dialogue {
    pub(super) fn new(plan: Plan) -> Dialogue {
        let is_secure = plan.is_secure;
        Dialogue { plan, state: State::Greeting, extensions: BTreeMap::new(), is_secure }
    }

    /// What to do after a reply.
    pub(super) fn on_reply(&mut self, reply: &Reply) -> Result<Step, Failed> {
        let is = |class: u16| reply.code / 100 == class;
        match std::mem::replace(&mut self.state, State::Greeting) {
            State::Greeting if reply.code == 220 => Ok(self.ehlo()),
            State::Greeting => Err(refusal("create SMTP client", reply)),
            State::Ehlo if reply.code == 250 => {
                let words = reply.lines.iter().skip(1);
                let words = words.map(|line| line.split_once(' ').unwrap_or((line, "")));
                self.extensions =
                    words.map(|(word, rest)| (word.to_ascii_uppercase(), rest.to_string())).collect();
                self.introduced()
            }
            State::Ehlo if is(5) => {
                self.state = State::Helo;
                Ok(Step::Send(format!("HELO {}\r\n", self.plan.hello)))
            }
            State::Helo if reply.code == 250 => self.introduced(),
            State::Ehlo | State::Helo => Err(refusal("send EHLO command", reply)),
            State::StartTls if reply.code == 220 => Ok(Step::StartTls),
            State::StartTls => Err(refusal("send STARTTLS command", reply)),
            State::Plain if reply.code == 235 => Ok(self.mail()),
            State::Plain => Err(refusal("PLAIN auth", reply)),
            State::Login { asked } => self.login(asked, reply),
            State::CramMd5 { is_answered } => self.cram_md5(is_answered, reply),
            State::CalledOff(why) => Err(why),
            State::Mail if is(2) => self.recipient(0),
            State::Mail => Err(refusal("send MAIL command", reply)),
            State::Recipient(at) if is(2) => self.recipient(at + 1),
            State::Recipient(_) => Err(refusal("send RCPT command", reply)),
            State::Data if reply.code == 354 => {
                self.state = State::Body;
                Ok(Step::Send(stuffed(&std::mem::take(&mut self.plan.message))))
            }
            State::Data => Err(refusal("send DATA command", reply)),
            State::Body if is(2) => Ok(Step::Done),
            State::Body => Err(refusal("delivery failure", reply)),
        }
    }

    /// A connection that broke, or a server that does not speak SMTP. It may do so later.
    pub(super) fn broken(&self, why: &str) -> Failed {
        let during = match &self.state {
            State::Greeting => "create SMTP client",
            State::Ehlo | State::Helo => "send EHLO command",
            State::StartTls => "send STARTTLS command",
            State::Plain => "PLAIN auth",
            State::Login { .. } => "LOGIN auth",
            State::CramMd5 { .. } => "CRAM-MD5 auth",
            State::CalledOff(why) => return why.clone(),
            State::Mail => "send MAIL command",
            State::Recipient(_) => "send RCPT command",
            State::Data => "send DATA command",
            State::Body => "delivery failure",
        };
        passing("other", format!("{during}: {why}"))
    }

    /// What to do under TLS: everything that was said before does not count any more.
    pub(super) fn secured(&mut self) -> Step {
        self.is_secure = true;
        self.extensions.clear();
        self.ehlo()
    }

    fn ehlo(&mut self) -> Step {
        self.state = State::Ehlo;
        Step::Send(format!("EHLO {}\r\n", self.plan.hello))
    }

    fn introduced(&mut self) -> Result<Step, Failed> {
        if self.plan.needs_tls && !self.is_secure {
            if !self.extensions.contains_key("STARTTLS") {
                let server = &self.plan.server;
                return Err(passing(
                    "other",
                    format!(
                        "'require_tls' is true (default) but {server:?} does not advertise the STARTTLS extension"
                    ),
                ));
            }
            self.state = State::StartTls;
            return Ok(Step::Send("STARTTLS\r\n".into()));
        }
        match (&self.plan.login, self.extensions.get("AUTH")) {
            (Some(login), Some(mechanisms)) => {
                let (login, mechanisms) = (login.clone(), mechanisms.clone());
                self.authenticate(&login, &mechanisms)
            }
            _ => Ok(self.mail()),
        }
    }

    /// Takes the first way of the server's list that we have what it takes for.
    fn authenticate(&mut self, login: &Login, mechanisms: &str) -> Result<Step, Failed> {
        let mut problems = Vec::new();
        for mechanism in mechanisms.split(' ') {
            let secret = match mechanism {
                "PLAIN" | "LOGIN" => &login.password,
                "CRAM-MD5" => &login.secret,
                other => {
                    problems.push(format!("unknown auth mechanism: {other}"));
                    continue;
                }
            };
            match secret {
                Err(problem) => problems.push(problem.clone()),
                Ok(secret) if secret.is_empty() => {
                    let what = if mechanism == "CRAM-MD5" { "secret" } else { "password" };
                    problems.push(format!("missing {what} for {mechanism} auth mechanism"));
                }
                Ok(password) if mechanism == "PLAIN" => {
                    if !self.is_secure && !self.plan.is_local {
                        return Err(Failed {
                            is_final: true,
                            reason: "authError",
                            message: "PLAIN auth: unencrypted connection".into(),
                        });
                    }
                    let told = format!("{}\0{}\0{password}", login.identity, login.username);
                    self.state = State::Plain;
                    return Ok(Step::Send(format!("AUTH PLAIN {}\r\n", base64(told.as_bytes()))));
                }
                Ok(_) if mechanism == "LOGIN" => {
                    self.state = State::Login { asked: 0 };
                    return Ok(Step::Send("AUTH LOGIN\r\n".into()));
                }
                Ok(_) => {
                    self.state = State::CramMd5 { is_answered: false };
                    return Ok(Step::Send("AUTH CRAM-MD5\r\n".into()));
                }
            }
        }
        Err(passing("authError", format!("find auth mechanism: {}", problems.join("; "))))
    }

    fn login(&mut self, asked: u8, reply: &Reply) -> Result<Step, Failed> {
        let login = self.plan.login.clone().unwrap_or_default();
        match reply.code {
            235 => Ok(self.mail()),
            // Nothing says how servers ask: `Username:`, `User Name\0`, or nothing at all. The name comes
            // first, unless the words say otherwise.
            334 if asked < 2 => {
                let question = challenge(reply).unwrap_or_default().to_lowercase();
                let asks_name = match question.trim_start() {
                    question if question.starts_with("user") => true,
                    question if question.starts_with("pass") => false,
                    _ => asked == 0,
                };
                let answer = if asks_name { login.username } else { login.password.unwrap_or_default() };
                self.state = State::Login { asked: asked + 1 };
                Ok(Step::Send(format!("{}\r\n", base64(answer.as_bytes()))))
            }
            334 => Ok(self.call_off("LOGIN auth: unexpected server challenge")),
            _ => Err(refusal("LOGIN auth", reply)),
        }
    }

    fn cram_md5(&mut self, is_answered: bool, reply: &Reply) -> Result<Step, Failed> {
        let login = self.plan.login.clone().unwrap_or_default();
        match (reply.code, challenge(reply)) {
            (235, _) => Ok(self.mail()),
            (334, Some(text)) if !is_answered => {
                let digest = hmac_md5(login.secret.unwrap_or_default().as_bytes(), text.as_bytes());
                self.state = State::CramMd5 { is_answered: true };
                let answer = format!("{} {digest}", login.username);
                Ok(Step::Send(format!("{}\r\n", base64(answer.as_bytes()))))
            }
            (334, _) => Ok(self.call_off("CRAM-MD5 auth: unexpected server challenge")),
            _ => Err(refusal("CRAM-MD5 auth", reply)),
        }
    }

    fn call_off(&mut self, why: &str) -> Step {
        self.state = State::CalledOff(passing("authError", why.into()));
        Step::Send("*\r\n".into())
    }

    fn mail(&mut self) -> Step {
        self.state = State::Mail;
        let is_ascii = self.plan.from.is_ascii() && self.plan.recipients.iter().all(|to| to.is_ascii());
        let more = if !is_ascii && self.extensions.contains_key("SMTPUTF8") { " SMTPUTF8" } else { "" };
        Step::Send(format!("MAIL FROM:<{}>{more}\r\n", self.plan.from))
    }

    fn recipient(&mut self, at: usize) -> Result<Step, Failed> {
        match self.plan.recipients.get(at) {
            Some(to) => {
                self.state = State::Recipient(at);
                Ok(Step::Send(format!("RCPT TO:<{to}>\r\n")))
            }
            None => {
                self.state = State::Data;
                Ok(Step::Send("DATA\r\n".into()))
            }
        }
    }
}

/// A failure that may pass.
fn passing(reason: &'static str, message: String) -> Failed {
    Failed { is_final: false, reason, message }
}

/// What a reply means that was not hoped for: 5xx stays, everything else may pass.
fn refusal(during: &str, reply: &Reply) -> Failed {
    let reason = match reply.code {
        530 | 534 | 535 | 538 => "authError",
        _ => "other",
    };
    Failed { is_final: reply.code >= 500, reason, message: format!("{during}: {}", reply.shown()) }
}

/// What a server asks during a login.
fn challenge(reply: &Reply) -> Option<String> {
    let bytes = base64_decoded(reply.lines.first()?.trim())?;
    String::from_utf8(bytes).ok()
}

/// The mail as it is sent: lines that begin with a dot have another one, and a dot alone ends it.
fn stuffed(message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 64);
    for line in message.lines() {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}

/// RFC 2104 with MD5, in hexadecimal.
fn hmac_md5(key: &[u8], text: &[u8]) -> String {
    let key = if key.len() > 64 { Md5::digest(key).to_vec() } else { key.to_vec() };
    let block =
        |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect() };
    let inner = Md5::new().chain_update(block(0x36)).chain_update(text).finalize();
    cloud::encoding::hex(&Md5::new().chain_update(block(0x5c)).chain_update(inner).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(text: &str) -> Vec<Reply> {
        let mut replies = Replies::default();
        replies.push(text.replace('\n', "\r\n").as_bytes());
        let mut all = Vec::new();
        while let Some(reply) = replies.next().unwrap() {
            all.push(reply);
        }
        all
    }

    fn plan() -> Plan {
        Plan {
            server: "mail:25".into(),
            needs_tls: false,
            from: "a@b".into(),
            recipients: vec!["c@d".into(), "e@f".into()],
            message: "Subject: x\r\n\r\n.dot\r\n".into(),
            ..Plan::default()
        }
    }

    /// What is sent, line by line, until the end or a failure.
    fn talk(plan: Plan, server: &str) -> (Vec<String>, Result<Step, Failed>) {
        let mut dialogue = Dialogue::new(plan);
        let mut sent = Vec::new();
        for reply in replies(server) {
            let mut step = dialogue.on_reply(&reply);
            if step == Ok(Step::StartTls) {
                sent.push("(TLS)".into());
                step = Ok(dialogue.secured());
            }
            match step {
                Ok(Step::Send(text)) => sent.push(text.replace("\r\n", "\n").trim_end().to_string()),
                end => return (sent, end),
            }
        }
        (sent, Ok(Step::Send(String::new())))
    }

    fn login(password: &str, secret: &str) -> Option<Login> {
        Some(Login {
            username: "u".into(),
            identity: String::new(),
            password: Ok(password.into()),
            secret: Ok(secret.into()),
        })
    }

    #[test]
    fn a_mail_is_handed_over() {
        let (sent, end) = talk(
            plan(),
            "220-hi\n220 there\n250-mail\n250 SIZE 1\n250 ok\n250 ok\n251 ok\n354 go\n250 taken\n",
        );
        assert_eq!(end, Ok(Step::Done));
        assert_eq!(
            sent,
            [
                "EHLO localhost",
                "MAIL FROM:<a@b>",
                "RCPT TO:<c@d>",
                "RCPT TO:<e@f>",
                "DATA",
                "Subject: x\n\n..dot\n.",
            ]
        );
    }

    #[test]
    fn a_server_of_old_is_greeted_as_of_old() {
        let (sent, _) = talk(plan(), "220 hi\n502 what?\n250 ok\n");
        assert_eq!(sent, ["EHLO localhost", "HELO localhost", "MAIL FROM:<a@b>"]);
    }

    #[test]
    fn tls_starts_everything_anew_and_is_insisted_on() {
        let insists = || Plan { needs_tls: true, ..plan() };
        let (sent, _) = talk(insists(), "220 hi\n250-mail\n250 STARTTLS\n220 go\n250 mail\n");
        assert_eq!(sent, ["EHLO localhost", "STARTTLS", "(TLS)", "EHLO localhost", "MAIL FROM:<a@b>"]);
        let (_, end) = talk(insists(), "220 hi\n250 mail\n");
        let failed = end.unwrap_err();
        assert_eq!(
            (failed.is_final, &failed.message[..]),
            (
                false,
                "'require_tls' is true (default) but \"mail:25\" does not advertise the STARTTLS extension"
            )
        );
        let (sent, _) = talk(Plan { is_secure: true, ..insists() }, "220 hi\n250 mail\n");
        assert_eq!(sent, ["EHLO localhost", "MAIL FROM:<a@b>"]);
    }

    #[test]
    fn the_first_way_to_log_in_that_works_for_us_is_taken() {
        let offers = |list: &str| format!("220 hi\n250-mail\n250 AUTH {list}\n");
        let local = |login| Plan { is_local: true, login, ..plan() };
        let (sent, _) = talk(local(login("p", "")), &offers("CRAM-MD5 PLAIN LOGIN"));
        assert_eq!(sent[1], "AUTH PLAIN AHUAcA==");
        let (sent, _) = talk(
            local(login("p", "")),
            &format!("{}334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n235 ok\n", offers("LOGIN PLAIN")),
        );
        assert_eq!(sent[1..], ["AUTH LOGIN", "dQ==", "cA==", "MAIL FROM:<a@b>"]);
        let (_, end) = talk(local(login("", "")), &offers("NTLM CRAM-MD5 PLAIN"));
        assert_eq!(
            end.unwrap_err().message,
            "find auth mechanism: unknown auth mechanism: NTLM; missing secret for CRAM-MD5 auth mechanism; missing password for PLAIN auth mechanism"
        );
        let unread = Login { password: Err("could not read /x".into()), ..login("", "").unwrap() };
        let (_, end) = talk(local(Some(unread)), &offers("LOGIN"));
        assert_eq!(end.unwrap_err().message, "find auth mechanism: could not read /x");
        let (_, end) = talk(Plan { login: login("p", ""), ..plan() }, &offers("PLAIN"));
        assert_eq!(end.unwrap_err().message, "PLAIN auth: unencrypted connection");
        let (sent, _) = talk(local(login("p", "")), "220 hi\n250 mail\n");
        assert_eq!(sent[1], "MAIL FROM:<a@b>", "a server that does not ask is not told");
    }

    /// The example of RFC 2195.
    #[test]
    fn a_challenge_is_answered_with_a_digest() {
        let login =
            Login { username: "tim".into(), secret: Ok("tanstaaftanstaaf".into()), ..Login::default() };
        let server = "220 hi\n250-mail\n250 AUTH CRAM-MD5\n334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n235 ok\n";
        let (sent, _) = talk(Plan { login: Some(login), ..plan() }, server);
        assert_eq!(sent[1..3], ["AUTH CRAM-MD5", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"]);
    }

    #[test]
    fn servers_ask_for_a_login_in_their_own_words() {
        // "User Name\0", "Password\0"; nothing at all; the password first.
        for (questions, answers) in [
            (["VXNlciBOYW1lAA==", "UGFzc3dvcmQA"], ["dQ==", "cA=="]),
            (["", ""], ["dQ==", "cA=="]),
            (["UGFzc3dvcmQ6", "VXNlcm5hbWU6"], ["cA==", "dQ=="]),
        ] {
            let [first, second] = questions;
            let server = format!("220 hi\n250-mail\n250 AUTH LOGIN\n334 {first}\n334 {second}\n235 ok\n");
            let (sent, _) = talk(Plan { login: login("p", ""), ..plan() }, &server);
            assert_eq!(sent[2..4], answers);
        }
    }

    #[test]
    fn a_question_too_many_calls_a_login_off() {
        let server = "220 hi\n250-mail\n250 AUTH LOGIN\n334 \n334 \n334 \n501 called off\n";
        let (sent, end) = talk(Plan { login: login("p", ""), ..plan() }, server);
        assert_eq!(sent.last().unwrap(), "*");
        assert_eq!(end.unwrap_err().message, "LOGIN auth: unexpected server challenge");
    }

    #[test]
    fn what_the_server_says_decides_whether_to_try_again() {
        let start = "220 hi\n250 mail\n";
        for (server, is_final, message) in [
            ("554-go\n554 away\n".to_string(), true, "create SMTP client: 554 go away"),
            ("220 hi\n421 busy\n".to_string(), false, "send EHLO command: 421 busy"),
            (
                format!("{start}530 authentication Required\n"),
                true,
                "send MAIL command: 530 authentication Required",
            ),
            (
                format!("{start}250 ok\n250 ok\n550 5.1.1 nobody\n"),
                true,
                "send RCPT command: 550 5.1.1 nobody",
            ),
            (format!("{start}250 ok\n450 later\n"), false, "send RCPT command: 450 later"),
            (format!("{start}250 ok\n250 ok\n250 ok\n451 later\n"), false, "send DATA command: 451 later"),
            (
                format!("{start}250 ok\n250 ok\n250 ok\n354 go\n552 too large\n"),
                true,
                "delivery failure: 552 too large",
            ),
        ] {
            let failed = talk(plan(), &server).1.unwrap_err();
            assert_eq!((failed.is_final, &failed.message[..]), (is_final, message));
        }
        let server = "220 hi\n250-mail\n250 AUTH LOGIN\n535 5.7.8 no\n";
        let failed = talk(Plan { login: login("p", ""), ..plan() }, server).1.unwrap_err();
        assert_eq!(
            (failed.is_final, failed.reason, &failed.message[..]),
            (true, "authError", "LOGIN auth: 535 5.7.8 no")
        );
    }

    #[test]
    fn addresses_beyond_ascii_are_announced() {
        let from = Plan { from: "jürgen@b".into(), ..plan() };
        let (sent, _) = talk(from, "220 hi\n250-mail\n250 SMTPUTF8\n");
        assert_eq!(sent[1], "MAIL FROM:<jürgen@b> SMTPUTF8");
    }

    #[test]
    fn replies_have_bounds() {
        let mut garbage = Replies::default();
        garbage.push(b"HTTP/1.1 400 Bad Request\r\n");
        assert_eq!(garbage.next(), Err("not a reply of SMTP: \"HTTP/1.1 400 Bad Request\"".into()));
        let mut endless = Replies::default();
        endless.push(&[b'x'; LINE_MAX_BYTES + 1]);
        assert!(endless.next().is_err());
        let mut many = Replies::default();
        many.push("250-x\r\n".repeat(REPLY_MAX_BYTES / 7 + 1).as_bytes());
        assert!(many.next().is_err());
        let mut half = Replies::default();
        half.push(b"250 o");
        assert_eq!((half.next(), half.has_rest()), (Ok(None), true));
        half.push(b"k\r\n");
        assert_eq!(half.next(), Ok(Some(Reply { code: 250, lines: vec!["ok".into()] })));
    }
}
