//! The layers of `src/lib.rs`, checked against what the sources import: the diagram that cannot go stale.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

#[test]
fn imports_point_one_way() {
    let lib = fs::read_to_string(repository("src/lib.rs")).unwrap();
    let mut layers = HashMap::new();
    let mut layer = 0;
    for line in lib.lines() {
        if line.starts_with("// layer: ") {
            layer += 1;
        } else if let Some(name) = line.strip_prefix("pub mod ") {
            layers.insert(name.trim_end_matches(';').to_owned(), layer);
        }
    }
    assert!(layers.len() > 10, "the layers of lib.rs are not understood any more");
    let mut wrong = Vec::new();
    for (name, layer) in &layers {
        for file in files_of(name) {
            for import in imports(&fs::read_to_string(&file).unwrap()) {
                let known = layers.get(&import);
                if &import != name && known.is_none_or(|known| known >= layer) {
                    wrong.push(format!("{} imports crate::{import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order of src/lib.rs:\n{}", wrong.join("\n"));
}

/// Every `crate::NAME`, in use lines and in paths; comments too, which must not point up either.
fn imports(source: &str) -> Vec<String> {
    let end = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    source
        .split("crate::")
        .skip(1)
        .map(|rest| rest[..end(rest).unwrap_or(rest.len())].into())
        .collect()
}

fn files_of(name: &str) -> Vec<PathBuf> {
    let mut files = vec![repository(&format!("src/{name}.rs"))];
    collect(&repository(&format!("src/{name}")), &mut files);
    files.retain(|file| file.exists());
    assert!(!files.is_empty(), "lib.rs lists {name}, which is not there");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => collect(&entry, files),
            false if entry.extension().is_some_and(|ext| ext == "rs") => files.push(entry),
            false => {}
        }
    }
}
