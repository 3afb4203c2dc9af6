//! The tree of a template. Nodes print as errors cite them.

use crate::quote::quote;
use std::fmt;

/// A named piece of template.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) name: String,
    /// The name of the text it was read from, for errors.
    pub(super) source_name: String,
    pub(super) source: std::sync::Arc<str>,
    pub(super) nodes: Vec<Node>,
}

impl Tree {
    /// Whether there is nothing but space.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
    }

    /// `NAME:LINE:COLUMN` of a place in the source; the column counts bytes from 0.
    pub(super) fn location(&self, at: usize) -> String {
        let before = &self.source.as_bytes()[..at.min(self.source.len())];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        format!("{}:{line}:{column}", self.source_name)
    }
}

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Call),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// `{{template "name" pipe}}`
#[derive(Debug)]
pub(super) struct Call {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) at: usize,
    /// The variables that take the value, with their dollar.
    pub(super) variables: Vec<String>,
    /// Whether they exist already.
    pub(super) is_assignment: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, or a function or method with its arguments. Never empty.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) words: Vec<Word>,
}

#[derive(Debug)]
pub(super) struct Word {
    pub(super) at: usize,
    pub(super) kind: WordKind,
}

#[derive(Debug)]
pub(super) enum WordKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i64, String),
    Float(f64, String),
    String {
        text: String,
        quoted: String,
    },
    Identifier(String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`, the first with its dollar.
    Variable(Vec<String>),
    /// `(pipe).A.B`
    Chain(Box<Word>, Vec<String>),
    Pipe(Pipe),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", quote(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.is_assignment { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (number, command) in self.commands.iter().enumerate() {
            if number > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.words.iter().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            match &word.kind {
                WordKind::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => write!(f, "{word}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            WordKind::Dot => f.write_str("."),
            WordKind::Nil => f.write_str("nil"),
            WordKind::Bool(value) => write!(f, "{value}"),
            WordKind::Int(_, text) | WordKind::Float(_, text) | WordKind::Identifier(text) => {
                f.write_str(text)
            }
            WordKind::String { quoted, .. } => f.write_str(quoted),
            WordKind::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            WordKind::Variable(names) => f.write_str(&names.join(".")),
            WordKind::Chain(word, names) => {
                match &word.kind {
                    WordKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => write!(f, "{word}")?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            WordKind::Pipe(pipe) => write!(f, "{pipe}"),
        }
    }
}
