//! What the README says about a first program for a microcontroller, done as it stands there.

use std::path::Path;
use std::time::Duration;
use std::{env, fs, process};

use anyhow::{Context as _, Result, ensure};

use crate::context::Context;
use crate::process::Run;

const SECTION: &str = "\n## On a microcontroller\n";
/// The last line of prose before what the program prints.
const RESULT: &str = "`cargo run --release` prints";

/// A code block: its language, its text, and the line of prose before it.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    language: &'a str,
    text: &'a str,
    before: &'a str,
}

/// Runs the commands, writes the files, runs the program and compares what it prints.
pub fn step(context: &mut Context, _: &str) -> Result<String> {
    let readme = fs::read_to_string(context.root.join("README.md"))?;
    let section = section(&readme).context("the README has no section for microcontrollers")?;
    // Outside of the tree, whose workspace would take the new package in.
    let folder = env::temp_dir().join(format!("bantam-start-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = follow(context, section, &folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn follow(context: &Context, section: &str, folder: &Path) -> Result<String> {
    #[cfg(unix)]
    std::os::unix::fs::symlink(&context.root, folder.join("bantam"))?;
    let tool = context.checked_program("bantam")?;
    let tools = tool.parent().context("the tool lies in a folder")?;
    let path = env::join_paths(
        [tools.to_path_buf()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    )?;
    let shell = |commands: &str, folder: &Path| {
        let run = Run::new("sh").args(["-eu", "-c", commands]).current_dir(folder).env("PATH", &path);
        run.env("CARGO_TARGET_DIR", context.target.join("firmware")).limit(Duration::from_secs(600))
    };
    let program = folder.join("lamp");
    let (mut files, mut compared) = (0, false);
    for block in blocks(section) {
        if block.language == "sh" {
            shell(block.text, folder).status()?;
        } else if block.before == RESULT {
            let text = shell("cargo run --quiet --release", &program).output()?;
            ensure!(text == block.text, "the program prints\n{text}where the README has\n{}", block.text);
            compared = true;
        } else if let Some(name) = block.before.strip_suffix("`:").and_then(|before| before.rsplit('`').next()) {
            fs::write(program.join(name), block.text).with_context(|| format!("writing {name}"))?;
            files += 1;
        }
    }
    ensure!(files == 3 && compared, "the README's blocks are not those of a program: {files} files");
    Ok("the README's program, from cargo new to a pin".to_owned())
}

/// The section up to the next heading.
fn section(readme: &str) -> Option<&str> {
    let (_, section) = readme.split_once(SECTION)?;
    section.split("\n##").next()
}

/// The fenced blocks of a text.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut parts = text.split("```");
    let mut before = parts.next().unwrap_or_default();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        if let Some((language, text)) = block.split_once('\n') {
            blocks.push(Block { language, text, before: before.trim_end().lines().last().unwrap_or_default() });
        }
        before = after;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_with_the_line_before_them() {
        let readme = "# A\n\n## On a microcontroller\n\nFirst\nrun:\n\n```sh\ncd x\n```\n\nIn `memory.x`:\n\n```text\nM\n{\n}\n```\n\n## B\n```sh\nno\n```\n";
        let section = section(readme).unwrap();
        let (run, memory) = ("run:", "In `memory.x`:");
        assert_eq!(
            blocks(section),
            [
                Block { language: "sh", text: "cd x\n", before: run },
                Block { language: "text", text: "M\n{\n}\n", before: memory }
            ]
        );
    }
}
