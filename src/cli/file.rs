//! The configuration file, as it is written: keys and values with their lines. What they mean is not known
//! here: each key is the name of a flag, and read by the parser of that.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

/// Keys at the top of the file, or in one of its tables.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) path: PathBuf,
    pub(super) title: Option<String>,
    pub(super) entries: BTreeMap<String, Entry>,
}

/// What a key is set to, and in which line.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) line: usize,
}

/// What can be set: something for each kind of flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `true` or `false`.
    Switch(bool),
    /// A word; numbers are one as well.
    Word(String),
    /// Several words.
    List(Vec<String>),
    /// Tables: members of an upstream.
    Tables(Vec<BTreeMap<String, String>>),
}

/// A whole file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) top: Section,
    /// Its `[[listener]]` tables.
    pub(super) listeners: Vec<Section>,
    /// Its `[upstreams.NAME]` tables, by name.
    pub(super) upstreams: Vec<(String, Section)>,
}

impl Section {
    /// `wssgate.toml:7: [[listener]]`, for an error.
    pub(super) fn place(&self, line: usize) -> String {
        format!("{}:{line}{}", self.path.display(), self.suffix())
    }

    /// The same for an error of no line.
    pub(super) fn file(&self) -> String {
        format!("{}{}", self.path.display(), self.suffix())
    }

    fn suffix(&self) -> String {
        self.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default()
    }
}

impl File {
    /// Reads it. Errors name the file and the line.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read configuration {}", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let lines = Lines { path, text };
        let table: Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| lines.number(span.start));
            let words = error.message().replace('\n', ", ");
            anyhow!("{}:{line}: {words}", path.display())
        })?;
        lines.verify_keys(&table)?;
        let mut file =
            Self { top: lines.section(None), listeners: Vec::new(), upstreams: Vec::new() };
        for (key, node) in table {
            let at = key.span().start;
            match (key.get_ref().as_str(), node) {
                ("listener", Node::List(nodes)) => {
                    for node in nodes {
                        let title = Some("[[listener]]".to_owned());
                        let Node::Table(table) = node else {
                            bail!("{}", lines.wrong(at, "write it as [[listener]], then its keys"));
                        };
                        file.listeners.push(lines.fill(lines.section(title), table)?);
                    }
                }
                ("listener", _) => {
                    bail!("{}", lines.wrong(at, "write it as [[listener]], then its keys"));
                }
                ("upstreams", Node::Table(table)) => {
                    for (name, node) in table {
                        let title = Some(format!("[upstreams.{}]", name.get_ref()));
                        let Node::Table(table) = node else {
                            let what = "write it as [upstreams.NAME], then its keys";
                            bail!("{}", lines.wrong(name.span().start, what));
                        };
                        let section = lines.fill(lines.section(title), table)?;
                        file.upstreams.push((name.into_inner(), section));
                    }
                }
                ("upstreams", _) => {
                    let what = "write it as [upstreams.NAME], then its keys";
                    bail!("{}", lines.wrong(at, what));
                }
                (_, node) => {
                    let entry = lines.entry(at, key.get_ref(), node)?;
                    file.top.entries.insert(key.into_inner(), entry);
                }
            }
        }
        Ok(file)
    }
}

/// The text, for the lines of its parts.
struct Lines<'f> {
    path: &'f Path,
    text: &'f str,
}

impl Lines<'_> {
    /// From 1.
    fn number(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn wrong(&self, offset: usize, words: &str) -> String {
        format!("{}:{}: {words}", self.path.display(), self.number(offset))
    }

    /// Errors name keys, and are one line each.
    fn verify_keys(&self, table: &Table) -> anyhow::Result<()> {
        for (key, node) in table {
            if key.get_ref().contains(char::is_control) {
                let what = format!("{:?} is not a key", key.get_ref());
                bail!("{}", self.wrong(key.span().start, &what));
            }
            let nodes =
                if let Node::List(nodes) = node { nodes } else { std::slice::from_ref(node) };
            for node in nodes {
                if let Node::Table(table) = node {
                    self.verify_keys(table)?;
                }
            }
        }
        Ok(())
    }

    fn section(&self, title: Option<String>) -> Section {
        Section { path: self.path.to_owned(), title, entries: BTreeMap::new() }
    }

    fn fill(&self, mut section: Section, table: Table) -> anyhow::Result<Section> {
        for (key, node) in table {
            let entry = self.entry(key.span().start, key.get_ref(), node)?;
            section.entries.insert(key.into_inner(), entry);
        }
        Ok(section)
    }

    fn entry(&self, offset: usize, key: &str, node: Node) -> anyhow::Result<Entry> {
        let value = match node {
            Node::Switch(switch) => Value::Switch(switch),
            Node::Word(word) => Value::Word(word),
            Node::List(nodes) => list(nodes).with_context(|| {
                self.wrong(offset, &format!("{key}: a list is of words, or of tables of words"))
            })?,
            Node::Table(_) => {
                let what =
                    "no table of this name is known; those are [[listener]] and [upstreams.NAME]";
                bail!("{}", self.wrong(offset, &format!("{key}: {what}")));
            }
        };
        Ok(Entry { value, line: self.number(offset) })
    }
}

