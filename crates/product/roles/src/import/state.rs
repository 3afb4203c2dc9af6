//! How far an import is.

use std::path::Path;

use config::Node;

/// The state of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// What is imported.
    pub(super) identity: String,
    /// The first time.
    pub(super) start_ms: i64,
    /// The last time.
    pub(super) end_ms: i64,
    /// Everything before is done.
    pub(super) next_ms: i64,
    /// Samples so far.
    pub(super) samples: u64,
}

impl State {
    /// The state in a file; `None` if there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<State>, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        // JSON is read as YAML, which it is.
        let read = || -> config::Result<State> {
            let root = Node::parse(&text)?;
            let mut fields = root.fields("state of an import")?;
            let state = State {
                identity: fields.or("identity", String::new(), Node::string)?,
                start_ms: fields.or("start_ms", 0, Node::integer)?,
                end_ms: fields.or("end_ms", 0, Node::integer)?,
                next_ms: fields.or("next_ms", 0, Node::integer)?,
                samples: fields.or("samples", 0, Node::unsigned)?,
            };
            fields.finish()?;
            Ok(state)
        };
        read().map(Some).map_err(|error| error.in_file(&path.display().to_string()).to_string())
    }

    /// Writes the state, so that either it or the one before is there.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::json!({
            "identity": self.identity,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "next_ms": self.next_ms,
            "samples": self.samples,
        });
        let fresh = path.with_extension("json.tmp");
        let write = || -> std::io::Result<()> {
            let file = std::fs::File::create(&fresh)?;
            std::io::Write::write_all(&mut &file, text.to_string().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, path)
        };
        write().map_err(|error| format!("{}: {error}", path.display()))
    }
}
