//! The standard library of a compiler target, built from source where rustup's server is out of reach.
//!
//! The library's source must match the compiler exactly. It is taken from the first of
//! - `BANTAM_RUST_LIBRARY_ARCHIVE`, a tar archive that holds `library/`,
//! - the compiler's own folder for it (what `rustup component add rust-src` fills),
//! - Debian's package `rust-src`, read through a private list of sources: nothing is installed.
//!
//! The libraries are built in an empty crate and laid into the compiler's folder, after which a plain
//! `cargo build --target` works. A target laid in so must be removed by hand before rustup adds it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::context::Context;
use crate::process::{Run, find_program};

/// Debian suites that carry current compilers.
const SUITES: [&str; 2] = ["trixie-backports", "sid"];
/// Where a machine keeps the keys its own Debian sources are checked with.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];

/// Whether the compiler finds a `core` for this target.
pub fn is_installed(context: &Context, target: &str) -> bool {
    let Ok(folder) = library_folder(context, target) else { return false };
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// Builds the target's standard library and lays it into the compiler's folder.
pub fn install(context: &Context, target: &str) -> Result<()> {
    ensure!(!is_installed(context, target), "{target} is installed; remove it first: rustup target remove {target}");
    ensure!(!target.contains("-linux-"), "the standard library of {target} comes from rustup alone");
    let work = context.target.join("rust-std");
    let source = Source::find(context, &work)?;
    let built = build(context, target, &work)?;

    let folder = library_folder(context, target)?;
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut count = 0;
    for entry in fs::read_dir(&built)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(entry.path(), folder.join(&name)).with_context(|| format!("laying in {name}"))?;
            count += 1;
        }
    }
    drop(source);
    ensure!(is_installed(context, target), "no libcore among the {count} libraries built for {target}");

    // What was built against another standard library of this target can no longer be linked.
    for stale in [context.target.join(target), context.target.join("firmware").join(target)] {
        if stale.exists() {
            fs::remove_dir_all(&stale)?;
        }
    }
    println!("setup: {count} libraries of {target} built from source");
    Ok(())
}

fn rustc(context: &Context) -> Run {
    Run::new("rustc").current_dir(&context.root)
}

fn library_folder(context: &Context, target: &str) -> Result<PathBuf> {
    let folder = rustc(context).args(["--print", "target-libdir", "--target", target]).output()?;
    Ok(PathBuf::from(folder.trim()))
}

/// Builds an empty crate together with the standard library; returns the folder of the libraries.
fn build(context: &Context, target: &str, work: &Path) -> Result<PathBuf> {
    let package = work.join("empty");
    fs::create_dir_all(package.join("src"))?;
    fs::write(
        package.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    fs::write(package.join("src/lib.rs"), "#![no_std]\n")?;

    // The empty crate lies in the build output, where the tree's rust-toolchain.toml may not be seen.
    let compiler = rustc(context).args(["--print", "sysroot"]).output()?;
    let compiler = Path::new(compiler.trim()).join("bin/rustc");
    let crates = if target.starts_with("wasm32") { "std,panic_abort" } else { "core,alloc" };
    let output = work.join("build");
    Run::cargo()
        .args(["build", "--quiet", "--release", "--target", target, &format!("-Zbuild-std={crates}")])
        .current_dir(&package)
        .env("RUSTC", &compiler)
        .env("RUSTC_BOOTSTRAP", "1")
        // Without bitcode inside, programs could not be optimised across crates.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("CARGO_TARGET_DIR", &output)
        .status()?;
    Ok(output.join(target).join("release/deps"))
}

/// The library's source in the place where the compiler looks for it; taken away again if we put it there.
struct Source {
    link: Option<PathBuf>,
}

impl Source {
    fn find(context: &Context, work: &Path) -> Result<Self> {
        let sysroot = rustc(context).args(["--print", "sysroot"]).output()?;
        let place = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
        let archive = env::var_os("BANTAM_RUST_LIBRARY_ARCHIVE");
        if archive.is_none() && place.join("core/src/lib.rs").is_file() {
            return Ok(Self { link: None });
        }
        ensure!(!place.exists(), "BANTAM_RUST_LIBRARY_ARCHIVE is set, but {} exists: remove one", place.display());

        let release = release(context)?;
        let unpacked = work.join(format!("source-{release}"));
        let library = match library_in(&unpacked) {
            Some(library) => library,
            None => {
                // Renamed when complete, so that an interrupted run leaves nothing that looks like a source.
                let partial = work.join("partial");
                let _ = fs::remove_dir_all(&partial);
                fs::create_dir_all(&partial)?;
                match archive {
                    Some(archive) => Run::new("tar").arg("-xf").arg(archive).arg("-C").arg(&partial).status()?,
                    None => unpack_debian_package(&release, work, &partial)?,
                }
                fs::rename(&partial, &unpacked)?;
                library_in(&unpacked).with_context(|| format!("no library/core in {}", unpacked.display()))?
            }
        };
        fs::create_dir_all(place.parent().context("the compiler's folder has no parent")?)?;
        link(&library, &place)?;
        Ok(Self { link: Some(place) })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            let _ = fs::remove_file(link);
        }
    }
}

