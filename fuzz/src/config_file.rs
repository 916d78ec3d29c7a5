//! Configuration files, from their text to a [`Config`]: read twice, and again with lines put before them. The
//! meaning stays, an error is one line that names the file and, where it knows one, the line.
//!
//! The reader is the program's own, flags' parsers included, and no part of the library: its source stands
//! in this crate as well.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use clap::{ArgMatches, CommandFactory as _};
use tempfile::TempDir;
use wssgate::addr::Listen;
use wssgate::config::Config;

use crate::cli::{Cli, Settings};

/// Put before a file: lines that say nothing.
const BEFORE: &str = "# before\n\n\t \n";

thread_local! {
    static PLACE: RefCell<Place> = RefCell::new(Place::new());
}

/// Where files lie, and a command line that gives nothing.
struct Place {
    path: PathBuf,
    given: ArgMatches,
    _folder: TempDir,
}

/// Panics when a file is read in two ways, or its error is not what is said of errors.
pub fn judge(text: &str) {
    PLACE.with_borrow(|place| {
        let read = place.read(text);
        assert_eq!(read, place.read(text), "read twice");
        // A byte order mark is one at the front alone.
        let behind = match text.strip_prefix('\u{feff}') {
            Some(text) => place.read(&format!("\u{feff}{BEFORE}{text}")),
            None => place.read(&format!("{BEFORE}{text}")),
        };
        match (&read, &behind) {
            (Ok((config, process)), Ok(behind)) => {
                assert_eq!((config, process), (&behind.0, &behind.1));
                judge_config(config);
            }
            (Err(error), Err(behind)) => judge_error(place, error, behind),
            _ => panic!("{read:?}, but behind some lines {behind:?}"),
        }
    });
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        Self { path, given: Cli::command().get_matches_from(["wssgate"]), _folder: folder }
    }

    fn read(&self, text: &str) -> Result<(Config, String), String> {
        fs::write(&self.path, text).unwrap();
        let settings = Settings::new(self.given.clone(), Some(self.path.clone()));
        match settings.read() {
            Ok((config, process)) => Ok((config, format!("{process:?}"))),
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

/// The parts fit each other, as the server relies on.
fn judge_config(config: &Config) {
    assert!(!config.listeners.is_empty());
    for listener in &config.listeners {
        assert!(!listener.listen.is_empty() || !listener.redirect_http.is_empty());
        for listen in &listener.listen {
            let again: Listen = listen.to_string().parse().expect("what is printed is an address");
            assert!(again.is_same_place(listen));
        }
        let routes = listener.all_routes();
        assert!(!routes.is_empty());
        for route in routes {
            let pool = config.pool(listener, &route.goals).expect("what a route leads to");
            assert!(!pool.members.is_empty());
        }
    }
}

fn judge_error(place: &Place, error: &str, behind: &str) {
    assert!(!error.contains(char::is_control), "not one line: {error:?}");
    let path = place.path.to_str().unwrap();
    let said = error.strip_prefix(path).or_else(|| error.strip_prefix("--"));
    let said = said.unwrap_or_else(|| panic!("names neither file nor flag: {error}"));
    let Some((line, words)) = said.strip_prefix(':').and_then(|said| said.split_once(':')) else {
        assert_eq!(error, behind);
        return;
    };
    match line.parse::<usize>() {
        Ok(line) => {
            let line = line + BEFORE.lines().count();
            assert_eq!(behind, format!("{path}:{line}:{words}"));
        }
        Err(_) => assert_eq!(error, behind),
    }
}
