//! Templates of notifications: Go's text/template and html/template with Alertmanager's functions
//! and data.

mod data;
mod functions;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use config::glob;
use config::http_client::PathBase;
use gocompat::Error;
use gocompat::template::{Limits, MissingKey, Template, Value};

pub use data::Data;

/// What one expansion may take. A group may have 100,000 alerts, each with a page of text.
const LIMITS: Limits = Limits { steps: 100_000_000, output_bytes: 64 << 20, depth: 200 };

/// How many alerts of a group are told where all of them would be too many for a template.
const ALERTS_OF_LARGE_GROUPS: usize = 1_000;
/// Size of a file of templates. A larger one is another file by mistake.
const FILE_SIZE_MAX_BYTES: u64 = 16 << 20;

/// The templates that settings name unless they say otherwise.
const DEFAULT_FILES: [(&str, &str); 2] =
    [("default.tmpl", include_str!("default.tmpl")), ("email.tmpl", include_str!("email.tmpl"))];

static DEFAULTS: LazyLock<Templates> = LazyLock::new(|| {
    let mut templates = Templates::bare();
    for (name, text) in DEFAULT_FILES {
        if let Err(error) = templates.add(name, text) {
            tracing::error!(%error, "a default template cannot be read");
        }
    }
    templates
});

/// The templates that files and defaults define, for use by name in settings.
#[derive(Clone, Debug)]
pub struct Templates {
    text: Arc<Template>,
    html: Arc<Template>,
}

impl Default for Templates {
    /// The default templates alone.
    fn default() -> Self {
        DEFAULTS.clone()
    }
}

impl Templates {
    fn bare() -> Templates {
        let set = Template::new("", functions::all()).limits(LIMITS).missing_key(MissingKey::Zero);
        Templates { text: Arc::new(set.clone()), html: Arc::new(set.escaping_html()) }
    }

    /// The defaults and the files that `patterns` name, relative to `base`. Definitions of later files
    /// replace those of earlier ones and defaults. A pattern may name no file.
    pub fn load(patterns: &[String], base: &PathBase) -> Result<Templates, String> {
        let mut templates = Templates::default();
        for pattern in patterns {
            let pattern = base.join(pattern);
            let files = glob::expand(&pattern).map_err(|error| format!("{}: {error}", pattern.display()))?;
            for file in files {
                let Some(text) = read(&file).map_err(|error| format!("{}: {error}", file.display()))? else {
                    continue;
                };
                let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                templates.add(&name, &text)?;
            }
        }
        Ok(templates)
    }

    /// Reads one more file. The error is Go's, with the file's name and the line.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        for set in [&mut self.text, &mut self.html] {
            Arc::make_mut(set).parse_named(file, text).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Whether a text can be read as a template; the error is Go's.
    pub fn check(template: &str) -> Result<(), String> {
        Template::over(&DEFAULTS.text, "").parse(template).map_err(|error| error.to_string())
    }

    /// The names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.text.names()
    }

    /// Expands a text. The error is Go's.
    pub fn text(&self, template: &str, data: &Data) -> Result<String, String> {
        if !template.contains("{{") {
            return Ok(template.to_string());
        }
        within_limits(&self.text, template, data).map_err(|error| error.to_string())
    }

    /// Expands a page: values are escaped for the place where they stand.
    pub fn html(&self, template: &str, data: &Data) -> Result<String, String> {
        if template.is_empty() {
            return Ok(String::new());
        }
        within_limits(&self.html, template, data).map_err(|error| error.to_string())
    }

    /// Adds a function unless there is one of that name.
    #[cfg(feature = "conformance")]
    pub(crate) fn add_function(&mut self, name: &str, call: fn() -> String) {
        let mut functions = functions::all();
        if !functions.contains(name) {
            functions.insert(name, gocompat::template::Function::new(0, move |_| Ok(Value::string(call()))));
        }
        let set = Template::new("", functions).limits(LIMITS).missing_key(MissingKey::Zero);
        *self = Templates { text: Arc::new(set.clone()), html: Arc::new(set.escaping_html()) };
    }

    /// Expands a template on any data.
    #[cfg(feature = "conformance")]
    pub(crate) fn expand_value(&self, template: &str, value: Value, is_html: bool) -> Result<String, String> {
        let set = if is_html { &self.html } else { &self.text };
        expand(set, template, value).map_err(|error| error.to_string())
    }
}

/// A time as templates see it.
#[cfg(feature = "conformance")]
pub(crate) fn time_value(at_ms: i64) -> Value {
    functions::Time::value_of_ms(at_ms)
}

/// Expands a template; where all alerts are too many for it, with the first ones alone: better a part
/// is told than nothing.
fn within_limits(base: &Arc<Template>, text: &str, data: &Data) -> Result<String, Error> {
    match expand(base, text, data.root()) {
        Err(Error::TemplateLimit(_)) if data.alerts() > ALERTS_OF_LARGE_GROUPS => {
            expand(base, text, data.first(ALERTS_OF_LARGE_GROUPS).root())
        }
        expanded => expanded,
    }
}

fn expand(base: &Arc<Template>, text: &str, root: Value) -> Result<String, Error> {
    let mut template = Template::over(base, "");
    template.parse(text)?;
    template.execute(root)
}

/// The text of a file, if it is there.
fn read(path: &Path) -> std::io::Result<Option<String>> {
    use std::io::{ErrorKind, Read};
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_SIZE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_SIZE_MAX_BYTES {
        return Err(std::io::Error::other(format!("larger than {FILE_SIZE_MAX_BYTES} bytes")));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests;
