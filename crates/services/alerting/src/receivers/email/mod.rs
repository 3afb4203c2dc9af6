//! Mail: headers and two alternatives of a body by SMTP, one connection for each mail.

mod address;
mod message;
mod smtp;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use config::http_client::{TlsConfig, tls};
use config::{Fields, Node, Result};
use jiff::Timestamp;
use net::dial::TlsClient;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::message::{Message, canonical};
use self::smtp::{Dialogue, Failed, Login, Plan, Replies, Secret, Step};
use super::answer::{during, outcome_of_error, refused, try_again};
use super::decode::template;
use super::text::hashed;
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::transport::TransportError;

/// The port where TLS is spoken from the first byte on, unless the settings say otherwise.
const IMPLICIT_TLS_PORT: u16 = 465;
/// How long a server is given to hear that we leave.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes read at a time.
const READ_SIZE_BYTES: usize = 4 * 1024;

/// The settings of one mail receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct Email {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    to: String,
    from: String,
    hello: String,
    server: Server,
    auth: Auth,
    /// In the order they are sent in, by their one form.
    headers: Vec<(String, String)>,
    html: String,
    text: String,
    tls: TlsConfig,
    threading: Threading,
}

#[derive(Clone, Debug)]
struct Server {
    host: String,
    port: u16,
    needs_tls: bool,
    is_implicit_tls: bool,
}

#[derive(Clone, Debug)]
struct Auth {
    username: String,
    identity: String,
    password: Option<SecretSource>,
    secret: Option<SecretSource>,
}

/// What the mails of a group are held together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threading {
    No,
    /// By the group.
    Group,
    /// By the group and the day.
    Daily,
}

/// Decodes one entry of `email_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    email(node, context).map(|email| Arc::new(email) as Arc<dyn Notifier>)
}

