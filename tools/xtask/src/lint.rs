//! Steps that read the tree or build it without running it.

use anyhow::Result;

use crate::context::Context;
use crate::mcu;

/// The format of every file, the firmware's included.
pub fn fmt(context: &mut Context, _: &str) -> Result<String> {
    context.cargo().args(["fmt", "--all", "--check"]).status()?;
    mcu::cargo(context, "fmt").arg("--check").status()?;
    for own in ["runtime/no-panic", "embedded/boards/app", "train"].into_iter().map(str::to_owned).chain(mcu::chips()) {
        context.cargo().args(["fmt", "--manifest-path", &format!("{own}/Cargo.toml"), "--check"]).status()?;
    }
    Ok(String::new())
}

/// Lints of the whole workspace. The profile is that of the tests, so build scripts and macros are built once.
pub fn clippy(context: &mut Context, _: &str) -> Result<String> {
    context
        .cargo()
        .args(["clippy", "--workspace", "--all-targets", "--profile", "checked", "--", "-D", "warnings"])
        .status()?;
    Ok(String::new())
}

/// Lints and builds what runs on devices, for one target, as it ships.
pub fn no_std(context: &mut Context, target: &str) -> Result<String> {
    for features in ["", "bantam/alloc,bantam-format/alloc"] {
        let cargo = |command: &str| {
            context
                .cargo()
                .args([command, "--release", "--target", target, "-p", "bantam", "-p", "bantam-format"])
                .args(["--no-default-features", "--features", features])
        };
        cargo("clippy").args(["--", "-D", "warnings"]).status()?;
        cargo("build").status()?;
    }
    Ok(String::new())
}

/// What `deny.toml` allows, for every workspace. Advisories need the network and are left out.
pub fn deny(context: &mut Context, _: &str) -> Result<String> {
    let rules = context.root.join("deny.toml");
    for manifest in ["Cargo.toml", "embedded/firmware/Cargo.toml", "runtime/no-panic/Cargo.toml", "train/Cargo.toml"] {
        context
            .cargo()
            .args(["deny", "--manifest-path", manifest, "check", "--config"])
            .arg(&rules)
            .args(["licenses", "bans", "sources"])
            .status()?;
    }
    Ok(String::new())
}
