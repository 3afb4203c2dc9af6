//! What a user of Go's notations can notice. One binary, one module each.
#![allow(missing_docs)]
// A test that skips says so.
#![allow(clippy::print_stdout)]

mod any_input;
mod duration;
mod float;
mod html;
mod layout;
mod quote;
mod re2;
mod template;