fn email(node: &Node, context: &Context<'_>) -> Result<Email> {
    let global = &context.global.smtp;
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let to = template(fields, "to", "")?;
    if to.is_empty() {
        return Err(fields.error("missing to address in email config"));
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in fields.or("headers", Vec::new(), |node| node.map(Node::string))? {
        let name = canonical(&name);
        if headers.iter().any(|(known, _)| *known == name) {
            return Err(fields.error(format!("duplicate header {name:?} in email config")));
        }
        headers.push((name, value));
    }
    let threading = fields.or("threading", Threading::No, |node| threading(node, &headers))?;

    let own_or = |own: String, global: &str| if own.is_empty() { global.to_string() } else { own };
    let smarthost = own_or(template(fields, "smarthost", "")?, &global.smarthost);
    let from = own_or(template(fields, "from", "")?, &global.from);
    let password = secret(fields, context, ("auth_password", "auth_password_file"))?;
    let auth_secret = secret(fields, context, ("auth_secret", "auth_secret_file"))?;
    let needs_tls = fields.or("require_tls", global.require_tls, Node::boolean)?;
    let is_implicit_tls = fields.optional("force_implicit_tls", Node::boolean)?.or(global.force_implicit_tls);
    if smarthost.is_empty() {
        return Err(fields.error("no global SMTP smarthost set"));
    }
    if from.is_empty() {
        return Err(fields.error("no global SMTP from set"));
    }
    let (host, port) = host_and_port(&smarthost).map_err(|message| fields.error(message))?;
    for (name, default) in [
        ("Subject", r#"{{ template "email.default.subject" . }}"#),
        ("To", to.as_str()),
        ("From", from.as_str()),
    ] {
        if !headers.iter().any(|(known, _)| known == name) {
            headers.insert(0, (name.into(), default.into()));
        }
    }
    let email = Email {
        send_resolved: fields.or("send_resolved", false, Node::boolean)?,
        hello: own_or(template(fields, "hello", "")?, &global.hello),
        server: Server {
            host,
            port,
            needs_tls,
            is_implicit_tls: is_implicit_tls.unwrap_or(port == IMPLICIT_TLS_PORT),
        },
        auth: Auth {
            username: own_or(template(fields, "auth_username", "")?, &global.auth_username),
            identity: own_or(template(fields, "auth_identity", "")?, &global.auth_identity),
            password: password.or_else(|| global.auth_password.clone()),
            secret: auth_secret.or_else(|| global.auth_secret.clone()),
        },
        headers,
        html: template(fields, "html", r#"{{ template "email.default.html" . }}"#)?,
        text: template(fields, "text", "")?,
        tls: fields.or("tls_config", global.tls.clone(), |node| tls(node, context.base))?,
        threading,
        to,
        from,
    };
    taken.finish()?;
    Ok(email)
}

fn threading(node: &Node, headers: &[(String, String)]) -> Result<Threading> {
    let mut fields = node.fields("config.plain")?;
    let is_enabled = fields.or("enabled", false, Node::boolean)?;
    let by_date = template(&mut fields, "thread_by_date", "")?;
    if !is_enabled {
        fields.finish()?;
        return Ok(Threading::No);
    }
    for name in ["References", "In-Reply-To"] {
        if headers.iter().any(|(known, _)| known == name) {
            return Err(fields.error(format!(
                "conflicting configuration: threading.enabled conflicts with custom {name} header"
            )));
        }
    }
    let threading = match by_date.as_str() {
        "none" => Threading::Group,
        "daily" => Threading::Daily,
        _ => return Err(fields.error("threading.thread_by_date must be either 'none' or 'daily'")),
    };
    fields.finish()?;
    Ok(threading)
}

/// Takes a secret. Where it stands in place and in a file, the file has it.
fn secret(
    fields: &mut Fields<'_>,
    context: &Context<'_>,
    (name, file_name): (&'static str, &'static str),
) -> Result<Option<SecretSource>> {
    let inline = fields.optional(name, Node::secret)?.filter(|secret| !secret.is_empty());
    let file = fields.optional(file_name, Node::string)?.filter(|path| !path.is_empty());
    let file = file.map(|path| SecretSource::File(context.base.join(&path)));
    Ok(file.or(inline.map(SecretSource::Inline)))
}

/// Takes `host:port` apart. Ports may have the names they have among services of the internet.
fn host_and_port(text: &str) -> std::result::Result<(String, u16), String> {
    let wrong = |why: &str| format!("address {text}: {why}");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("missing ']' in address"))?;
            (host, rest.strip_prefix(':').ok_or_else(|| wrong("missing port in address"))?)
        }
        None => {
            let (host, port) = text.split_once(':').ok_or_else(|| wrong("missing port in address"))?;
            if port.contains(':') {
                return Err(wrong("too many colons in address"));
            }
            (host, port)
        }
    };
    let port = match port {
        "" => return Err(format!("address {text:?}: port cannot be empty")),
        "smtp" => 25,
        "submission" => 587,
        "smtps" | "submissions" => IMPLICIT_TLS_PORT,
        digits => digits.parse().map_err(|_| wrong(&format!("unknown port {digits:?}")))?,
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Ok((host.to_string(), port))
}

impl Email {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let plan = self.plan(delivery).await?;
        let sending = tokio::time::timeout(delivery.timeout, self.send(plan));
        sending.await.unwrap_or_else(|_| Err(outcome_of_error(&TransportError::Timeout)))?;
        Ok(Outcome::Taken(Memory::new()))
    }

    /// Everything the server is told. Nothing is asked of it before this stands.
    async fn plan(&self, delivery: &Delivery<'_>) -> std::result::Result<Plan, Outcome> {
        let addresses = |name: &str, text: &str| {
            let text = delivery.setting(name, text)?;
            address::list(&text).map_err(|why| refused("other", format!("parse '{name}' addresses: {why}")))
        };
        let mut from = addresses("from", &self.from)?;
        if from.len() != 1 {
            let message = format!("must be exactly one 'from' address (got: {})", from.len());
            return Err(refused("other", message));
        }
        let to = addresses("to", &self.to)?;
        let hello = if self.hello.is_empty() { "localhost" } else { &self.hello };
        if hello.contains(|c: char| c.is_control()) {
            return Err(refused("other", "send EHLO command: a line must not contain CR or LF"));
        }
        let message = self.message(delivery)?;
        Ok(Plan {
            server: format!("{}:{}", self.server.host, self.server.port),
            is_local: matches!(self.server.host.as_str(), "localhost" | "127.0.0.1" | "::1"),
            is_secure: self.server.is_implicit_tls,
            needs_tls: self.server.needs_tls,
            hello: hello.to_string(),
            login: self.login().await,
            from: from.remove(0).mailbox,
            recipients: to.into_iter().map(|address| address.mailbox).collect(),
            message,
        })
    }

    async fn login(&self) -> Option<Login> {
        async fn read(source: Option<&SecretSource>) -> Secret {
            match source {
                Some(source) => source.read().await.map_err(|error| format!("could not read {error}")),
                None => Ok(String::new()),
            }
        }
        if self.auth.username.is_empty() {
            return None;
        }
        Some(Login {
            username: self.auth.username.clone(),
            identity: self.auth.identity.clone(),
            password: read(self.auth.password.as_ref()).await,
            secret: read(self.auth.secret.as_ref()).await,
        })
    }

    fn message(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        let random = || RandomState::new().build_hasher().finish();
        let now = Timestamp::from_millisecond(delivery.now_ms).unwrap_or_default();
        let mut headers = Vec::with_capacity(self.headers.len() + 4);
        for (name, value) in &self.headers {
            // The body is described by who makes it.
            if matches!(name.as_str(), "Mime-Version" | "Content-Type" | "Content-Transfer-Encoding") {
                continue;
            }
            let value = delivery.text(value);
            let value =
                value.map_err(|failed| during(&format!("execute {name:?} header template"), failed))?;
            headers.push((name.clone(), value));
        }
        let own = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        let (has_id, has_date) = (own("Message-Id"), own("Date"));
        let mut add = |name: &str, value: String| headers.push((name.to_string(), value));
        if !has_id {
            add("Message-Id", format!("<{}.{:016x}@{}>", delivery.now_ms, random(), hostname()));
        }
        let day = match self.threading {
            Threading::No => None,
            Threading::Group => Some(String::new()),
            Threading::Daily => Some(now.strftime("%Y-%m-%d").to_string()),
        };
        if let Some(day) = day {
            // A mail that does not exist: programs gather under it all that answer to it.
            let group = hashed(&delivery.notification.group_key);
            let root = format!("<alert-{}-{day}@alertmanager>", group.get(..16).unwrap_or_default());
            add("References", root.clone());
            add("In-Reply-To", root);
        }
        if !has_date {
            add("Date", now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
        }
        let text = delivery.text(&self.text).map_err(|failed| during("execute text template", failed))?;
        let html = delivery.html(&self.html).map_err(|failed| during("execute html template", failed))?;
        let boundary = format!("{:016x}{:016x}", random(), random());
        Ok(Message { headers: &headers, boundary: &boundary, text: &text, html: &html }.encoded())
    }

    async fn send(&self, plan: Plan) -> std::result::Result<(), Outcome> {
        let Server { host, port, is_implicit_tls, .. } = &self.server;
        let secure = || {
            TlsClient::new(&self.tls, &[])
                .map_err(|error| refused("other", format!("parse TLS configuration: {error}")))
        };
        let failed = |what: &'static str| {
            move |error: &dyn std::fmt::Display| try_again("other", format!("{what}: {error}"))
        };
        let connected = failed("establish connection to server");
        let secured = failed("establish TLS connection to server");
        let mut stream = net::dial::tcp(host, *port).await.map_err(|error| connected(&error))?;
        let mut dialogue = Dialogue::new(plan);
        if *is_implicit_tls {
            let mut stream = secure()?.connect(stream, host).await.map_err(|error| secured(&error))?;
            let end = converse(&mut stream, &mut dialogue, None).await;
            return leave(stream, end);
        }
        match converse(&mut stream, &mut dialogue, None).await {
            Ok(End::StartTls) => {
                let started = failed("send STARTTLS command");
                let mut stream = secure()?.connect(stream, host).await.map_err(|error| started(&error))?;
                let first = dialogue.secured();
                let end = converse(&mut stream, &mut dialogue, Some(first)).await;
                leave(stream, end)
            }
            end => leave(stream, end),
        }
    }
}

