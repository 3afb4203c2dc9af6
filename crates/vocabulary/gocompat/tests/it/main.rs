//! What a user of Go's notations can notice. One binary, one module each.
#![allow(missing_docs)]

mod duration;
mod float;
mod quote;
mod re2;
