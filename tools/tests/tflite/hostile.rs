//! Damaged files: a typed error, or a model that runs within its limits.

use super::models::{MODELS, folder, golden};
use super::run::{artifact, run, xorshift};
use bantam::{AlignedBytes, Model};
use bantam_tools::import::tflite::import;

/// Random changes of each file. The small files are changed as often as the large ones.
const MUTATIONS: u32 = 25_000;

/// Mutated files of which one in this many goes on to be lowered and run.
const RUN_EVERY: u32 = 250;

#[test]
fn every_truncation_is_an_error() {
    let Some(folder) = folder() else { return };
    for (name, _) in MODELS {
        let (_, model) = golden(&folder, name);
        let accepted = (0..model.len()).filter(|&length| import(&model[..length]).is_ok()).count();
        // The last bytes of a file can be alignment that nothing refers to.
        assert!(accepted <= 8, "{name}: {accepted} truncated files are accepted");
    }
}

#[test]
fn random_changes_are_errors_or_models_that_run() {
    let Some(folder) = folder() else { return };
    for (name, _) in MODELS {
        let (_, model) = golden(&folder, name);
        let (mut refused, mut accepted) = (0, 0);
        for seed in 1..=MUTATIONS {
            let noise = xorshift(seed.wrapping_mul(0x9e37_79b9) | 1, 16);
            let mut changed = model.clone();
            for change in noise.as_chunks::<4>().0.iter().take(1 + usize::from(noise[15] % 4)) {
                let word = u32::from_le_bytes(*change);
                // Every second change is near the start, where the structure of these files is not weights.
                let reach = if word & 1 == 0 { model.len() } else { model.len().min(2048) };
                let at = (word >> 8) as usize % reach;
                changed[at] ^= (word >> 1) as u8 | 1;
            }
            match import(&changed) {
                Err(_) => refused += 1,
                Ok(_) => accepted += 1,
            }
            if seed % RUN_EVERY == 0
                && let Ok(artifact) = artifact(&changed)
            {
                let file = AlignedBytes::copy_of(&artifact);
                let parsed = Model::parse(file.bytes()).unwrap();
                let row = parsed.inputs().map(|io| vec![0; io.tensor.bytes()]).collect();
                drop(run(&artifact, &[row]));
            }
        }
        println!("{name}: {refused} of {MUTATIONS} changed files are refused, {accepted} are models");
    }
}
