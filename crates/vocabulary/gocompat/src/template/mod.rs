//! Go's `text/template`: parsing and running, with Go's errors and positions.
//!
//! The engine knows no product's functions and data: callers give [`Functions`] and bring their types
//! as [`Object`]s. Running is bounded by [`Limits`].

pub mod escape;
mod exec;
mod format;
mod functions;
pub mod html;
pub mod json;
mod lex;
mod node;
mod parse;
mod value;

pub use functions::{Function, Functions, Scope};
pub use value::{List, Map, Object, Value};

use crate::error::Error;
use crate::quote::quote;
use node::Tree;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a map field that is not there gives; Go's option `missingkey`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// Nothing, which prints as `<no value>`.
    #[default]
    Default,
    /// The zero value of the map's elements.
    Zero,
    /// An error.
    Error,
}

/// What one run may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes, commands and turns of a range.
    pub steps: u64,
    /// The text, and each text made on the way.
    pub output_bytes: usize,
    /// Templates, blocks and parentheses within each other. This bounds the use of the thread's stack:
    /// 250 levels take less than 512 KiB even without optimisation.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { steps: 10_000_000, output_bytes: 16 << 20, depth: 250 }
    }
}

/// A set of named templates that can call each other.
#[derive(Clone)]
pub struct Template {
    name: String,
    functions: Arc<Functions>,
    missing_key: MissingKey,
    limits: Limits,
    escapes_html: bool,
    trees: BTreeMap<String, Arc<Tree>>,
    /// A set whose templates this one may call too; its own come first.
    base: Option<Arc<Template>>,
}

impl Template {
    /// An empty set. `name` is the template that [`Template::parse`] defines and
    /// [`Template::execute`] runs.
    pub fn new(name: &str, functions: Functions) -> Self {
        Template {
            name: name.to_string(),
            functions: Arc::new(functions),
            missing_key: MissingKey::Default,
            limits: Limits::default(),
            escapes_html: false,
            trees: BTreeMap::new(),
            base: None,
        }
    }

    /// An empty set that can call the templates of `base`, with its functions and settings. Costs
    /// nothing, so that each text can have a set of its own.
    pub fn over(base: &Arc<Template>, name: &str) -> Self {
        Template {
            name: name.to_string(),
            functions: base.functions.clone(),
            missing_key: base.missing_key,
            limits: base.limits,
            escapes_html: base.escapes_html,
            trees: BTreeMap::new(),
            base: Some(base.clone()),
        }
    }

    /// Makes the set one of HTML, as Go's `html/template` has them: values are escaped for where they
    /// stand. See [`html`].
    #[must_use]
    pub fn escaping_html(mut self) -> Self {
        self.escapes_html = true;
        self
    }

    /// Sets what a missing map field gives.
    #[must_use]
    pub fn missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Sets what a run may take.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads `text` as the body of the set's own template. What it defines replaces earlier
    /// definitions; an empty body replaces nothing.
    pub fn parse(&mut self, text: &str) -> Result<(), Error> {
        let name = self.name.clone();
        self.parse_named(&name, text)
    }

    /// Reads `text` as the body of the template `name`, such as a file by its name.
    pub fn parse_named(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let is_function =
            |name: &str| self.functions.get(name).is_some() || functions::builtin(name).is_some();
        for (name, tree) in parse::parse(name, text, &is_function)? {
            if !tree.is_empty() || self.tree(&name).is_none() {
                self.trees.insert(name, Arc::new(tree));
            }
        }
        Ok(())
    }

    /// The names of the templates in the set and in those below it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let sets = std::iter::successors(Some(self), |set| set.base.as_deref());
        sets.flat_map(|set| set.trees.keys()).map(String::as_str)
    }

    fn tree(&self, name: &str) -> Option<&Tree> {
        match (self.trees.get(name), &self.base) {
            (Some(tree), _) => Some(tree),
            (None, Some(base)) => base.tree(name),
            (None, None) => None,
        }
    }

    /// Runs the set's own template on `data`.
    pub fn execute(&self, data: Value) -> Result<String, Error> {
        match self.tree(&self.name) {
            Some(tree) => exec::run(self, tree, data),
            None => Err(Error::TemplateExecution(format!(
                "template: {}: {} is an incomplete or empty template",
                self.name,
                quote(&self.name)
            ))),
        }
    }

    /// Runs the template `name` on `data`.
    pub fn execute_named(&self, name: &str, data: Value) -> Result<String, Error> {
        match self.tree(name) {
            Some(tree) => exec::run(self, tree, data),
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        Error::TemplateExecution(format!(
            "template: no template {} associated with template {}",
            quote(name),
            quote(&self.name)
        ))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("name", &self.name)
            .field("names", &self.trees.keys())
            .finish_non_exhaustive()
    }
}
