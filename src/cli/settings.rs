//! From flags, variables and the file to a `Config`. What is given by several of them: the flag counts, then
//! the variable, then the table of the file, then its top, then the default.
//!
//! The keys of the file are the flags, and their values are read by the flags' own parsers: what is
//! known of both stands once, in `ServeArgs`.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};
use wssgate::config::{Config, Listener, Member, route};

use super::file::{Entry, File, Section, Value};
use super::{ProcessArgs, ServeArgs};

/// Keys of the whole program, which stand at the top of a file.
const PROCESS_KEYS: [&str; 9] = [
    "drain-delay",
    "drain-timeout",
    "max-handshakes",
    "log-format",
    "log-level",
    "no-sandbox",
    "admin",
    "admin-allow-remote",
    "ready-needs-upstream",
];

/// Keys of an upstream with a name, beside its members.
const UPSTREAM_KEYS: [&str; 20] = [
    "balance",
    "max-fails",
    "fail-timeout",
    "health-check",
    "health-check-interval",
    "health-check-timeout",
    "health-check-rise",
    "health-check-fall",
    "on-upstream-down",
    "slow-start",
    "max-connections-per-upstream",
    "max-queued",
    "upstream-ca",
    "upstream-cert",
    "upstream-key",
    "upstream-insecure",
    "connect-timeout",
    "keepalive",
    "send-proxy",
    "resolver",
];

/// Keys of a member.
const MEMBER_KEYS: [&str; 4] = ["address", "weight", "backup", "max-connections"];

/// Keys that count together: who gives one of them gives them all.
const TOGETHER: [&[&str]; 2] =
    [&["cert", "key", "self-signed"], &["upstream-cert", "upstream-key"]];

/// By how much a key that is not known must be like one that is, to be taken for a slip.
const LIKENESS: f64 = 0.8;

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

    /// Refuses keys that are not known, or not known there.
    fn verify_keys(&self, file: &File) -> anyhow::Result<()> {
        let known = command();
        let known: Vec<&str> = known
            .get_arguments()
            .filter_map(Arg::get_long)
            .filter(|key| *key != "config")
            .collect();
        let of_listeners: Vec<&str> =
            known.iter().copied().filter(|key| !PROCESS_KEYS.contains(key)).collect();
        let of_upstreams = [&UPSTREAM_KEYS[..], &["members"]].concat();
        verify(&file.top, &known, &known)?;
        for section in &file.listeners {
            verify(section, &of_listeners, &known)?;
        }
        for (name, section) in &file.upstreams {
            ensure!(
                route::is_upstream_name(name),
                "{}: a name is a letter, then letters, digits, - and _",
                section.file()
            );
            verify(section, &of_upstreams, &known)?;
        }
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

fn verify(section: &Section, here: &[&str], known: &[&str]) -> anyhow::Result<()> {
    for (key, entry) in &section.entries {
        if here.contains(&key.as_str()) {
            continue;
        }
        let place = section.place(entry.line);
        if PROCESS_KEYS.contains(&key.as_str()) {
            bail!("{place}: {key} is for the whole program: it stands at the top of the file");
        }
        ensure!(!known.contains(&key.as_str()), "{place}: {key} has no meaning here");
        bail!("{place}: unknown key {key}{}", slip(key, here));
    }
    Ok(())
}

/// What was meant, perhaps.
fn slip(key: &str, known: &[&str]) -> String {
    let written = key.replace('_', "-").to_ascii_lowercase();
    let likeness = |known: &&str| strsim::jaro_winkler(&written, known);
    let nearest = known.iter().map(|known| (likeness(known), known));
    match nearest.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((likeness, known)) if likeness >= LIKENESS => format!("; did you mean {known}?"),
        _ if known.len() <= 5 => format!("; those here are {}", known.join(", ")),
        _ => "; the keys are the flags of wssgate --help without their dashes".to_owned(),
    }
}

/// What the file says, in words of a command line.
fn words(arg: &Arg, key: &str, entry: &Entry) -> anyhow::Result<Vec<String>> {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    match &entry.value {
        Value::Switch(switch) if is_switch => {
            Ok(if *switch { vec![format!("--{key}")] } else { Vec::new() })
        }
        // Made for local names, or not made.
        Value::Switch(switch) if key == "self-signed" => {
            Ok(if *switch { vec![format!("--{key}=true")] } else { Vec::new() })
        }
        _ if is_switch => bail!("{key}: true or false, without quotes"),
        Value::Switch(_) => bail!("{key}: a value in quotes is wanted"),
        Value::Word(word) => Ok(vec![format!("--{key}={word}")]),
        Value::List(words) if is_list => {
            Ok(words.iter().map(|word| format!("--{key}={word}")).collect())
        }
        Value::List(_) => bail!("{key}: one value, not a list"),
        Value::Tables(_) => bail!("{key}: a value in quotes is wanted"),
    }
}

/// The members of an upstream with a name.
fn members(section: &Section) -> anyhow::Result<Vec<Member>> {
    let entry = section.entries.get("members");
    let entry = entry.with_context(|| format!("{}: members are missing", section.file()))?;
    let place = || format!("{}: members", section.place(entry.line));
    let address = |word: &str| -> anyhow::Result<Member> { Ok(Member::new(word.parse()?)) };
    let members: Vec<Member> = match &entry.value {
        Value::Word(word) => vec![address(word).with_context(place)?],
        Value::List(words) => {
            let members = words.iter().map(|word| address(word));
            members.collect::<anyhow::Result<_>>().with_context(place)?
        }
        Value::Tables(tables) => {
            let members = tables.iter().map(member);
            members.collect::<anyhow::Result<_>>().with_context(place)?
        }
        Value::Switch(_) => bail!("{}: addresses are wanted", place()),
    };
    ensure!(!members.is_empty(), "{}: there is none", place());
    Ok(members)
}

fn member(table: &std::collections::BTreeMap<String, String>) -> anyhow::Result<Member> {
    let unknown = table.keys().find(|key| !MEMBER_KEYS.contains(&key.as_str()));
    if let Some(key) = unknown {
        bail!("unknown key {key}{}", slip(key, &MEMBER_KEYS));
    }
    let address = table.get("address").context("one has no address")?;
    let mut member = Member::new(address.parse()?);
    if let Some(weight) = table.get("weight") {
        let weight = weight.parse::<NonZeroU16>();
        member.weight = weight.ok().with_context(|| format!("weight of {address}: 1 to 65535"))?;
    }
    if let Some(backup) = table.get("backup") {
        let backup = backup.parse();
        member.backup =
            backup.ok().with_context(|| format!("backup of {address}: true or false"))?;
    }
    if let Some(max) = table.get("max-connections") {
        let max = max.parse::<std::num::NonZeroUsize>();
        let max = max.ok().with_context(|| format!("max-connections of {address}: 1 or more"))?;
        member.max_connections = Some(max.get());
    }
    Ok(member)
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