enum End {
    StartTls,
    Done,
}

/// Talks with the server until the mail is taken, TLS is to be started, or it fails.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    dialogue: &mut Dialogue,
    first: Option<Step>,
) -> std::result::Result<End, Failed> {
    let mut replies = Replies::default();
    let mut step = first;
    loop {
        match step.take() {
            Some(Step::Done) => return Ok(End::Done),
            Some(Step::StartTls) if replies.has_rest() => {
                // Someone between us and the server may have put it there, to be taken for what the
                // server says under TLS.
                return Err(dialogue.broken("there is more than the reply"));
            }
            Some(Step::StartTls) => return Ok(End::StartTls),
            Some(Step::Send(text)) => {
                let sent = async {
                    stream.write_all(text.as_bytes()).await?;
                    stream.flush().await
                };
                sent.await.map_err(|error| dialogue.broken(&error.to_string()))?;
            }
            None => {}
        }
        let reply = loop {
            if let Some(reply) = replies.next().map_err(|why| dialogue.broken(&why))? {
                break reply;
            }
            let mut bytes = [0; READ_SIZE_BYTES];
            match stream.read(&mut bytes).await {
                Ok(0) => return Err(dialogue.broken("the server closed the connection")),
                Ok(read) => replies.push(bytes.get(..read).unwrap_or_default()),
                Err(error) => return Err(dialogue.broken(&error.to_string())),
            }
        };
        step = Some(dialogue.on_reply(&reply)?);
    }
}

/// Says goodbye without waiting for it: what was taken must not count as late.
fn leave<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut stream: S,
    end: std::result::Result<End, Failed>,
) -> std::result::Result<(), Outcome> {
    tokio::spawn(tokio::time::timeout(GOODBYE_TIMEOUT, async move {
        stream.write_all(b"QUIT\r\n").await?;
        stream.flush().await?;
        let mut bytes = [0; 256];
        while stream.read(&mut bytes).await? > 0 {}
        stream.shutdown().await
    }));
    match end {
        Ok(_) => Ok(()),
        Err(Failed { is_final: true, reason, message }) => Err(refused(reason, message)),
        Err(Failed { is_final: false, reason, message }) => Err(try_again(reason, message)),
    }
}

/// The name of this machine.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    match name.trim() {
        "" => "localhost.localdomain".into(),
        name => name.chars().filter(|c| is_name(*c)).collect(),
    }
}

impl Notifier for Email {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn sends_resolved(&self) -> bool {
        self.send_resolved
    }

    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { self.attempt(delivery).await.unwrap_or_else(|failed| failed) })
    }
}
