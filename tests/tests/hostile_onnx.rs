//! Broken and malicious ONNX files. Whatever a file says, import gives a typed error or a graph that goes through every
//! later stage, and takes no more memory than a small multiple of the file and a constant. Memory is counted by the
//! allocator, per thread.

use allocation_counter::measure;
use bantam_tests::artifacts::grouped;
use bantam_tests::hostile::{Fate, continue_with, corpus, imported, mutant};
use bantam_tools::import::onnx::{ImportError, ImportOptions, import};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Files whose every truncation is imported.
const FILES: usize = 20;
/// Largest file whose graph is truncated at every byte within a file that stays well-formed.
const INNER_BYTES: usize = 12_000;
/// Largest file that is mutated.
const MUTATED_BYTES: usize = 60_000;
/// Mutations in all.
const MUTANTS: u64 = 10_000;
/// Threads of a sweep.
const THREADS: u64 = 2;

/// Memory that importing a file may take at once: this many times the file, and a constant.
const MEMORY_FACTOR: u64 = 16;
/// The constant: what a file of any size may take, for its messages and for constants that are computed from others.
const MEMORY_SPARE: u64 = 32 << 20;

/// What became of the files of a sweep.
#[derive(Default)]
struct Tally {
    refused: u64,
    ran: u64,
    too_large: u64,
    not_lowered: BTreeMap<String, u64>,
    /// The most memory beyond the multiple of the file, and for what.
    most: u64,
    most_for: String,
}

impl Tally {
    fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Refused => self.refused += 1,
            Fate::Ran => self.ran += 1,
            Fate::TooLarge => self.too_large += 1,
            Fate::NotLowered(reason) => *self.not_lowered.entry(reason.chars().take(90).collect()).or_default() += 1,
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let not_lowered: u64 = self.not_lowered.values().sum();
        write!(
            formatter,
            "{} refused, {} ran in floats and 8 bits, {} too large to run here, {} refused by later stages; at most {} \
             bytes of memory beyond {MEMORY_FACTOR} times the file, for {}",
            grouped(self.refused),
            grouped(self.ran),
            grouped(self.too_large),
            grouped(not_lowered),
            grouped(self.most),
            self.most_for
        )
    }
}

/// Imports every case on a few threads, checks the memory each takes, and takes on what is imported.
fn sweep(count: u64, case: impl Fn(u64) -> (Vec<u8>, String) + Sync) -> Tally {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let (bytes, name) = case(index);
                    let mut graph = None;
                    let memory = measure(|| graph = imported(&bytes).ok());
                    let own = MEMORY_FACTOR * bytes.len() as u64;
                    let beyond = memory.bytes_max.saturating_sub(own);
                    assert!(beyond <= MEMORY_SPARE, "case {index}, {name}: {} bytes", memory.bytes_max);
                    let fate = graph.map_or(Fate::Refused, |graph| continue_with(&graph, index));
                    let mut tally = tally.lock().unwrap();
                    tally.add(fate);
                    if beyond > tally.most {
                        tally.most = beyond;
                        tally.most_for = format!("case {index}, {name}");
                    }
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

#[test]
fn sweep_truncations_are_refused_unless_a_whole_field_is_cut_off() {
    let files = corpus(FILES);
    assert_eq!(files.len(), FILES);
    let (mut cases, mut whole) = (0, 0);
    for file in &files {
        let mut most = 0;
        for length in 0..file.bytes.len() {
            let mut cut = false;
            let memory = measure(|| cut = import(&file.bytes[..length], &ImportOptions::default()).is_err());
            if cut {
                most = most.max(memory.bytes_max);
            } else {
                // What stands behind the graph, such as the description of the producer, may be missing.
                whole += 1;
                continue_with(&imported(&file.bytes[..length]).unwrap(), 0);
            }
        }
        assert!(most <= MEMORY_SPARE + MEMORY_FACTOR * file.bytes.len() as u64, "{}: {most}", file.name);
        cases += file.bytes.len() as u64;
    }
    println!("{} truncations of {FILES} files: {whole} are whole models, the others refused", grouped(cases));
    assert!(whole < 20 * FILES, "{whole}");
}

/// A file whose graph is cut at `length` and whose length field agrees.
fn with_graph(graph: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x08, 8, 0x42, 2, 0x10, 13, 0x3a];
    let mut length = graph.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes.as_slice(), graph].concat()
}

