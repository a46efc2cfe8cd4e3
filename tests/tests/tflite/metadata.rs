//! Labels and normalisation in a file reach the artifact; damaged ones become notes.

use bantam::{AlignedBytes, Model, Preprocessing, Session, ops};
use bantam_format::Arithmetic;
use bantam_tests::tflite::xorshift;
use bantam_tools::folder::ModelFolder;
use bantam_tools::import::tflite::{Metadata, read};
use bantam_tools::shrink::{ShrinkOptions, Shrunk, shrink};
use std::path::Path;

/// Random changes of the file, and of its metadata.
const MUTATIONS: u32 = 4_000;

fn file() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tflite/metadata.tflite")).expect("the model")
}

fn shrunk(file: &[u8], change: impl FnOnce(&mut ModelFolder)) -> Shrunk {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.tflite");
    std::fs::write(&path, file).unwrap();
    let mut folder = ModelFolder::open(&path).unwrap();
    change(&mut folder);
    let options = ShrinkOptions::new(folder, Arithmetic::Tflite);
    shrink(&options, &|_| {}).unwrap()
}

#[test]
fn labels_and_normalisation_are_the_artifacts() {
    let shrunk = shrunk(&file(), |_| {});
    let model = shrunk.artifact.model();
    // Of several files of labels the one without a locale.
    assert_eq!(model.labels().collect::<Vec<_>>(), ["dark", "red", "green", "blue"]);
    assert!(matches!(model.artifact().preprocessing(0), Some(Preprocessing::Image { .. })));
    assert!(shrunk.notes.iter().any(|note| note.contains("calibration of scores")), "{:?}", shrunk.notes);
    // (pixel - 128) / 128 in steps of 1/128: the pixel less 128.
    let mut arena = AlignedBytes::zeroed(model.arena_bytes());
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).unwrap();
    let pixels: Vec<u8> = xorshift(7, 8 * 6 * 3);
    session.prepare_image(0, &bantam::Image::new(&pixels, 6, 8).unwrap()).unwrap();
    let expected: Vec<i8> = pixels.iter().map(|&pixel| (i16::from(pixel) - 128) as i8).collect();
    assert_eq!(session.input_mut::<i8>(0).unwrap(), expected);
    let green: Vec<u8> = [0, 255, 0].repeat(48);
    session.prepare_image(0, &bantam::Image::new(&green, 6, 8).unwrap()).unwrap();
    session.run().unwrap();
    let scores = session.output::<i8>(0).unwrap();
    assert_eq!(scores.iter().max(), scores.get(2), "{scores:?}");
}

#[test]
fn a_description_beside_the_model_comes_first() {
    let own = ["a", "b", "c", "d"].map(str::to_owned);
    let shrunk = shrunk(&file(), |folder| folder.labels = own.to_vec());
    assert_eq!(shrunk.artifact.model().labels().collect::<Vec<_>>(), own);
}

#[test]
fn what_cannot_be_read_or_used_is_a_note() {
    let file = file();
    let at = |text: &[u8]| file.windows(text.len()).position(|part| part == text).unwrap();
    // Without the appended files.
    let cut = &file[..at(b"PK\x03\x04")];
    let Metadata { labels, normalization, notes } = read(cut).unwrap().metadata;
    assert!(labels.is_empty() && normalization.is_some());
    assert!(notes.iter().any(|note| note.contains("'labels.txt' cannot be read")), "{notes:?}");
    // Another kind of metadata.
    let mut other = file.clone();
    other[at(b"M001")] = b'X';
    let metadata = read(&other).unwrap().metadata;
    assert!(metadata.normalization.is_none() && metadata.notes[0].contains("unknown kind"), "{metadata:?}");
    // One label too few.
    let mut fewer = file.clone();
    let text = at(b"dark\nred\ngreen\nblue\n");
    fewer[text + 4] = b' ';
    let shrunk = shrunk(&fewer, |_| {});
    let noted = shrunk.notes.iter().any(|note| note.contains("cannot be read") || note.contains("were left out"));
    assert!(noted && shrunk.artifact.model().labels().next().is_none(), "{:?}", shrunk.notes);
}

#[test]
fn damaged_metadata_never_fails_what_would_import_without() {
    let file = file();
    let start = file.windows(4).position(|part| part == b"M001").unwrap() - 4;
    let end = file.windows(4).position(|part| part == b"PK\x03\x04").unwrap();
    let (mut noted, mut refused) = (0, 0);
    for seed in 1..=MUTATIONS {
        let noise = xorshift(seed.wrapping_mul(0x9e37_79b9) | 1, 8);
        let mut changed = file.clone();
        let word = u32::from_le_bytes([noise[0], noise[1], noise[2], noise[3]]) as usize;
        // In the metadata and the appended files, or anywhere.
        let place = if seed % 4 == 0 { word % changed.len() } else { start + word % (changed.len() - start) };
        changed[place] ^= noise[4] | 1;
        match read(&changed) {
            Ok(source) => {
                noted += u32::from(!source.metadata.notes.is_empty());
                assert!(source.metadata.labels.len() <= 1 << 20);
            }
            Err(error) => {
                refused += 1;
                assert!(place < end, "byte {place}: {error}");
            }
        }
    }
    println!("{noted} with notes, {refused} refused, of {MUTATIONS}");
    assert!(noted > 0 && refused > 0);
}

#[test]
fn every_truncation_of_metadata_is_an_error_or_a_model() {
    let file = file();
    for length in 0..file.len() {
        if let Ok(source) = read(&file[..length]) {
            let artifact = bantam_tools::lower::lower(
                &source.graph,
                bantam_tools::lower::Precision::Quantized { arithmetic: Arithmetic::Tflite },
            );
            assert!(artifact.is_ok(), "{length}");
        }
    }
    let whole = AlignedBytes::copy_of(shrunk(&file, |_| {}).artifact.bytes());
    assert!(Model::parse(whole.bytes()).is_ok());
}
