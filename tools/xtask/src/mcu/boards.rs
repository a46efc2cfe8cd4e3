//! The example on real chips, built and not run.

use anyhow::{Context as _, Result};

use super::{image::Image, models, output};
use crate::context::Context;

/// Folders of `embedded/boards/` and the targets that they name for themselves.
const CHIPS: [(&str, &str); 4] = [
    ("rp2040", "thumbv6m-none-eabi"),
    ("stm32f4", "thumbv7em-none-eabihf"),
    ("nrf52840", "thumbv7em-none-eabihf"),
    ("esp32c3", "riscv32imc-unknown-none-elf"),
];

/// Their folders.
pub fn chips() -> impl Iterator<Item = String> {
    CHIPS.iter().map(|(chip, _)| format!("embedded/boards/{chip}"))
}

/// Builds each example with its own lock file.
pub fn step(context: &mut Context, _: &str) -> Result<String> {
    models::prepare_own(context)?;
    let mut sizes = Vec::new();
    for (chip, target) in CHIPS {
        // In its folder, where Cargo finds how it is linked.
        context
            .cargo()
            .current_dir(&context.root.join("embedded/boards").join(chip))
            .args(["build", "--quiet", "--release", "--locked", "--target-dir"])
            .arg(output(context))
            .status()?;
        let program = output(context).join(target).join("release").join(format!("bantam-board-{chip}"));
        let image = Image::read(&program).with_context(|| format!("the program for the {chip}"))?;
        sizes.push(format!("{chip} {} bytes", image.total));
    }
    Ok(sizes.join(", "))
}
