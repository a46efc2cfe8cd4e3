//! What the steps need from the machine, how to see whether it is there, and how to install it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::context::Context;
use crate::process::{Run, find_program};
use crate::rust_std;

const NEXTEST_VERSION: &str = "0.9.143";

/// The linker for AArch64, the packages that bring it, and where the libraries are that programs are linked with.
pub const AARCH64_LINKER: &str = "aarch64-linux-gnu-gcc";
const AARCH64_PACKAGES: &str = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross";
pub const AARCH64_ROOT: &str = "/usr/aarch64-linux-gnu";

/// One thing that may be missing on a machine that has Rust, Node.js and Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The standard library of a compiler target.
    Target(&'static str),
    /// The test runner. Wished for, not required: `cargo test` stands in.
    Nextest,
    /// The emulator of Arm boards.
    Qemu,
    /// The emulator of RISC-V boards.
    QemuRiscv,
    /// The emulator of programs for AArch64.
    QemuAarch64,
    /// What links them, with the system's library.
    GccAarch64,
    /// The browser.
    Chromium,
    /// Node.js; never installed from here.
    Node,
    /// The packages of `wasm/package-lock.json`.
    NodeModules,
    /// The checker of licences, bans and sources; never installed from here, as it takes minutes to build.
    Deny,
}

/// A need that is not met.
#[derive(Debug)]
pub struct Missing {
    /// What was looked for.
    pub what: String,
    /// How a person gets it.
    pub how: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "no {} ({})", self.what, self.how)
    }
}

impl Need {
    /// Whether a step that lists this need cannot run without it.
    pub fn is_required(self) -> bool {
        self != Self::Nextest
    }

    /// Looks on the machine; `None` when the need is met.
    pub fn missing(self, context: &Context) -> Option<Missing> {
        let met = match self {
            Self::Target(target) => rust_std::is_installed(context, target),
            Self::Nextest => context.cargo().args(["nextest", "--version"]).succeeds(),
            Self::Qemu => find_program(&["qemu-system-arm"]).is_some(),
            Self::QemuRiscv => find_program(&["qemu-system-riscv32"]).is_some(),
            Self::QemuAarch64 => find_program(&["qemu-aarch64", "qemu-aarch64-static"]).is_some(),
            Self::GccAarch64 => find_program(&[AARCH64_LINKER]).is_some() && Path::new(AARCH64_ROOT).is_dir(),
            Self::Chromium => chromium().is_some(),
            Self::Node => find_program(&["node"]).is_some(),
            Self::NodeModules => node_modules_are_current(context),
            Self::Deny => context.cargo().args(["deny", "--version"]).succeeds(),
        };
        (!met).then(|| self.description())
    }

    fn description(self) -> Missing {
        let missing = |what: &str, how: &str| Missing { what: what.to_owned(), how: how.to_owned() };
        match self {
            Self::Target(target) => missing(target, &format!("rustup target add {target}, or --setup")),
            Self::Nextest => {
                missing("cargo-nextest", &format!("cargo install cargo-nextest --locked --version {NEXTEST_VERSION}"))
            }
            Self::Qemu => missing("qemu-system-arm", "apt-get install qemu-system-arm, or --setup"),
            Self::QemuRiscv => missing("qemu-system-riscv32", "apt-get install qemu-system-misc, or --setup"),
            Self::QemuAarch64 => missing("qemu-aarch64", "apt-get install qemu-user, or --setup"),
            Self::GccAarch64 => missing(AARCH64_LINKER, &format!("apt-get install {AARCH64_PACKAGES}, or --setup")),
            Self::Chromium => missing("Chromium", "apt-get install chromium, or --setup, or name it in CHROMIUM"),
            Self::Node => missing("node", "install Node.js 20 or newer"),
            Self::NodeModules => missing("current wasm/node_modules", "npm ci in wasm/, or --setup"),
            Self::Deny => missing("cargo-deny", "cargo install cargo-deny --locked"),
        }
    }
}

/// The browser: what `CHROMIUM` names, else the first of the usual names on `PATH`.
pub fn chromium() -> Option<PathBuf> {
    match env::var_os("CHROMIUM") {
        Some(named) => Some(PathBuf::from(named)).filter(|file| file.is_file()),
        None => find_program(&["chromium", "chromium-browser", "google-chrome"]),
    }
}

