//! Builds the trees of a template's text. Errors are Go's: `template: NAME:LINE: …`.

use super::lex::{self, Keyword, Kind, Token};
use super::node::{Branch, Call, Command, Node, Pipe, Tree, Word, WordKind};
use crate::error::Error;
use crate::quote::{quote, unquote};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep blocks and parentheses may nest, together.
const NESTING_MAX: usize = 200;

/// Reads `text`. The result has a tree named `name` and one for each `define` and `block`.
pub(super) fn parse(
    name: &str,
    text: &str,
    is_function: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Tree>, Error> {
    let mut parser = Parser {
        name,
        source: text.into(),
        tokens: lex::tokens(text),
        next: 0,
        furthest: 0,
        action_line: 0,
        variables: vec!["$".into()],
        range_depth: 0,
        nesting: 0,
        is_function,
        trees: BTreeMap::new(),
    };
    parser.run()?;
    Ok(parser.trees)
}

/// What ends a list of nodes.
enum Ending {
    End,
    Else,
}

enum Item {
    Node(Node),
    Ending(Ending),
}

struct Parser<'p> {
    name: &'p str,
    source: Arc<str>,
    tokens: Vec<Token>,
    next: usize,
    /// The last token looked at, whose line errors give.
    furthest: usize,
    action_line: usize,
    variables: Vec<String>,
    range_depth: usize,
    nesting: usize,
    is_function: &'p dyn Fn(&str) -> bool,
    trees: BTreeMap<String, Tree>,
}