#[cfg(unix)]
fn link(library: &Path, place: &Path) -> Result<()> {
    // A link left behind by a run that was interrupted leads nowhere, or to an older source.
    let _ = fs::remove_file(place);
    std::os::unix::fs::symlink(library, place).with_context(|| format!("linking {}", place.display()))
}

#[cfg(not(unix))]
fn link(_: &Path, place: &Path) -> Result<()> {
    bail!("put the standard library's source at {}", place.display())
}

/// The compiler's version number, such as `1.95.0`.
fn release(context: &Context) -> Result<String> {
    let text = rustc(context).arg("-vV").output()?;
    let release = text.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc -vV names no release")?.to_owned())
}

/// Finds `library/` in an unpacked archive: at its root, or where Debian's package has it.
fn library_in(unpacked: &Path) -> Option<PathBuf> {
    let mut candidates = vec![unpacked.to_owned()];
    let debian = fs::read_dir(unpacked.join("usr/src")).ok();
    candidates.extend(debian.into_iter().flatten().flatten().map(|entry| entry.path()));
    let mut libraries = candidates.into_iter().map(|folder| folder.join("library"));
    libraries.find(|library| library.join("core/src/lib.rs").is_file())
}

/// Fetches the `rust-src` of this compiler release and unpacks it, leaving the machine's own apt lists alone.
fn unpack_debian_package(release: &str, work: &Path, unpacked: &Path) -> Result<()> {
    ensure!(
        find_program(&["apt-get"]).is_some() && find_program(&["dpkg"]).is_some(),
        "no apt-get here: name an archive of the {release} library/ in BANTAM_RUST_LIBRARY_ARCHIVE"
    );
    let mirror = debian_mirror()?;
    let lists = work.join("apt");
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(lists.join(folder))?;
    }
    let sources = lists.join("sources.list");
    let key = KEYRINGS.into_iter().find(|file| Path::new(file).is_file());
    let key = key.map(|file| format!("[signed-by={file}] ")).unwrap_or_default();
    let apt = |program: &str| {
        Run::new(program)
            .arg("-q")
            .args(["-o", &format!("Dir::Etc::sourcelist={}", sources.display())])
            .args(["-o", "Dir::Etc::sourceparts=/dev/null"])
            .args(["-o", &format!("Dir::State::lists={}", lists.join("lists").display())])
            .args(["-o", &format!("Dir::Cache={}", lists.join("cache").display())])
            .args(["-o", "APT::Sandbox::User="])
            .current_dir(&lists)
    };
    for suite in SUITES {
        fs::write(&sources, format!("deb {key}{mirror} {suite} main\n"))?;
        apt("apt-get").arg("update").status()?;
        let table = apt("apt-cache").args(["madison", "rust-src"]).output()?;
        if let Some(version) = matching_version(&table, release) {
            println!("setup: rust-src {version} from {suite}");
            apt("apt-get").args(["download", &format!("rust-src={version}")]).status()?;
            let entries = fs::read_dir(&lists)?.flatten().map(|entry| entry.path());
            let package = entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
            let package = package.context("apt-get download left no package")?;
            Run::new("dpkg").arg("-x").arg(&package).arg(unpacked).status()?;
            fs::remove_file(package)?;
            return Ok(());
        }
    }
    bail!(
        "no rust-src {release} in {}: name an archive of its library/ in BANTAM_RUST_LIBRARY_ARCHIVE",
        SUITES.join(" or ")
    )
}

/// The address this machine's own sources have for Debian's main archive.
fn debian_mirror() -> Result<String> {
    let addresses = Run::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]).output()?;
    let mirror = addresses.lines().find(|line| line.trim_end_matches('/').ends_with("/debian"));
    Ok(mirror.context("this machine's apt sources name no Debian archive")?.to_owned())
}

/// The version of a `madison` table that is this release and not a later or earlier one.
fn matching_version<'a>(table: &'a str, release: &str) -> Option<&'a str> {
    table.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).find(|version| {
        let rest = version.strip_prefix(release);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit() || next == '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::matching_version;

    #[test]
    fn only_the_same_release_matches() {
        let table = "\
 rust-src | 1.96.1+dfsg1-2~bpo13+1 | mirror trixie-backports/main amd64 Packages
 rust-src | 1.95.01+dfsg1-1 | mirror trixie-backports/main amd64 Packages
 rust-src | 1.95.0+dfsg1-2~bpo13+1 | mirror trixie-backports/main amd64 Packages
";
        assert_eq!(matching_version(table, "1.95.0"), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(matching_version(table, "1.96.0"), None);
        assert_eq!(matching_version("", "1.95.0"), None);
    }
}
