//! What the keys of a file are set to.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroUsize};

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction};
use wssgate::config::Member;

use super::super::file::{Entry, Section, Value};
use super::key::{MEMBER_KEYS, slip};

/// What the file says, in words of a command line.
pub(super) fn words(arg: &Arg, key: &str, entry: &Entry) -> anyhow::Result<Vec<String>> {
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
pub(super) fn members(section: &Section) -> anyhow::Result<Vec<Member>> {
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

fn member(table: &BTreeMap<String, String>) -> anyhow::Result<Member> {
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
        let max = max.parse::<NonZeroUsize>();
        let max = max.ok().with_context(|| format!("max-connections of {address}: 1 or more"))?;
        member.max_connections = Some(max.get());
    }
    Ok(member)
}
