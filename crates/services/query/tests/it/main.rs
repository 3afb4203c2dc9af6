//! The API as clients meet it: requests and what they are answered.

mod ask;
mod conformance;
mod methods;
mod queries;
mod refusals;
mod search;
mod select;
mod sources;
