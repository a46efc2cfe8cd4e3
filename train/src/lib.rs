//! Training for Bantam: any imported graph becomes a candle computation, is made smaller, learns from the network it was made of, and
//! comes back as a graph.
//!
//! [`network`] is a graph over batches; [`structure`] takes channels away; [`training`] is the loop; [`exact`] trains with the
//! integers of the artifact.

pub mod augment;
pub mod cli;
pub mod distil;
pub mod error;
pub mod exact;
pub mod front_end;
pub mod initial;
pub mod network;
pub mod random;
pub mod recordings;
pub mod report;
pub mod rows;
pub mod structure;
pub mod study;
pub mod threads;
pub mod training;
