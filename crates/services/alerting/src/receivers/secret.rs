//! Secrets that stand in the configuration or in a file.

use std::path::PathBuf;

use config::http_client::PathBase;
use config::{Fields, Node, Result, Secret};

/// Size of a file with a secret. A larger one is another file by mistake.
const FILE_SIZE_MAX_BYTES: u64 = 1 << 20;

/// Where a secret is. It does not print.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretSource {
    /// In the configuration.
    Inline(Secret),
    /// In a file that is read at each use, so that a changed one needs no reload.
    File(PathBuf),
}

impl SecretSource {
    /// Takes the pair `name` and `file_name`, of which at most one may be set; empty texts count
    /// as not set. `exclusive` is the message if both are.
    pub fn take(
        fields: &mut Fields<'_>,
        base: &PathBase,
        (name, file_name): (&'static str, &'static str),
        exclusive: &str,
    ) -> Result<Option<SecretSource>> {
        let inline = fields.optional(name, Node::secret)?.filter(|secret| !secret.is_empty());
        let file = fields.optional(file_name, Node::string)?.filter(|path| !path.is_empty());
        match (inline, file) {
            (Some(_), Some(_)) => Err(fields.error(exclusive)),
            (Some(secret), None) => Ok(Some(SecretSource::Inline(secret))),
            (None, Some(path)) => Ok(Some(SecretSource::File(base.join(&path)))),
            (None, None) => Ok(None),
        }
    }

    /// The secret, without white space around it. The error says which file cannot be read.
    pub async fn read(&self) -> std::result::Result<String, String> {
        let path = match self {
            SecretSource::Inline(secret) => return Ok(secret.expose().to_string()),
            SecretSource::File(path) => path.clone(),
        };
        let shown = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || {
            use std::io::Read;
            let mut text = String::new();
            std::fs::File::open(path)?.take(FILE_SIZE_MAX_BYTES).read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text.trim().to_string())
        });
        match read.await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(format!("{shown}: {error}")),
            Err(_) => Err(format!("{shown}: reading was interrupted")),
        }
    }
}
