//! What a user of Go's notations can notice. One binary, one module each.
#![allow(missing_docs)]

mod re2;
