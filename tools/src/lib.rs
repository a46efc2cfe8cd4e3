//! The host tool: imports trained models, shrinks them into `.bantam` artifacts, runs and scores both.
//!
//! A model's way: [`import`] to a [`graph`], [`passes`], [`quantize`], [`lower`], [`plan`], the writer of
//! `bantam-format`. [`shrink`] walks it from end to end. [`execute`] and [`reference`] run float models,
//! [`subject`] runs any model on [`data`], [`compare`] tells the differences. The command line is in [`cli`].
#![forbid(unsafe_code)]

pub mod baseline;
pub mod bench;
pub mod cli;
pub mod compare;
pub mod confidence;
pub mod cost;
pub mod data;
pub mod device;
pub mod execute;
pub mod explain;
pub mod export;
pub mod files;
pub mod fit;
pub mod folder;
pub mod graph;
pub mod import;
pub mod interval;
pub mod lower;
pub mod parallel;
pub mod passes;
pub mod plan;
pub mod preprocessing;
pub mod quantize;
pub mod reference;
pub mod report;
pub mod search;
pub mod shrink;
pub mod subject;
pub mod tensor;