#[test]
fn sweep_graphs_cut_at_every_byte_inside_a_whole_file() {
    use prost::Message;
    let mut cases = Vec::new();
    for file in corpus(FILES).into_iter().filter(|file| file.bytes.len() <= INNER_BYTES) {
        let model = bantam_tools::reference::parse(&file.bytes).unwrap();
        let graph = model.graph.unwrap().encode_to_vec();
        cases.extend((0..graph.len()).map(|length| (file.name.clone(), graph.clone(), length)));
    }
    let count = cases.len() as u64;
    let tally = sweep(count, |index| {
        let (name, graph, length) = &cases[index as usize];
        (with_graph(&graph[..*length]), format!("{name} cut at {length}"))
    });
    println!("{} graphs cut short: {tally}", grouped(count));
}

/// A quarter of the mutations: of all files, with consecutive seeds.
fn mutations(quarter: u64) {
    let count = MUTANTS / 4;
    let files = corpus(FILES).into_iter().filter(|file| file.bytes.len() <= MUTATED_BYTES).collect::<Vec<_>>();
    let tally = sweep(count, |index| {
        let (bytes, what) = mutant(&files, quarter * count + index);
        (bytes, what.to_owned())
    });
    println!("{} mutations of {} files: {tally}", grouped(count), files.len());
    assert!(tally.refused > count / 4 && tally.ran > count / 20, "{tally}");
}

#[test]
fn sweep_mutations_0() {
    mutations(0);
}

#[test]
fn sweep_mutations_1() {
    mutations(1);
}

#[test]
fn sweep_mutations_2() {
    mutations(2);
}

#[test]
fn sweep_mutations_3() {
    mutations(3);
}

/// A file of one graph that repeats these bytes.
fn repeated(field: &[u8], count: usize) -> Vec<u8> {
    with_graph(&field.repeat(count))
}

#[test]
fn files_that_swell_when_decoded_are_refused_before_they_are() {
    let bombs: [(&str, Vec<u8>); 6] = [
        ("empty nodes", repeated(&[0x0a, 0], 2_000_000)),
        ("empty constants", repeated(&[0x2a, 0], 2_000_000)),
        ("empty inputs", repeated(&[0x5a, 0], 2_000_000)),
        ("nodes of an empty attribute", repeated(&[0x0a, 2, 0x2a, 0], 1_000_000)),
        ("one node of empty attributes", {
            let attributes = [0x2a, 0].repeat(1_000_000);
            with_graph(&[&[0x0a, 0x80, 0x89, 0x7a], attributes.as_slice()].concat())
        }),
        ("empty operands", {
            let operands = [0x0a, 0].repeat(1_000_000);
            with_graph(&[&[0x0a, 0x80, 0x89, 0x7a], operands.as_slice()].concat())
        }),
    ];
    for (name, bytes) in bombs {
        let memory = measure(|| {
            let error = import(&bytes, &ImportOptions::default()).expect_err(name);
            assert!(matches!(error, ImportError::Expansion { .. }), "{name}: {error}");
        });
        assert!(memory.bytes_max < 4096, "{name}: {}", memory.bytes_max);
    }
}

#[test]
fn what_decoding_takes_is_within_what_was_counted() {
    // Just small enough to be let through.
    for (field, count) in
        [(&[0x0a, 0][..], 50_000), (&[0x2a, 0], 30_000), (&[0x5a, 0], 60_000), (&[0x0a, 2, 0x2a, 0], 2_000)]
    {
        let bytes = repeated(field, count);
        let memory = measure(|| drop(import(&bytes, &ImportOptions::default())));
        let allowed = MEMORY_SPARE + MEMORY_FACTOR * bytes.len() as u64;
        println!("{field:x?} {count} times: {} of {allowed} bytes", memory.bytes_max);
        assert!(memory.bytes_max <= allowed, "{field:?}");
    }
}

#[test]
fn messages_nested_beyond_use_are_refused() {
    // Attributes of nodes of graphs in attributes, and an unknown group.
    let mut graph = Vec::new();
    for _ in 0..40 {
        for tag in [0x32, 0x2a, 0x0a] {
            let mut outer = vec![tag];
            let mut length = graph.len();
            while length >= 0x80 {
                outer.push(length as u8 | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.extend(&graph);
            graph = outer;
        }
    }
    let error = import(&with_graph(&graph), &ImportOptions::default()).unwrap_err();
    assert!(matches!(error, ImportError::Nesting { .. }), "{error}");
    let error = import(&with_graph(&[0x0b, 0x0c]), &ImportOptions::default()).unwrap_err();
    assert!(matches!(error, ImportError::Parse(_)), "{error}");
}