impl Parser<'_> {
    // Tokens.

    /// The token at a place; the last one stays for ever.
    fn token(&mut self, at: usize) -> Token {
        let at = at.min(self.tokens.len() - 1);
        self.furthest = self.furthest.max(at);
        self.tokens[at].clone()
    }

    fn peek(&mut self) -> Token {
        self.token(self.next)
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn peek_word(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn take_word(&mut self) -> Token {
        let token = self.peek_word();
        self.next += 1;
        token
    }

    fn fail<T>(&self, problem: impl std::fmt::Display) -> Result<T, Error> {
        let line = self.tokens[self.furthest].line;
        Err(Error::TemplateSyntax(format!("template: {}:{line}: {problem}", self.name)))
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, Error> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", token.describe()));
        }
        let mut since = String::new();
        if self.action_line != 0 && self.action_line != token.line {
            let preposition = if token.text.ends_with(" action") { "" } else { " in action" };
            since = format!("{preposition} started at {}:{}", self.name, self.action_line);
        }
        self.fail(format!("{}{since}", token.text))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token, Error> {
        let token = self.take_word();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return self.fail("max expression depth exceeded");
        }
        Ok(())
    }

    // Blocks.

    fn run(&mut self) -> Result<(), Error> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            if self.peek().kind == Kind::Open {
                let start = self.next;
                self.next += 1;
                if self.take_word().kind == Kind::Keyword(Keyword::Define) {
                    self.definition()?;
                    continue;
                }
                self.next = start;
            }
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(Ending::End) => return self.fail("unexpected {{end}}"),
                Item::Ending(Ending::Else) => return self.fail("unexpected {{else}}"),
            }
        }
        self.add(self.name.to_string(), nodes)
    }

    /// Adds a tree. Only one of a name may hold something.
    fn add(&mut self, name: String, nodes: Vec<Node>) -> Result<(), Error> {
        let tree = Tree {
            name: name.clone(),
            source_name: self.name.to_string(),
            source: self.source.clone(),
            nodes,
        };
        if self.trees.get(&name).is_none_or(Tree::is_empty) {
            self.trees.insert(name, tree);
        } else if !tree.is_empty() {
            return self.fail(format!("template: multiple definition of template {}", quote(&name)));
        }
        Ok(())
    }

    /// The body of a named template, which sees no variables of its surroundings.
    fn body(&mut self, name: String, context: &str) -> Result<(), Error> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (nodes, ending) = self.list()?;
        if let Ending::Else = ending {
            return self.fail(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.variables = variables;
        self.range_depth = range_depth;
        self.add(name, nodes)
    }

    fn definition(&mut self) -> Result<(), Error> {
        let context = "define clause";
        let (name, _) = self.template_name(context)?;
        self.expect(Kind::Close, context)?;
        self.body(name, context)
    }

    fn template_name(&mut self, context: &str) -> Result<(String, usize), Error> {
        let token = self.take_word();
        match token.kind {
            Kind::String | Kind::RawString => match unquote(&token.text) {
                Some(name) => Ok((name, token.at)),
                None => self.fail("invalid syntax"),
            },
            _ => self.unexpected(&token, context),
        }
    }

    /// Nodes up to an `end` or `else`.
    fn list(&mut self) -> Result<(Vec<Node>, Ending), Error> {
        self.enter()?;
        let mut nodes = Vec::new();
        while self.peek_word().kind != Kind::End {
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => {
                    self.nesting -= 1;
                    return Ok((nodes, ending));
                }
            }
        }
        self.fail("unexpected EOF")
    }

    fn item(&mut self) -> Result<Item, Error> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text))),
            Kind::Open => {
                self.action_line = token.line;
                let item = self.action();
                self.action_line = 0;
                item
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item, Error> {
        let token = self.peek_word();
        let Kind::Keyword(keyword) = token.kind else {
            return Ok(Item::Node(Node::Action(self.pipe("command", Kind::Close)?)));
        };
        self.next += 1;
        let node = match keyword {
            Keyword::If => Node::If(self.branch("if", Keyword::If, Node::If)?),
            Keyword::With => Node::With(self.branch("with", Keyword::With, Node::With)?),
            Keyword::Range => Node::Range(self.branch("range", Keyword::Range, Node::Range)?),
            Keyword::End => {
                self.expect(Kind::Close, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Keyword::Else => {
                // `else if` and `else with` leave their keyword to whoever reads the branch.
                let next = self.peek_word();
                if !matches!(next.kind, Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.expect(Kind::Close, "else")?;
                }
                return Ok(Item::Ending(Ending::Else));
            }
            Keyword::Break | Keyword::Continue => {
                let (name, node) = match keyword {
                    Keyword::Break => ("{{break}}", Node::Break),
                    _ => ("{{continue}}", Node::Continue),
                };
                self.expect(Kind::Close, name)?;
                if self.range_depth == 0 {
                    return self.fail(format!("{name} outside {{{{range}}}}"));
                }
                node
            }
            Keyword::Template => {
                let context = "template clause";
                let (name, at) = self.template_name(context)?;
                let pipe = if self.peek_word().kind == Kind::Close {
                    self.next += 1;
                    None
                } else {
                    Some(self.pipe(context, Kind::Close)?)
                };
                Node::Template(Call { at, name, pipe })
            }
            Keyword::Block => {
                let context = "block clause";
                let (name, at) = self.template_name(context)?;
                let pipe = self.pipe(context, Kind::Close)?;
                self.body(name.clone(), context)?;
                Node::Template(Call { at, name, pipe: Some(pipe) })
            }
            Keyword::Define => return self.unexpected(&token, "command"),
        };
        Ok(Item::Node(node))
    }

    fn branch(&mut self, context: &str, keyword: Keyword, wrap: fn(Branch) -> Node) -> Result<Branch, Error> {
        let variable_count = self.variables.len();
        let is_range = keyword == Keyword::Range;
        let pipe = self.pipe(context, Kind::Close)?;
        self.range_depth += usize::from(is_range);
        let (then, ending) = self.list()?;
        self.range_depth -= usize::from(is_range);
        let mut otherwise = Vec::new();
        if let Ending::Else = ending {
            if !is_range && self.peek().kind == Kind::Keyword(keyword) {
                self.next += 1;
                // One `end` ends the whole chain.
                self.enter()?;
                otherwise.push(wrap(self.branch(context, keyword, wrap)?));
                self.nesting -= 1;
            } else {
                let (nodes, ending) = self.list()?;
                if let Ending::Else = ending {
                    return self.fail("expected end; found {{else}}");
                }
                otherwise = nodes;
            }
        }
        self.variables.truncate(variable_count);
        Ok(Branch { pipe, then, otherwise })
    }

    // Pipelines.

    fn pipe(&mut self, context: &str, end: Kind) -> Result<Pipe, Error> {
        self.enter()?;
        let at = self.peek_word().at;
        let mut pipe = Pipe { at, variables: Vec::new(), is_assignment: false, commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.take_word();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::ParenOpen => {
                    self.next -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (number, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.words.first().map(|word| &word.kind),
                Some(
                    WordKind::Bool(_)
                        | WordKind::Dot
                        | WordKind::Nil
                        | WordKind::Int(..)
                        | WordKind::Float(..)
                        | WordKind::String { .. }
                )
            ) {
                return self.fail(format!("non executable command in pipeline stage {}", number + 1));
            }
        }
        self.nesting -= 1;
        Ok(pipe)
    }

    /// `$x :=`, `$x =`, `$i, $x :=`
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<(), Error> {
        loop {
            let variable = self.peek_word();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let start = self.next;
            self.next += 1;
            let sign = self.peek_word();
            match sign.kind {
                Kind::Assign | Kind::Declare => {
                    self.next += 1;
                    pipe.is_assignment = sign.kind == Kind::Assign;
                    pipe.variables.push(variable.text.clone());
                    self.variables.push(variable.text);
                    return Ok(());
                }
                Kind::Char if sign.text == "," => {
                    self.next += 1;
                    pipe.variables.push(variable.text.clone());
                    self.variables.push(variable.text);
                    if context != "range" || pipe.variables.len() >= 2 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                    if !matches!(self.peek_word().kind, Kind::Variable | Kind::Close | Kind::ParenClose) {
                        return self.fail("range can only initialize variables");
                    }
                }
                // An operand after all.
                _ => {
                    self.next = start;
                    return Ok(());
                }
            }
        }
    }

    fn command(&mut self) -> Result<Command, Error> {
        let mut command = Command { at: self.peek_word().at, words: Vec::new() };
        loop {
            self.peek_word();
            if let Some(word) = self.operand()? {
                command.words.push(word);
            }
            let token = self.take();
            match token.kind {
                Kind::Space => continue,
                Kind::Close | Kind::ParenClose => self.next -= 1,
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if command.words.is_empty() {
            return self.fail("empty command");
        }
        Ok(command)
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Result<Option<Word>, Error> {
        let Some(mut word) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(word));
        }
        let at = self.peek().at;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.take().text[1..].to_string());
        }
        match &mut word.kind {
            WordKind::Field(fields) | WordKind::Variable(fields) => {
                fields.append(&mut names);
                word.at = at;
                Ok(Some(word))
            }
            WordKind::Identifier(_) | WordKind::Pipe(_) | WordKind::Chain(..) => {
                Ok(Some(Word { at, kind: WordKind::Chain(Box::new(word), names) }))
            }
            _ => self.fail(format!("unexpected . after term {}", quote(&word.to_string()))),
        }
    }

    fn term(&mut self) -> Result<Option<Word>, Error> {
        let token = self.take_word();
        let at = token.at;
        let kind = match token.kind {
            Kind::Identifier => {
                if !(self.is_function)(&token.text) {
                    return self.fail(format!("function {} not defined", quote(&token.text)));
                }
                WordKind::Identifier(token.text)
            }
            Kind::Dot => WordKind::Dot,
            Kind::Nil => WordKind::Nil,
            Kind::Bool => WordKind::Bool(token.text == "true"),
            Kind::Field => WordKind::Field(vec![token.text[1..].to_string()]),
            Kind::Variable => {
                if !self.variables.contains(&token.text) {
                    return self.fail(format!("undefined variable {}", quote(&token.text)));
                }
                WordKind::Variable(vec![token.text])
            }
            Kind::CharConstant => match unquote(&token.text).and_then(|text| text.chars().next()) {
                Some(c) => WordKind::Int(i64::from(c as u32), token.text),
                None => return self.fail(format!("malformed character constant: {}", token.text)),
            },
            Kind::Number => self.number(token.text)?,
            Kind::ParenOpen => WordKind::Pipe(self.pipe("parenthesized pipeline", Kind::ParenClose)?),
            Kind::String | Kind::RawString => match unquote(&token.text) {
                Some(text) => WordKind::String { text, quoted: token.text },
                None => return self.fail("invalid syntax"),
            },
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Word { at, kind }))
    }

    fn number(&self, text: String) -> Result<WordKind, Error> {
        let plain = text.replace('_', "");
        let (sign, digits) = match plain.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
        };
        let lower = digits.to_ascii_lowercase();
        let (radix, body) = match lower.as_bytes() {
            [b'0', b'x', ..] => (16, &lower[2..]),
            [b'0', b'o', ..] => (8, &lower[2..]),
            [b'0', b'b', ..] => (2, &lower[2..]),
            [b'0', b'0'..=b'9', ..] => (8, &lower[1..]),
            _ => (10, lower.as_str()),
        };
        if let Ok(value) = i64::from_str_radix(&format!("{sign}{body}"), radix) {
            return Ok(WordKind::Int(value, text));
        }
        let is_float = lower.contains(['.', 'p']) || radix != 16 && lower.contains('e');
        match crate::float::parse(&plain) {
            Ok(value) if is_float => Ok(WordKind::Float(value, text)),
            Ok(_) if radix == 10 => self.fail(format!("integer overflow: {}", quote(&text))),
            _ => self.fail(format!("illegal number syntax: {}", quote(&text))),
        }
    }
}
