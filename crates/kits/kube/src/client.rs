//! Requests to the API: lists in pages, watches, single objects read and written.

use std::borrow::Cow;
use std::time::Duration;

use base::{Classify, ErrorClass};
use bytes::{Buf, Bytes, BytesMut};
use net::{ClientError, Limits, OpenResponse, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::Cluster;

/// A larger page is refused.
const PAGE_SIZE_MAX_BYTES: u64 = 256 << 20;
/// Objects asked for in one page of a list.
const PAGE_OBJECTS: usize = 500;
/// A larger event of a watch is refused.
const EVENT_SIZE_MAX_BYTES: usize = 16 << 20;
/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the API gave no answer that helps.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Where the API is or who we are cannot be told.
    #[error("{0}")]
    Config(String),
    /// No answer.
    #[error("{0}")]
    Network(#[from] ClientError),
    /// The API said no.
    #[error("{message} (HTTP {code}, {reason})")]
    Status {
        /// The HTTP status.
        code: u16,
        /// The API's word for it: `NotFound`, `Conflict`, `Expired`.
        reason: String,
        /// The API's sentence.
        message: String,
        /// When the API wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The answer is not what was expected.
    #[error("the answer of the Kubernetes API cannot be read: {0}")]
    Decode(String),
}

impl Error {
    /// Whether what was asked for lies too far in the past: list again.
    pub fn is_gone(&self) -> bool {
        matches!(self, Error::Status { code: 410, .. })
    }

    /// When the API wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Classify for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Error::Config(_) => ErrorClass::BadInput,
            Error::Network(error) => error.class(),
            Error::Decode(_) => ErrorClass::Corrupt,
            Error::Status { code, .. } => match code {
                401 => ErrorClass::Unauthenticated,
                403 => ErrorClass::Forbidden,
                404 => ErrorClass::NotFound,
                409 | 410 => ErrorClass::Conflict,
                413 => ErrorClass::TooLarge,
                429 => ErrorClass::TooMany,
                500.. => ErrorClass::Unavailable,
                _ => ErrorClass::BadInput,
            },
        }
    }
}

/// A kind of object as the API's paths name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Empty for the core group.
    pub group: Cow<'static, str>,
    /// `v1`.
    pub version: Cow<'static, str>,
    /// The plural: `pods`.
    pub plural: Cow<'static, str>,
}

impl Resource {
    /// A resource whose names are known at build time.
    pub const fn new(group: &'static str, version: &'static str, plural: &'static str) -> Self {
        Resource {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
        }
    }

    fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = match &*self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if let Some(namespace) = namespace {
            path.push_str("/namespaces/");
            path.push_str(&encoded(namespace));
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            path.push_str(&encoded(name));
        }
        path
    }
}

/// Which objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The kind.
    pub resource: Resource,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// `a=b,c in (d,e)`, or empty.
    pub label_selector: String,
    /// `spec.nodeName=x`, or empty.
    pub field_selector: String,
}

impl Scope {
    /// All objects of a kind.
    pub fn all(resource: Resource) -> Self {
        Scope { resource, namespace: None, label_selector: String::new(), field_selector: String::new() }
    }

    fn url(&self, base: &str, parameters: &[(&str, &str)]) -> String {
        let mut url = format!("{base}{}", self.resource.path(self.namespace.as_deref(), None));
        let selectors = [
            ("labelSelector", self.label_selector.as_str()),
            ("fieldSelector", self.field_selector.as_str()),
        ];
        let mut separator = '?';
        for (name, value) in selectors.iter().chain(parameters).filter(|(_, value)| !value.is_empty()) {
            url.push(separator);
            url.push_str(name);
            url.push('=');
            url.push_str(&encoded(value));
            separator = '&';
        }
        url
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// The version of the whole list, from which a watch can start.
    pub resource_version: String,
    /// What to ask the next page with; empty on the last.
    pub next: String,
}

/// How a patch is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch<'a> {
    /// A JSON merge patch (RFC 7396).
    Merge,
    /// Server-side apply in the name of a field manager, which takes over fields of others.
    Apply {
        /// The field manager.
        manager: &'a str,
    },
}

/// A client of one cluster's API. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    http: net::Client,
    base: String,
}

impl Client {
    /// A client of this cluster. Fails if its settings cannot work, for example because a
    /// certificate's file is missing.
    pub fn new(cluster: &Cluster) -> Result<Client, Error> {
        let http = net::Client::new(&cluster.http)?;
        Ok(Client { http, base: cluster.url.trim_end_matches('/').to_string() })
    }

    /// One page of the objects in scope, the first with an empty `token`.
    pub async fn list<T: DeserializeOwned>(&self, scope: &Scope, token: &str) -> Result<Page<T>, Error> {
        #[derive(Deserialize)]
        struct List<T> {
            #[serde(default)]
            metadata: ListMetadata,
            #[serde(default = "Option::default")]
            items: Option<Vec<T>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct ListMetadata {
            resource_version: String,
            r#continue: String,
        }
        let limit = PAGE_OBJECTS.to_string();
        let url = scope.url(&self.base, &[("limit", &limit), ("continue", token)]);
        let body = self.answer(Request::get(url)).await?;
        let list: List<T> =
            serde_json::from_slice(&body).map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Page {
            items: list.items.unwrap_or_default(),
            resource_version: list.metadata.resource_version,
            next: list.metadata.r#continue,
        })
    }

