//! Everything that handshakes are made of: built from files, looked at again, swapped as a whole.
//!
//! A handshake takes [`Store::current`] once and sees nothing of what is swapped meanwhile. Tickets
//! outlive every swap.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use super::choice::Choice;
use super::files::{
    TicketKey, open_pair, open_ticket_key, open_trust, replace_pair, take_ticket_key,
};
use super::pair::{Pair, Problem};
use super::session::Sessions;
use super::settings::{Configs, Settings};
use super::slot::{Found, Look, Slot};
use super::ticket::Tickets;
use super::trust::Trust;
use super::{self_signed, x509};
use crate::config::{Certificates, ClientAuth, Tls};

/// The certificates, tickets and authorities of a server.
#[derive(Debug)]
pub struct Store {
    settings: Settings,
    sessions: Arc<Sessions>,
    /// Those of this store's own, when `sessions` are those of the one before.
    tickets: Option<Arc<Tickets>>,
    is_ticket_key_shared: bool,
    client_auth: Option<ClientAuth>,
    strict_sni: bool,
    slots: Mutex<Slots>,
    current: RwLock<Arc<Current>>,
}

/// What handshakes are made of at one moment.
#[derive(Debug)]
pub(super) struct Current {
    /// In the order in which they were given.
    pairs: Vec<Arc<Pair>>,
    pub(super) configs: Configs,
    pub(super) choice: Arc<Choice>,
    pub(super) trust: Option<Trust>,
}

#[derive(Debug)]
struct Slots {
    pairs: Pairs,
    trust: Option<Slot<Trust>>,
    ticket_key: Option<Slot<TicketKey>>,
}

#[derive(Debug)]
enum Pairs {
    Files(Vec<Slot<Arc<Pair>>>),
    Fixed(Arc<Pair>),
}

/// What became of one look at all files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Files, counted as pairs, that serve from now on.
    pub swapped: usize,
    /// Those that do not, whereupon what was there serves on.
    pub refused: usize,
    /// Those that are to be looked at again in a moment.
    pub unsettled: usize,
}

impl Store {
    /// Reads every file. Errors name the file and what to do. Blocks.
    pub fn open(tls: &Tls) -> anyhow::Result<Self> {
        Self::open_after(tls, None)
    }

    /// The same for one that takes the place of another when [`Store::take_over`] is called: sessions made
    /// there are resumed here.
    pub fn open_after(tls: &Tls, before: Option<&Self>) -> anyhow::Result<Self> {
        let settings = Settings::new(tls)?;
        let pairs = match &tls.certificates {
            Certificates::Files(files) => {
                let slots = files.iter().map(open_pair);
                Pairs::Files(slots.collect::<anyhow::Result<_>>()?)
            }
            Certificates::SelfSigned(names) => Pairs::Fixed(Arc::new(self_signed(names)?)),
        };
        let trust = tls.client_auth.as_ref().map(|config| open_trust(config, &settings));
        let ticket_key = tls.ticket_key_file.as_deref().map(open_ticket_key).transpose()?;
        let tickets = match &ticket_key {
            Some(slot) => Arc::clone(&slot.serving().tickets),
            None => Arc::new(Tickets::random()?),
        };
        let slots = Slots { pairs, trust: trust.transpose()?, ticket_key };
        let (sessions, tickets) = match before {
            Some(before) => {
                let has_secret = tls.ticket_key_file.is_some();
                let was_shared = before.is_ticket_key_shared;
                (Arc::clone(&before.sessions), (has_secret || was_shared).then_some(tickets))
            }
            None => (Arc::new(Sessions::new(tickets)), None),
        };
        let current = slots.build(&settings, &sessions, tls.strict_sni)?;
        Ok(Self {
            settings,
            sessions,
            tickets,
            is_ticket_key_shared: tls.ticket_key_file.is_some(),
            client_auth: tls.client_auth.clone(),
            strict_sni: tls.strict_sni,
            slots: Mutex::new(slots),
            current: RwLock::new(Arc::new(current)),
        })
    }

    /// Seals tickets as this store's settings say; until then, as those of the one before say.
    pub fn take_over(&self) {
        let Some(tickets) = &self.tickets else { return };
        if let Err(error) = self.sessions.tickets().adopt(tickets) {
            let reason = format!("{error:#}");
            tracing::error!(reason, "ticket key not replaced, the one before serves on");
        }
    }

    /// Fails when [`Store::reload`] would refuse something, which the log says, and changes nothing. Blocks.
    pub fn rehearse(&self) -> anyhow::Result<()> {
        let mut looked = Looked::default();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Pairs::Files(pairs) = &mut slots.pairs {
            for slot in pairs {
                let paths = slot.paths().to_vec();
                let found = slot.rehearse(|files| replace_pair(&paths, files));
                looked.count(&found, "certificate", &paths[0]);
            }
        }
        if let (Some(slot), Some(config)) = (&mut slots.trust, &self.client_auth) {
            let found = slot.rehearse(|files| Trust::parse(config, files, &self.settings.provider));
            looked.count(&found, "client authorities", &config.ca);
        }
        if let Some(slot) = &mut slots.ticket_key {
            let path = slot.paths()[0].clone();
            let found = slot.rehearse(|files| {
                take_ticket_key(&path, files, |secret| Tickets::shared(secret).map(Arc::new))
            });
            looked.count(&found, "ticket key", &path);
        }
        anyhow::ensure!(looked.refused == 0, "{} of the files cannot serve", looked.refused);
        Ok(())
    }

