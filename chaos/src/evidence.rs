//! Evidence: what is kept of a run that was not clean.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use oracle::history::Writer;
use oracle::{History, Line};
use tests::binary;

use crate::plan::Plan;
use crate::shell;
use crate::stand::Stand;

/// Writes a history to a file.
///
/// # Errors
///
/// If it cannot be written.
pub fn write_history(path: &Path, history: &History) -> io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = Writer::new(file, history.header.clone())?;
    for recorded in &history.operations {
        writer.write(&Line::Op(recorded.operation.clone()))?;
    }
    for fault in &history.faults {
        writer.write(&Line::Fault(fault.clone()))?;
    }
    for exit in &history.exits {
        writer.write(&Line::Exit(exit.clone()))?;
    }
    for digest in &history.digests {
        writer.write(&Line::Digest(digest.clone()))?;
    }
    writer.finish()?;
    Ok(())
}

/// Keeps history, plan, logs, data and what names the binary, in a folder of its own
/// in `folder`.
///
/// # Errors
///
/// If something cannot be written.
pub fn keep(
    folder: &Path,
    plan: &Plan,
    stand: &Stand,
    (history, report): (&History, &str),
) -> Result<PathBuf, String> {
    let kept = folder.join(format!("seed-{}-{}", plan.seed, std::process::id()));
    let told = |error: io::Error| format!("{}: {error}", kept.display());
    fs::create_dir_all(&kept).map_err(told)?;
    write_history(&kept.join("history.jsonl"), history).map_err(told)?;
    let binary = binary::path().display().to_string();
    let hash = shell::run(&["sha256sum", &binary]).unwrap_or(binary);
    fs::write(kept.join("report.txt"), format!("{report}\n\n{hash}\n{plan:#?}\n")).map_err(told)?;
    let target = kept.display().to_string();
    for member in &stand.members {
        // The file system goes with the run.
        let disk = member.disk.display().to_string();
        shell::run(&["cp", "-a", "--sparse=always", &disk, &target])?;
        let logs = member.disk.with_file_name(format!("{}.log", member.node.name));
        shell::run(&["cp", "-a", &logs.display().to_string(), &target])?;
    }
    Ok(kept)
}
