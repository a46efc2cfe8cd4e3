//! Small programs that tests write, build and run: what is decided when a program is compiled shows only there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a Cargo workspace of its own.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    /// A workspace in `folder`, emptied but for its build output, whose packages depend on this tree's `bantam`.
    ///
    /// # Panics
    /// The folder cannot be written.
    pub fn new(folder: &Path, packages: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the tree");
        let workspace = Self { folder: folder.to_path_buf() };
        let members: Vec<_> = packages.iter().map(|name| format!("\"{name}\"")).collect();
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = [{}]\n[profile.dev]\ndebug = false\nopt-level = 1\n\
             incremental = false\n",
            members.join(", ")
        );
        workspace.write("Cargo.toml", manifest.as_bytes());
        for package in packages {
            let _ = fs::remove_dir_all(folder.join(package).join("src"));
            let manifest = format!(
                "[package]\nname = \"{package}\"\nedition = \"2024\"\n[dependencies]\nbantam = {{ path = {:?} }}\n",
                root.join("runtime")
            );
            workspace.write(&format!("{package}/Cargo.toml"), manifest.as_bytes());
        }
        // The versions the tree is tested with; what is not needed here is left out by Cargo.
        let lock = fs::read(root.join("Cargo.lock")).expect("the tree's lock file");
        workspace.write("Cargo.lock", &lock);
        workspace
    }

    /// Writes a file.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Runs Cargo, without the network.
    ///
    /// # Panics
    /// Cargo cannot be started.
    pub fn cargo(&self, arguments: &[&str]) -> Output {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).arg("--offline").current_dir(&self.folder);
        // Flags and folders of the outer build are not meant for this one.
        for name in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(name);
        }
        command.output().expect("cargo starts")
    }
}