    /// What happens to the objects in scope after a version, for at most `seconds`.
    pub(crate) async fn watch(&self, scope: &Scope, version: &str, seconds: u64) -> Result<Stream, Error> {
        let seconds = seconds.to_string();
        let parameters = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", &seconds),
        ];
        let request = json_request(Request::get(scope.url(&self.base, &parameters)));
        let mut answer = self.http.open(request, REQUEST_TIMEOUT).await?;
        if answer.status.as_u16() == 200 {
            return Ok(Stream { answer, buffer: BytesMut::new(), searched: 0 });
        }
        let mut body = BytesMut::new();
        while body.len() < 64 * 1024
            && let Ok(Ok(Some(piece))) = tokio::time::timeout(Duration::from_secs(5), answer.chunk()).await
        {
            body.extend_from_slice(&piece);
        }
        Err(refused(answer.status.as_u16(), &answer.headers, &body))
    }

    /// One object.
    pub async fn get<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<T, Error> {
        let url = format!("{}{}", self.base, resource.path(namespace, Some(name)));
        decode(&self.answer(Request::get(url)).await?)
    }

    /// Creates an object; what the API made of it.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<Value, Error> {
        let url = format!("{}{}", self.base, resource.path(namespace, None));
        decode(&self.answer(Request::post(url, "application/json", object.to_string())).await?)
    }

    /// Replaces an object; with `metadata.resourceVersion` only if it is still that version.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let url = format!("{}{}", self.base, resource.path(namespace, Some(name)));
        let mut request = Request::post(url, "application/json", object.to_string());
        request.method = method("PUT");
        decode(&self.answer(request).await?)
    }

    /// Changes a part of an object, or of its subresource (`status`); what the API made of it.
    pub async fn patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        subresource: Option<&str>,
        patch: Patch<'_>,
        object: &Value,
    ) -> Result<Value, Error> {
        let mut url = format!("{}{}", self.base, resource.path(namespace, Some(name)));
        if let Some(subresource) = subresource {
            url.push('/');
            url.push_str(subresource);
        }
        let content_type = match patch {
            Patch::Merge => "application/merge-patch+json",
            // JSON is YAML.
            Patch::Apply { .. } => "application/apply-patch+yaml",
        };
        if let Patch::Apply { manager } = patch {
            url.push_str("?force=true&fieldManager=");
            url.push_str(&encoded(manager));
        }
        let mut request = Request::post(url, content_type, object.to_string());
        request.method = method("PATCH");
        decode(&self.answer(request).await?)
    }

    /// Deletes an object.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Error> {
        let mut request = Request::get(format!("{}{}", self.base, resource.path(namespace, Some(name))));
        request.method = method("DELETE");
        self.answer(request).await.map(drop)
    }

    async fn answer(&self, request: Request) -> Result<Bytes, Error> {
        let limits = Limits { timeout: REQUEST_TIMEOUT, body_size_max_bytes: PAGE_SIZE_MAX_BYTES };
        let answer = self.http.send(json_request(request), limits).await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        Err(refused(answer.status.as_u16(), &answer.headers, &answer.body))
    }
}

/// The lines of a watch.
pub(crate) struct Stream {
    answer: OpenResponse,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line's end.
    searched: usize,
}

impl Stream {
    /// The next line; `None` at the end of the watch.
    pub(crate) async fn line(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let unseen = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > EVENT_SIZE_MAX_BYTES {
                return Err(Error::Decode("an event is larger than 16 MiB".into()));
            }
            match self.answer.chunk().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}

fn json_request(request: Request) -> Request {
    request.header("accept", "application/json")
}

fn method(name: &str) -> net::Method {
    name.parse().unwrap_or_default()
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Decode(error.to_string()))
}

/// The API's own words for a failure, where it has some.
fn refused(code: u16, headers: &net::HeaderMap, body: &[u8]) -> Error {
    let retry_after = headers.get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    from_status(&serde_json::from_slice(body).unwrap_or(Value::Null), code, retry_after)
}

/// An error from a `Status` object.
pub(crate) fn from_status(status: &Value, code: u16, retry_after: Option<Duration>) -> Error {
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let code =
        status.get("code").and_then(Value::as_u64).and_then(|code| code.try_into().ok()).unwrap_or(code);
    let message = Some(text("message")).filter(|message| !message.is_empty());
    Error::Status {
        code,
        reason: Some(text("reason")).filter(|reason| !reason.is_empty()).unwrap_or_else(|| "Unknown".into()),
        message: message.unwrap_or_else(|| "the Kubernetes API refused".into()),
        retry_after,
    }
}

/// Text as it may stand in a path or query.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
