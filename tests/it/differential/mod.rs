//! Thousands of heads, judged by wssgate, by hyper's server, by nginx and by HAProxy, of which the last two are
//! asked for real. `disagreements.md` has every way in which somebody does something else than wssgate, with its reason;
//! what is not in it fails, and so does what is in it and was not seen.

// Lists of words, many to a line.
#[rustfmt::skip]
mod changes;
mod corpus;
mod servers;
mod table;
mod verdict;

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use corpus::{Head, heads};
use servers::Server;
use table::Row;
use verdict::{Verdict, by_hyper, by_wssgate, differences};

/// Heads under way at once through the same proxy.
const AT_ONCE: usize = 32;

/// Who else judges, in this order.
const OTHERS: [&str; 3] = ["hyper", "nginx", "HAProxy"];

/// A head and what became of it.
struct Judged {
    head: Head,
    ours: Verdict,
    others: [Verdict; 3],
}

#[tokio::test]
#[ignore = "needs nginx and HAProxy"]
async fn heads_are_judged_as_by_others_or_it_is_said_why_not() {
    let judged = judge_all().await;
    assert!(judged.len() >= 2000, "only {} heads", judged.len());
    let alone = judged.iter().filter(|one| one.ours.is_sent() && one.refusing().len() >= 2);
    let alone: Vec<String> =
        alone.map(|one| format!("{:?} refuse {}", one.refusing(), one.head.name)).collect();
    let rows = table::read();
    let mut seen: BTreeMap<Row, (usize, String)> = BTreeMap::new();
    for one in &judged {
        for row in one.rows(&rows) {
            seen.entry(row).or_insert_with(|| (0, one.head.name.clone())).0 += 1;
        }
    }
    let unlisted = seen.iter().filter(|(row, _)| !rows.contains_key(row));
    let unlisted: Vec<String> =
        unlisted.map(|(row, (count, name))| format!("{row} {count} heads, as {name}")).collect();
    let gone = rows.keys().filter(|row| !seen.contains_key(row));
    let gone: Vec<String> = gone.map(Row::to_string).collect();
    let [alone, unlisted, gone] = [alone, unlisted, gone].map(|lines| lines.join("\n"));
    assert!(
        alone.is_empty() && unlisted.is_empty() && gone.is_empty(),
        "--- sent on, and refused by two others\n{alone}\n\
         --- disagreements that are not listed\n{unlisted}\n\
         --- no disagreements any more\n{gone}"
    );
    let disagreed = judged.iter().filter(|one| !one.rows(&rows).is_empty()).count();
    let sent = judged.iter().filter(|one| one.ours.is_sent()).count();
    let heads = judged.len();
    eprintln!(
        "{heads} heads, {sent} sent on, {disagreed} with a disagreement of {} kinds",
        seen.len()
    );
}

async fn judge_all() -> Vec<Judged> {
    let [nginx, haproxy] = [Server::nginx().await, Server::haproxy().await];
    stream::iter(heads())
        .map(|head| {
            let (nginx, haproxy) = (&nginx, &haproxy);
            async move {
                let bytes = &head.bytes;
                let others =
                    tokio::join!(by_hyper(bytes), nginx.judge(bytes), haproxy.judge(bytes));
                let ours = by_wssgate(bytes);
                Judged { head, ours, others: [others.0, others.1, others.2] }
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

impl Judged {
    /// Who of the others refuses it.
    fn refusing(&self) -> Vec<&'static str> {
        let others = OTHERS.iter().zip(&self.others);
        others.filter(|(_, verdict)| !verdict.is_sent()).map(|(name, _)| *name).collect()
    }

    /// The rows that this is a case of. Of what is changed in a head only that counts which is known to be refused.
    fn rows(&self, known: &BTreeMap<Row, String>) -> Vec<Row> {
        let row = |kind: &str, class: &str, who: &str| Row::new(kind, class, who);
        let refusing = self.refusing();
        let ours = match &self.ours {
            Verdict::Refused(reason) => {
                let sending = OTHERS.iter().filter(|name| !refusing.contains(name));
                return sending.map(|name| row("refused", reason, name)).collect();
            }
            Verdict::Sent(ours) => ours,
        };
        let mut rows = Vec::new();
        for name in refusing {
            let classes = self.head.kinds.iter().map(|kind| row("sent", kind, name));
            let (of_known, rest): (Vec<Row>, Vec<Row>) =
                classes.partition(|row| known.contains_key(row));
            rows.extend(if of_known.is_empty() { rest } else { of_known });
        }
        for (name, other) in OTHERS.iter().zip(&self.others) {
            if let Verdict::Sent(theirs) = other {
                let differences = differences(ours, theirs);
                rows.extend(differences.iter().map(|what| row("sent otherwise", what, name)));
            }
        }
        rows
    }
}
