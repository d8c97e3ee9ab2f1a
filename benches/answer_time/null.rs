//! The null server in C, `null.c`.

use super::Outcome;
use super::process::Running;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts it; it answers with what is `said`, as a server of the `mode`.
pub(super) fn start(dir: &Path, said: &str, mode: &[&str]) -> Outcome<(Running, String)> {
    let (source, program, file) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/null.c"), dir.join("null"), dir.join("said"));
    if !Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).status()?.success() {
        return Err("the null server could not be built; it needs a C compiler (cc)".into());
    }
    std::fs::write(&file, said)?;
    let mut child = Command::new(&program).arg("0").arg(format!("@{}", file.display())).args(mode).stdout(Stdio::piped()).spawn()?;
    let mut port = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut port)?;
    Ok((Running(child), format!("127.0.0.1:{}", port.trim())))
}
