//! bantam-wasm
