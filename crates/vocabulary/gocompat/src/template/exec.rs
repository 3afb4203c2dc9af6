//! Runs a tree on data.

use super::functions::{self, Function, Scope};
use super::html::{Escaped, Page};
use super::node::{Branch, Call, Command, Node, Pipe, Tree, Word, WordKind};
use super::value::Value;
use super::{MissingKey, Template, format};
use crate::error::Error;
use crate::quote::quote;
use std::fmt::Display;

/// How deep lists and maps may nest in a value that a function makes.
const VALUE_DEPTH_MAX: u32 = 100;

/// How to go on after a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What is being evaluated, for errors.
#[derive(Clone, Copy)]
struct Place<'t> {
    at: usize,
    cited: &'t dyn Display,
}

pub(super) struct Executor<'t> {
    template: &'t Template,
    tree: &'t Tree,
    place: Option<Place<'t>>,
    variables: Vec<(&'t str, Value)>,
    root: Value,
    /// Where the page stands, if the text is HTML.
    page: Option<Page>,
    out: String,
    steps: u64,
    depth: usize,
}

/// Runs `tree` on `data` and gives its text.
pub(super) fn run(template: &Template, tree: &Tree, data: Value) -> Result<String, Error> {
    let mut executor = Executor {
        template,
        tree,
        place: None,
        variables: vec![("$", data.clone())],
        root: data.clone(),
        page: template.escapes_html.then(Page::default),
        out: String::new(),
        steps: 0,
        depth: 0,
    };
    executor.nodes(&data, &tree.nodes)?;
    Ok(executor.out)
}

/// What the last command of a pipeline did to make a text safe.
fn escaped(pipe: &Pipe) -> Escaped {
    let last = pipe.commands.last().and_then(|command| command.words.first());
    match last.map(|word| &word.kind) {
        Some(WordKind::Identifier(name)) if name == "html" => Escaped::Html,
        Some(WordKind::Identifier(name)) if name == "urlquery" => Escaped::Url,
        _ => Escaped::No,
    }
}

impl<'t> Executor<'t> {
    // Errors and limits.

    fn message(&self, problem: &str) -> String {
        let name = &self.tree.name;
        match self.place {
            None => format!("template: {name}: {problem}"),
            Some(place) => format!(
                "template: {}: executing {} at <{}>: {problem}",
                self.tree.location(place.at),
                quote(name),
                place.cited
            ),
        }
    }

    fn error(&self, problem: impl AsRef<str>) -> Error {
        Error::TemplateExecution(self.message(problem.as_ref()))
    }

    fn over_limit(&self, problem: impl AsRef<str>) -> Error {
        Error::TemplateLimit(self.message(problem.as_ref()))
    }

    fn at(&mut self, at: usize, cited: &'t dyn Display) {
        self.place = Some(Place { at, cited });
    }

    fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        let max = self.template.limits.steps;
        if self.steps > max {
            return Err(self.over_limit(format!("exceeded maximum number of steps ({max})")));
        }
        Ok(())
    }

    fn check_length(&self, len: usize) -> Result<(), Error> {
        let max = self.template.limits.output_bytes;
        if len > max {
            return Err(self.over_limit(format!("exceeded maximum output size ({max} bytes)")));
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        let max = self.template.limits.depth;
        if self.depth > max {
            return Err(self.over_limit(format!("exceeded maximum template depth ({max})")));
        }
        Ok(())
    }

    // Nodes.

    fn nodes(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow, Error> {
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// The nodes within an `if`, `with` or `range`.
    fn block(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow, Error> {
        self.enter()?;
        let flow = self.nodes(dot, nodes)?;
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Result<Flow, Error> {
        self.step()?;
        match node {
            Node::Text(text) => {
                self.check_length(self.out.len() + text.len())?;
                match &mut self.page {
                    Some(page) => page.text(text, &mut self.out),
                    None => self.out.push_str(text),
                }
            }
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    match self.page {
                        Some(_) => self.print_escaped(&value, escaped(pipe))?,
                        None => self.print(&value)?,
                    }
                }
            }
            Node::If(branch) => return self.condition(dot, branch, false),
            Node::With(branch) => return self.condition(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template(call) => self.call_template(dot, call)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::Nil => self.out.push_str("<no value>"),
            Value::Function(_) => return Err(self.error("can't print a function")),
            value => format::push_plain(&mut self.out, value, self.template.limits.output_bytes),
        }
        self.check_length(self.out.len())
    }

    /// In a page, nothing prints as nothing.
    fn print_escaped(&mut self, value: &Value, escaped: Escaped) -> Result<(), Error> {
        let mut text = String::new();
        match value {
            Value::Nil => {}
            Value::Function(_) => return Err(self.error("can't print a function")),
            value => format::push_plain(&mut text, value, self.template.limits.output_bytes),
        }
        if let Some(page) = &mut self.page {
            page.value(value, &text, escaped, &mut self.out);
        }
        self.check_length(self.out.len())
    }

    fn condition(&mut self, dot: &Value, branch: &'t Branch, moves_dot: bool) -> Result<Flow, Error> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = if value.is_true() {
            self.block(if moves_dot { &value } else { dot }, &branch.then)
        } else {
            self.block(dot, &branch.otherwise)
        };
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow, Error> {
        let mark = self.variables.len();
        let pipe = &branch.pipe;
        let value = self.pipe(dot, pipe)?.plain();
        let mut flow = Flow::Next;
        let mut is_empty = true;
        let mut body = |this: &mut Self, index: Value, element: Value| -> Result<bool, Error> {
            is_empty = false;
            this.step()?;
            let inner_mark = this.variables.len();
            this.set_range_variables(pipe, index, &element)?;
            flow = this.block(&element, &branch.then)?;
            this.variables.truncate(inner_mark);
            Ok(flow != Flow::Break)
        };
        match &value {
            Value::List(values) => {
                for (number, element) in values.iter().enumerate() {
                    if !body(self, Value::Int(number as i64), element.clone())? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, element) in map.entries() {
                    if !body(self, Value::String(key.clone()), element.clone())? {
                        break;
                    }
                }
            }
            Value::Int(count) if pipe.variables.len() > 1 => {
                return Err(self.error(format!("can't use {count} to iterate over more than one variable")));
            }
            Value::Int(count) => {
                for number in 0..*count {
                    if !body(self, Value::Int(number), Value::Int(number))? {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other => return Err(self.error(format!("range can't iterate over {other}"))),
        }
        let flow = if is_empty { self.block(dot, &branch.otherwise)? } else { Flow::Next };
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// One variable is the element; of two, the first is the index.
    fn set_range_variables(&mut self, pipe: &'t Pipe, index: Value, element: &Value) -> Result<(), Error> {
        let values = match pipe.variables.len() {
            0 => return Ok(()),
            1 => vec![element.clone()],
            _ => vec![index, element.clone()],
        };
        for (name, value) in pipe.variables.iter().zip(values) {
            self.set_variable(name, value)?;
        }
        Ok(())
    }

    fn call_template(&mut self, dot: &Value, call: &'t Call) -> Result<(), Error> {
        self.at(call.at, call);
        let Some(tree) = self.template.tree(&call.name) else {
            return Err(self.error(format!("template {} not defined", quote(&call.name))));
        };
        let data = match &call.pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Nil,
        };
        self.within(tree, data)
    }

    /// Runs another tree, which sees none of this one's variables.
    fn within(&mut self, tree: &'t Tree, data: Value) -> Result<(), Error> {
        self.enter()?;
        let variables = std::mem::replace(&mut self.variables, vec![("$", data.clone())]);
        let outer = (self.depth, self.tree, self.place);
        self.tree = tree;
        let result = self.nodes(&data, &tree.nodes);
        // Also after an error: a function that ran the tree may go on without it.
        (self.depth, self.tree, self.place) = outer;
        self.depth -= 1;
        self.variables = variables;
        result.map(|_| ())
    }

    // Pipelines.

    fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value, Error> {
        self.at(pipe.at, pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or_default();
        for name in &pipe.variables {
            if pipe.is_assignment {
                self.set_variable(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn set_variable(&mut self, name: &str, value: Value) -> Result<(), Error> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, place)) => {
                *place = value;
                Ok(())
            }
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }

    fn variable(&self, name: &str) -> Result<Value, Error> {
        match self.variables.iter().rev().find(|(known, _)| *known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }

    /// `last` is the value of the command before, which becomes the last argument.
    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Result<Value, Error> {
        self.step()?;
        let Some((word, arguments)) = command.words.split_first() else { return Ok(Value::Nil) };
        match &word.kind {
            WordKind::Identifier(name) => {
                self.at(word.at, word);
                self.function(dot, name, command.at, command, arguments, last)
            }
            WordKind::Field(_) | WordKind::Chain(..) => self.chain(dot, word, arguments, last),
            WordKind::Variable(names) if names.len() > 1 => self.chain(dot, word, arguments, last),
            kind => {
                self.at(word.at, word);
                if !arguments.is_empty() || last.is_some() {
                    return Err(self.error(format!("can't give argument to non-function {word}")));
                }
                if let WordKind::Nil = kind {
                    return Err(self.error("nil is not a command"));
                }
                self.word(dot, word)
            }
        }
    }

    /// A word as an argument.
    fn word(&mut self, dot: &Value, word: &'t Word) -> Result<Value, Error> {
        self.at(word.at, word);
        match &word.kind {
            WordKind::Dot => Ok(dot.clone()),
            WordKind::Nil => Ok(Value::Nil),
            WordKind::Bool(value) => Ok(Value::Bool(*value)),
            WordKind::Int(value, _) => Ok(Value::Int(*value)),
            WordKind::Float(value, _) => Ok(Value::Float(*value)),
            WordKind::String { text, .. } => Ok(Value::from(text.as_str())),
            WordKind::Variable(names) if names.len() == 1 => self.variable(&names[0]),
            WordKind::Field(_) | WordKind::Chain(..) | WordKind::Variable(_) => {
                self.chain(dot, word, &[], None)
            }
            WordKind::Identifier(name) => self.function(dot, name, word.at, word, &[], None),
            WordKind::Pipe(pipe) => {
                self.enter()?;
                let value = self.pipe(dot, pipe);
                self.depth -= 1;
                value
            }
        }
    }

    /// Fields one behind the other; arguments belong to the last.
    fn chain(
        &mut self,
        dot: &Value,
        word: &'t Word,
        arguments: &'t [Word],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        self.at(word.at, word);
        let (mut receiver, names) = match &word.kind {
            WordKind::Field(names) => (dot.clone(), names.as_slice()),
            WordKind::Variable(names) => (self.variable(&names[0])?, &names[1..]),
            WordKind::Chain(inner, names) => (self.word(dot, inner)?, names.as_slice()),
            _ => (Value::Nil, &[][..]),
        };
        let Some((final_name, names)) = names.split_last() else { return Ok(receiver) };
        for (number, name) in names.iter().enumerate() {
            self.at(word.at, word);
            receiver = self.field(dot, receiver, number > 0, name, word, &[], None)?;
        }
        self.at(word.at, word);
        self.field(dot, receiver, !names.is_empty(), final_name, word, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: Value,
        is_from_field: bool,
        name: &str,
        word: &'t Word,
        arguments: &'t [Word],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let has_arguments = !arguments.is_empty() || last.is_some();
        if let Value::Object(object) = &receiver {
            // With no arguments the method is tried at once; with some, a field must not swallow them.
            let values = self.arguments(dot, arguments, last)?;
            if let Some(result) = object.method(name, &values) {
                self.at(word.at, word);
                return self.checked(name, result);
            }
            if let Some(value) = object.field(name) {
                self.at(word.at, word);
                return match value {
                    _ if has_arguments => {
                        Err(self.error(format!("{name} has arguments but cannot be invoked as function")))
                    }
                    value => Ok(value),
                };
            }
        }
        match receiver.plain() {
            Value::Map(map) => {
                if has_arguments {
                    return Err(self.error(format!("{name} is not a method but has arguments")));
                }
                if let Some(value) = map.entries().get(name) {
                    return Ok(value.clone());
                }
                match self.template.missing_key {
                    MissingKey::Default => Ok(Value::Nil),
                    MissingKey::Zero => Ok(map.zero().clone()),
                    MissingKey::Error => Err(self.error(format!("map has no entry for key {}", quote(name)))),
                }
            }
            Value::Nil => match self.template.missing_key {
                MissingKey::Error => Err(self.error(format!("nil data; no entry for key {}", quote(name)))),
                MissingKey::Zero if is_from_field => {
                    Err(self.error(format!("nil pointer evaluating interface {{}}.{name}")))
                }
                _ => Ok(Value::Nil),
            },
            _ => Err(self.error(format!("can't evaluate field {name} in type {}", receiver.type_name()))),
        }
    }

    fn arguments(
        &mut self,
        dot: &Value,
        words: &'t [Word],
        last: Option<Value>,
    ) -> Result<Vec<Value>, Error> {
        let mut values = Vec::with_capacity(words.len() + 1);
        for word in words {
            values.push(self.word(dot, word)?);
        }
        values.extend(last);
        Ok(values)
    }

    /// Calls a function. `cited` is what an error of the function shows.
    fn function(
        &mut self,
        dot: &Value,
        name: &str,
        at: usize,
        cited: &'t dyn Display,
        words: &'t [Word],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let own = self.template.functions.get(name);
        let is_builtin = own.is_none();
        let Some(function): Option<Function> = own.cloned().or_else(|| functions::builtin(name)) else {
            return Err(self.error(format!("{} is not a defined function", quote(name))));
        };
        let given = words.len() + usize::from(last.is_some());
        if let Some(problem) = function.arity_error(name, words.len(), given) {
            return Err(self.error(problem));
        }
        if is_builtin && matches!(name, "and" | "or") {
            let mut value = Value::Nil;
            for word in words {
                value = self.word(dot, word)?;
                if value.is_true() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let values = self.arguments(dot, words, last)?;
        let result = (function.body)(self, &values);
        self.at(at, cited);
        self.checked(name, result)
    }

    /// What a function or method gave, if it is within the limits.
    fn checked(&self, name: &str, result: Result<Value, String>) -> Result<Value, Error> {
        let value = result.map_err(|problem| self.error(format!("error calling {name}: {problem}")))?;
        if let Value::String(text) = &value {
            self.check_length(text.len())?;
        }
        if value.depth() > VALUE_DEPTH_MAX {
            return Err(self.over_limit(format!("exceeded maximum depth of a value ({VALUE_DEPTH_MAX})")));
        }
        Ok(value)
    }
}

impl Scope for Executor<'_> {
    fn execute(&mut self, name: &str, data: Value) -> Result<String, String> {
        let Some(tree) = self.template.tree(name) else {
            return Err(self.template.unknown(name).to_string());
        };
        let outer = std::mem::take(&mut self.out);
        let begun = self.page.is_some().then(Page::default);
        let page = std::mem::replace(&mut self.page, begun);
        let result = self.within(tree, data);
        let text = std::mem::replace(&mut self.out, outer);
        self.page = page;
        result.map(|()| text).map_err(|error| error.to_string())
    }

    fn expand(&mut self, text: &str, data: Value) -> Result<String, String> {
        let mut template = self.template.clone();
        template.parse(text).map_err(|error| error.to_string())?;
        // The new trees do not live as long as ours, so they get an executor of their own, with what is
        // left of the limits.
        template.limits.steps = template.limits.steps.saturating_sub(self.steps);
        template.limits.depth = template.limits.depth.saturating_sub(self.depth + 1);
        let Some(tree) = template.tree(&template.name) else { return Ok(String::new()) };
        let mut inner = Executor {
            template: &template,
            tree,
            place: None,
            variables: vec![("$", data.clone())],
            root: self.root.clone(),
            page: template.escapes_html.then(Page::default),
            out: String::new(),
            steps: 0,
            depth: 0,
        };
        let result = inner.nodes(&data, &tree.nodes).map(|_| ());
        self.steps = self.steps.saturating_add(inner.steps);
        let text = inner.out;
        result.map(|()| text).map_err(|error| error.to_string())
    }

    fn root(&self) -> &Value {
        &self.root
    }

    fn text_max_bytes(&self) -> usize {
        self.template.limits.output_bytes
    }
}