fn list(nodes: Vec<Node>) -> Option<Value> {
    let is_tables = nodes.iter().any(|node| matches!(node, Node::Table(_)));
    let word = |node| if let Node::Word(word) = node { Some(word) } else { None };
    if !is_tables {
        return nodes.into_iter().map(word).collect::<Option<_>>().map(Value::List);
    }
    let table = |node| match node {
        Node::Word(word) => Some(BTreeMap::from([("address".to_owned(), word)])),
        Node::Table(table) => table
            .into_iter()
            .map(|(key, node)| match node {
                Node::Switch(switch) => Some((key.into_inner(), switch.to_string())),
                node => Some((key.into_inner(), word(node)?)),
            })
            .collect(),
        Node::Switch(_) | Node::List(_) => None,
    };
    nodes.into_iter().map(table).collect::<Option<_>>().map(Value::Tables)
}

type Table = BTreeMap<Spanned<String>, Node>;

/// A value as TOML has it.
#[derive(Debug)]
enum Node {
    Switch(bool),
    Word(String),
    List(Vec<Node>),
    Table(Table),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, true, false, a list or a table")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Switch(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Word(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut table = Table::new();
        while let Some((key, node)) = map.next_entry()? {
            table.insert(key, node);
        }
        Ok(Node::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<File> {
        File::parse(Path::new("w.toml"), text)
    }

    #[test]
    fn keys_come_with_their_lines() {
        let text = "cert = 'a'\n\nmax-fails = 3\n[[listener]]\nlisten = ['1', 2]\nforwarded = true\n\
                    [upstreams.chat]\nmembers = ['a:1', { address = 'b:2', weight = 5, backup = true }]\n";
        let file = parse(text).unwrap();
        assert_eq!(file.top.entries["max-fails"].value, Value::Word("3".into()));
        assert_eq!(file.top.entries["max-fails"].line, 3);
        let listener = &file.listeners[0];
        assert_eq!(listener.entries["listen"].value, Value::List(vec!["1".into(), "2".into()]));
        assert_eq!(listener.entries["forwarded"].value, Value::Switch(true));
        assert_eq!(listener.place(5), "w.toml:5: [[listener]]");
        let (name, upstream) = &file.upstreams[0];
        assert_eq!((name.as_str(), upstream.entries["members"].line), ("chat", 8));
        let Value::Tables(members) = &upstream.entries["members"].value else { panic!() };
        assert_eq!(members[0], BTreeMap::from([("address".into(), "a:1".into())]));
        assert_eq!(members[1]["weight"], "5");
    }

    #[test]
    fn what_is_no_configuration_is_said_with_its_line() {
        for (text, said) in [
            ("a = 1\na = 2\n", "w.toml:2: duplicate key"),
            ("\nlistener = 1\n", "w.toml:2: write it as [[listener]], then its keys"),
            ("upstreams = []\n", "w.toml:1: write it as [upstreams.NAME], then its keys"),
            ("[listeners]\na = 1\n", "w.toml:1: listeners: no table of this name"),
            ("a = [[1]]\n", "w.toml:1: a: a list is of words"),
            ("a = 1\n\"b\\nc\" = 1\n", "w.toml:2: \"b\\nc\" is not a key"),
            ("[upstreams.\"\\u001b\"]\n", "w.toml:1: \"\\u{1b}\" is not a key"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