/// Installs what is missing. A failure is told and left to the steps, which then find the need still unmet.
pub fn install(context: &Context, needs: &[Need]) {
    let missing: BTreeSet<Need> = needs.iter().copied().filter(|need| need.missing(context).is_some()).collect();
    let mut packages = Vec::new();
    for need in &missing {
        let result = match need {
            Need::Target(target) => add_target(context, target),
            Need::Nextest => install_nextest(context),
            Need::Qemu => {
                packages.push("qemu-system-arm");
                Ok(())
            }
            Need::QemuRiscv => {
                packages.push("qemu-system-misc");
                Ok(())
            }
            Need::QemuAarch64 => {
                packages.push("qemu-user");
                Ok(())
            }
            Need::GccAarch64 => {
                packages.extend(AARCH64_PACKAGES.split(' '));
                Ok(())
            }
            Need::Chromium => {
                packages.push("chromium");
                Ok(())
            }
            Need::NodeModules => install_node_modules(context),
            Need::Node | Need::Deny => Ok(()),
        };
        tell_failure(result);
    }
    if !packages.is_empty() {
        tell_failure(install_packages(&packages));
    }
}

/// Prints what is still missing; true when nothing required is, cargo-deny aside.
pub fn print_missing(context: &Context, needs: &[Need]) -> bool {
    let needs: BTreeSet<Need> = needs.iter().copied().collect();
    let mut complete = true;
    for need in needs {
        if let Some(missing) = need.missing(context) {
            println!("{missing}");
            complete &= !need.is_required() || need == Need::Deny;
        }
    }
    complete
}

fn tell_failure(result: Result<()>) {
    if let Err(error) = result {
        println!("setup: {error:#}");
    }
}

fn add_target(context: &Context, target: &str) -> Result<()> {
    if find_program(&["rustup"]).is_some() {
        println!("setup: rustup target add {target}");
        let added = Run::new("rustup")
            .args(["target", "add", target])
            .current_dir(&context.root)
            .env("RUSTUP_MAX_RETRIES", "1")
            .limit(Duration::from_secs(240))
            .status();
        match added {
            Ok(()) if rust_std::is_installed(context, target) => return Ok(()),
            Ok(()) => println!("setup: rustup added {target}, but to another toolchain"),
            Err(error) => println!("setup: {error:#}"),
        }
    }
    println!("setup: building the standard library of {target} from source");
    rust_std::install(context, target)
}

/// Builds the runner without its self-update, unoptimised: it only waits for the tests, which are.
fn install_nextest(context: &Context) -> Result<()> {
    println!("setup: cargo install cargo-nextest {NEXTEST_VERSION}");
    context
        .cargo()
        .args(["install", "cargo-nextest", "--locked", "--version", NEXTEST_VERSION, "--debug"])
        .args(["--no-default-features", "--features", "default-no-update"])
        .env("CARGO_TARGET_DIR", context.target.join("setup"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .status()
}

fn install_node_modules(context: &Context) -> Result<()> {
    ensure!(find_program(&["npm"]).is_some(), "npm, which comes with Node.js, is not on PATH");
    println!("setup: npm ci in wasm/");
    Run::new("npm").arg("ci").current_dir(&context.root.join("wasm")).limit(Duration::from_secs(600)).status()
}

/// Every package pinned in `wasm/package.json` is there in that version.
fn node_modules_are_current(context: &Context) -> bool {
    let json = |path: PathBuf| -> Option<serde_json::Value> { serde_json::from_slice(&fs::read(path).ok()?).ok() };
    let wasm = context.root.join("wasm");
    let Some(package) = json(wasm.join("package.json")) else { return false };
    let pinned = package["devDependencies"].as_object();
    pinned.into_iter().flatten().all(|(name, version)| {
        let installed = json(wasm.join("node_modules").join(name).join("package.json"));
        installed.is_some_and(|installed| installed["version"] == *version)
    })
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    ensure!(find_program(&["apt-get"]).is_some(), "no apt-get here: install {names} with this system's own means");
    println!("setup: apt-get install {names}");
    let apt = |arguments: &[&str]| -> Result<()> {
        let administrator = Run::new("id").arg("-u").output()?.trim() == "0";
        let run = if administrator {
            Run::new("apt-get")
        } else if find_program(&["sudo"]).is_some() && Run::new("sudo").args(["-n", "true"]).succeeds() {
            Run::new("sudo").args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
        } else {
            bail!("installing packages needs an administrator: run `apt-get update && apt-get install {names}` as one")
        };
        run.args(["-q", "-o", "DPkg::Lock::Timeout=120"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .limit(Duration::from_secs(900))
            .status()
    };
    // One stale source must not stop the rest; if the lists are of no use, the install says so.
    tell_failure(apt(&["update"]));
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    apt(&install).with_context(|| format!("installing {names}"))
}
