//! Owns the vocabulary of metrics.
