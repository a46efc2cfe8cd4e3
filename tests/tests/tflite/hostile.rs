//! Damaged files: a typed error, or a model that runs within its limits.

use bantam::{AlignedBytes, Model};
use bantam_tests::tflite::models::{GoldenModel, golden_models};
use bantam_tests::tflite::{artifact, run, xorshift};
use bantam_tools::import::tflite::import;

/// Random changes of each file. The small files are changed as often as the large ones.
const MUTATIONS: u32 = 25_000;

#[test]
fn every_truncation_is_an_error() {
    for GoldenModel { name, file, .. } in golden_models() {
        let accepted = (0..file.len()).filter(|&length| import(&file[..length]).is_ok()).count();
        // The last bytes of a file can be alignment that nothing refers to.
        assert!(accepted <= 8, "{name}: {accepted} truncated files are accepted");
    }
}

/// Changes a file again and again. Of the changed files that can still be imported, one in `run_every` is also planned,
/// written and run: a change of a weight makes no other model.
fn mutate(name: &str, run_every: u32) {
    for GoldenModel { file, .. } in golden_models().into_iter().filter(|model| model.name == name) {
        let (mut refused, mut ran) = (0, 0);
        for seed in 1..=MUTATIONS {
            let noise = xorshift(seed.wrapping_mul(0x9e37_79b9) | 1, 16);
            let mut changed = file.clone();
            for change in noise.as_chunks::<4>().0.iter().take(1 + usize::from(noise[15] % 4)) {
                let word = u32::from_le_bytes(*change);
                // Every second change is near the start, where the structure of these files is not weights.
                let reach = if word & 1 == 0 { file.len() } else { file.len().min(2048) };
                let at = (word >> 8) as usize % reach;
                changed[at] ^= (word >> 1) as u8 | 1;
            }
            let accepted = import(&changed).is_ok();
            refused += u32::from(!accepted);
            if accepted
                && (seed - refused) % run_every == 0
                && let Ok(artifact) = artifact(&changed)
            {
                let file = AlignedBytes::copy_of(&artifact);
                let row = Model::parse(file.bytes()).unwrap().inputs().map(|io| vec![0; io.tensor.bytes()]).collect();
                drop(run(&artifact, &[row]));
                ran += 1;
            }
        }
        println!("{name}: {refused} of {MUTATIONS} changed files are refused, {ran} of the others run");
        assert!(refused > 0 && ran > 0);
    }
}

#[test]
fn sweep_mutations_of_kws() {
    mutate("kws", 100);
}

#[test]
fn sweep_mutations_of_ic() {
    mutate("ic", 200);
}

#[test]
fn sweep_mutations_of_hello_world() {
    mutate("hello_world", 5);
}

#[test]
fn sweep_mutations_of_micro_speech() {
    mutate("micro_speech", 20);
}
