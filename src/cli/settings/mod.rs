//! From flags, variables and the file to a `Config`. What is given by several of them: the flag counts, then
//! the variable, then the table of the file, then its top, then the default.
//!
//! The keys of the file are the flags, and their values are read by the flags' own parsers: what is
//! known of both stands once, in `ServeArgs`.

mod entry;
mod key;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};
use wssgate::config::{Config, Listener, route};

use super::file::{File, Section};
use super::{ProcessArgs, ServeArgs};
use entry::{members, words};

/// Keys that count together: who gives one of them gives them all.
const TOGETHER: [&[&str]; 2] =
    [&["cert", "key", "self-signed"], &["upstream-cert", "upstream-key"]];

/// What was given at the start; the file may be read again and again.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    given: ArgMatches,
    file: Option<PathBuf>,
}

impl Settings {
    /// The matches are those of the command whose arguments are `ServeArgs` and `ProcessArgs`.
    pub(crate) fn new(given: ArgMatches, file: Option<PathBuf>) -> Self {
        Self { given, file }
    }

    /// Reads the file, if there is one. An error names what is wrong in one line.
    pub(crate) fn read(&self) -> anyhow::Result<(Config, ProcessArgs)> {
        let Some(path) = &self.file else {
            let (args, of_process) = self.compose(&[])?;
            let config = args.into_config()?;
            verify_names(&config)?;
            return Ok((config, of_process));
        };
        let file = File::read(path)?;
        self.verify_keys(&file)?;
        let (args, of_process) = self.compose(&[&file.top])?;
        let mut config = match file.listeners.is_empty() {
            true => args.into_config().with_context(|| file.top.file())?,
            false => {
                let process = args.process();
                let listeners = file.listeners.iter().map(|section| {
                    let (args, _) = self.compose(&[section, &file.top])?;
                    args.into_listener().with_context(|| section.file())
                });
                Config { listeners: listeners.collect::<anyhow::Result<_>>()?, ..process }
            }
        };
        for (name, section) in &file.upstreams {
            let members = members(section)?;
            let (args, _) = self.compose(&[section, &file.top])?;
            let pool = args.into_pool(name.clone(), members).with_context(|| section.file())?;
            config.pools.insert(name.clone(), pool);
        }
        verify_names(&config).with_context(|| file.top.file())?;
        Ok((config, of_process))
    }

    /// Refuses keys that are not known, or not known there, and two places to listen.
    fn verify_keys(&self, file: &File) -> anyhow::Result<()> {
        key::verify_all(file)?;
        if !file.listeners.is_empty() {
            if let Some(entry) = file.top.entries.get("listen") {
                bail!("{}: listen: each [[listener]] has its own", file.top.place(entry.line));
            }
            ensure!(
                !self.is_given("listen"),
                "--listen with a file that has [[listener]]: those say where to listen"
            );
        }
        Ok(())
    }

    fn is_given(&self, id: &str) -> bool {
        let source = self.given.value_source(id);
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    }

    /// What is given in all, the first section before the next.
    fn compose(&self, sections: &[&Section]) -> anyhow::Result<(ServeArgs, ProcessArgs)> {
        let command = command();
        let mut line = Vec::new();
        for arg in command.get_arguments() {
            let (id, Some(key)) = (arg.get_id().as_str(), arg.get_long()) else { continue };
            let together = TOGETHER.iter().find(|keys| keys.contains(&key));
            let keys = together.copied().unwrap_or_default();
            if self.is_given(id) {
                line.extend(self.words(arg, id, key));
                continue;
            }
            if keys.iter().any(|key| self.is_given(&key.replace('-', "_"))) {
                continue;
            }
            let has_one = |section: &&&Section| {
                section.entries.contains_key(key)
                    || keys.iter().any(|key| section.entries.contains_key(*key))
            };
            let Some(section) = sections.iter().find(has_one) else { continue };
            let Some(entry) = section.entries.get(key) else { continue };
            let words = words(arg, key, entry).with_context(|| section.place(entry.line))?;
            line.extend(words.into_iter().map(OsString::from));
        }
        let matches = command.try_get_matches_from(line).map_err(|e| explain(&e, sections))?;
        let args = ServeArgs::from_arg_matches(&matches).map_err(|e| explain(&e, sections))?;
        let of_process =
            ProcessArgs::from_arg_matches(&matches).map_err(|e| explain(&e, sections))?;
        Ok((args, of_process))
    }

    /// What flags and variables say, in words of a command line.
    fn words(&self, arg: &Arg, id: &str, key: &str) -> Vec<OsString> {
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            let switch = self.given.get_flag(id).then(|| format!("--{key}").into());
            return switch.into_iter().collect();
        }
        let values = self.given.get_raw(id).into_iter().flatten();
        let word = |value| {
            let mut word = OsString::from(format!("--{key}="));
            word.push(value);
            word
        };
        values.map(word).collect()
    }
}

/// Every flag that a file knows, in the form that takes each value as it is.
fn command() -> Command {
    let command = ServeArgs::augment_args(Command::new("wssgate").no_binary_name(true));
    ProcessArgs::augment_args(command)
        .mut_args(|arg| arg.env(Resettable::Reset).value_delimiter(Resettable::Reset))
}

/// What only shows when everything is known: whether routes lead to what there is.
fn verify_names(config: &Config) -> anyhow::Result<()> {
    for route in config.listeners.iter().flat_map(Listener::all_routes) {
        for goal in &route.goals {
            let route::Goal::Named(name) = goal else { continue };
            if !config.pools.contains_key(name) {
                let known: Vec<&str> = config.pools.keys().map(String::as_str).collect();
                let known = match known.is_empty() {
                    true => "there is no [upstreams.NAME]".to_owned(),
                    false => format!("those are {}", known.join(", ")),
                };
                bail!(
                    "upstream {name:?} is not an address (write PORT, HOST:PORT, [IPV6]:PORT or \
                     unix:/PATH), and not the name of one in the file: {known}"
                );
            }
            ensure!(
                route.goals.len() == 1,
                "route {}: {} cannot share requests: a route leads to addresses, or to one upstream with \
                 a name",
                route.pattern,
                route.goals.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
            );
        }
    }
    Ok(())
}

/// What clap found wrong, said of the file: flags and variables were in order before.
fn explain(error: &clap::Error, sections: &[&Section]) -> anyhow::Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let arg = context(ContextKind::InvalidArg).unwrap_or_default();
    let key = arg.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
    let words = match (error.kind(), std::error::Error::source(error)) {
        (_, Some(source)) => source.to_string(),
        (ErrorKind::InvalidValue, None) => format!(
            "{:?} is not one of: {}",
            context(ContextKind::InvalidValue).unwrap_or_default(),
            context(ContextKind::ValidValue).unwrap_or_default()
        ),
        (kind, None) => kind.to_string(),
    };
    let found = sections.iter().find_map(|section| Some((section, section.entries.get(key)?)));
    match found {
        Some((section, entry)) => anyhow!("{}: {key}: {words}", section.place(entry.line)),
        None => anyhow!("--{key}: {words}"),
    }
}

#[cfg(test)]
mod tests;
