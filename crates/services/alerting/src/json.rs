//! JSON as Go writes it.

pub(crate) use gocompat::template::json::push_string;

/// An object, field by field.
pub(crate) struct Object(String);

impl Object {
    /// One without fields.
    pub(crate) fn new() -> Self {
        Object(String::from("{"))
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, name);
        self.0.push(':');
    }

    /// A field with a text.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        push_string(&mut self.0, value);
        self
    }

    /// A field with a text, unless that is empty.
    pub(crate) fn text_if_any(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.text(name, value) }
    }

    /// A field with JSON.
    pub(crate) fn json(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.push_str(value);
        self
    }

    /// A field with JSON, unless there is none.
    pub(crate) fn json_if_any(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.json(name, value) }
    }

    /// The object.
    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list of JSON, or nothing if it is empty.
pub(crate) fn list_if_any(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("[{}]", items.join(",")) }
}

/// A list of texts.
pub(crate) fn texts<T: AsRef<str>>(items: &[T]) -> Vec<String> {
    items
        .iter()
        .map(|item| {
            let mut out = String::new();
            push_string(&mut out, item.as_ref());
            out
        })
        .collect()
}

/// An object of texts, in the order given.
pub(crate) fn push_map<'a>(out: &mut String, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_string(out, name);
        out.push(':');
        push_string(out, value);
    }
    out.push('}');
}

/// FNV-1a 64 over some texts.
pub(crate) fn fnv64<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    texts.into_iter().flat_map(str::bytes).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