    /// Says in the log what is served, and what is wrong with it.
    pub fn report(&self) {
        self.pairs().iter().for_each(|pair| report(pair));
        if let Some(file) = &self.settings.key_log_file {
            tracing::warn!(
                file = %file.display(),
                "writing the keys of every session to a file: who reads it can read the traffic"
            );
        }
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.ticket_key.iter().for_each(report_ticket_key);
    }

    /// Has the client with this certificate make full handshakes.
    pub(super) fn refuse_sessions_of(&self, certificate: &[u8]) {
        self.sessions.refuse(certificate);
    }

    /// What the next handshake is made of.
    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The pairs that serve, in the order in which they were given. Does not wait for files.
    pub fn pairs(&self) -> Vec<Arc<Pair>> {
        self.current().pairs.clone()
    }

    /// The authorities of clients.
    pub fn authorities(&self) -> Vec<x509::Certificate> {
        self.current().trust.as_ref().map(|trust| trust.authorities.clone()).unwrap_or_default()
    }

    /// Every file that is read.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paths = Vec::new();
        if let Pairs::Files(pairs) = &slots.pairs {
            paths.extend(pairs.iter().flat_map(Slot::paths).cloned());
        }
        paths.extend(slots.trust.iter().flat_map(Slot::paths).cloned());
        paths.extend(slots.ticket_key.iter().flat_map(Slot::paths).cloned());
        paths
    }

    /// Takes in at once what has changed in the files, and says in the log what it did. Blocks.
    pub fn reload(&self) -> Looked {
        self.look(Look::AtOnce)
    }

    /// Looks at every file; swaps what is new and good, and says so, or why not, in the log.
    pub(super) fn look(&self, look: Look) -> Looked {
        let mut looked = Looked::default();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Pairs::Files(pairs) = &mut slots.pairs {
            for slot in pairs {
                let paths = slot.paths().to_vec();
                let found = slot.look(look, |files| replace_pair(&paths, files));
                looked.count(&found, "certificate", &paths[0]);
                if matches!(found, Found::Swapped) {
                    report(slot.serving());
                }
            }
        }
        if let (Some(slot), Some(config)) = (&mut slots.trust, &self.client_auth) {
            let found =
                slot.look(look, |files| Trust::parse(config, files, &self.settings.provider));
            looked.count(&found, "client authorities", &config.ca);
        }
        if let Some(slot) = &mut slots.ticket_key {
            let path = slot.paths()[0].clone();
            let tickets = self.sessions.tickets();
            let found = slot.look(look, |files| {
                take_ticket_key(&path, files, |secret| {
                    tickets.replace(secret).map(|()| Arc::clone(tickets))
                })
            });
            looked.count(&found, "ticket key", &path);
            if matches!(found, Found::Swapped) {
                report_ticket_key(slot);
            }
        }
        if looked.swapped > 0 {
            match slots.build(&self.settings, &self.sessions, self.strict_sni) {
                Ok(current) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) =
                        Arc::new(current);
                }
                Err(error) => {
                    let reason = format!("{error:#}");
                    tracing::error!(reason, "not reloaded, what was there serves on");
                }
            }
        }
        looked
    }
}

impl Slots {
    fn build(
        &self,
        settings: &Settings,
        sessions: &Arc<Sessions>,
        strict_sni: bool,
    ) -> anyhow::Result<Current> {
        let trust = self.trust.as_ref().map(|slot| slot.serving().clone());
        let context = trust.as_ref().map(|trust| trust.context.as_slice()).unwrap_or_default();
        let pairs = self.pairs.serving();
        let choice = Arc::new(Choice::new(&pairs, strict_sni));
        let configs =
            settings.configs(choice.clone(), trust.as_ref(), sessions.in_context(context))?;
        Ok(Current { pairs, configs, choice, trust })
    }
}

impl Pairs {
    fn serving(&self) -> Vec<Arc<Pair>> {
        match self {
            Self::Files(slots) => slots.iter().map(|slot| Arc::clone(slot.serving())).collect(),
            Self::Fixed(pair) => vec![Arc::clone(pair)],
        }
    }
}

impl Looked {
    fn count(&mut self, found: &Found, what: &'static str, path: &Path) {
        let file = path.display();
        match found {
            Found::Same => {}
            Found::StillRefused => self.refused += 1,
            Found::Unsettled => self.unsettled += 1,
            Found::Swapped => {
                self.swapped += 1;
                tracing::info!(what, %file, "reloaded");
            }
            Found::Refused(error) => {
                self.refused += 1;
                let reason = format!("{error:#}");
                tracing::error!(what, %file, reason, "not reloaded, the one before serves on");
            }
        }
    }
}

fn report_ticket_key(slot: &Slot<TicketKey>) {
    if slot.serving().is_public {
        tracing::warn!(
            file = %slot.paths()[0].display(),
            "everybody on this machine can read the ticket key: chmod o-r it"
        );
    }
}

/// Says in the log what serves from now on, and what is wrong with it, a line each.
fn report(pair: &Pair) {
    let Pair { name: certificate, leaf, .. } = pair;
    let names: Vec<String> = leaf.names.iter().map(ToString::to_string).collect();
    tracing::info!(
        certificate,
        names = names.join(","),
        not_after = %humantime::format_rfc3339_seconds(leaf.not_after),
        sha256 = pair.fingerprint(),
        "serving certificate"
    );
    for problem in pair.problems(SystemTime::now()) {
        let Problem { is_error, text: problem } = problem;
        match is_error {
            true => tracing::error!(certificate, problem, "clients refuse the certificate"),
            false => tracing::warn!(certificate, problem, "certificate has a problem"),
        }
    }
    if pair.is_development() {
        tracing::warn!(
            "serving with the development key of wssgate's repository, which everybody has: \
             anybody can read and change this traffic; never use it in production"
        );
    }
}
