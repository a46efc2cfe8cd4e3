//! Checks random networks: `networks --seed FIRST --count HOW_MANY [--save FOLDER]`. `cargo xtask networks` builds and
//! runs it.
//!
//! A network that fails is printed with its seed; `--seed SEED --count 1` runs it again, and `--save` writes the files.

use bantam_tests::networks::campaign::Campaign;
use bantam_tests::networks::network;
use prost::Message;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut campaign = Campaign { first_seed: 0, count: 1000 };
    let mut folder = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next();
        let number = value.as_deref().and_then(|value| value.parse().ok());
        match (name.as_str(), number, value) {
            ("--seed", Some(seed), _) => campaign.first_seed = seed,
            ("--count", Some(count), _) => campaign.count = count,
            ("--save", _, Some(path)) => folder = Some(PathBuf::from(path)),
            _ => {
                eprintln!("usage: networks [--seed FIRST] [--count HOW_MANY] [--save FOLDER]");
                return ExitCode::from(2);
            }
        }
    }
    if let Some(folder) = folder
        && let Err(error) = save(campaign, &folder)
    {
        eprintln!("error: cannot write to '{}': {error}", folder.display());
        return ExitCode::from(2);
    }
    // A panic is reported with the network it belongs to.
    std::panic::set_hook(Box::new(|_| {}));
    let terminal = std::io::stderr().is_terminal();
    let totals = campaign.run(|done| {
        if terminal && (done.is_multiple_of(50) || done == campaign.count) {
            let _ = write!(std::io::stderr(), "\r{done} of {} ", campaign.count);
        }
    });
    if terminal {
        eprintln!();
    }
    println!("{totals}");
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn save(campaign: Campaign, folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for index in 0..campaign.count {
        let network = network(campaign.first_seed.wrapping_add(index));
        std::fs::write(folder.join(format!("{}.onnx", network.seed)), network.model.encode_to_vec())?;
    }
    Ok(())
}
