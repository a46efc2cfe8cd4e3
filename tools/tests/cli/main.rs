//! The `bantam` command as a user meets it: what it prints, writes, refuses and returns.
//!
//! Expected texts are in `snapshots/`; `SNAPSHOTS=overwrite` renews them.

mod arrays;
mod bad_artifacts;
mod bad_data;
mod bad_models;
mod bad_outputs;
mod bench;
mod budget;
mod diff;
mod eval;
mod help;
mod inspect;
mod integers;
mod networks;
mod quantized;
mod report;
mod run;
mod shrink;
mod speed;
mod wide;
