//! Repeats the host's runs of TensorFlow Lite models and compares every output, bit for bit; tells what each op took.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::{Aligned, Arena, Model, Session, ops};
use bantam_firmware::{Line, clock, entry, exit, fail};
use semihosting::fs::File;
use semihosting::io::{Read, Seek, SeekFrom};

/// Bytes of the largest model and of the largest arena.
const FILE_BYTES: usize = 128 * 1024;
const ARENA_BYTES: usize = 128 * 1024;
/// Bytes of the largest inputs and outputs of a run.
const PORT_BYTES: usize = 16 * 1024;

/// A file of cases: eight sizes, then parts that are filled up with zeros to a multiple of 16.
struct Cases {
    file: File,
    /// The file again, for reading outputs between inputs.
    outputs: File,
    /// Where the next part begins.
    at: usize,
}

impl Cases {
    /// The sizes in front of a case; `None` at the end of the file.
    fn sizes(&mut self) -> Option<[usize; 8]> {
        let mut bytes = [0; 32];
        self.file.seek(SeekFrom::Start(self.at as u64)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        self.at += 32;
        let mut sizes = [0; 8];
        for (size, bytes) in sizes.iter_mut().zip(bytes.as_chunks().0) {
            *size = u32::from_le_bytes(*bytes) as usize;
        }
        Some(sizes)
    }

    /// Reads the next part to the front of a buffer.
    fn part<'b>(&mut self, length: usize, to: &'b mut [u8]) -> &'b [u8] {
        let Some(to) = to.get_mut(..length) else { fail("a case is larger than the memory for it") };
        let read = self.file.seek(SeekFrom::Start(self.at as u64)).and_then(|_| self.file.read_exact(to));
        if read.is_err() {
            fail("the file of cases ends within one");
        }
        self.at += length.next_multiple_of(16);
        to
    }

    /// Goes to the inputs, and with the other eye to the outputs.
    fn runs(&mut self, input_bytes: usize, output_bytes: usize) {
        let outputs = self.at + input_bytes.next_multiple_of(16);
        let inputs = self.file.seek(SeekFrom::Start(self.at as u64));
        if inputs.and_then(|_| self.outputs.seek(SeekFrom::Start(outputs as u64))).is_err() {
            fail("the file of cases ends within one");
        }
        self.at = outputs + output_bytes.next_multiple_of(16);
    }
}

#[entry]
fn main() -> ! {
    let mut artifact_bytes = Aligned([0; FILE_BYTES]);
    let mut arena = Arena::<ARENA_BYTES>::new();
    let mut port = [0; PORT_BYTES];
    let (Ok(file), Ok(outputs)) = (File::open(c"cases"), File::open(c"cases")) else { fail("no file `cases`") };
    let mut cases = Cases { file, outputs, at: 0 };
    clock::start();
    let (mut count, mut different) = (0, 0);
    let mut line = Line::new();
    while let Some([name, artifact, input_bytes, output_bytes, runs, ..]) = cases.sizes() {
        let mut label = [0; 64];
        let label = core::str::from_utf8(cases.part(name, &mut label)).unwrap_or("?");
        let bytes = cases.part(artifact, &mut artifact_bytes.0);
        cases.runs(input_bytes * runs, output_bytes * runs);
        let Ok(model) = Model::parse(bytes) else { fail("an artifact that the host has run") };
        let Ok(mut session) = Session::new(&model, arena.bytes_mut(), &ops::ALL) else { fail("a session") };
        let mut same = true;
        for run in 0..runs {
            for index in 0..model.inputs().count() {
                let Ok(input) = session.input_bytes_mut(index) else { fail("an input") };
                if cases.file.read_exact(input).is_err() {
                    fail("the file of cases ends within one");
                }
            }
            let mut start = clock::now();
            let done = session.run_each(|step| {
                // Of the first run of each case: what the op took, for `cargo xtask mcu --fit`.
                if run == 0 {
                    let ticks = clock::elapsed(start);
                    line.text("op ").number(count).text(" ").number(step.op.index).text(" ").number(ticks).print();
                    start = clock::now();
                }
            });
            if done.is_err() {
                fail("a run, which cannot fail on a parsed model");
            }
            for index in 0..model.outputs().count() {
                let Ok(output) = session.output_bytes(index) else { fail("an output") };
                let Some(expected) = port.get_mut(..output.len()) else { fail("an output beyond the memory for it") };
                same &= cases.outputs.read_exact(expected).is_ok() && *output == *expected;
            }
        }
        count += 1;
        if !same {
            different += 1;
            line.text("different: ").text(label).print();
        }
    }
    line.text("cases: ").number(different).text(" differences").print();
    exit(count > 0 && different == 0)
}
