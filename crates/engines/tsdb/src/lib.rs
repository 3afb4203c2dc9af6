//! Owns metrics at rest.
#![allow(dead_code)]
pub mod chunk;
#[cfg(test)]
mod testing;
