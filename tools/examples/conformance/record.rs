//! Runs written to a folder, to be repeated where there is no importer: in a page or in Node.js.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bantam_tools::device::Stream;
use serde_json::{Value, json};

use crate::engine::Record;

/// Which cases are written: every `STEP`-th that passes, counted so that SqueezeNet, the smallest of the well-known
/// networks, is among them.
const STEP: usize = 10;
const FIRST: usize = 6;

/// A folder with an artifact, inputs and outputs per case, and `index.json` that lists them.
pub struct Recorder {
    folder: PathBuf,
    passed: usize,
    cases: Vec<Value>,
}

impl Recorder {
    /// An empty folder.
    pub fn new(folder: &Path) -> io::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), passed: 0, cases: Vec::new() })
    }

    /// Counts a case that passed, and writes it if it is its turn.
    pub fn add(&mut self, name: &str, record: &Record) -> io::Result<()> {
        self.passed += 1;
        if (self.passed - 1) % STEP != FIRST {
            return Ok(());
        }
        let artifact = format!("{name}.bantam");
        fs::write(self.folder.join(&artifact), record.device.file().bytes())?;
        let inputs = self.streams(name, "input", &record.inputs)?;
        let outputs = self.streams(name, "output", &record.outputs)?;
        self.cases.push(json!({ "name": name, "artifact": artifact, "inputs": inputs, "outputs": outputs }));
        Ok(())
    }

    fn streams(&self, name: &str, role: &str, streams: &[Stream]) -> io::Result<Vec<Value>> {
        let write = |(index, stream): (usize, &Stream)| {
            let file = format!("{name}.{role}_{index}.bin");
            fs::write(self.folder.join(&file), &stream.bytes)?;
            Ok(json!({ "type": stream.stored.name(), "file": file }))
        };
        streams.iter().enumerate().map(write).collect()
    }

    /// Writes the list.
    pub fn finish(self) -> io::Result<()> {
        let index = json!({ "passed": self.passed, "cases": self.cases });
        fs::write(self.folder.join("index.json"), format!("{index:#}\n"))
    }
}
