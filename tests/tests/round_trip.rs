//! What is written is what is read; the same description gives the same bytes; versions and unknown sections are
//! treated as SPEC.md says; the golden files of each release keep loading and keep their results.

use bantam::Model;
use bantam_format::writer::{ModelDescription, write};
use bantam_format::{
    AlignedBytes, Arithmetic, Artifact, IoRole, Limits, LoadError, Opcode, SectionEntry, SectionKind, StateRecord,
    checksum,
};
use bantam_tests::artifacts::read_directory;
use bantam_tests::fixtures::is_left_out_of_pages;
use bantam_tests::models::{small_model, small_models};
use bantam_tests::parts::Parts;
use bantam_tests::random::Random;
use bantam_tests::random_models::random_model;
use bantam_tests::run::{Values, random_inputs, run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Random models per test.
const CASES: u64 = 1000;

fn assert_reads_back(description: &ModelDescription, artifact: &Artifact<'_>) {
    assert_eq!(artifact.arithmetic(), description.arithmetic);
    assert_eq!(artifact.macs(), description.macs);
    assert_eq!(artifact.tensor_count(), description.tensors.len());
    let mut arena_bytes = 0;
    for (index, expected) in description.tensors.iter().enumerate() {
        let tensor = artifact.tensor(index);
        assert_eq!((tensor.data_type, tensor.kind), (expected.data_type, expected.kind));
        assert_eq!(tensor.location, expected.location as usize);
        assert_eq!(tensor.shape.dimensions(), expected.dimensions);
        let quantization = if description.debug { expected.quantization } else { None };
        assert_eq!(artifact.quantization(index), quantization);
        if tensor.in_arena() {
            arena_bytes = arena_bytes.max(tensor.range().end);
        }
    }
    assert_eq!(artifact.arena_bytes(), arena_bytes);
    assert_eq!(artifact.op_count(), description.ops.len());
    for (op, expected) in artifact.ops().zip(&description.ops) {
        assert_eq!((op.opcode, op.walk_down), (expected.opcode, expected.walk_down));
        let operands: Vec<u16> = (0..op.input_count + op.output_count).map(|at| op.operand(at) as u16).collect();
        assert_eq!(operands, [&expected.inputs[..], &expected.outputs[..]].concat());
        assert_eq!(op.input_count, expected.inputs.len());
        assert!(op.attributes().starts_with(&expected.attributes));
    }
    assert_eq!(artifact.constants(), description.constants);
    let io: Vec<_> = artifact.io(IoRole::Input).chain(artifact.io(IoRole::Output)).collect();
    assert_eq!(io, description.io);
    let states: Vec<_> = artifact.states().collect();
    assert_eq!(states.len(), description.states.len());
    for ((tensor, value), &StateRecord { tensor: index, initial_value, .. }) in
        states.into_iter().zip(&description.states)
    {
        assert_eq!(tensor, artifact.tensor(usize::from(index)));
        assert_eq!(value, &description.constants[initial_value as usize..][..tensor.bytes()]);
    }
    let names = description.tensors.iter().map(|t| &t.name).chain(description.ops.iter().map(|op| &op.name));
    let names: Vec<&str> = if description.debug { names.map(String::as_str).collect() } else { Vec::new() };
    assert_eq!(artifact.names().collect::<Vec<_>>(), names);
    assert_eq!(artifact.labels().collect::<Vec<_>>(), description.labels);
    assert_eq!(artifact.section(SectionKind::Card), description.card.as_bytes());
}

#[test]
fn what_is_written_is_read_back() {
    for seed in 0..CASES {
        let description = random_model(seed);
        let file = AlignedBytes::copy_of(&write(&description).unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        let artifact = Artifact::parse(file.bytes(), &Limits::default()).expect("a valid artifact");
        assert_reads_back(&description, &artifact);
    }
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    for seed in 0..CASES {
        assert_eq!(write(&random_model(seed)), write(&random_model(seed)), "seed {seed}");
    }
}

#[test]
fn files_are_canonical() {
    for seed in 0..CASES {
        let file = write(&random_model(seed)).expect("a valid model");
        let aligned = AlignedBytes::copy_of(&file);
        let artifact = Artifact::parse(aligned.bytes(), &Limits::default()).expect("a valid artifact");
        assert_eq!(file.len() % 16, 0);
        assert_eq!(artifact.header().checksum, checksum(&file));
        let entries: Vec<SectionEntry> = artifact.section_entries().collect();
        assert!(entries.is_sorted_by_key(|entry| entry.kind));
        assert!(entries.iter().all(|entry| entry.offset % 16 == 0 && entry.length > 0));
        // Taking it apart and putting it together changes nothing.
        assert_eq!(Parts::of(&file).file(), file);
    }
}

#[test]
fn random_models_run_the_same_twice() {
    for seed in 0..CASES {
        let file = AlignedBytes::copy_of(&write(&random_model(seed)).expect("a valid model"));
        let model = Model::parse(file.bytes()).expect("a valid artifact");
        let inputs = random_inputs(&model, &mut Random::new(seed));
        let bytes = |outputs: Vec<Values>| outputs.iter().map(Values::bytes).collect::<Vec<_>>();
        assert_eq!(bytes(run(&model, &inputs)), bytes(run(&model, &inputs)));
    }
}

#[test]
fn an_unknown_optional_section_is_ignored_and_an_unknown_required_one_refused() {
    for small in small_models() {
        let mut parts = Parts::of(small.file.bytes());
        for kind in [4000, 5000, u16::MAX] {
            parts.append(kind, vec![0xab; 7]);
        }
        let mut file = AlignedBytes::copy_of(&parts.file());
        let model = Model::parse(file.bytes()).expect("unknown optional sections are ignored");
        let inputs = random_inputs(&model, &mut Random::new(1));
        let plain = Model::parse(small.file.bytes()).expect("a valid artifact");
        assert_eq!(run(&model, &inputs), run(&plain, &inputs), "{}", small.name);
        let entry = bantam_format::HEADER_BYTES + (parts.sections.len() - 1) * SectionEntry::BYTES;
        file.bytes_mut()[entry + 2] = SectionEntry::REQUIRED as u8;
        bantam_format::writer::seal(file.bytes_mut());
        assert_eq!(Model::parse(file.bytes()).err(), Some(LoadError::UnknownSection { kind: u16::MAX.into() }));
    }
}

#[test]
fn any_minor_version_is_accepted_and_no_other_major_one() {
    for version in 0..=u8::MAX {
        let mut parts = Parts::of(small_model("state_onnx").bytes());
        parts.header.minor = version;
        assert!(Model::parse(AlignedBytes::copy_of(&parts.file()).bytes()).is_ok());
        parts.header.major = version;
        let parsed = Model::parse(AlignedBytes::copy_of(&parts.file()).bytes()).err();
        let expected = (version != 1).then_some(LoadError::UnsupportedVersion { major: version.into() });
        assert_eq!(parsed, expected);
    }
}

fn golden(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(version)
}

/// The inputs or outputs of a model, one behind the other.
fn read_values(path: &Path, tensors: impl Iterator<Item = bantam::IoTensor>) -> Vec<Values> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut rest = &bytes[..];
    let values = tensors.map(|io| {
        let (own, others) = rest.split_at(io.tensor.bytes());
        rest = others;
        Values::from_bytes(io.tensor.data_type, own)
    });
    let values = values.collect();
    assert!(rest.is_empty(), "{} is longer than the tensors", path.display());
    values
}

#[test]
fn golden_files_keep_loading_and_keep_their_results() {
    // Those of 16-bit integers stand apart: what a page downloads does not run them.
    let files = ["v1", "v1-int16"].map(golden).map(|directory| {
        let files = read_directory(&directory).into_iter();
        files.map(|(name, file)| (directory.clone(), name, file)).collect::<Vec<_>>()
    });
    assert_eq!(files.each_ref().map(Vec::len), [21, 1], "the files of version 1");
    let mut frozen = BTreeSet::new();
    for (directory, name, file) in files.into_iter().flatten() {
        let model = Model::parse(file.bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let inputs = read_values(&directory.join(format!("{name}.input")), model.inputs());
        let expected = read_values(&directory.join(format!("{name}.output")), model.outputs());
        frozen.extend(model.artifact().ops().map(|op| op.opcode));
        for (got, expected) in run(&model, &inputs).into_iter().zip(expected) {
            match (&got, &expected) {
                // Float backends may add in another order.
                (Values::F32(got), Values::F32(expected)) if model.artifact().arithmetic() == Arithmetic::Float => {
                    assert_eq!(got.len(), expected.len());
                    for (got, expected) in got.iter().zip(expected) {
                        assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}: {got} {expected}");
                    }
                }
                _ => assert_eq!(got, expected, "{name}"),
            }
        }
    }
    let missing: Vec<&Opcode> = Opcode::ALL.iter().filter(|opcode| !frozen.contains(opcode)).collect();
    assert!(missing.is_empty(), "opcodes in no golden file: {missing:?}");
}

/// Writes the golden files of the present version; those that exist stay as they are. Run once before a release:
/// `cargo test -p bantam-tests --test round_trip -- --ignored make_golden`.
#[test]
#[ignore = "writes files that are committed"]
fn make_golden() {
    for small in small_models() {
        let directory = golden(if is_left_out_of_pages(small.file.bytes()) { "v1-int16" } else { "v1" });
        std::fs::create_dir_all(&directory).expect("the directory");
        let path = directory.join(format!("{}.bantam", small.name));
        if path.exists() {
            continue;
        }
        let model = Model::parse(small.file.bytes()).expect("a valid artifact");
        let inputs = random_inputs(&model, &mut Random::new(2024));
        let bytes = |values: &[Values]| values.iter().flat_map(Values::bytes).collect::<Vec<u8>>();
        std::fs::write(path.with_extension("input"), bytes(&inputs)).expect("a file");
        std::fs::write(path.with_extension("output"), bytes(&run(&model, &inputs))).expect("a file");
        std::fs::write(path, small.file.bytes()).expect("a file");
    }
}
